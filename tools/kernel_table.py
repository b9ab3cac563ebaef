# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Where a TensorFlow built with CUDA keeps the tensors of a node on a GPU: on it, or on the host.

The table of kernels of such a TensorFlow can be read on a machine without a GPU.
"""

import functools
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set

from tensorflow.python.framework import kernels

from model_pruning.compat import op_def_of
from model_pruning.compat import tf

# TensorFlow derives where the arguments of calls are from their dtypes, and has no other rule for
# these dtypes.
_CALLS = ('PartitionedCall', 'StatefulPartitionedCall', 'SymbolicGradient', 'If', 'StatelessIf',
          'While', 'StatelessWhile', 'Case', 'StatelessCase')
_ON_HOST = (tf.int32, tf.string, tf.resource, tf.variant)


class Memory(NamedTuple):
  """Where a node on a GPU has its tensors.

  Attributes:
    inputs, outputs: the dtype of each tensor.
    host_inputs, host_outputs: the indices of those in host memory.
    has_kernel: whether there is a kernel for GPUs.
  """
  inputs: List[Any]
  outputs: List[Any]
  host_inputs: Set[int]
  host_outputs: Set[int]
  has_kernel: bool = True


def is_call(node: Any) -> bool:
  """Whether a NodeDef calls functions, which have the kernels."""
  return node.op in _CALLS or op_def_of(node.op) is None


def memory_of_call(inputs: Sequence[Any], outputs: Sequence[Any]) -> Memory:
  """Returns where a call has its tensors, by their dtypes."""
  return Memory(list(inputs), list(outputs),
                *({index for index, dtype in enumerate(dtypes) if dtype in _ON_HOST}
                  for dtypes in (inputs, outputs)))


def memory_of(node: Any) -> Memory:
  """Returns where a node on a GPU would have its tensors.

  Args:
    node: a NodeDef with all type attributes; not a call.
  """
  op_def = op_def_of(node.op)
  inputs, input_names = _arguments(node, op_def, op_def.input_arg)
  outputs, output_names = _arguments(node, op_def, op_def.output_arg)
  kernel = _kernel(node, op_def)
  on_host = set(kernel.host_memory_arg) if kernel is not None else set()
  if node.op in ('_Arg', '_Retval'):  # As for calls.
    on_host |= {'output', 'input'} if _attr(node, op_def, 'T').type in _ON_HOST else set()
  return Memory(inputs, outputs,
                {index for index, name in enumerate(input_names) if name in on_host},
                {index for index, name in enumerate(output_names) if name in on_host},
                kernel is not None)


def output_index(node: Any, name: str, number: int) -> int:
  """Returns the index among all outputs of output `number` of the output argument `name`."""
  op_def = op_def_of(node.op)
  return _arguments(node, op_def, op_def.output_arg)[1].index(name) + number


def _attr(node: Any, op_def: Any, name: str) -> Any:
  if name in node.attr:
    return node.attr[name]
  return next(attr.default_value for attr in op_def.attr if attr.name == name)


def _arguments(node: Any, op_def: Any, arguments: Sequence[Any]) -> Any:
  """Returns the dtype, and the name of the argument, of each input or output."""
  dtypes, names = [], []
  for argument in arguments:
    if argument.type_list_attr:
      found = list(_attr(node, op_def, argument.type_list_attr).list.type)
    else:
      times = _attr(node, op_def, argument.number_attr).i if argument.number_attr else 1
      found = [_attr(node, op_def, argument.type_attr).type if argument.type_attr
               else argument.type] * times
    dtypes.extend(tf.as_dtype(dtype).base_dtype for dtype in found)
    names.extend([argument.name] * len(found))
  return dtypes, names


@functools.lru_cache(maxsize=None)
def _kernels(op: str) -> Dict[str, Any]:
  by_device: Dict[str, Any] = {}
  for kernel in kernels.get_registered_kernels_for_op(op).kernel:
    by_device.setdefault(kernel.device_type, []).append(kernel)
  return by_device


def _kernel(node: Any, op_def: Any) -> Optional[Any]:
  """Returns the KernelDef of a node on a GPU; None if there is none."""
  for device in ('GPU', 'DEFAULT'):  # The second is for all devices without a kernel of their own.
    for kernel in _kernels(node.op).get(device, ()):
      if all(_allows(constraint, _attr(node, op_def, constraint.name))
             for constraint in kernel.constraint):
        return kernel
  return None


def _allows(constraint: Any, value: Any) -> bool:
  found = list(value.list.type) or [value.type]
  return all(dtype in constraint.allowed_values.list.type for dtype in found)
