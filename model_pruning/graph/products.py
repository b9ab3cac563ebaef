# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The product of a weight and its mask, and its gradient, computed where the weight lives."""

from typing import Any, List

from model_pruning.compat import tf
from model_pruning.graph import variables

# What a product that is computed on a server has in place of Mul's own gradient.
_GRADIENT = 'ModelPruningMaskedWeight'


def masked_product(weight: Any, mask: Any, name: str) -> Any:
  """Returns the tensor mask * weight.

  On a parameter server each shard is multiplied there, and so is the gradient on its way
  back. A training step elsewhere then moves the product and its gradient, which is what it
  would move of the weight without a mask; the mask stays where it is. (Gradients of such a graph
  can be built only where this package is imported.)

  Args:
    weight: variable, PartitionedVariable or tensor.
    mask: variable of its shape and partitioning.
    name: of the operation that has the product as its output.
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


def _multiply(mask: Any, weight: Any, name: str) -> Any:
  return tf.multiply(tf.convert_to_tensor(mask), tf.convert_to_tensor(weight), name=name)


def _multiply_on(mask: Any, weight: Any, device: str, name: str) -> Any:
  # TensorFlow computes gradients where the step runs, and would fetch the mask for it each time.
  with tf.get_default_graph().gradient_override_map({'Mul': _GRADIENT}), tf.device(device):
    return _multiply(mask, weight, name)


@tf.RegisterGradient(_GRADIENT)  # type: ignore[untyped-decorator]
def _gradient(op: Any, gradient: Any) -> List[Any]:
  """Returns the gradients with respect to mask and weight, computed where the product was."""
  mask, weight = op.inputs
  with tf.device(None), tf.device(op.device):
    return [tf.multiply(gradient, weight), tf.multiply(gradient, mask)]
