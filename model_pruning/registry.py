# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which weights are masked, and with what: mask and threshold variables, and their collections.

The collections are the state: a graph imported from a meta graph, or built by contrib,
is understood as well as one built here. Names are in names.py.
"""

import contextlib
import dataclasses
import re
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from model_pruning import errors
from model_pruning import variables
from model_pruning.compat import tf
from model_pruning.names import HISTORY as _HISTORY
from model_pruning.names import HISTORY_COLLECTIONS as _HISTORY_COLLECTIONS
from model_pruning.names import LAST_GRADIENT_UPDATE_STEP as LAST_GRADIENT_UPDATE_STEP
from model_pruning.names import LAST_MASK_UPDATE_STEP as LAST_MASK_UPDATE_STEP
from model_pruning.names import MASK_COLLECTION as MASK_COLLECTION
from model_pruning.names import MASKED_WEIGHT_COLLECTION as MASKED_WEIGHT_COLLECTION
from model_pruning.names import MASKED_WEIGHT_NAME as MASKED_WEIGHT_NAME
from model_pruning.names import OLD_OLD_WEIGHT_COLLECTION as OLD_OLD_WEIGHT_COLLECTION
from model_pruning.names import OLD_WEIGHT_COLLECTION as OLD_WEIGHT_COLLECTION
from model_pruning.names import THRESHOLD_COLLECTION as THRESHOLD_COLLECTION
from model_pruning.names import WEIGHT_COLLECTION as WEIGHT_COLLECTION
from model_pruning.names import WEIGHT_GRADIENT_COLLECTION as WEIGHT_GRADIENT_COLLECTION
from model_pruning.patterns import Layout
from model_pruning.placement import on_device_of
from model_pruning.products import masked_product
from model_pruning.spec import check_prune_option
from model_pruning.spec import UNGROUPED_GROUP_NAME

_MASKABLE = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


@dataclasses.dataclass(frozen=True)
class MaskedWeight:
  """One weight and what hides parts of it.

  Attributes:
    weight: variable, PartitionedVariable or tensor.
    mask: variable of the weight's shape, dtype and partitioning; ones and zeros.
    threshold: scalar variable of the weight's dtype.
    masked: the tensor weight * mask.
    group: the name of the group whose threshold it shares; None for none.
    gradient, old_weight, old_old_weight: variables of the weight's shape and
      partitioning, what gradient saliency remembers; None where it is not used.
  """
  weight: Any
  mask: Any
  threshold: Any
  masked: Any
  group: Optional[str] = None
  gradient: Any = None
  old_weight: Any = None
  old_old_weight: Any = None

  @property
  def name(self) -> str:
    """Op name of the weight, without the parts' suffixes where it is partitioned."""
    return variables.op_name(self.weight)

  @property
  def identity(self) -> Any:
    """What no other record has; a weight may be masked twice, and have two."""
    return self.mask.name

  @property
  def layout(self) -> Layout:
    """How the weight is cut into shards."""
    return variables.layout_of(self.weight)

  @property
  def weight_shards(self) -> List[Any]:
    return variables.shards_of(self.weight)

  @property
  def mask_shards(self) -> List[Any]:
    return variables.shards_of(self.mask)

  def kept(self) -> Any:
    """Returns a tensor of the number of elements the mask keeps, an int64 scalar."""
    counts = []
    for shard in self.mask_shards:
      with on_device_of(variables.copies_of(shard)[0]):
        counts.append(tf.math.count_nonzero(variables.read(shard), dtype=tf.int64))
    return tf.add_n(counts)

  def size(self) -> int:
    """Returns the number of elements of the weight."""
    size = 1
    for dim in self.layout.shape:
      size *= dim
    return size


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
  known = {variable.name: variable for variable in variables.saved_variables()}
  rows = [[_as_variable(item, known) for item in row] for row in zip(*columns)]
  groups = _groups()
  histories = {leaf: {variables.op_name(found): found for found in (
      _as_variable(item, known) for item in tf.get_collection(key))}
               for leaf, key in zip(_HISTORY, _HISTORY_COLLECTIONS)}
  return [MaskedWeight(weight, mask, threshold, masked, groups.get(mask.name), **{
      leaf: found.get(_sibling(mask, leaf)) for leaf, found in histories.items()})
          for weight, mask, threshold, masked in rows]


