# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reads and writes variables of every kind: ref and resource, whole and partitioned."""

import contextlib
import dataclasses
import re
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

from model_pruning import errors
from model_pruning.compat import BaseSaverBuilder
from model_pruning.compat import tf
from model_pruning.engine.layout import Layout
from model_pruning.engine.placement import on_device_of
from model_pruning.engine.placement import switches_and_merges
from model_pruning.util.types import DType
from model_pruning.util.types import Operation
from model_pruning.util.types import Shape
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


def read(variable: Variable, dtype: DType = None) -> Tensor:
  """Returns the value of a variable, read after the current control dependencies.

  A ref variable converts to a tensor that was created with the variable and ignores later control
  dependencies. A tensor is returned unchanged, except for the cast.

  Args:
    variable: a variable or a tensor.
    dtype: the dtype of the result; None for the variable's. Callers must not cast themselves: the
      graph optimizer moves a cast before the read of a ref variable, and thus before the control
      dependencies of the read.
  """
  variable = copies_of(variable)[0]
  if not hasattr(variable, 'read_value'):
    value = tf.convert_to_tensor(variable)
    return value if dtype is None else tf.cast(value, dtype)
  dtype = dtype or dtype_of(variable)
  if dtype == dtype_of(variable) or use_resource_of(variable):
    return tf.cast(variable.read_value(), dtype)
  return tf.cast(variable.op.outputs[0], dtype)


def read_shards(variable: Variable, copy: bool = False) -> List[Tensor]:
  """Returns every shard of a variable, read once as float32 on the device of the shard.

  Args:
    variable: a variable or a tensor.
    copy: whether the values must not change when the variable is written. Without a copy, a read
      of a ref variable is the memory of the variable.
  """
  values = []
  for shard in shards_of(variable):
    shard = copies_of(shard)[0]
    with on_device_of(shard):
      value = read(shard, tf.float32)
      values.append(tf.raw_ops.DeepCopy(x=value) if copy and use_resource_of(shard) is False
                    else value)
  return values


def assign_shards(variable: Variable, values: List[Tensor]) -> List[Operation]:
  """Returns the operations that assign `values` to the shards of a variable."""
  return [assign(shard, value) for shard, value in zip(shards_of(variable), values)]


def assign(variable: Variable, value: Tensor) -> Operation:
  """Returns the operation that assigns `value`, cast to the variable's dtype, on its device."""
  written = []
  for copy in copies_of(variable):
    with on_device_of(copy):
      done = copy.assign(tf.cast(value, dtype_of(copy)),
                         name=op_name(copy).split('/')[-1] + '_assign')
      written.append(getattr(done, 'op', done))
  return written[0] if len(written) == 1 else tf.group(*written)


def chosen_devices(variable: Variable) -> List[str]:
  """Returns the device of each shard of a variable; [] if TensorFlow chooses the devices.

  Strategies of tf.distribute choose the devices of all variables that they create.
  """
  if not is_variable(variable) or is_replicated(variable) or tf.distribute.has_strategy():
    return []
  devices = [shard.device for shard in shards_of(variable)]
  return devices if all(devices) else []


def is_remote(variable: Variable) -> bool:
  """Whether a variable is placed in a job of a cluster, where several tasks may use it."""
  return job_of(variable) is not None


def job_of(variable: Variable) -> Optional[str]:
  """Returns the job of a cluster in which a variable is placed; None if there is none."""
  for device in chosen_devices(variable):
    job = tf.DeviceSpec.from_string(device).job
    if job not in (None, 'localhost'):
      return job
  return None


@contextlib.contextmanager
def beside(variable: Variable, leaf: str = '') -> Iterator[None]:
  """Within this context, new variables are created on the devices of another one, part by part.

  It has no effect if TensorFlow chooses the devices. Other device functions are not called. So a
  replica_device_setter that assigns devices in turn assigns the same devices to other variables as
  without this one.

  Args:
    variable: whole or partitioned.
    leaf: the last part of the name of the new variable if it has the same partitioning.
  """
  devices = chosen_devices(variable)
  if not devices:
    yield
    return

  def device(op: Operation) -> str:
    part = re.match('.*%s/part_([0-9]+)(/|$)' % re.escape(leaf), op.name)  # The last one.
    return devices[int(part.group(1)) if part else 0]

  with tf.device(None), tf.device(device if leaf and len(devices) > 1 else devices[0]):
    yield


