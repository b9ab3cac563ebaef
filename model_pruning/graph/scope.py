# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""masked_scope: masks the weights of a model that knows nothing of masks."""

import contextlib
import functools
import re
import threading
from typing import Any, Callable, ContextManager, Iterator, List, Optional, Set, Tuple

from absl import logging

from model_pruning import names
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables
from model_pruning.graph.penalties import penalize_weights_once
from model_pruning.graph.penalties import remember_product
from model_pruning.graph.records import check_owner
from model_pruning.hparams.maps import expression
from model_pruning.hparams.spec import check_prune_option


class _Claimed(threading.local):
  """Names of variables that a masked_scope is about to mask, so that one around it does not."""

  def __init__(self) -> None:
    self.names: Set[str] = set()


_claimed = _Claimed()


@contextlib.contextmanager
def masked_scope(include: str = names.KERNELS, exclude: Optional[str] = None,
                 group_name: Optional[str] = None, prune_option: str = 'weight') -> Iterator[None]:
  """Masks the weights that are created within it, in a model that knows nothing of masks.

      with model_pruning.masked_scope(exclude='logits.*'):
        logits = build_model(images)

  Trainable variables asked for with get_variable are handed out multiplied by a
  mask: those of tf.layers, slim, and RNN cells, inside dynamic_rnn too. A weight
  <scope>/kernel or <scope>/weights gets <scope>/mask and <scope>/threshold; any
  other <scope>/<name> gets <scope>/<name>_mask and <scope>/<name>_threshold, so
  that the two kernels of a separable convolution have one each.

  A regularizer counts once, on the weight, where the variable is made, as without masks. Weights
  of Keras layers, and of tf.Variable, are not asked for with get_variable; they stay as they are,
  and a warning names them.

  Args:
    include: regular expression; variables whose full name matches it from the
      start are masked.
    exclude: regular expression; those that match it from the start are not.
      None excludes nothing.
    group_name: the group that the weights enter; see apply_mask_with_group.
    prune_option: see apply_mask. There is no need to give it: a Pruning that
      prunes by gradients makes the variables that this would.

  Raises:
    errors.GroupError: group_name is not a name.
    errors.SpecError: there is no such prune_option.
    errors.MapError: include or exclude is not a regular expression.
    errors.WeightError: from the model, when an included variable cannot be masked.
  """
  registry.check_builds_graph('masked_scope')
  registry.check_group_name(group_name)
  check_prune_option(prune_option)
  included = expression('masked_scope(include=...)', include)
  excluded = expression('masked_scope(exclude=...)', exclude) if exclude else None
  scope = tf.get_variable_scope()
  outer = scope.custom_getter

  # TensorFlow passes `getter` and `name` by these names.
  def is_ours(name: str) -> bool:
    return included.match(name) and not (excluded and excluded.match(name))

  def masking_getter(getter: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
    get = functools.partial(outer, getter) if outer else getter
    if kwargs.get('trainable') is False or not is_ours(name) or name in _claimed.names:
      return get(name, *args, **kwargs)
    penalize_weights_once()
    before = len(tf.get_collection_ref(tf.GraphKeys.GLOBAL_VARIABLES))
    _claimed.names.add(name)
    try:
      variable = get(name, *args, **kwargs)
    finally:
      _claimed.names.remove(name)
    is_new = len(tf.get_collection_ref(tf.GraphKeys.GLOBAL_VARIABLES)) > before
    masked = _mask_variable(variable, name, get, getter, kwargs, prune_option, group_name)
    remember_product(masked, variable if is_new else None)
    return masked

  passed_by = []

  # Sees the variables of get_variable and all others.
  def watching_creator(creator: Callable[..., Any], **kwargs: Any) -> Any:
    variable = creator(**kwargs)
    name = re.sub(r'/part_\d+$', '', variables.op_name(variable))
    if kwargs.get('trainable') is not False and name not in _claimed.names and is_ours(name):
      passed_by.append(name)
    return variable

  # Set on the scope that is open rather than on one opened here: leaving a scope
  # would forget the default names handed out in it ('dense', 'dense_1', ...).
  scope.set_custom_getter(masking_getter)
  try:
    with tf.variable_creator_scope(watching_creator):
      yield
  finally:
    scope.set_custom_getter(outer)
    _warn_of(passed_by)


def _warn_of(names_passed_by: List[str]) -> None:
  if names_passed_by:
    shown = names_passed_by[:5] + ['...'] * (len(names_passed_by) > 5)
    logging.warning(
        'masked_scope does not mask %s: only variables made by get_variable can be replaced by a '
        'masked product, and Keras layers and tf.Variable make theirs in another way. Prune Keras '
        'models with model_pruning.keras (TensorFlow 2), use tf.layers in their place, or multiply '
        'by apply_mask(weight, scope)', ', '.join(shown))


def _mask_variable(variable: Any, name: str, get: Callable[..., Any], getter: Callable[..., Any],
                   kwargs: Any, prune_option: str, group_name: Optional[str]) -> Any:
  """Masks what get(name, **kwargs) gave; see masked_scope for the names.

  Args:
    variable: the weight.
    name: its full name.
    get: how it was asked for, through the getters of the user.
    getter: the same without those.
    kwargs: what it was asked for with.
    prune_option, group_name: see masked_scope.
  """
  layout = registry.check(variable)
  if not variables.is_variable(variable):
    # What a getter made of it, such as a cast, would be found under no name in a map.
    with tf.name_scope(None):
      variable = tf.identity(variable, name)
  scope, _, leaf = name.rpartition('/')
  prefix = (scope + '/' if scope else '') + ('' if leaf in ('kernel', 'weights') else leaf + '_')
  options = {key: kwargs[key] for key in ('reuse', 'aggregation', 'synchronization')
             if key in kwargs}

  def create(own_leaf: str, shape: Tuple[int, ...], **what: Any) -> Any:
    what.setdefault('use_resource', variables.use_resource_of(variable))
    arguments = dict(what, shape=shape, partitioner=variables.partitioner_like(
        variable) if shape else None, **options)
    made = get(prefix + own_leaf, **arguments)
    if variables.is_variable(made):
      return made
    # A getter of the user's may give a tensor for each variable; a mask is written to.
    return getter(prefix + own_leaf, **dict(arguments, reuse=True))

  check_owner(prefix + names.MASK, variable)
  made = registry.create_variables(variable, layout, create, prune_option)
  with _name_scope_for_product(scope if leaf in ('kernel', 'weights') else name):
    return registry.register(variable, made, group_name)


def _name_scope_for_product(name: str) -> ContextManager:
  """Returns the name scope `name`, or name_1, ... where that already holds a masked product.

  Layers ask for their variables outside of the name scope of their operations.
  """
  graph, scope, used = tf.get_default_graph(), name, 0
  with tf.name_scope(None):
    while True:
      product = (scope + '/' if scope else '') + names.MASKED_WEIGHT_NAME
      if graph.unique_name(product, mark_as_used=False) == product:
        return tf.name_scope(scope + '/' if scope else None)
      used += 1
      scope = '%s_%d' % (name or 'masked', used)