def _sibling(mask: Any, leaf: str) -> str:
  """Returns the op name of another variable of the same weight: <scope>/mask -> <scope>/<leaf>."""
  return variables.op_name(mask)[:-len('mask')] + leaf


def _groups() -> Dict[str, str]:
  """Returns the group of each mask that is in one, by the name of the mask."""
  prefix, found = MASK_COLLECTION + '_', {}
  keys = set(tf.get_default_graph().get_all_collection_keys())
  for key in keys:
    group = key[len(prefix):] if isinstance(key, str) and key.startswith(prefix) else ''
    others = {_of_group(THRESHOLD_COLLECTION, group), _of_group(WEIGHT_COLLECTION, group)}
    if group and others <= keys:  # Users may have collections of such a name.
      found.update({mask.name: group for mask in tf.get_collection(key)})
  return found


def _as_variable(item: Any, known: Dict[str, Any]) -> Any:
  """Returns the variable behind what a meta graph made of it, or `item` if that is none.

  A meta graph brings variables of custom collections back as plain tensors, and
  partitioned ones as the operation that joins their parts.
  """
  if not isinstance(item, tf.Operation):
    return known.get(item.name, item)
  parts = []
  for variable in known.values():
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


def get_masked_weights(group_name: Optional[str] = None) -> List[Any]:
  """Returns the masked weight tensors of the default graph, or of a group in it."""
  return _collected(MASKED_WEIGHT_COLLECTION, group_name)


def get_masks(group_name: Optional[str] = None) -> List[Any]:
  """Returns the mask variables of the default graph, or of a group in it."""
  return _collected(MASK_COLLECTION, group_name)


def get_thresholds(group_name: Optional[str] = None) -> List[Any]:
  """Returns the threshold variables of the default graph, or of a group in it."""
  return _collected(THRESHOLD_COLLECTION, group_name)


def get_weights(group_name: Optional[str] = None) -> List[Any]:
  """Returns the weights that are masked in the default graph or a group, as they are stored."""
  return _collected(WEIGHT_COLLECTION, group_name)


def get_gradients(group_name: Optional[str] = None) -> List[Any]:
  """Returns the decayed averages of changes that gradient saliency keeps, per weight."""
  return _collected(WEIGHT_GRADIENT_COLLECTION, group_name)


def get_old_weights(group_name: Optional[str] = None) -> List[Any]:
  """Returns the copies of the weights as they were one update ago."""
  return _collected(OLD_WEIGHT_COLLECTION, group_name)


def get_old_old_weights(group_name: Optional[str] = None) -> List[Any]:
  """Returns the copies of the weights as they were two updates ago."""
  return _collected(OLD_OLD_WEIGHT_COLLECTION, group_name)


def _collected(collection: str, group_name: Optional[str]) -> List[Any]:
  return tf.get_collection(_of_group(collection, group_name))


def _of_group(collection: str, group_name: Optional[str]) -> str:
  return collection + '_' + group_name if group_name else collection


def get_weight_sparsity() -> List[Any]:
  """Returns, per mask of the default graph, a float32 scalar with its share of zeros."""
  return [tf.cast(record.size() - record.kept(), tf.float32) / record.size()
          for record in masked_weights()]


def apply_mask(x: Any, scope: Any = '', prune_option: str = 'weight') -> Any:
  """Masks a weight, and registers it for pruning.

  Makes the variables <scope>/mask (ones) and <scope>/threshold (zero), neither
  trainable, of the weight's dtype, and with its partitioning, devices and kind
  (resource or ref); but on a server a mask is always a resource variable, which
  other tasks never see half written. Applying a mask again where the variables
  are reused registers nothing new.

  Args:
    x: the weight: a variable, a PartitionedVariable or a tensor, of floating
      dtype and static shape.
    scope: the variable scope to make the variables in, relative to the current
      one. Weights that share a scope need different ones here.
    prune_option: 'weight'; or 'first_order_gradient' or 'second_order_gradient',
      which make <scope>/gradient, <scope>/old_weight and <scope>/old_old_weight
      (zeros) as well. A Pruning with such an option makes them where they lack.

  Returns:
    The tensor x * mask, named `weights/masked_weight` in the current name scope.

  Raises:
    errors.WeightError: the dtype is not a real floating one, or the shape unknown.
    errors.GraphMismatchError: x is not in the default graph.
    errors.SpecError: there is no such prune_option.
  """
  return _apply(x, scope, prune_option, None)[0]


