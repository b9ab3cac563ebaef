# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Computes the product of a weight and its mask, and its gradient, on the weight's device."""

import copy
from typing import Any, Callable, Dict, Iterator, List, Tuple

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
  parts = _multiply_parts(mask, weight, name)
  return parts[0] if len(parts) == 1 else tf.concat(
      parts, axis=variables.layout_of(weight).axis, name=name)


def _multiply_parts(mask: Variable, weight: Variable, name: str) -> List[Tensor]:
  """Returns the product of each shard, on the server that has the shard."""
  shards = list(zip(variables.shards_of(mask), variables.shards_of(weight)))
  names = [name] if len(shards) == 1 else [
      '%s/part_%d' % (name, index) for index in range(len(shards))]
  if not variables.is_remote(weight):
    return [_multiply(*shard, part_name) for shard, part_name in zip(shards, names)]
  return [_multiply_on(*shard, device, part_name) for shard, device, part_name in zip(
      shards, variables.chosen_devices(weight), names)]


def _multiply(mask: Variable, weight: Variable, name: str) -> Tensor:
  return tf.multiply(tf.convert_to_tensor(mask), tf.convert_to_tensor(weight), name=name)


def _multiply_on(mask: Variable, weight: Variable, device: str, name: str) -> Tensor:
  # TensorFlow computes gradients on the worker, which would fetch the mask in every step.
  with tf.get_default_graph().gradient_override_map({'Mul': _GRADIENT}), tf.device(device):
    return _multiply(mask, weight, name)


def in_parts(product: Tensor, mask: Variable, weight: Variable) -> Any:
  """Returns a product as a PartitionedVariable, if the weight is one; otherwise the product.

  A lookup reads row i of a table from another place if the table has n parts: row i // n of part
  i % n, see tf.nn.embedding_lookup. So a masked table must have parts, too.
  """
  if not variables.is_partitioned(weight):
    return product
  made = copy.copy(weight)
  made.__class__ = _with_parts(type(weight))
  made.product, made.factors = product, (mask, weight)
  return made


def whole(product: Any) -> Any:
  """Returns the product, or anything else, without its parts; see in_parts."""
  return product.product if isinstance(product, _InParts) else product


class _InParts:
  """Replaces the methods with which TensorFlow reads a PartitionedVariable, and adds a tensor's.

  Attributes:
    product: the whole product.
    factors: the mask and the weight.
  """

  product: Tensor
  factors: Tuple[Variable, Variable]

  def __iter__(self) -> Iterator[Tensor]:
    return iter(self._get_variable_list())

  def _get_variable_list(self) -> List[Tensor]:
    with tf.name_scope(None):
      return _multiply_parts(*self.factors, self.product.op.name)

  def _concat(self) -> Tensor:
    return self.product

  as_tensor = _as_graph_element = _concat  # The last one for session.run.


def _operator(name: str) -> Callable[..., Tensor]:
  def apply(parts: _InParts, *operands: Any) -> Tensor:
    return getattr(parts.product, name)(*operands)

  return apply


_classes: Dict[type, type] = {}


def _with_parts(partitioned: type) -> type:
  """Returns the class of products in parts for a class of PartitionedVariables."""
  # TensorFlow has the class in a private module, and asks for it by isinstance.
  if partitioned not in _classes:
    operators = {name: _operator(name) for name in tf.Tensor.OVERLOADABLE_OPERATORS
                 if name not in ('__eq__', '__ne__')}  # Without these it can be a key.
    _classes[partitioned] = type(partitioned.__name__, (_InParts, partitioned), operators)
  return _classes[partitioned]


@tf.RegisterGradient(_GRADIENT)  # type: ignore[untyped-decorator]
def _gradient(op: Operation, gradient: Tensor) -> List[Tensor]:
  """Returns the gradients with respect to mask and weight, computed on the product's device."""
  mask, weight = op.inputs
  with tf.device(None), tf.device(op.device):
    return [tf.multiply(gradient, weight), tf.multiply(gradient, mask)]
