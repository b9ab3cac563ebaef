# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Computes the product of a weight and its mask, and its gradient, on the weight's device."""

from typing import List

from model_pruning.compat import tf
from model_pruning.graph import variables
from model_pruning.util.types import Operation
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable

# The gradient of a product on a parameter server, in place of Mul's gradient.
_GRADIENT = 'ModelPruningMaskedWeight'


def masked_product(weight: Variable, mask: Variable, name: str) -> Tensor:
  """Returns the tensor mask * weight.

  Shards on parameter servers are multiplied there, and so are their gradients. A worker then
  sends and receives only the product and its gradient, as much as for a weight without a mask. The
  mask stays on the server. (Gradients of such a graph can only be built in programs that import
  this package.)

  Args:
    weight: variable, PartitionedVariable or tensor.
    mask: variable of the same shape and partitioning.
    name: the name of the operation with the product as its output.
  """
  if not variables.is_remote(weight):
    return _multiply(mask, weight, name)
  devices = variables.chosen_devices(weight)
  shards = list(zip(variables.shards_of(mask), variables.shards_of(weight), devices))
  if len(shards) == 1:
    return _multiply_on(*shards[0], name)
  parts = [_multiply_on(*shard, '%s/part_%d' % (name, index))
           for index, shard in enumerate(shards)]
  return tf.concat(parts, axis=variables.layout_of(weight).axis, name=name)


def _multiply(mask: Variable, weight: Variable, name: str) -> Tensor:
  return tf.multiply(tf.convert_to_tensor(mask), tf.convert_to_tensor(weight), name=name)


def _multiply_on(mask: Variable, weight: Variable, device: str, name: str) -> Tensor:
  # TensorFlow computes gradients on the worker, which would fetch the mask in every step.
  with tf.get_default_graph().gradient_override_map({'Mul': _GRADIENT}), tf.device(device):
    return _multiply(mask, weight, name)


@tf.RegisterGradient(_GRADIENT)  # type: ignore[untyped-decorator]
def _gradient(op: Operation, gradient: Tensor) -> List[Tensor]:
  """Returns the gradients with respect to mask and weight, computed on the product's device."""
  mask, weight = op.inputs
  with tf.device(None), tf.device(op.device):
    return [tf.multiply(gradient, weight), tf.multiply(gradient, mask)]