def apply_mask_and_return(x: Any, scope: Any = '', prune_option: str = 'weight') -> Tuple[Any, Any]:
  """Does what apply_mask does, and returns (masked weight, mask)."""
  return _apply(x, scope, prune_option, None)


def apply_mask_with_group(x: Any, scope: Any = '', prune_option: str = 'weight',
                          group_name: Optional[str] = UNGROUPED_GROUP_NAME) -> Any:
  """Does what apply_mask does, and enters the weight into a group.

  With group_pruning=true the members of a group are pruned by one threshold over
  all of them. Those of 'ungrouped', the default, and those in no group are pruned
  each on its own.

  Raises:
    errors.GroupError: the name is not one, or the weight is in another group.
    And what apply_mask raises.
  """
  return _apply(x, scope, prune_option, group_name)[0]


def _apply(x: Any, scope: Any, prune_option: str, group_name: Optional[str]) -> Tuple[Any, Any]:
  """Returns the masked weight and the mask; see apply_mask."""
  check_prune_option(prune_option)
  check_group_name(group_name)
  if not variables.is_variable(x) and any(masked is x for masked in get_masked_weights()):
    record, = (known for known in masked_weights() if known.masked is x)  # From a masked_scope.
    if group_name:
      _enter_group(group_name, record)
    return x, record.mask
  layout = check(x)
  with tf.variable_scope(scope, use_resource=variables.use_resource_of(x)) as opened:
    def create(leaf: str, shape: Tuple[int, ...], **options: Any) -> Any:
      opened.set_partitioner(variables.partitioner_like(x) if shape else None)
      opened.set_regularizer(None)  # A mask is no parameter.
      return tf.get_variable(leaf, shape, **options)
    made = create_variables(x, layout, create, prune_option)
  return register(x, made, group_name), made.mask


class PruningVariables(NamedTuple):
  """The variables that belong to one weight; see MaskedWeight."""
  mask: Any
  threshold: Any
  gradient: Any = None
  old_weight: Any = None
  old_old_weight: Any = None


def create_variables(weight: Any, layout: Layout, create: Callable[..., Any],
                     prune_option: str) -> PruningVariables:
  """Makes the variables of a weight, each part of them where that part of the weight lives.

  Args:
    weight: the weight.
    layout: its layout.
    create: takes the last part of a name, a shape (empty for scalars, else the
      weight's), and what get_variable takes as dtype, initializer and trainable, and
      use_resource where that is not to be as the weight is.
    prune_option: see apply_mask.
  """
  dtype = variables.dtype_of(weight)
  # TensorFlow replaces the value of a resource variable as a whole, and copies into a ref one
  # while others read it. On a server there are others.
  kind = {'use_resource': True} if variables.is_remote(weight) else {}
  made = [_create(weight, create, 'mask', layout.shape, tf.ones_initializer(), dtype, **kind),
          _create(weight, create, 'threshold', (), tf.zeros_initializer(), dtype)]
  if prune_option != 'weight':
    made += _create_history(weight, layout, create)
  return PruningVariables(*made)


def _create_history(weight: Any, layout: Layout, create: Callable[..., Any]) -> List[Any]:
  made = []
  for leaf in _HISTORY:
    dtype = variables.dtype_of(weight)
    if leaf == 'gradient' and dtype.size < tf.float32.size:
      dtype = tf.float32  # Half precision would round away what an update adds to the average.
    made.append(_create(weight, create, leaf, layout.shape, tf.zeros_initializer(), dtype))
  return made


def _create(weight: Any, create: Callable[..., Any], leaf: str, shape: Tuple[int, ...],
            initializer: Any, dtype: Any, **kind: bool) -> Any:
  with variables.beside(weight, leaf if shape else ''):
    return create(leaf, shape, initializer=initializer, dtype=dtype, trainable=False, **kind)


