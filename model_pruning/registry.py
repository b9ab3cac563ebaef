# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which weights are masked, and with what: mask and threshold variables, and their collections.

The only file that knows the names of variables and collections. They are those
of tf.contrib.model_pruning, so checkpoints, and tools that look at the graph,
keep working. The collections are the state: a graph imported from a meta graph,
or built by contrib, is understood as well as one built here.
"""

import contextlib
import dataclasses
import functools
import re
import threading
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Optional, Set, Tuple

from model_pruning import errors
from model_pruning.compat import BaseSaverBuilder
from model_pruning.compat import tf
from model_pruning.patterns import Layout
from model_pruning.placement import on_device_of
from model_pruning.placement import switches_and_merges

MASK_COLLECTION = 'masks'
THRESHOLD_COLLECTION = 'thresholds'
MASKED_WEIGHT_COLLECTION = 'masked_weights'
WEIGHT_COLLECTION = 'kernel'
MASKED_WEIGHT_NAME = 'weights/masked_weight'
LAST_MASK_UPDATE_STEP = 'last_mask_update_step'

_MASKABLE = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


@dataclasses.dataclass(frozen=True)
class MaskedWeight:
  """One weight and what hides parts of it.

  Attributes:
    weight: variable, PartitionedVariable or tensor.
    mask: variable of the weight's shape, dtype and partitioning; ones and zeros.
    threshold: scalar variable of the weight's dtype.
    masked: the tensor weight * mask.
  """
  weight: Any
  mask: Any
  threshold: Any
  masked: Any

  @property
  def name(self) -> str:
    """Op name of the weight, without the parts' suffixes where it is partitioned."""
    return op_name(self.weight)

  @property
  def layout(self) -> Layout:
    """How the weight is cut into shards."""
    return _layout(self.weight)

  @property
  def weight_shards(self) -> List[Any]:
    return _shards(self.weight)

  @property
  def mask_shards(self) -> List[Any]:
    return _shards(self.mask)

  def read_weight(self) -> List[Any]:
    """Reads every shard once, as float32, where it lives."""
    values = []
    for shard in self.weight_shards:
      with on_device_of(shard):
        values.append(read(shard, tf.float32))
    return values

  def kept(self) -> Any:
    """Returns a tensor of the number of elements the mask keeps, an int64 scalar."""
    counts = []
    for shard in self.mask_shards:
      with on_device_of(shard):
        counts.append(tf.math.count_nonzero(read(shard), dtype=tf.int64))
    return tf.add_n(counts)

  def size(self) -> int:
    """Returns the number of elements of the weight."""
    size = 1
    for dim in self.layout.shape:
      size *= dim
    return size


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
  if not hasattr(variable, 'read_value'):
    value = tf.convert_to_tensor(variable)
    return value if dtype is None else tf.cast(value, dtype)
  dtype = dtype or _dtype(variable)
  if dtype == _dtype(variable) or _use_resource(variable):
    return tf.cast(variable.read_value(), dtype)
  return tf.cast(variable.op.outputs[0], dtype)


def assign(variable: Any, value: Any) -> Any:
  """Returns the operation that assigns `value`, cast to the variable's dtype, where that lives."""
  with on_device_of(variable):
    return tf.assign(variable, tf.cast(value, _dtype(variable)),
                     name=variable.op.name.split('/')[-1] + '_assign').op


def masked_weights() -> List[MaskedWeight]:
  """Returns a record per masked weight of the default graph, in order of registration.

  Raises:
    errors.GraphMismatchError: the collections do not belong together.
  """
  columns = [tf.get_collection(key) for key in (
      WEIGHT_COLLECTION, MASK_COLLECTION, THRESHOLD_COLLECTION, MASKED_WEIGHT_COLLECTION)]
  if len({len(column) for column in columns}) != 1:
    raise errors.GraphMismatchError(
        'Number of masks (%d), thresholds (%d), masked weights (%d) and weights (%d) in the '
        'collections of this graph mismatch; only apply_mask and masked_scope should add to the '
        'collections %r, %r, %r and %r' % (
            len(columns[1]), len(columns[2]), len(columns[3]), len(columns[0]), MASK_COLLECTION,
            THRESHOLD_COLLECTION, MASKED_WEIGHT_COLLECTION, WEIGHT_COLLECTION))
  variables = {variable.name: variable for variable in tf.global_variables()}
  return [MaskedWeight(*(_as_variable(item, variables) for item in row)) for row in zip(*columns)]


