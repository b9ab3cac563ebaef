# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The Keras nets that benchmarks prune, trained once for each seed and kept as files.

    net, data = nets.trained('convnet', seed=0)
    nets.accuracy(net, data.x_test, data.y_test)

NETS names them: the ConvNet of the published experiment and a residual net with batch
normalization on 5,000 images of MNIST, a net of dense layers and a transformer on
scikit-learn's digits. The files hold weights alone, so that they say nothing of pruning.
"""

import dataclasses
import os
import tempfile
from typing import Any, Callable, Dict, Optional, Tuple

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import numpy as np

from examples.digits import data as data_lib
from model_pruning.compat import tensorflow as tf

FOLDER = 'out/benchmarks/nets'
_CLASSES = 10
_BATCH = 500  # Examples at a time where no training is.
_PATCH = 2  # Height and width of the transformer's patches.
_WIDTH, _HEADS = 48, 4
# Of batch normalization: Keras's 0.99 takes more steps to settle than these trainings have.
_MOMENTUM = 0.9


@dataclasses.dataclass(frozen=True)
class Data:
  """Inputs as a net takes them, float32 of shape [n, ...], and labels, int32 of shape [n]."""
  x_train: np.ndarray
  y_train: np.ndarray
  x_test: np.ndarray
  y_test: np.ndarray


@dataclasses.dataclass(frozen=True)
class Net:
  """How a net is made.

  Attributes:
    dataset: its images, one of examples.digits.data.DATASETS.
    prepare: takes images, [n, height, width, 1], and returns inputs.
    layers: takes a keras.Input and a seed for dropout, and returns the outputs: probabilities.
    epochs, batch_size: of its training by Adam, at Keras's learning rate.
  """
  dataset: str
  prepare: Callable[[np.ndarray], np.ndarray]
  layers: Callable[[Any, int], Any]
  epochs: int
  batch_size: int


def _as_they_are(images: np.ndarray) -> np.ndarray:
  return images


def _flat(images: np.ndarray) -> np.ndarray:
  return images.reshape([len(images), -1])


def patches(images: np.ndarray) -> np.ndarray:
  """Returns square patches of images, and where each is, one-hot: float32 [n, count, size].

  With the position among its inputs, a dense layer embeds both patch and position, and the
  transformer consists of layers that every Keras has.
  """
  number, height, width, _ = images.shape
  rows, columns = height // _PATCH, width // _PATCH
  cut = images.reshape([number, rows, _PATCH, columns, _PATCH]).transpose(0, 1, 3, 2, 4)
  cut = cut.reshape([number, rows * columns, _PATCH * _PATCH])
  position = np.broadcast_to(np.eye(rows * columns, dtype=np.float32),
                             [number, rows * columns, rows * columns])
  return np.concatenate([cut, position], axis=2)


def _softmax(x: Any) -> Any:
  return tf.keras.layers.Dense(_CLASSES, activation='softmax', name='softmax')(x)


def _convnet(x: Any, seed: int) -> Any:
  layers = tf.keras.layers
  x = layers.Conv2D(32, 3, activation='relu', name='conv1')(x)
  x = layers.Dropout(0.25, seed=2 * seed)(layers.MaxPooling2D(2)(x))
  x = layers.Conv2D(64, 3, activation='relu', name='conv2')(x)
  x = layers.Dropout(0.25, seed=2 * seed + 1)(layers.MaxPooling2D(2)(x))
  x = layers.Dense(256, activation='relu', name='dense')(layers.Flatten()(x))
  return _softmax(x)


def _digits(x: Any, seed: int) -> Any:
  del seed
  for index, units in enumerate((300, 100)):
    x = tf.keras.layers.Dense(units, activation='relu', name='dense%d' % (index + 1))(x)
  return _softmax(x)


def _residual(x: Any, seed: int) -> Any:
  del seed
  layers = tf.keras.layers

  def convolved(x: Any, filters: int, name: str, size: int = 3, strides: int = 1) -> Any:
    x = layers.Conv2D(filters, size, strides, 'same', use_bias=False, name=name)(x)
    return layers.BatchNormalization(momentum=_MOMENTUM, name=name + '_norm')(x)

  x = layers.ReLU()(convolved(x, 16, 'stem', strides=2))
  for index, filters in enumerate((16, 32, 64)):
    name, strides = 'block%d_' % (index + 1), 1 if index == 0 else 2
    inner = layers.ReLU()(convolved(x, filters, name + 'conv1', strides=strides))
    inner = convolved(inner, filters, name + 'conv2')
    if strides > 1:
      x = convolved(x, filters, name + 'shortcut', size=1, strides=strides)
    x = layers.ReLU()(layers.Add()([x, inner]))
  return _softmax(layers.GlobalAveragePooling2D()(x))


def _transformer(x: Any, seed: int) -> Any:
  del seed
  layers = tf.keras.layers
  x = layers.Dense(_WIDTH, name='embedding')(x)
  for index in range(2):
    name = 'block%d_' % (index + 1)
    inner = layers.LayerNormalization(name=name + 'norm1')(x)
    inner = layers.MultiHeadAttention(_HEADS, _WIDTH // _HEADS, name=name + 'attention')(
        inner, inner)
    x = layers.Add()([x, inner])
    inner = layers.LayerNormalization(name=name + 'norm2')(x)
    inner = layers.Dense(2 * _WIDTH, activation='relu', name=name + 'dense1')(inner)
    x = layers.Add()([x, layers.Dense(_WIDTH, name=name + 'dense2')(inner)])
  x = layers.LayerNormalization(name='norm')(x)
  return _softmax(layers.GlobalAveragePooling1D()(x))


NETS: Dict[str, Net] = {
    'convnet': Net('mnist5k', _as_they_are, _convnet, 10, 100),
    'residual': Net('mnist5k', _as_they_are, _residual, 10, 100),
    'digits': Net('digits', _flat, _digits, 40, 32),
    'transformer': Net('digits', patches, _transformer, 40, 32)}


def data_of(name: str) -> Data:
  """Returns the training and test data of a net, the same for every seed."""
  net = NETS[name]
  data = data_lib.load(net.dataset)
  return Data(net.prepare(data.train_images), data.train_labels,
              net.prepare(data.test_images), data.test_labels)


def build(name: str, input_shape: Tuple[int, ...], seed: int) -> Any:
  """Returns a new net, not compiled; sets the random seeds of Keras."""
  tf.keras.utils.set_random_seed(seed)
  inputs = tf.keras.Input(input_shape)
  return tf.keras.Model(inputs, NETS[name].layers(inputs, seed), name=name)


def fit(model: Any, name: str, data: Data, seed: int, epochs: int = 0, callbacks: Any = ()) -> None:
  """Compiles a net and trains it.

  Args:
    model: a net of this name, pruned or not.
    name: one of NETS.
    data: images and labels.
    seed: of the batches; whatever the callbacks draw, they are the same.
    epochs: 0 for as many as NETS says.
    callbacks: of fit().
  """
  net = NETS[name]
  compiled(model)
  tf.keras.utils.set_random_seed(seed)
  model.fit(data.x_train, data.y_train, batch_size=net.batch_size, epochs=epochs or net.epochs,
            verbose=0, callbacks=list(callbacks))


def compiled(model: Any) -> Any:
  """Returns the net, compiled as it is trained."""
  model.compile(optimizer='adam', loss='sparse_categorical_crossentropy', metrics=['accuracy'])
  return model


def accuracy(model: Any, x: np.ndarray, y: np.ndarray) -> float:
  """Returns the fraction of inputs that a net gives the right label, compiled or not."""
  # Called, since predict() makes a function for every model, and there are hundreds.
  outputs = [np.asarray(model(x[start:start + _BATCH], training=False))
             for start in range(0, len(x), _BATCH)]
  return float(np.mean(np.argmax(np.concatenate(outputs), axis=1) == y))


def trained(name: str, seed: int, folder: str = FOLDER, epochs: int = 0,
            data: Optional[Data] = None) -> Tuple[Any, Data]:
  """Returns a net that has been trained, and its data.

  Args:
    name: one of NETS.
    seed: of initial weights, batches and dropout.
    folder: where trained weights are kept. Each Keras has files of its own, since they draw
      different numbers for a seed.
    epochs: 0 for as many as NETS says.
    data: None for data_of(name).

  Raises:
    examples.digits.terminal.UserError: there are no such images here.
  """
  data = data or data_of(name)
  model = build(name, data.x_train.shape[1:], seed)
  keras = getattr(tf.keras, '__version__', None) or tf.__version__
  path = os.path.join(folder, '%s-epochs%d-keras%s-seed%d.npz' % (
      name, epochs or NETS[name].epochs, keras, seed))
  if os.path.exists(path):
    with np.load(path) as arrays:
      model.set_weights([arrays['w%d' % index] for index in range(len(arrays.files))])
    return model, data
  fit(model, name, data, seed, epochs)
  os.makedirs(folder, exist_ok=True)
  # Written beside it and renamed: an interrupted run leaves no half of a file.
  handle, unfinished = tempfile.mkstemp(dir=folder, suffix='.npz')
  with os.fdopen(handle, 'wb') as file:
    np.savez(file, **{'w%d' % index: weight for index, weight in enumerate(model.get_weights())})
  os.replace(unfinished, path)
  # A new one has no slots of an optimizer, as one that was read.
  fresh = build(name, data.x_train.shape[1:], seed)
  fresh.set_weights(model.get_weights())
  return fresh, data
