# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A subclassed autoencoder is trained first, and pruned and fine-tuned later."""

import json
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity


class Autoencoder(tf.keras.Model):
  def __init__(self, latent_dim, shape):
    super(Autoencoder, self).__init__()
    self.latent_dim = latent_dim
    self.shape = shape
    self.encoder = tf.keras.Sequential([
        tf.keras.layers.Flatten(),
        tf.keras.layers.Dense(latent_dim, activation='relu'),
    ])
    self.decoder = tf.keras.Sequential([
        tf.keras.layers.Dense(shape[0] * shape[1], activation='sigmoid'),
        tf.keras.layers.Reshape(shape),
    ])

  def call(self, x):
    encoded = self.encoder(x)
    decoded = self.decoder(encoded)
    return decoded


folder, epochs = sys.argv[1:]
digits = np.random.RandomState(2).rand(40, 6, 6).astype(np.float32)
autoencoder = Autoencoder(12, (6, 6))
autoencoder.compile(optimizer='adam', loss='mse')
if epochs == '2':
  autoencoder.fit(digits, digits, batch_size=10, epochs=1, verbose=0)
else:
  autoencoder(digits[:1])
shapes = [tuple(w.shape) for w in autoencoder.weights]
dense = autoencoder(digits).numpy()

autoencoder = sparsity.prune_low_magnitude(
    autoencoder, sparsity.PolynomialDecay(0.3, 0.9, begin_step=2, end_step=14, frequency=2))
np.testing.assert_allclose(autoencoder(digits), dense, atol=1e-6)  # Nothing is hidden yet.
autoencoder.compile(optimizer='adam', loss='mse')
if epochs == '4':
  autoencoder.load_weights(folder + '/autoencoder.weights.h5')
autoencoder.fit(digits, digits, batch_size=10, epochs=2, verbose=0,
                callbacks=[sparsity.UpdatePruningStep()])
autoencoder.save_weights(folder + '/autoencoder.weights.h5')
np.savez(folder + '/weights.npz', encoder=autoencoder.encoder.layers[1].get_weights()[0],
         decoder=autoencoder.decoder.layers[0].get_weights()[0])
if epochs == '2':
  print('{}')
  sys.exit()
code = autoencoder.encoder(digits).numpy()
image = autoencoder.decoder(code).numpy()
autoencoder = sparsity.strip_pruning(autoencoder)
np.savez(folder + '/outputs.npz', pruned_code=code, pruned_image=image,
         stripped_code=autoencoder.encoder(digits), stripped_image=autoencoder(digits))
print(json.dumps({'sparsity': {'encoder': 0.9, 'decoder': 0.9}, 'unpruned': shapes,
                  'stripped': [tuple(w.shape) for w in autoencoder.weights]}))