def step_variable(name: str, leaf: str, use_resource: Optional[bool], step: Tensor) -> Variable:
  """Returns the variable <name>/<leaf>, an int32 scalar; creates it as zero if necessary.

  Args:
    name: the name of the spec.
    leaf: LAST_MASK_UPDATE_STEP or LAST_GRADIENT_UPDATE_STEP.
    use_resource: whether it is a resource variable; None for the variable scope's kind.
    step: the global step. The variable is created on the same device, so that both survive the
      same failures of tasks.
  """
  with tf.variable_scope(name, reuse=tf.AUTO_REUSE, use_resource=use_resource) as scope:
    for variable in saved_variables():
      if op_name(variable) == scope.name + '/' + leaf:
        return variable  # From a meta graph: get_variable does not know its variables.
    scope.set_partitioner(None)
    with beside(step):
      return tf.get_variable(leaf, [], dtype=tf.int32, trainable=False,
                             initializer=tf.zeros_initializer())


def filled(value: int) -> Callable[..., Tensor]:
  """Returns an initializer of a variable with equal elements that sessions do not keep a copy of.

  Of tf.ones, the graph optimizer makes a constant, which stays in memory as long as the session. A
  placeholder's default is not known to the optimizer.
  """
  def initial(shape: Sequence[int], dtype: DType = tf.float32,
              partition_info: Any = None) -> Tensor:
    del partition_info
    return tf.fill(shape, tf.placeholder_with_default(tf.constant(value, dtype), []))

  return initial


def saved_variables() -> List[Variable]:
  """Returns the saved variables of the graph, including those exempt from initialization."""
  known = tf.global_variables()
  names = {variable.name for variable in known}
  return known + [variable for variable in tf.get_collection(tf.GraphKeys.MODEL_VARIABLES)
                  if variable.name not in names]


def exempt_from_initialization(variable: Variable) -> Tensor:
  """Saves and restores a variable without making sessions wait for its initialization.

  A session is ready when all global variables are initialized. If a Scaffold's init_op exists
  already, nothing would initialize a new variable. Savers, unlike the check for readiness, also
  use the collection of saveable objects. A checkpoint saved before the initialization contains 0.

  Returns:
    A bool tensor: whether the variable is initialized.
  """
  copies = copies_of(variable)
  with switches_and_merges(), tf.device(copies[0].device):
    initialized = tf.reduce_all(tf.stack([tf.is_variable_initialized(copy) for copy in copies]))
    value = tf.cond(initialized, copies[0].read_value,
                    lambda: tf.zeros(variable.shape, dtype_of(variable)))
  if not is_exempt(variable):
    variables = tf.get_collection_ref(tf.GraphKeys.GLOBAL_VARIABLES)
    variables[:] = [known for known in variables if known is not variable]
    # A meta graph keeps this collection of variables, and no session waits for them.
    tf.add_to_collection(tf.GraphKeys.MODEL_VARIABLES, variable)
    tf.add_to_collection(tf.GraphKeys.SAVEABLE_OBJECTS, _Saveable(variable, value))
  return initialized


def is_exempt(variable: Variable) -> bool:
  """Whether exempt_from_initialization was called for a variable of this graph."""
  return any(isinstance(saveable, _Saveable) and saveable.op is variable
             for saveable in tf.get_collection(tf.GraphKeys.SAVEABLE_OBJECTS))


def require_initialization(variable: Variable) -> None:
  """Undoes exempt_from_initialization, so that global initializers include the variable again."""
  known = tf.get_collection_ref(tf.GraphKeys.GLOBAL_VARIABLES)
  if variable.name in [other.name for other in known]:
    return
  known.append(variable)
  for key in (tf.GraphKeys.MODEL_VARIABLES, tf.GraphKeys.SAVEABLE_OBJECTS):
    others = tf.get_collection_ref(key)
    others[:] = [other for other in others if getattr(other, 'name', None) != variable.name]


class _Saveable(BaseSaverBuilder.SaveableObject):
  """Saves `value` under the variable's name, and restores the variable."""

  def __init__(self, variable: Variable, value: Tensor) -> None:
    part = _part_of(variable)
    spec = BaseSaverBuilder.SaveSpec(value, part.spec if part else '', saved_name(variable))
    # A meta graph stores collections by name and finds the variable by this name.
    super().__init__(variable, [spec], variable.name)

  def restore(self, restored_tensors: Tensor, restored_shapes: Tensor) -> Operation:
    del restored_shapes
    return tf.group(*(tf.assign(copy, restored_tensors[0]) for copy in copies_of(self.op)))


