# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A @tf.function method for serving; model.export and tf.saved_model.save."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity


@tf.keras.utils.register_keras_serializable('serving')
class Tagger(tf.keras.Model):

  def __init__(self, tags, **kwargs):
    super().__init__(**kwargs)
    self.tags = tags
    self.hidden = tf.keras.layers.Dense(18, activation='relu', name='hidden')
    self.scores = tf.keras.layers.Dense(tags, name='scores')

  def call(self, x):
    return self.scores(self.hidden(x))

  @tf.function(input_signature=[tf.TensorSpec([None, 7], tf.float32, name='x')])
  def tag(self, x):
    logits = self(x, training=False)
    return {'tag': tf.argmax(logits, axis=-1), 'probability': tf.reduce_max(
        tf.nn.softmax(logits), axis=-1)}

  def get_config(self):
    return {**super().get_config(), 'tags': self.tags}


def main(folder, epochs):
  path = os.path.join(folder, 'tagger.weights.h5')
  rng = np.random.RandomState(22)
  x, y = rng.normal(size=(40, 7)).astype('float32'), rng.randint(0, 5, 40)
  model = Tagger(5)
  model(x[:1])
  served_dense = model.tag(tf.constant(x))  # Traced before pruning.
  shapes = [list(w.shape) for w in model.weights]
  model = sparsity.prune_low_magnitude(
      model, sparsity.PolynomialDecay(0.1, 0.8, begin_step=0, end_step=16, frequency=3))
  np.testing.assert_allclose(model.tag(tf.constant(x))['probability'], served_dense['probability'],
                             rtol=1e-5)
  model.compile('adam', tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
  if epochs == 4:
    model.load_weights(path)
  model.fit(x, y, batch_size=10, initial_epoch=epochs - 2, epochs=epochs, verbose=0,
            callbacks=[sparsity.UpdatePruningStep()])
  model.save_weights(path)
  np.savez(os.path.join(folder, 'weights.npz'), hidden=model.hidden.kernel.numpy(),
           scores=model.scores.kernel.numpy())
  if epochs == 2:
    return {}

  before = {'probability': model.tag(tf.constant(x))['probability'].numpy(),
            'logits': model(x).numpy()}
  model = sparsity.strip_pruning(model)
  left = [list(w.shape) for w in model.weights]
  after = {'probability': model.tag(tf.constant(x))['probability'].numpy()}

  archive = os.path.join(folder, 'stripped_export')
  model.export(archive)
  artifact = tf.saved_model.load(archive)
  served = artifact.serve(tf.constant(x))
  after['logits'] = list(served.values())[0].numpy() if isinstance(served, dict) else served.numpy()
  own = os.path.join(folder, 'stripped_own')
  tf.saved_model.save(model, own, signatures={'serving_default': model.tag})
  loaded = tf.saved_model.load(own)
  np.testing.assert_allclose(
      loaded.signatures['serving_default'](x=tf.constant(x))['probability'], before['probability'],
      rtol=1e-5)
  np.savez(os.path.join(folder, 'outputs.npz'), **{
      '%s_%s' % (kind, key): value for kind, values in (('pruned', before), ('stripped', after))
      for key, value in values.items()})
  return {'sparsity': {'hidden': 0.8, 'scores': 0.8}, 'unpruned': shapes, 'stripped': left}


if __name__ == '__main__':
  print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
