# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The use cases of tfmot's comprehensive guide; only the import differs."""

import json
import os
import sys
import tempfile
import zipfile

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

prune_low_magnitude = sparsity.prune_low_magnitude
folder, epochs = sys.argv[1], int(sys.argv[2])
keras_model_file = os.path.join(folder, 'checkpoint.h5')
pretrained_weights = os.path.join(folder, 'pretrained.weights.h5')
x_train = np.random.RandomState(0).randn(16, 20).astype('float32')
y_train = tf.keras.utils.to_categorical(np.random.RandomState(1).randint(20, size=16), 20)


def setup_model():
  return tf.keras.Sequential([
      tf.keras.layers.Dense(20, input_shape=(20,), name='first'), tf.keras.layers.Flatten()])


def compile_and_fit(model, *callbacks, **kwargs):
  model.compile(loss=tf.keras.losses.categorical_crossentropy, optimizer='adam')
  model.fit(x_train, y_train, batch_size=4, verbose=0, callbacks=list(callbacks), **kwargs)


def half(epoch_steps=4):
  return sparsity.ConstantSparsity(0.5, begin_step=0, frequency=epoch_steps)


def sparsity_of(weight):
  return float(np.mean(np.asarray(weight) == 0))


def define_the_model():
  # The whole model, Sequential and functional.
  base_model = setup_model()
  base_model.load_weights(pretrained_weights)
  model_for_pruning = prune_low_magnitude(base_model)
  model_for_pruning.summary(print_fn=lambda line, **_: None)
  compile_and_fit(model_for_pruning, sparsity.UpdatePruningStep())
  assert sparsity_of(model_for_pruning.get_layer('first').get_weights()[0]) == 0.5

  # Some layers: the Dense ones, by a clone function.
  def apply_pruning_to_dense(layer):
    if isinstance(layer, tf.keras.layers.Dense):
      return prune_low_magnitude(layer)
    return layer

  base_model = setup_model()
  base_model.load_weights(pretrained_weights)
  cloned = tf.keras.models.clone_model(base_model, clone_function=apply_pruning_to_dense)
  compile_and_fit(cloned, sparsity.UpdatePruningStep())
  assert sparsity_of(cloned.layers[0].get_weights()[0]) == 0.5

  # By hand, functional and Sequential.
  i = tf.keras.Input(shape=(20,))
  x = prune_low_magnitude(tf.keras.layers.Dense(10))(i)
  o = tf.keras.layers.Flatten()(x)
  functional = tf.keras.Model(inputs=i, outputs=o)
  assert len(functional.trainable_weights) == 2
  sequential = tf.keras.Sequential([
      prune_low_magnitude(tf.keras.layers.Dense(20, input_shape=(20,))),
      tf.keras.layers.Flatten()])
  assert sequential.built
  compile_and_fit(sequential, sparsity.UpdatePruningStep())
  assert sparsity_of(sequential.layers[0].get_weights()[0]) == 0.5


class MyDenseLayer(tf.keras.layers.Dense, sparsity.PrunableLayer):

  def get_prunable_weights(self):
    # The bias as well, which usually harms accuracy.
    return [self.kernel, self.bias]


def custom_layer():
  with tf.keras.utils.custom_object_scope({'MyDenseLayer': MyDenseLayer}):
    i = tf.keras.Input((20,))
    o = tf.keras.layers.Flatten()(prune_low_magnitude(MyDenseLayer(20, name='mine'), half())(i))
    model = tf.keras.Model(i, o)
    compile_and_fit(model, sparsity.UpdatePruningStep())
    kernel, bias = model.get_layer('mine').get_weights()[:2]
    assert sparsity_of(kernel) == 0.5 and np.sum(bias == 0) >= 10


def custom_training_loop():
  base_model = setup_model()
  base_model.load_weights(pretrained_weights)
  model_for_pruning = prune_low_magnitude(base_model)
  loss = tf.keras.losses.categorical_crossentropy
  optimizer = tf.keras.optimizers.Adam()
  log_dir = tempfile.mkdtemp()
  unused_arg = -1
  batches = 2

  model_for_pruning.optimizer = optimizer
  step_callback = sparsity.UpdatePruningStep()
  step_callback.set_model(model_for_pruning)
  log_callback = sparsity.PruningSummaries(log_dir=log_dir)
  log_callback.set_model(model_for_pruning)

  step_callback.on_train_begin()
  for _ in range(2):
    log_callback.on_epoch_begin(epoch=unused_arg)
    for batch in range(batches):
      step_callback.on_train_batch_begin(batch=unused_arg)
      x, y = x_train[8 * batch:8 * batch + 8], y_train[8 * batch:8 * batch + 8]
      with tf.GradientTape() as tape:
        logits = model_for_pruning(x, training=True)
        loss_value = loss(y, logits)
      grads = tape.gradient(loss_value, model_for_pruning.trainable_variables)
      optimizer.apply_gradients(zip(grads, model_for_pruning.trainable_variables))
    step_callback.on_epoch_end(batch=unused_arg)
  assert sparsity_of(model_for_pruning.get_layer('first').get_weights()[0]) == 0.5
  assert any(files for _, _, files in os.walk(log_dir))


def get_gzipped_model_size(model):
  _, keras_file = tempfile.mkstemp('.h5')
  model.save(keras_file, include_optimizer=False)
  _, zipped_file = tempfile.mkstemp('.zip')
  with zipfile.ZipFile(zipped_file, 'w', compression=zipfile.ZIP_DEFLATED) as f:
    f.write(keras_file)
  return os.path.getsize(zipped_file)


if epochs == 2:
  model = setup_model()
  compile_and_fit(model, epochs=1)
  model.save_weights(pretrained_weights)
  define_the_model()
  custom_layer()
  custom_training_loop()

  # Checkpoint and deserialize; blocks.
  base_model = setup_model()
  base_model.load_weights(pretrained_weights)
  model_for_pruning = prune_low_magnitude(base_model, sparsity.PolynomialDecay(
      initial_sparsity=0.25, final_sparsity=0.75, begin_step=0, end_step=12, frequency=3),
      block_size=(1, 4), block_pooling_type='MAX')
  compile_and_fit(model_for_pruning, sparsity.UpdatePruningStep(), epochs=2)
  model_for_pruning.save(keras_model_file, include_optimizer=True)
else:
  with sparsity.prune_scope():
    model_for_pruning = tf.keras.models.load_model(keras_model_file)
  # Compiled again: Keras 3 cannot resume with the optimizer of an .h5 file, pruned or not.
  compile_and_fit(model_for_pruning, sparsity.UpdatePruningStep(), initial_epoch=2, epochs=4)

kernel = model_for_pruning.get_layer('first').get_weights()[0]
np.savez(os.path.join(folder, 'weights.npz'), first=kernel)
zero_blocks = np.all(kernel.reshape(20, 5, 4) == 0, axis=-1)
assert 4 * zero_blocks.sum() == np.sum(kernel == 0)
if epochs == 2:
  print('{}')
else:
  before = model_for_pruning.predict(x_train, verbose=0)
  size_before = get_gzipped_model_size(model_for_pruning)
  model_for_export = sparsity.strip_pruning(model_for_pruning)
  assert get_gzipped_model_size(model_for_export) < size_before
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
           stripped=model_for_export.predict(x_train, verbose=0))
  print(json.dumps({'sparsity': {'first': 0.75},
                    'unpruned': [w.shape for w in setup_model().get_weights()],
                    'stripped': [w.shape for w in model_for_export.get_weights()]}))