def _as_variable(item: Any, variables: Dict[str, Any]) -> Any:
  """Returns the variable behind what a meta graph made of it, or `item` if that is none.

  A meta graph brings variables of custom collections back as plain tensors, and
  partitioned ones as the operation that joins their parts.
  """
  if not isinstance(item, tf.Operation):
    return variables.get(item.name, item)
  parts = []
  for variable in variables.values():
    info = variable._get_save_slice_info()  # Nothing public tells a part from a whole.
    if info is not None and info.full_name == item.name:
      parts.append((info.var_offset, info.full_shape, variable))
  parts.sort(key=lambda part: part[0])
  if not parts:
    raise errors.GraphMismatchError(
        'The collections of this graph name %s, which is neither a variable nor the parts of one; '
        'import the meta graph without an import_scope' % item.name)
  return _Parts(item.name, tf.TensorShape(parts[0][1]), parts[0][2].dtype,
                tuple(part for _, _, part in parts))


@dataclasses.dataclass(frozen=True)
class _Parts:
  """A PartitionedVariable from a meta graph, as far as a MaskedWeight needs one."""
  name: str
  shape: Any
  dtype: Any
  parts: Tuple[Any, ...]

  def __iter__(self) -> Iterator[Any]:
    return iter(self.parts)

  def _get_variable_list(self) -> List[Any]:
    return list(self.parts)

  def get_shape(self) -> Any:
    return self.shape


def last_update_step(name: str, use_resource: Optional[bool]) -> Any:
  """Returns the variable <name>/last_mask_update_step, an int32 scalar; makes it if need be."""
  with tf.variable_scope(name, reuse=tf.AUTO_REUSE, use_resource=use_resource) as scope:
    scope.set_partitioner(None)
    return tf.get_variable(LAST_MASK_UPDATE_STEP, [], dtype=tf.int32, trainable=False,
                           initializer=tf.zeros_initializer())


def exempt_from_initialization(variable: Any) -> Any:
  """Has a variable saved and restored, but by nobody waited for until it is initialized.

  For one that is made when a Scaffold's init_op may already exist: a session
  counts as ready when all global variables are initialized, and nothing would
  initialize this one. Savers, unlike that check, also go by the collection of
  saveable objects. A checkpoint that is saved too early holds a zero.

  Returns:
    A bool tensor, whether the variable is initialized.
  """
  variables = tf.get_collection_ref(tf.GraphKeys.GLOBAL_VARIABLES)
  variables[:] = [known for known in variables if known is not variable]
  with switches_and_merges(), tf.device(variable.device):
    initialized = tf.is_variable_initialized(variable)
    value = tf.cond(initialized, variable.read_value, lambda: tf.zeros([], _dtype(variable)))
  tf.add_to_collection(tf.GraphKeys.SAVEABLE_OBJECTS, _Saveable(variable, value))
  return initialized


class _Saveable(BaseSaverBuilder.SaveableObject):
  """Saves `value` under the variable's name, and restores the variable."""

  def __init__(self, variable: Any, value: Any) -> None:
    spec = BaseSaverBuilder.SaveSpec(value, '', variable.op.name)
    # A meta graph keeps collections by name, and finds the variable again by this one.
    super().__init__(variable, [spec], variable.name)

  def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
    del restored_shapes
    return tf.assign(self.op, restored_tensors[0])


def get_masked_weights() -> List[Any]:
  """Returns the masked weight tensors of the default graph."""
  return tf.get_collection(MASKED_WEIGHT_COLLECTION)


def get_masks() -> List[Any]:
  """Returns the mask variables of the default graph."""
  return tf.get_collection(MASK_COLLECTION)


def get_thresholds() -> List[Any]:
  """Returns the threshold variables of the default graph."""
  return tf.get_collection(THRESHOLD_COLLECTION)


def get_weights() -> List[Any]:
  """Returns the weights that are masked in the default graph, as they are stored."""
  return tf.get_collection(WEIGHT_COLLECTION)


def get_weight_sparsity() -> List[Any]:
  """Returns, per mask of the default graph, a float32 scalar with its share of zeros."""
  return [tf.cast(record.size() - record.kept(), tf.float32) / record.size()
          for record in masked_weights()]


def apply_mask(x: Any, scope: str = '') -> Any:
  """Masks a weight, and registers it for pruning.

  Makes the variables <scope>/mask (ones) and <scope>/threshold (zero), neither
  trainable, of the weight's dtype, and with its partitioning and kind (resource
  or ref). Applying a mask again where the variables are reused registers nothing
  new.

  Args:
    x: the weight: a variable, a PartitionedVariable or a tensor, of floating
      dtype and static shape.
    scope: the variable scope to make the variables in, relative to the current
      one. Weights that share a scope need different ones here.

  Returns:
    The tensor x * mask, named `weights/masked_weight` in the current name scope.

  Raises:
    errors.WeightError: the dtype is not a real floating one, or the shape unknown.
    errors.GraphMismatchError: x is not in the default graph.
  """
  return apply_mask_and_return(x, scope)[0]


