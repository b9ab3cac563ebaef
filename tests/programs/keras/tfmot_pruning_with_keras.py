# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The steps of tfmot's guide to pruning with Keras, on digits; only the import differs."""

import json
import os
import sys
import tempfile
import zipfile

import numpy as np
from sklearn.datasets import load_digits
import tensorflow as tf
from tensorflow import keras

import model_pruning.keras as sparsity

prune_low_magnitude = sparsity.prune_low_magnitude
folder, until = sys.argv[1], int(sys.argv[2])
halfway = os.path.join(folder, 'pruned.keras')


def get_gzipped_model_size(file):
  _, zipped_file = tempfile.mkstemp('.zip')
  with zipfile.ZipFile(zipped_file, 'w', compression=zipfile.ZIP_DEFLATED) as f:
    f.write(file)
  return os.path.getsize(zipped_file)


def setup_model():
  return keras.Sequential([
      keras.layers.InputLayer(input_shape=(8, 8)),
      keras.layers.Reshape(target_shape=(8, 8, 1)),
      keras.layers.Conv2D(filters=12, kernel_size=(3, 3), activation='relu', name='conv'),
      keras.layers.MaxPooling2D(pool_size=(2, 2)),
      keras.layers.Flatten(),
      keras.layers.Dense(10, name='logits')])


def compile_model(model):
  model.compile(optimizer='adam',
                loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=['accuracy'])


digits = load_digits()
images, labels = (digits.images / 16.0).astype('float32'), digits.target
train_images, train_labels = images[:600], labels[:600]
test_images, test_labels = images[600:800], labels[600:800]
keras.utils.set_random_seed(0)

batch_size, epochs, validation_split = 60, 4, 0.1
num_images = train_images.shape[0] * (1 - validation_split)
end_step = np.ceil(num_images / batch_size).astype(np.int32) * epochs

if until == 2:
  # Train a model without pruning.
  model = setup_model()
  compile_model(model)
  model.fit(train_images, train_labels, epochs=4, validation_split=0.1, verbose=0)
  _, baseline_model_accuracy = model.evaluate(test_images, test_labels, verbose=0)
  keras_file = os.path.join(folder, 'baseline.h5')
  tf.keras.models.save_model(model, keras_file, include_optimizer=False)

  # Fine-tune it with pruning.
  pruning_params = {
      'pruning_schedule': sparsity.PolynomialDecay(
          initial_sparsity=0.50, final_sparsity=0.80, begin_step=0, end_step=end_step,
          frequency=6)}
  model_for_pruning = prune_low_magnitude(model, **pruning_params)
  compile_model(model_for_pruning)
  model_for_pruning.summary(print_fn=lambda line, **_: None)
else:
  model_for_pruning = tf.keras.models.load_model(halfway)

logdir = tempfile.mkdtemp()
callbacks = [sparsity.UpdatePruningStep(), sparsity.PruningSummaries(log_dir=logdir)]
model_for_pruning.fit(train_images, train_labels, batch_size=batch_size, epochs=until,
                      initial_epoch=until - 2, validation_split=validation_split,
                      callbacks=callbacks, verbose=0)
model_for_pruning.save(halfway)
np.savez(os.path.join(folder, 'weights.npz'),
         conv=model_for_pruning.get_layer('conv').get_weights()[0],
         logits=model_for_pruning.get_layer('logits').get_weights()[0])
if until == 2:
  print('{}')
  sys.exit()

_, model_for_pruning_accuracy = model_for_pruning.evaluate(test_images, test_labels, verbose=0)
before = model_for_pruning.predict(test_images, verbose=0)

# A model that is three times smaller.
model_for_export = sparsity.strip_pruning(model_for_pruning)
pruned_keras_file = os.path.join(folder, 'stripped.h5')
tf.keras.models.save_model(model_for_export, pruned_keras_file, include_optimizer=False)
assert get_gzipped_model_size(pruned_keras_file) < 0.9 * get_gzipped_model_size(
    os.path.join(folder, 'baseline.h5'))

converter = tf.lite.TFLiteConverter.from_keras_model(model_for_export)
pruned_tflite_model = converter.convert()

# And with quantization.
converter = tf.lite.TFLiteConverter.from_keras_model(model_for_export)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
quantized = converter.convert()
assert len(quantized) < len(pruned_tflite_model)


def run(content):
  interpreter = tf.lite.Interpreter(model_content=content)
  interpreter.allocate_tensors()
  input_index = interpreter.get_input_details()[0]['index']
  output_index = interpreter.get_output_details()[0]['index']
  outputs = []
  for image in test_images:
    interpreter.set_tensor(input_index, image[np.newaxis])
    interpreter.invoke()
    outputs.append(interpreter.get_tensor(output_index)[0])
  return np.array(outputs)


np.testing.assert_allclose(run(pruned_tflite_model), before, rtol=1e-3, atol=1e-4)
accuracy = np.mean(run(quantized).argmax(axis=1) == test_labels)
assert abs(accuracy - model_for_pruning_accuracy) < 0.05
print('accuracy', model_for_pruning_accuracy, 'quantized', accuracy)
np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
         stripped=model_for_export.predict(test_images, verbose=0))
print(json.dumps({'sparsity': {'conv': 0.8, 'logits': 0.8},
                  'unpruned': [w.shape for w in setup_model().get_weights()],
                  'stripped': [w.shape for w in model_for_export.get_weights()]}))
