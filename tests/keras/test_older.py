# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What Keras before TensorFlow 2.12 has in another way: classes, names, copies and optimizers."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning import errors
import model_pruning.keras as sparsity
from model_pruning.keras.backend import keras

layers = keras.layers
X = np.random.RandomState(0).normal(size=(32, 6, 8)).astype(np.float32)


def _dense():
  return keras.Sequential([
      keras.Input((6, 8)), layers.Flatten(), layers.Dense(16, 'relu'), layers.Dense(4)])


def _functional():
  x = keras.Input((6, 8))
  return keras.Model(x, layers.Dense(4)(layers.Flatten()(layers.Conv1D(8, 3)(x))))


def _recurrent():
  return keras.Sequential([
      keras.Input((6, 8)), layers.LSTM(8, return_sequences=True), layers.GRU(8), layers.Dense(4)])


def _attention():
  x = keras.Input((6, 8))
  return keras.Model(x, layers.Dense(4)(layers.Flatten()(layers.MultiHeadAttention(2, 4)(x, x))))


# With the number of their kernels.
MODELS = {'dense': (_dense, 2), 'functional': (_functional, 2), 'recurrent': (_recurrent, 5),
          'attention': (_attention, 5)}


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name', sorted(MODELS))
def test_models_are_copied_trained_saved_and_stripped(name, tmp_path):
  make, kernels = MODELS[name]
  plain = make()
  plain.compile('sgd', 'mse')
  model = sparsity.prune_low_magnitude(plain, sparsity.ConstantSparsity(0.75, 0, frequency=1))
  assert model is not plain
  model.compile('adam', 'mse')
  model.fit(X, X[:, 0, :4], verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  path = str(tmp_path / 'model.h5')
  model.save(path)
  loaded = keras.models.load_model(path, compile=False)
  stripped = sparsity.strip_pruning(loaded)
  assert [type(layer) for layer in stripped.layers] == [type(layer) for layer in plain.layers]
  shares = [np.mean(weight == 0) for weight in stripped.get_weights() if weight.ndim > 1]
  assert shares.count(0.75) == kernels
  np.testing.assert_array_equal(stripped.predict(X, verbose=0), model.predict(X, verbose=0))


def _subclassed():
  class Net(keras.Model):
    """Declares no inputs."""

    def __init__(self):
      super().__init__()
      self.inner = _dense()

    def call(self, x):
      return self.inner(x)

  net = Net()
  net.compile('sgd', 'mse')
  net.predict(X, verbose=0)
  return net


@pytest.mark.parametrize('make', [_dense, _functional, _subclassed])
def test_saved_models_and_tflite_files_compute_what_the_model_does(make, tmp_path):
  """Models have `export` since TensorFlow 2.13, and TFLite files over 2 GB since 2.12."""
  model, folder = make(), str(tmp_path / 'saved')
  expected = model.predict(X, verbose=0)
  sparsity.to_saved_model(model, folder)
  loaded = tensorflow.saved_model.load(folder)
  serve = loaded.signatures['serving_default']
  name, = serve.structured_input_signature[1]
  outputs, = serve(**{name: tensorflow.constant(X)}).values()
  np.testing.assert_allclose(outputs.numpy(), expected, rtol=1e-5, atol=1e-6)
  if make is not _subclassed:
    path = str(tmp_path / 'model.tflite')
    sparsity.to_tflite(model, path)
    interpreter = tensorflow.lite.Interpreter(path)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]['index'], X[:1])
    interpreter.invoke()
    np.testing.assert_allclose(
        interpreter.get_tensor(interpreter.get_output_details()[0]['index']), expected[:1],
        rtol=1e-4, atol=1e-5)


def test_channels_are_removed_in_the_middle_of_training():
  model = sparsity.prune_low_magnitude(_functional(), sparsity.ConstantSparsity(
      0.5, 0, frequency=1), hparams='channel_pruning=true')
  model.compile('adam', 'mse')
  model.fit(X, X[:, 0, :4], verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  smaller = sparsity.remove_channels_in_training(model)
  assert smaller.layers[1].filters == 4
  np.testing.assert_allclose(smaller.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-5)
  smaller.fit(X, X[:, 0, :4], verbose=0)


@pytest.mark.skipif(tuple(map(int, tensorflow.__version__.split('.')[:2])) >= (2, 11),
                    reason='newer optimizers train them')
def test_embeddings_are_refused_by_optimizers_that_apply_no_constraint_to_them():
  model = keras.Sequential([keras.Input((6,)), layers.Embedding(9, 8), layers.Flatten(),
                            layers.Dense(4)])
  model = sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.5, 0))
  model.compile('adam', 'mse')
  with pytest.raises(errors.LayerError, match='embeddings .*TensorFlow 2.11 or a newer one'):
    model.fit(np.zeros((8, 6)), np.zeros((8, 4)), verbose=0,
              callbacks=[sparsity.UpdatePruningStep()])
