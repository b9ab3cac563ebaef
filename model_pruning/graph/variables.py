# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Variables of every kind, ref and resource, whole and partitioned, read and written alike."""

import contextlib
import re
from typing import Any, Callable, Iterator, List, Optional, Sequence

from model_pruning import errors
from model_pruning.compat import BaseSaverBuilder
from model_pruning.compat import tf
from model_pruning.engine.layout import Layout
from model_pruning.engine.placement import on_device_of
from model_pruning.engine.placement import switches_and_merges


def read(variable: Any, dtype: Any = None) -> Any:
  """Returns the value of a variable as it is when control dependencies are met.

  The tensor a ref variable converts to was made with the variable, so it ignores
  the control dependencies of those who use it. A tensor is returned as it is.

  Args:
    variable: a variable or a tensor.
    dtype: what to cast the value to, if not None. Not to be left to the caller:
      the graph optimizer moves a cast ahead of the read of a ref variable, and so
      ahead of what the read waits for.
  """
  variable = copies_of(variable)[0]
  if not hasattr(variable, 'read_value'):
    value = tf.convert_to_tensor(variable)
    return value if dtype is None else tf.cast(value, dtype)
  dtype = dtype or dtype_of(variable)
  if dtype == dtype_of(variable) or use_resource_of(variable):
    return tf.cast(variable.read_value(), dtype)
  return tf.cast(variable.op.outputs[0], dtype)


def read_shards(variable: Any, copy: bool = False) -> List[Any]:
  """Reads every shard of a variable once, as float32, where it lives.

  Args:
    variable: what to read.
    copy: whether the values must stay what they are while the variable is written
      to. What is read of a ref variable is its own memory.
  """
  values = []
  for shard in shards_of(variable):
    shard = copies_of(shard)[0]
    with on_device_of(shard):
      value = read(shard, tf.float32)
      values.append(tf.raw_ops.DeepCopy(x=value) if copy and use_resource_of(shard) is False
                    else value)
  return values


def assign_shards(variable: Any, values: List[Any]) -> List[Any]:
  """Returns the operations that assign `values` to the shards of a variable."""
  return [assign(shard, value) for shard, value in zip(shards_of(variable), values)]


def assign(variable: Any, value: Any) -> Any:
  """Returns the operation that assigns `value`, cast to the variable's dtype, where that lives."""
  written = []
  for copy in copies_of(variable):
    with on_device_of(copy):
      written.append(tf.assign(copy, tf.cast(value, dtype_of(copy)),
                               name=op_name(copy).split('/')[-1] + '_assign').op)
  return written[0] if len(written) == 1 else tf.group(*written)


def chosen_devices(variable: Any) -> List[str]:
  """Returns the device of each shard of a variable; none where TensorFlow is to choose them.

  Strategies of tf.distribute choose the devices of the variables they make, of all alike.
  """
  if not is_variable(variable) or is_replicated(variable) or tf.distribute.has_strategy():
    return []
  devices = [shard.device for shard in shards_of(variable)]
  return devices if all(devices) else []


def is_remote(variable: Any) -> bool:
  """Returns whether a variable was placed in a job of a cluster, where several tasks may use it."""
  return job_of(variable) is not None


def job_of(variable: Any) -> Optional[str]:
  """Returns the job of a cluster that a variable was placed in; None for none."""
  for device in chosen_devices(variable):
    job = tf.DeviceSpec.from_string(device).job
    if job not in (None, 'localhost'):
      return job
  return None


@contextlib.contextmanager
def beside(variable: Any, leaf: str = '') -> Iterator[None]:
  """Has a variable made where another one lives, part by part, if its devices were chosen.

  Whatever else would choose a device is not asked: a replica_device_setter that deals
  out variables in turn deals out the others as it would without these.

  Args:
    variable: whole or partitioned.
    leaf: the last part of the name of what is made, if that is partitioned likewise.
  """
  devices = chosen_devices(variable)
  if not devices:
    yield
    return

  def device(op: Any) -> str:
    part = re.match('.*%s/part_([0-9]+)(/|$)' % re.escape(leaf), op.name)  # The last one.
    return devices[int(part.group(1)) if part else 0]

  with tf.device(None), tf.device(device if leaf and len(devices) > 1 else devices[0]):
    yield


