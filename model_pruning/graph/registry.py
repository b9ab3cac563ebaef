# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Masks a weight: makes its mask and threshold variables, multiplies, and registers all of it."""

import contextlib
import re
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

from model_pruning import errors
from model_pruning import names
from model_pruning.compat import tf
from model_pruning.engine.layout import Layout
from model_pruning.engine.saliency import keeps_history
from model_pruning.graph import records
from model_pruning.graph import variables
from model_pruning.graph.products import masked_product
from model_pruning.graph.records import get_gradients as get_gradients
from model_pruning.graph.records import get_masked_weights as get_masked_weights
from model_pruning.graph.records import get_masks as get_masks
from model_pruning.graph.records import get_old_old_weights as get_old_old_weights
from model_pruning.graph.records import get_old_weights as get_old_weights
from model_pruning.graph.records import get_thresholds as get_thresholds
from model_pruning.graph.records import get_weight_sparsity as get_weight_sparsity
from model_pruning.graph.records import get_weights as get_weights
from model_pruning.graph.records import masked_weights as masked_weights
from model_pruning.graph.records import MaskedWeight as MaskedWeight
from model_pruning.hparams.spec import check_prune_option
from model_pruning.hparams.spec import UNGROUPED_GROUP_NAME

_MASKABLE = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


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
    records.check_owner((opened.name + '/' if opened.name else '') + names.MASK, x)
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
  if keeps_history(prune_option):
    made += _create_history(weight, layout, create)
  return PruningVariables(*made)


def _create_history(weight: Any, layout: Layout, create: Callable[..., Any]) -> List[Any]:
  made = []
  for leaf in names.HISTORY:
    dtype = variables.dtype_of(weight)
    if leaf == names.GRADIENT and dtype.size < tf.float32.size:
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
    masked = masked_product(weight, mask, names.MASKED_WEIGHT_NAME)
  if records.collect(mask, made.threshold, masked, weight):
    for key, variable in zip(names.HISTORY_COLLECTIONS, made[2:]):
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
      return tf.get_variable(records.sibling(record.mask, leaf), shape, **options)

  made = _create_history(record.mask, record.layout, create)
  for group in {None, record.group}:
    for key, variable in zip(names.HISTORY_COLLECTIONS, made):
      tf.add_to_collection(records.of_group(key, group), variable)


def _enter_group(group_name: str, record: MaskedWeight) -> None:
  if record.group == group_name:
    return
  if record.group is not None:
    raise errors.GroupError('Weight %s is in group %r and cannot enter group %r as well; a weight '
                            'has one threshold' % (record.name, record.group, group_name))
  for key, item in ((names.THRESHOLD_COLLECTION, record.threshold),
                    (names.MASK_COLLECTION, record.mask),
                    (names.MASKED_WEIGHT_COLLECTION, record.masked),
                    (names.WEIGHT_COLLECTION, record.weight)):
    tf.add_to_collection(records.of_group(key, group_name), item)
  for key, variable in zip(names.HISTORY_COLLECTIONS,
                           (record.gradient, record.old_weight, record.old_old_weight)):
    if variable is not None:
      tf.add_to_collection(records.of_group(key, group_name), variable)


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
  """Raises errors.EagerError or errors.FinalizedGraphError if there is no graph to build."""
  if tf.executing_eagerly():
    raise errors.EagerError(
        '%s is part of a graph, and TensorFlow executes eagerly here; build the model and its '
        'pruning in a `with tf.Graph().as_default()` block, or call '
        'tf.compat.v1.disable_eager_execution() at the start of the program' % what)
  if getattr(tf.get_default_graph(), 'finalized', False):
    raise errors.FinalizedGraphError(
        '%s adds operations, and this graph is finalized, as a MonitoredSession leaves it; build '
        'all of the model and its pruning before the session is made' % what)


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