def apply_mask_and_return(x: Any, scope: str = '') -> Tuple[Any, Any]:
  """Does what apply_mask does, and returns (masked weight, mask)."""
  for record in masked_weights():
    if record.masked is x:  # A layer under masked_scope handed it out.
      return record.masked, record.mask
  layout = _check(x)
  with tf.variable_scope(scope, use_resource=_use_resource(x)) as opened:
    def create(name: str, shape: Tuple[int, ...], initializer: Any) -> Any:
      opened.set_partitioner(_partitioner(x, layout) if shape else None)
      return tf.get_variable(name, shape, dtype=_dtype(x), initializer=initializer,
                             trainable=False)
    mask, threshold = _create(create, 'mask', 'threshold', layout)
  return _register(x, mask, threshold), mask


class _Claimed(threading.local):
  """Names of variables that a masked_scope is about to mask, so that one around it does not."""

  def __init__(self) -> None:
    self.names: Set[str] = set()


_claimed = _Claimed()


@contextlib.contextmanager
def masked_scope(include: str = '.*(kernel|weights)$',
                 exclude: Optional[str] = None) -> Iterator[None]:
  """Masks the weights that are created within it, in a model that knows nothing of masks.

      with model_pruning.masked_scope(exclude='logits.*'):
        logits = build_model(images)

  Trainable variables asked for with get_variable are handed out multiplied by a
  mask: those of tf.layers, slim, and RNN cells, inside dynamic_rnn too. A weight
  <scope>/kernel or <scope>/weights gets <scope>/mask and <scope>/threshold; any
  other <scope>/<name> gets <scope>/<name>_mask and <scope>/<name>_threshold, so
  that the two kernels of a separable convolution have one each.

  Args:
    include: regular expression; variables whose full name matches it from the
      start are masked.
    exclude: regular expression; those that match it from the start are not.
      None excludes nothing.

  Raises:
    errors.MapError: include or exclude is not a regular expression.
    errors.WeightError: from the model, when an included variable cannot be masked.
  """
  included = _compile('include', include)
  excluded = _compile('exclude', exclude) if exclude else None
  scope = tf.get_variable_scope()
  outer = scope.custom_getter

  # TensorFlow passes `getter` and `name` by these names.
  def masking_getter(getter: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
    get = functools.partial(outer, getter) if outer else getter
    if (kwargs.get('trainable') is False or not included.match(name) or
        (excluded and excluded.match(name)) or name in _claimed.names):
      return get(name, *args, **kwargs)
    _claimed.names.add(name)
    try:
      variable = get(name, *args, **kwargs)
    finally:
      _claimed.names.remove(name)
    return _mask_variable(variable, name, get, getter, kwargs)

  # Set on the scope that is open rather than on one opened here: leaving a scope
  # would forget the default names handed out in it ('dense', 'dense_1', ...).
  scope.set_custom_getter(masking_getter)
  try:
    yield
  finally:
    scope.set_custom_getter(outer)


def _compile(argument: str, pattern: str) -> Any:
  try:
    return re.compile(pattern)
  except re.error as error:
    raise errors.MapError('masked_scope(%s=%r): not a regular expression (%s)' %
                          (argument, pattern, error)) from error


def _mask_variable(variable: Any, name: str, get: Callable[..., Any], getter: Callable[..., Any],
                   kwargs: Any) -> Any:
  """Masks what get(name, **kwargs) gave; see masked_scope for the names.

  Args:
    variable: the weight.
    name: its full name.
    get: how it was asked for, through the getters of the user.
    getter: the same without those.
    kwargs: what it was asked for with.
  """
  layout = _check(variable)
  scope, _, leaf = name.rpartition('/')
  prefix = (scope + '/' if scope else '') + ('' if leaf in ('kernel', 'weights') else leaf + '_')
  options = {key: kwargs[key] for key in ('reuse', 'aggregation', 'synchronization')
             if key in kwargs}

  def create(full_name: str, shape: Tuple[int, ...], initializer: Any) -> Any:
    arguments = dict(shape=shape, dtype=_dtype(variable), initializer=initializer,
                     trainable=False, use_resource=_use_resource(variable),
                     partitioner=_partitioner(variable, layout) if shape else None, **options)
    made = get(full_name, **arguments)
    # A getter of the user's may give a tensor for each variable; a mask is written to.
    return made if _is_variable(made) else getter(full_name, **dict(arguments, reuse=True))

  mask, threshold = _create(create, prefix + 'mask', prefix + 'threshold', layout)
  with _name_scope_for_product(scope if leaf in ('kernel', 'weights') else name):
    return _register(variable, mask, threshold)


def _name_scope_for_product(name: str) -> ContextManager:
  """Returns the name scope `name`, or name_1, ... where that already holds a masked product.

  Layers ask for their variables outside of the name scope of their operations.
  """
  graph, scope, used = tf.get_default_graph(), name, 0
  with tf.name_scope(None):
    while True:
      product = (scope + '/' if scope else '') + MASKED_WEIGHT_NAME
      if graph.unique_name(product, mark_as_used=False) == product:
        return tf.name_scope(scope + '/' if scope else None)
      used += 1
      scope = '%s_%d' % (name or 'masked', used)


def _create(create: Callable[..., Any], mask_name: str, threshold_name: str,
            layout: Layout) -> Tuple[Any, Any]:
  return (create(mask_name, layout.shape, tf.ones_initializer()),
          create(threshold_name, (), tf.zeros_initializer()))


def _register(weight: Any, mask: Any, threshold: Any) -> Any:
  """Multiplies weight and mask, and enters them into the collections if they are new there."""
  # In the body of a loop, where RNN cells are built, multiply once, not in every round.
  lift = _is_variable(weight) and _in_control_flow()
  with tf.init_scope() if lift else contextlib.nullcontext():
    masked = tf.multiply(tf.convert_to_tensor(mask), tf.convert_to_tensor(weight),
                         name=MASKED_WEIGHT_NAME)
  # By name: reuse makes new objects of partitioned variables.
  if mask.name not in [known.name for known in get_masks()]:
    tf.add_to_collection(THRESHOLD_COLLECTION, threshold)
    tf.add_to_collection(MASK_COLLECTION, mask)
    tf.add_to_collection(MASKED_WEIGHT_COLLECTION, masked)
    tf.add_to_collection(WEIGHT_COLLECTION, weight)
  return masked


def _in_control_flow() -> bool:
  """Returns whether a loop or a conditional of a graph is being built."""
  graph = tf.get_default_graph()
  with tf.init_scope():
    if tf.executing_eagerly():
      return False  # Nothing, or a function that no graph is around.
    if tf.get_default_graph() is not graph:
      return True  # Control flow v2 builds its bodies as graphs of their own.
  # TensorFlow has no public way to ask. Where this one is gone, nothing is lost but speed.
  context = getattr(graph, '_get_control_flow_context', lambda: None)
  return context() is not None


def _check(weight: Any) -> Layout:
  """Returns the layout of a weight that can be masked.

  Raises:
    errors.WeightError, errors.GraphMismatchError: it cannot; the message says why.
  """
  name = op_name(weight)
  if _dtype(weight) not in _MASKABLE:
    raise errors.WeightError('Weight %s has dtype %s; only %s weights can be masked' % (
        name, _dtype(weight).name, ', '.join(dtype.name for dtype in _MASKABLE)))
  graph = _shards(weight)[0].graph
  if not tf.executing_eagerly() and graph is not tf.get_default_graph() and not hasattr(
      tf.get_default_graph(), 'outer_graph'):
    raise errors.GraphMismatchError(
        'Weight %s belongs to another graph than the default one; mask it in a `with '
        'graph.as_default()` block of its own graph' % name)
  return _layout(weight)


def _layout(weight: Any) -> Layout:
  shards, shape = _shards(weight), weight.get_shape()
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


def _shards(variable: Any) -> List[Any]:
  """Returns the parts of a PartitionedVariable, or what is its own only part, as a list."""
  return list(variable) if _is_partitioned(variable) else [variable]


def _is_partitioned(variable: Any) -> bool:
  # TensorFlow 2 lists the class under another module; the method is its own in both.
  return hasattr(variable, '_get_variable_list')


def op_name(variable: Any) -> str:
  """Returns the op name of a variable, without part suffixes where it is partitioned."""
  return variable.name if _is_partitioned(variable) else variable.op.name


def _dtype(variable: Any) -> Any:
  return tf.as_dtype(variable.dtype).base_dtype  # A PartitionedVariable's may be a string.


def _is_variable(weight: Any) -> bool:
  return hasattr(_shards(weight)[0], 'initializer')


def _use_resource(weight: Any) -> Optional[bool]:
  """Returns whether the weight is a resource variable; None, the scope's choice, for a tensor."""
  first = _shards(weight)[0]
  if hasattr(first, 'handle') and first.handle.dtype == tf.resource:
    return True
  return False if _is_variable(weight) else None


def _partitioner(weight: Any, layout: Layout) -> Optional[Callable[..., List[int]]]:
  """Returns a partitioner that cuts a mask as the weight is cut."""
  if not _is_partitioned(weight):
    return None
  parts = [len(layout.sizes) if axis == layout.axis else 1 for axis in range(len(layout.shape))]
  return lambda **_: parts


def saved_name(variable: Any) -> str:
  """Returns the name a variable has in a checkpoint: that of the whole, for a part of one."""
  # Set by TensorFlow on the parts of partitioned variables; there is no public way to ask.
  part = getattr(variable, '_save_slice_info', None)
  return part.full_name if part is not None else variable.op.name
