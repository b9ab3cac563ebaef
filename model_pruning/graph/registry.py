# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Masks a weight: creates its mask and threshold, multiplies, and registers them."""

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
from model_pruning.graph.products import whole
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
from model_pruning.graph.recurrence import before_recurrent_loop
from model_pruning.graph.recurrence import is_body
from model_pruning.graph.recurrence import outside_of_bodies
from model_pruning.hparams.choices import check_prune_option
from model_pruning.hparams.spec import UNGROUPED_GROUP_NAME
from model_pruning.util.types import DType
from model_pruning.util.types import Initializer
from model_pruning.util.types import Scope
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable

_MASKABLE = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


def apply_mask(x: Variable, scope: Scope = '', prune_option: str = 'weight') -> Tensor:
  """Masks a weight and registers it for pruning.

  Creates the variables <scope>/mask (ones) and <scope>/threshold (zero). They are not trainable
  and have the weight's dtype, partitioning, devices and kind (resource or ref). On a parameter
  server, however, a mask is always a resource variable, so that other tasks never read it half
  written. Masking a weight again with reused variables registers nothing new.

  Args:
    x: the weight: a variable, a PartitionedVariable or a tensor, of floating dtype and static
      shape.
    scope: the variable scope for the variables, relative to the current one. Weights in the same
      scope need different scopes here.
    prune_option: 'weight'; or 'first_order_gradient' or 'second_order_gradient', which also create
      <scope>/gradient, <scope>/old_weight and <scope>/old_old_weight (zeros). A Pruning with such
      an option creates them if they are missing.

  Returns:
    The tensor x * mask, named `weights/masked_weight` in the current name scope.

  Raises:
    errors.WeightError: the dtype is not a real floating dtype, or the shape is unknown.
    errors.GraphMismatchError: x is not in the default graph.
    errors.SpecError: the prune_option is unknown.
  """
  return _apply(x, scope, prune_option, None)[0]


def apply_mask_and_return(x: Variable, scope: Scope = '',
                          prune_option: str = 'weight') -> Tuple[Tensor, Tensor]:
  """Masks a weight as apply_mask does, and returns (masked weight, mask)."""
  return _apply(x, scope, prune_option, None)


def apply_mask_with_group(x: Variable, scope: Scope = '', prune_option: str = 'weight',
                          group_name: Optional[str] = UNGROUPED_GROUP_NAME) -> Tensor:
  """Masks a weight as apply_mask does, and adds it to a group.

  With group_pruning=true one threshold prunes all members of a group. Members of 'ungrouped', the
  default, and weights in no group are pruned separately.

  Raises:
    errors.GroupError: the name is invalid, or the weight is in another group.
    errors.PruningError: see apply_mask.
  """
  return _apply(x, scope, prune_option, group_name)[0]


def _apply(x: Variable, scope: Scope, prune_option: str, group_name: Optional[str]) -> Tuple[Tensor,
           Tensor]:
  """Returns the masked weight and the mask; see apply_mask."""
  check_prune_option(prune_option)
  check_group_name(group_name)
  if is_product(x):  # From a masked_scope.
    record, = (known for known in masked_weights() if known.masked is _listed_for(x))
    if group_name:
      _enter_group(group_name, record)
    return x, record.mask
  layout = check(x)
  with tf.variable_scope(scope, use_resource=variables.use_resource_of(x)) as opened:
    def create(leaf: str, shape: Tuple[int, ...], **options: Any) -> Variable:
      opened.set_partitioner(variables.partitioner_like(x) if shape else None)
      opened.set_regularizer(None)  # Masks are not trained, so they get no penalty.
      return tf.get_variable(leaf, shape, **options)
    records.check_owner((opened.name + '/' if opened.name else '') + names.MASK, x)
    try:
      made = create_variables(x, layout, create, prune_option)
    except AttributeError as error:  # tf.get_variable makes none in a tf.function.
      if not isinstance(getattr(x, 'handle', None), tf.Tensor) or 'eager' not in str(error):
        raise
      raise errors.EagerError(
          'Weight %s was made by eager code, and is masked in a tf.function; build the model and '
          'its pruning in a `with tf.Graph().as_default()` block, or prune a Keras model with '
          'model_pruning.keras' % variables.op_name(x)) from error
  return register(x, made, group_name), made.mask


class PruningVariables(NamedTuple):
  """The variables that belong to one weight; see MaskedWeight."""
  mask: Variable
  threshold: Variable
  gradient: Variable = None
  old_weight: Variable = None
  old_old_weight: Variable = None


def create_variables(weight: Variable, layout: Layout, create: Callable[..., Tensor],
                     prune_option: str) -> PruningVariables:
  """Creates the variables of a weight, each part on the device of the same part of the weight.

  Args:
    weight: the weight.
    layout: its layout.
    create: creates a variable. Its arguments are the last part of the name, the shape (empty for
      scalars, else the weight's), dtype, initializer and trainable as in get_variable, and
      use_resource if the kind should differ from the weight's.
    prune_option: see apply_mask.
  """
  dtype = variables.dtype_of(weight)
  # TensorFlow replaces the value of a resource variable as a whole, but writes into a ref variable
  # while others may read it. On a parameter server, other tasks do.
  kind = {'use_resource': True} if variables.is_remote(weight) else {}
  made = [_create(weight, create, 'mask', layout.shape, variables.filled(1), dtype, **kind),
          _create(weight, create, 'threshold', (), tf.zeros_initializer(), dtype)]
  if keeps_history(prune_option):
    made += _create_history(weight, layout, create)
  return PruningVariables(*made)


