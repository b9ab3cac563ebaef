# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The distance between the outputs of two networks in one graph, and its gradients."""

from typing import (Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence,
                    Tuple)

import numpy as np

from model_pruning import errors
from model_pruning.calibration.examples import Batch
from model_pruning.channels.shifts import RESHAPES
from model_pruning.channels.shifts import SAME
from model_pruning.compat import tf
from model_pruning.util.types import Array
from model_pruning.util.types import Tensor

Run = Callable[[Any, Batch, Mapping[Any, Any]], Any]  # Fetches, examples, other values to feed.


class Tunable(NamedTuple):
  """A layer whose constants can change.

  Attributes:
    weight: name of its kernel.
    value: the kernel as a tensor of the pruned network.
    outputs: the outputs of the product in the pruned network, and in the dense one.
    shift: name of the constant that adds to them, as their last dimensions; None without one.
    sign: 1 if it is added, -1 if it is subtracted.
    shape: its shape.
  """
  weight: str
  value: Tensor
  outputs: Tuple[Tensor, Tensor]
  shift: Optional[str] = None
  sign: int = 1
  shape: Sequence[int] = ()


class Gradients:
  """Gradients of the distance of the outputs with respect to kernels, biases and moving means.

  Attributes:
    names: the names of the constants that have gradients.
  """

  def __init__(self, layers: Sequence[Tunable], outputs: Sequence[Tuple[Tensor, Tensor]],
               run: Run) -> None:
    """Adds them to the current graph.

    Args:
      layers: the layers.
      outputs: each output of the pruned network, and of the dense one.
      run: runs the graph on a batch.

    Raises:
      errors.ChannelError: an operation between layers and outputs has no gradient.
    """
    self._run = run
    pairs = [(before_softmax(pruned), before_softmax(dense)) for pruned, dense in outputs
             if pruned.dtype.is_floating]
    self._dense = [tf.cast(dense, tf.float32) for _, dense in pairs]
    self._scales = [tf.placeholder(tf.float32, []) for _ in pairs]
    self._loss = tf.add_n([
        scale * tf.reduce_mean(tf.square(tf.cast(pruned, tf.float32) - dense))
        for (pruned, _), dense, scale in zip(pairs, self._dense, self._scales)] or [0.0])
    self._feed: Dict[Tensor, float] = {}
    self._spreads: Dict[str, Tensor] = {}
    self._found: Dict[str, Tensor] = {}
    at = [tensor for layer in layers for tensor in (layer.value, layer.outputs[0])]
    try:
      found = tf.gradients(self._loss, at) if at and pairs else []
    except (LookupError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
      raise errors.ChannelError(
          'joint_steps: TensorFlow %s cannot differentiate the outputs, as with loops of '
          'TensorFlow 1 (%s); leave joint_steps out' % (
              tf.__version__, errors.first_line(error))) from error
    for layer, by_value, by_output in zip(layers, found[::2], found[1::2]):
      if by_value is None or by_output is None:
        continue
      self._found[layer.weight] = tf.convert_to_tensor(by_value)
      if layer.shift is not None:
        # TensorFlow has no gradient for the moving mean of a normalization.
        size = int(np.prod(layer.shape, dtype=np.int64))
        self._found[layer.shift] = layer.sign * tf.reshape(
            tf.reduce_sum(tf.reshape(by_output, [-1, size]), axis=0), layer.shape)
        outputs_of = tf.cast(layer.outputs[1], tf.float32)
        mean = tf.reduce_mean(tf.reshape(outputs_of, [-1, size]), axis=0)
        self._spreads[layer.shift] = tf.sqrt(tf.reduce_mean(
            tf.square(tf.reshape(outputs_of, [-1, size]) - mean)))
    self.names: List[str] = list(self._found)
    if layers and not self.names:
      raise errors.ChannelError(
          'joint_steps: the outputs have no gradient by any weight, as integers have none; name '
          'the outputs before them, or leave joint_steps out')

  def measure(self, batches: Iterable[Batch]) -> None:
    """Measures the variances of the dense outputs, which the distances are divided by."""
    count, squares = np.zeros(len(self._dense)), np.zeros(len(self._dense))
    for batch in batches:
      for index, dense in enumerate(self._run(self._dense, batch, {})):
        dense = np.asarray(dense, np.float64)
        # About the means of the batch, to read the examples once.
        centered = dense - dense.mean(axis=0) if dense.ndim and len(dense) > 1 else dense
        count[index] += dense.size
        squares[index] += np.sum(centered**2)
    self._feed = {scale: float(number / square) if square > 0 else 0.0
                  for scale, number, square in zip(self._scales, count, squares)}

  def loss(self, batches: Iterable[Batch]) -> float:
    """Returns the mean distance over batches."""
    return float(np.mean([self._with_scales(self._loss, batch) for batch in batches]))

  def run(self, batch: Batch) -> Tuple[float, Dict[str, Array]]:
    """Returns the distance on a batch, and its gradients by the names of constants."""
    loss, found = self._with_scales((self._loss, self._found), batch)
    return float(loss), {name: np.asarray(value, np.float32) for name, value in found.items()}

  def spreads(self, batch: Batch) -> Dict[str, float]:
    """Returns the standard deviation of the dense outputs that each bias or mean adds to."""
    return {name: float(value) for name, value in self._run(self._spreads, batch, {}).items()}

  def _with_scales(self, fetches: Any, batch: Batch) -> Any:
    return self._run(fetches, batch, self._feed)


def before_softmax(tensor: Tensor) -> Tensor:
  """Returns the inputs of the softmax that a tensor is a copy of; the tensor itself if of none."""
  found = tensor
  while found.op.type in (*SAME, *RESHAPES) and found.op.inputs:
    found = found.op.inputs[0]
  return found.op.inputs[0] if found.op.type == 'Softmax' else tensor
