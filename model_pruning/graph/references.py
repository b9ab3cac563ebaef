# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Variables that the body of a function finds by name, instead of taking them as arguments.

A branch of a conditional takes each of its variables through a node, and visits each node of its
own, on every training step, taken or not. With 500 weights that is a tenth of the step. A branch
that only calls a function without variables among its arguments costs the same for any number of
weights. The body of the function has nodes that refer to the variables by their shared names, as
two graphs of one server do.
"""

from typing import Any, Dict, List, Optional, Sequence

from model_pruning.compat import tf
from model_pruning.engine.placement import in_function
from model_pruning.engine.placement import on_gpu
from model_pruning.graph import variables
from model_pruning.util.types import DType
from model_pruning.util.types import Operation
from model_pruning.util.types import Shape
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable

_RESOURCE, _REF = 'VarHandleOp', ('Variable', 'VariableV2')


def operations_of(referred: Sequence[Variable]) -> Optional[List[Operation]]:
  """Returns the operations that hold variables, if the body of a function can refer to them.

  That takes variables of the default graph on one device. On a GPU the runtime may place some
  variables elsewhere, where references in a body on the GPU would not find them.

  Args:
    referred: variables, whole or partitioned.

  Returns:
    One operation per shard of each variable; None if references are not possible.
  """
  graph, found = tf.get_default_graph(), []
  if in_function() or tf.distribute.has_strategy():
    return None
  for variable in referred:
    if not variables.is_variable(variable) or variables.is_replicated(variable):
      return None
    for shard in variables.shards_of(variable):
      op = _operation(shard)
      if getattr(op, 'graph', None) is not graph or op.type not in (_RESOURCE, *_REF):
        return None
      found.append(op)
  if len({op.device for op in found}) != 1 or on_gpu(found[0].outputs[0]):
    return None
  return found


def refer(variable: Variable) -> Any:
  """Returns a reference to a variable, for the function body that is the default graph.

  Args:
    variable: a variable for which operations_of returned operations, whole or partitioned.
  """
  references = [_Reference(shard) for shard in variables.shards_of(variable)]
  return _Partitioned(variable, references) if variables.is_partitioned(variable) else references[0]


def _operation(variable: Variable) -> Any:
  """Returns the operation that holds a variable; None if there is none, as for eager ones."""
  if variables.use_resource_of(variable):
    return getattr(variable.handle, 'op', None)
  return getattr(variable, 'op', None)


class _Reference:
  """The attributes of a variable that reads and writes need.

  Attributes:
    name, dtype, shape: as of the variable.
    op: the operation that refers to the variable.
    handle: its output, only for resource variables.
    device: the device of `op`.
    initializer: None; the attribute distinguishes variables from tensors.
  """

  initializer = None

  def __init__(self, variable: Variable) -> None:
    original = _operation(variable)
    self.name, self.shape = variable.name, variable.get_shape()
    self.dtype: DType = variables.dtype_of(variable)
    shared = original.get_attr('shared_name').decode() or original.name
    options: Dict[str, Any] = {
        'dtype': self.dtype, 'shape': original.get_attr('shape'), 'shared_name': shared,
        'container': original.get_attr('container').decode(),
        'name': variables.op_name(variable).split('/')[-1]}
    if original.type == _RESOURCE:
      self.handle = tf.raw_ops.VarHandleOp(**options)
      self.op = self.handle.op
    else:
      self.op = tf.raw_ops.VariableV2(**options).op
    self.device = self.op.device

  def get_shape(self) -> Shape:
    return self.shape

  def read_value(self) -> Tensor:
    """Returns the value, read after the current control dependencies."""
    if hasattr(self, 'handle'):
      value = tf.raw_ops.ReadVariableOp(resource=self.handle, dtype=self.dtype)
      value.set_shape(self.shape)
      return value
    return tf.identity(self.op.outputs[0])

  def assign(self, value: Tensor, name: Optional[str] = None) -> Any:
    """Returns the operation that assigns a value, or its output."""
    if hasattr(self, 'handle'):
      return tf.raw_ops.AssignVariableOp(resource=self.handle, value=value, name=name)
    return tf.raw_ops.Assign(ref=self.op.outputs[0], value=value, name=name)


class _Partitioned(variables.Parts):
  """References to the parts of a PartitionedVariable."""

  def __init__(self, variable: Variable, references: Sequence[_Reference]) -> None:
    super().__init__(variable.name, variable.get_shape(), references[0].dtype, tuple(references))