def step_variable(name: str, leaf: str, use_resource: Optional[bool], step: Any) -> Any:
  """Returns the variable <name>/<leaf>, an int32 scalar; makes it, as zero, if need be.

  Args:
    name: the name of the spec.
    leaf: LAST_MASK_UPDATE_STEP or LAST_GRADIENT_UPDATE_STEP.
    use_resource: its kind; None for that of the variable scope.
    step: the global step, beside which it is made: where that survives a task, it does.
  """
  with tf.variable_scope(name, reuse=tf.AUTO_REUSE, use_resource=use_resource) as scope:
    for variable in saved_variables():
      if op_name(variable) == scope.name + '/' + leaf:
        return variable  # From a meta graph, whose variables get_variable does not know.
    scope.set_partitioner(None)
    with beside(step):
      return tf.get_variable(leaf, [], dtype=tf.int32, trainable=False,
                             initializer=tf.zeros_initializer())


def saved_variables() -> List[Any]:
  """Returns the variables of the graph that are saved, those exempt from initialization too."""
  known = tf.global_variables()
  names = {variable.name for variable in known}
  return known + [variable for variable in tf.get_collection(tf.GraphKeys.MODEL_VARIABLES)
                  if variable.name not in names]


def exempt_from_initialization(variable: Any) -> Any:
  """Has a variable saved and restored, but by nobody waited for until it is initialized.

  For one that is made when a Scaffold's init_op may already exist: a session
  counts as ready when all global variables are initialized, and nothing would
  initialize this one. Savers, unlike that check, also go by the collection of
  saveable objects. A checkpoint that is saved too early holds a zero.

  Returns:
    A bool tensor, whether the variable is initialized.
  """
  copies = copies_of(variable)
  with switches_and_merges(), tf.device(copies[0].device):
    initialized = tf.reduce_all(tf.stack([tf.is_variable_initialized(copy) for copy in copies]))
    value = tf.cond(initialized, copies[0].read_value,
                    lambda: tf.zeros(variable.shape, dtype_of(variable)))
  if not is_exempt(variable):
    variables = tf.get_collection_ref(tf.GraphKeys.GLOBAL_VARIABLES)
    variables[:] = [known for known in variables if known is not variable]
    # A collection of variables that a meta graph keeps, and that nobody waits for.
    tf.add_to_collection(tf.GraphKeys.MODEL_VARIABLES, variable)
    tf.add_to_collection(tf.GraphKeys.SAVEABLE_OBJECTS, _Saveable(variable, value))
  return initialized


def is_exempt(variable: Any) -> bool:
  """Returns whether exempt_from_initialization was called for a variable of this graph."""
  return any(isinstance(saveable, _Saveable) and saveable.op is variable
             for saveable in tf.get_collection(tf.GraphKeys.SAVEABLE_OBJECTS))


def require_initialization(variable: Any) -> None:
  """Takes back exempt_from_initialization, if that was called: global initializers cover it."""
  known = tf.get_collection_ref(tf.GraphKeys.GLOBAL_VARIABLES)
  if variable.name in [other.name for other in known]:
    return
  known.append(variable)
  for key in (tf.GraphKeys.MODEL_VARIABLES, tf.GraphKeys.SAVEABLE_OBJECTS):
    others = tf.get_collection_ref(key)
    others[:] = [other for other in others if getattr(other, 'name', None) != variable.name]


class _Saveable(BaseSaverBuilder.SaveableObject):
  """Saves `value` under the variable's name, and restores the variable."""

  def __init__(self, variable: Any, value: Any) -> None:
    part = _part_of(variable)
    spec = BaseSaverBuilder.SaveSpec(value, part.spec if part else '', saved_name(variable))
    # A meta graph keeps collections by name, and finds the variable again by this one.
    super().__init__(variable, [spec], variable.name)

  def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
    del restored_shapes
    return tf.group(*(tf.assign(copy, restored_tensors[0]) for copy in copies_of(self.op)))


