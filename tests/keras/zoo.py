# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Small models, one around every layer that is pruned, and data for them."""

from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import numpy as np

from model_pruning.keras import backend
from model_pruning.keras.backend import keras

layers = keras.layers


class Case(NamedTuple):
  """A layer to prune in a model.

  Attributes:
    make: makes the layer.
    shape: of one example.
    weights: how many weights of it are pruned.
  """
  make: Callable[[], Any]
  shape: Tuple[int, ...]
  weights: int


CASES: Dict[str, Case] = {
    'Dense': Case(lambda: layers.Dense(6, activation='relu'), (8,), 1),
    'Dense_no_bias': Case(lambda: layers.Dense(6, use_bias=False), (8,), 1),
    'Conv1D': Case(lambda: layers.Conv1D(6, 3), (8, 4), 1),
    'Conv2D': Case(lambda: layers.Conv2D(6, 3, padding='same'), (6, 6, 2), 1),
    'Conv2D_1x1': Case(lambda: layers.Conv2D(6, 1), (4, 4, 8), 1),
    'Conv3D': Case(lambda: layers.Conv3D(4, 2), (4, 4, 4, 2), 1),
    'Conv1DTranspose': Case(lambda: layers.Conv1DTranspose(6, 3), (8, 4), 1),
    'Conv2DTranspose': Case(lambda: layers.Conv2DTranspose(6, 3), (5, 5, 2), 1),
    'Conv3DTranspose': Case(lambda: layers.Conv3DTranspose(4, 2), (3, 3, 3, 2), 1),
    'SeparableConv1D': Case(lambda: layers.SeparableConv1D(6, 3), (8, 4), 1),
    'SeparableConv2D': Case(lambda: layers.SeparableConv2D(6, 3), (6, 6, 4), 1),
    'Embedding': Case(lambda: layers.Embedding(20, 6), (5,), 1),
    'EinsumDense': Case(lambda: layers.EinsumDense('abc,cd->abd', output_shape=(4, 6),
                                                   bias_axes='d'), (4, 8), 1),
    'MultiHeadAttention': Case(lambda: layers.MultiHeadAttention(2, 4), (5, 8), 4),
    'SimpleRNN': Case(lambda: layers.SimpleRNN(6), (5, 4), 2),
    'LSTM': Case(lambda: layers.LSTM(6), (5, 4), 2),
    'GRU': Case(lambda: layers.GRU(6), (5, 4), 2),
    'RNN_of_cells': Case(lambda: layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)]), (5, 4), 4),
    'Bidirectional': Case(lambda: layers.Bidirectional(layers.LSTM(4)), (5, 4), 4),
    'TimeDistributed': Case(lambda: layers.TimeDistributed(layers.Dense(6)), (5, 4), 1),
    'ConvLSTM1D': Case(lambda: layers.ConvLSTM1D(3, 2), (3, 6, 2), 2),
    'ConvLSTM2D': Case(lambda: layers.ConvLSTM2D(3, 2), (3, 5, 5, 2), 2),
    'subclass_of_Dense': Case(lambda: MyDense(6), (8,), 1),
    'block_of_layers': Case(lambda: Residual(8), (8,), 2),
    'PrunableLayer': Case(lambda: Bilinear(6), (8,), 1),
}


@keras.utils.register_keras_serializable('tests')
class MyDense(layers.Dense):
  """A subclass of a layer that is known."""


@keras.utils.register_keras_serializable('tests')
class Residual(layers.Layer):
  """A custom layer that consists of layers."""

  def __init__(self, units: int, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self.units = units
    self.inner, self.outer = layers.Dense(2 * units, 'relu'), layers.Dense(units)

  def build(self, input_shape: Any) -> None:
    self.inner.build(input_shape)
    self.outer.build((*input_shape[:-1], 2 * self.units))
    super().build(input_shape)

  def call(self, x: Any) -> Any:
    return x + self.outer(self.inner(x))

  def get_config(self) -> Dict[str, Any]:
    return {**super().get_config(), 'units': self.units}


class Counts(layers.Layer):
  """Names a weight to prune that cannot be: it is no floating one."""

  def build(self, input_shape: Any) -> None:
    self.table = self.add_weight(name='table', shape=(8, 2), dtype='int32', trainable=False,
                                 initializer='zeros')
    super().build(input_shape)

  def get_prunable_weights(self) -> List[Any]:
    return [self.table]

  def call(self, x: Any) -> Any:
    return x


@keras.utils.register_keras_serializable('tests')
class Bilinear(layers.Layer):
  """A custom layer that says itself what to prune."""

  def __init__(self, units: int, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self.units = units

  def build(self, input_shape: Any) -> None:
    self.table = self.add_weight(name='table', shape=(input_shape[-1], self.units),
                                 initializer='glorot_uniform')
    self.dense_table = self.add_weight(name='dense_table', shape=(input_shape[-1], self.units),
                                       initializer='glorot_uniform')
    super().build(input_shape)

  def call(self, x: Any) -> Any:
    return keras.ops.matmul(x, self.table * self.dense_table) if backend.IS_KERAS_3 else (
        x @ (self.table * self.dense_table))

  def get_prunable_weights(self) -> List[Any]:
    return [self.table]

  def get_config(self) -> Dict[str, Any]:
    return {**super().get_config(), 'units': self.units}


def model_of(name: str) -> Any:
  """Returns a functional model of four classes around the layer of a case."""
  case = CASES[name]
  keras.utils.set_random_seed(3)
  integers = name == 'Embedding'
  inputs = keras.Input(case.shape, dtype='int32' if integers else 'float32')
  called_with = (inputs, inputs) if name == 'MultiHeadAttention' else (inputs,)
  hidden = layers.Flatten()(case.make()(*called_with))
  return keras.Model(inputs, layers.Dense(4, name='logits')(layers.Dropout(0.0)(hidden)))


def data_of(name: str, number: int = 32) -> Tuple[np.ndarray, np.ndarray]:
  """Returns examples and their classes."""
  case, random = CASES[name], np.random.RandomState(5)
  x = (random.randint(0, 20, (number, *case.shape)) if name == 'Embedding'
       else random.normal(size=(number, *case.shape)).astype(np.float32))
  return x, random.randint(0, 4, number)


def compiled(model: Any, optimizer: Any = None, **kwargs: Any) -> Any:
  """Compiles a model for data_of, and returns it."""
  model.compile(optimizer or keras.optimizers.SGD(0.05, momentum=0.9),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True), **kwargs)
  return model


def values(model: Any) -> List[np.ndarray]:
  """Returns the weights of a model as arrays."""
  return [np.asarray(weight) for weight in model.weights]