def register(weight: Any, made: PruningVariables, group_name: Optional[str] = None) -> Any:
  """Multiplies weight and mask, and enters all into the collections if they are new there."""
  mask = made.mask
  # In the body of a loop, where RNN cells are built, multiply once, not in every round.
  lift = variables.is_variable(weight) and _in_control_flow()
  with tf.init_scope() if lift else contextlib.nullcontext():
    masked = masked_product(weight, mask, MASKED_WEIGHT_NAME)
  # By name: reuse makes new objects of partitioned variables.
  if mask.name not in [known.name for known in get_masks()]:
    _collect(None, mask, made.threshold, masked, weight)
    for key, variable in zip(_HISTORY_COLLECTIONS, made[2:]):
      if variable is not None:
        tf.add_to_collection(key, variable)
  if group_name:
    record, = (known for known in masked_weights() if known.mask.name == mask.name)
    _enter_group(group_name, record)
  return masked


def make_history(record: MaskedWeight) -> None:
  """Makes what gradient saliency remembers of a weight that was masked without it."""
  if record.gradient is not None:
    return

  def create(leaf: str, shape: Tuple[int, ...], **options: Any) -> Any:
    # Absolute, as the scope in which the mask was made has long been left.
    root = tf.VariableScope(reuse=tf.AUTO_REUSE, name='',
                            partitioner=variables.partitioner_like(record.mask),
                            use_resource=variables.use_resource_of(record.mask))
    with tf.init_scope(), tf.variable_scope(root, auxiliary_name_scope=False):
      return tf.get_variable(_sibling(record.mask, leaf), shape, **options)

  made = _create_history(record.mask, record.layout, create)
  for group in {None, record.group}:
    for key, variable in zip(_HISTORY_COLLECTIONS, made):
      tf.add_to_collection(_of_group(key, group), variable)


def _collect(group_name: Optional[str], mask: Any, threshold: Any, masked: Any,
             weight: Any) -> None:
  for key, item in ((THRESHOLD_COLLECTION, threshold), (MASK_COLLECTION, mask),
                    (MASKED_WEIGHT_COLLECTION, masked), (WEIGHT_COLLECTION, weight)):
    tf.add_to_collection(_of_group(key, group_name), item)


def _enter_group(group_name: str, record: MaskedWeight) -> None:
  if record.group == group_name:
    return
  if record.group is not None:
    raise errors.GroupError('Weight %s is in group %r and cannot enter group %r as well; a weight '
                            'has one threshold' % (record.name, record.group, group_name))
  _collect(group_name, record.mask, record.threshold, record.masked, record.weight)
  for key, variable in zip(_HISTORY_COLLECTIONS,
                           (record.gradient, record.old_weight, record.old_old_weight)):
    if variable is not None:
      tf.add_to_collection(_of_group(key, group_name), variable)


def check_group_name(group_name: Optional[str]) -> None:
  """Raises errors.GroupError if a group cannot have that name."""
  if group_name is None:
    return
  if not isinstance(group_name, str) or not re.fullmatch(r'[\w.][\w./-]*', group_name, re.ASCII):
    raise errors.GroupError('group_name=%r: a group is named with letters, digits, and any of '
                            '_ . / -' % (group_name,))


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


def check_builds_graph(what: str) -> None:
  """Raises errors.EagerError if there is no graph to build."""
  if tf.executing_eagerly():
    raise errors.EagerError(
        '%s is part of a graph, and TensorFlow executes eagerly here; build the model and its '
        'pruning in a `with tf.Graph().as_default()` block, or call '
        'tf.compat.v1.disable_eager_execution() at the start of the program' % what)


def check(weight: Any) -> Layout:
  """Returns the layout of a weight that can be masked.

  Raises:
    errors.WeightError, errors.GraphMismatchError: it cannot; the message says why.
  """
  check_builds_graph('A masked weight')
  name = variables.op_name(weight)
  if variables.dtype_of(weight) not in _MASKABLE:
    raise errors.WeightError('Weight %s has dtype %s; only %s weights can be masked' % (
        name, variables.dtype_of(weight).name, ', '.join(dtype.name for dtype in _MASKABLE)))
  graph = getattr(variables.shards_of(weight)[0], 'graph', None)
  if graph not in (None, tf.get_default_graph()) and not hasattr(
      tf.get_default_graph(), 'outer_graph'):
    raise errors.GraphMismatchError(
        'Weight %s belongs to another graph than the default one; mask it in a `with '
        'graph.as_default()` block of its own graph' % name)
  return variables.layout_of(weight)