def layout_of(weight: Any) -> Layout:
  """Returns how a variable or tensor is cut into shards.

  Raises:
    errors.WeightError: its shape is unknown, or it is cut along several axes.
  """
  shards, shape = shards_of(weight), weight.get_shape()
  if not shape.is_fully_defined():
    raise errors.WeightError('Weight %s has shape %s; its shape must be known before training '
                             'to make a mask for it' % (op_name(weight), shape))
  full = tuple(shape.as_list())
  if len(shards) == 1:
    return Layout.whole(full)
  cut = [shard.get_shape().as_list() for shard in shards]
  axes = [axis for axis, size in enumerate(full) if any(part[axis] != size for part in cut)]
  if len(axes) != 1:
    raise errors.WeightError('Weight %s is partitioned along %d axes; a mask can follow one' %
                             (op_name(weight), len(axes)))
  return Layout(full, axes[0], tuple(part[axes[0]] for part in cut))


def shards_of(variable: Any) -> List[Any]:
  """Returns the parts of a PartitionedVariable, or what is its own only part, as a list."""
  return list(variable) if is_partitioned(variable) else [variable]


def copies_of(variable: Any) -> Sequence[Any]:
  """Returns the copies of a variable that a strategy of tf.distribute keeps on several replicas.

  All hold the same value. What is no such variable is its own only copy.
  """
  return variable.values if is_replicated(variable) else [variable]


def is_replicated(variable: Any) -> bool:
  """Returns whether a strategy of tf.distribute keeps copies of a variable."""
  return hasattr(variable, 'values') and hasattr(variable, 'distribute_strategy')


def is_partitioned(variable: Any) -> bool:
  """Returns whether it is a PartitionedVariable."""
  # TensorFlow 2 lists the class under another module; the method is its own in both.
  # What a replicated variable lacks it looks for in a read of it, which it adds to the graph.
  return not is_replicated(variable) and hasattr(variable, '_get_variable_list')


def op_name(variable: Any) -> str:
  """Returns the op name of a variable, without part suffixes where it is partitioned."""
  # Variables of wrap_function live outside of its graph, and have no operation in it.
  return variable.name.split(':')[0]


def dtype_of(variable: Any) -> Any:
  """Returns the dtype of the values of a variable or tensor."""
  return tf.as_dtype(variable.dtype).base_dtype  # A PartitionedVariable's may be a string.


def is_variable(weight: Any) -> bool:
  """Returns whether it is a variable, whole or partitioned, and not a tensor."""
  return hasattr(shards_of(weight)[0], 'initializer')


def use_resource_of(weight: Any) -> Optional[bool]:
  """Returns whether the weight is a resource variable; None, the scope's choice, for a tensor."""
  first = copies_of(shards_of(weight)[0])[0]
  if hasattr(first, 'handle') and first.handle.dtype == tf.resource:
    return True
  return False if is_variable(weight) else None


def partitioner_like(weight: Any) -> Optional[Callable[..., List[int]]]:
  """Returns a partitioner that cuts a variable as the weight is cut; None where it is whole."""
  if not is_partitioned(weight):
    return None
  layout = layout_of(weight)
  parts = [len(layout.sizes) if axis == layout.axis else 1 for axis in range(len(layout.shape))]
  return lambda shape, **_: parts if shape.rank else []


def saved_name(variable: Any) -> str:
  """Returns the name a variable has in a checkpoint: that of the whole, for a part of one."""
  part = _part_of(variable)
  return op_name(variable) if part is None else part.full_name


def _part_of(variable: Any) -> Any:
  # Set by TensorFlow on the parts of partitioned variables; there is no public way to ask.
  return getattr(variable, '_save_slice_info', None)