def _create_history(weight: Variable, layout: Layout,
                    create: Callable[..., Tensor]) -> List[Variable]:
  """Creates the variables of names.HISTORY for a weight."""
  made = []
  for leaf in names.HISTORY:
    dtype = variables.dtype_of(weight)
    if leaf == names.GRADIENT and dtype.size < tf.float32.size:
      dtype = tf.float32  # Half precision would lose the small change of an update by rounding.
    made.append(_create(weight, create, leaf, layout.shape, variables.filled(0), dtype))
  return made


def _create(weight: Variable, create: Callable[..., Tensor], leaf: str, shape: Tuple[int, ...],
            initializer: Initializer, dtype: DType, **kind: bool) -> Variable:
  """Creates one variable beside a weight; see create_variables."""
  with variables.beside(weight, leaf if shape else ''):
    return create(leaf, shape, initializer=initializer, dtype=dtype, trainable=False, **kind)


def register(weight: Variable, made: PruningVariables, group_name: Optional[str] = None) -> Tensor:
  """Returns the product of weight and mask, and adds new weights to the collections."""
  mask = made.mask
  with before_recurrent_loop() if variables.is_variable(weight) else contextlib.nullcontext():
    masked = masked_product(weight, mask, names.MASKED_WEIGHT_NAME)
  listed = _listed(weight, mask, masked)
  is_new = records.collect(mask, made.threshold, listed, weight)
  if is_new:
    for key, variable in zip(names.HISTORY_COLLECTIONS, made[2:]):
      if variable is not None:
        tf.add_to_collection(key, variable)
  if group_name and is_new:  # Finding it among all weights would take long with many of them.
    _enter_group(group_name, MaskedWeight(weight, mask, made.threshold, listed, None, *made[2:]))
  elif group_name:
    record, = (known for known in masked_weights() if known.mask.name == mask.name)
    _enter_group(group_name, record)
  return masked


def _listed(weight: Variable, mask: Variable, masked: Tensor) -> Tensor:
  """Returns the product to list in the collections.

  It is another one if `masked` is in the body of a loop or a conditional that is a function. A meta
  graph cannot name tensors there.
  """
  if not (variables.is_variable(weight) and is_body(masked.graph)):
    return masked
  with outside_of_bodies():
    listed = masked_product(weight, mask, names.MASKED_WEIGHT_NAME)
  masked._model_pruning_listed = listed
  return listed


def is_product(x: Tensor) -> bool:
  """Whether a tensor is the product of a masked weight."""
  return not variables.is_variable(x) and any(
      masked is _listed_for(x) for masked in get_masked_weights())


def _listed_for(product: Tensor) -> Tensor:
  """Returns the product that is in the collections for a product; see _listed."""
  product = whole(product)
  return getattr(product, '_model_pruning_listed', product)


def make_history(record: MaskedWeight) -> None:
  """Creates the history for gradient saliency of a weight that was masked without it."""
  if record.gradient is not None:
    return

  def create(leaf: str, shape: Tuple[int, ...], **options: Any) -> Variable:
    # An absolute scope, because the scope in which the mask was created is no longer open.
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
  """Adds a weight to the collections of a group, unless it is in them."""
  if record.group == group_name:
    return
  if record.group is not None:
    raise errors.GroupError('Weight %s is in group %r and cannot also be in group %r; a weight '
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
  """Raises errors.GroupError if `group_name` is not a valid name of a group."""
  if group_name is None:
    return
  if not isinstance(group_name, str) or not re.fullmatch(r'[\w.][\w./-]*', group_name, re.ASCII):
    raise errors.GroupError('group_name=%r: the name of a group consists of letters, digits and '
                            '_ . / -' % (group_name,))


def check_builds_graph(subject: str) -> None:
  """Raises errors.EagerError or errors.FinalizedGraphError if no graph is being built.

  Args:
    subject: the object that needs a graph, for the message.
  """
  if tf.executing_eagerly():
    raise errors.EagerError(
        '%s is part of a graph, but TensorFlow executes eagerly here; build the model and its '
        'pruning in a `with tf.Graph().as_default()` block, or call '
        'tf.compat.v1.disable_eager_execution() at the start of the program' % subject)
  if getattr(tf.get_default_graph(), 'finalized', False):
    raise errors.FinalizedGraphError(
        '%s adds operations, but this graph is finalized, for example by a MonitoredSession; build '
        'the whole model and its pruning before the session is created' % subject)


def check(weight: Variable) -> Layout:
  """Returns the layout of a weight after checking that it can be masked.

  Raises:
    errors.WeightError, errors.GraphMismatchError: it cannot; the message says why.
  """
  check_builds_graph('A masked weight')
  if not hasattr(weight, 'dtype') or not hasattr(weight, 'name'):
    raise errors.WeightError('%r is not a weight: expected a variable or a tensor of this graph' %
                             (weight,))
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