def layout_of(weight: Variable) -> Layout:
  """Returns how a variable or tensor is cut into shards.

  Raises:
    errors.WeightError: its shape is unknown, or it is cut along several axes.
  """
  shards, shape = shards_of(weight), weight.get_shape()
  if not shape.is_fully_defined():
    raise errors.WeightError('Weight %s has shape %s; its shape must be known before training '
                             'to create a mask for it' % (op_name(weight), shape))
  full = tuple(shape.as_list())
  if len(shards) == 1:
    return Layout.whole(full)
  cut = [shard.get_shape().as_list() for shard in shards]
  axes = [axis for axis, size in enumerate(full) if any(part[axis] != size for part in cut)]
  if len(axes) != 1:
    raise errors.WeightError('Weight %s is partitioned along %d axes; a weight with a mask can be '
                             'partitioned along one axis only' % (op_name(weight), len(axes)))
  return Layout(full, axes[0], tuple(part[axes[0]] for part in cut))


@dataclasses.dataclass(frozen=True)
class Parts:
  """The attributes of a PartitionedVariable that a MaskedWeight needs, from a meta graph."""
  name: str
  shape: Shape
  dtype: DType
  parts: Tuple[Variable, ...]

  def __iter__(self) -> Iterator[Variable]:
    return iter(self.parts)

  def _get_variable_list(self) -> List[Variable]:
    return list(self.parts)

  def get_shape(self) -> Shape:
    return self.shape


def shards_of(variable: Variable) -> List[Variable]:
  """Returns the parts of a PartitionedVariable; for other variables and tensors [variable]."""
  return list(variable) if is_partitioned(variable) else [variable]


def copies_of(variable: Variable) -> Sequence[Variable]:
  """Returns the copies of a variable that a strategy of tf.distribute keeps on its replicas.

  All copies have the same value. For other variables and tensors it returns [variable].
  """
  return variable.values if is_replicated(variable) else [variable]


def is_replicated(variable: Variable) -> bool:
  """Whether a strategy of tf.distribute keeps copies of a variable."""
  return hasattr(variable, 'values') and hasattr(variable, 'distribute_strategy')


def is_partitioned(variable: Variable) -> bool:
  """Whether a variable is a PartitionedVariable."""
  # TensorFlow 2 has the class in another module, but only this class has the method. A replicated
  # variable looks up missing attributes on a new read operation, so check it first.
  return not is_replicated(variable) and hasattr(variable, '_get_variable_list')


def op_name(variable: Variable) -> str:
  """Returns the op name of a variable, without the suffixes of parts if it is partitioned."""
  # Variables of wrap_function are outside its graph and have no operation in it.
  return variable.name.split(':')[0]


def dtype_of(variable: Variable) -> DType:
  """Returns the dtype of the values of a variable or tensor."""
  return tf.as_dtype(variable.dtype).base_dtype  # A PartitionedVariable's may be a string.


def is_variable(weight: Variable) -> bool:
  """Whether a weight is a variable, whole or partitioned, and not a tensor."""
  return hasattr(shards_of(weight)[0], 'initializer')


def use_resource_of(weight: Variable) -> Optional[bool]:
  """Whether a weight is a resource variable; None, which means the scope's kind, for a tensor."""
  first = copies_of(shards_of(weight)[0])[0]
  if hasattr(first, 'handle') and first.handle.dtype == tf.resource:
    return True
  return False if is_variable(weight) else None


def partitioner_like(weight: Variable) -> Optional[Callable[..., List[int]]]:
  """Returns a partitioner that cuts variables like a weight; None if the weight is whole."""
  if not is_partitioned(weight):
    return None
  layout = layout_of(weight)
  parts = [len(layout.sizes) if axis == layout.axis else 1 for axis in range(len(layout.shape))]
  return lambda shape, **_: parts if shape.rank else []


def saved_name(variable: Variable) -> str:
  """Returns the name of a variable in a checkpoint; for a part, the name of the whole variable."""
  part = _part_of(variable)
  return op_name(variable) if part is None else part.full_name


def _part_of(variable: Variable) -> Any:
  # TensorFlow sets this on the parts of partitioned variables; there is no public API for it.
  return getattr(variable, '_save_slice_info', None)
