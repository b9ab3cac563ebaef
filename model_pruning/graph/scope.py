# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""masked_scope: masks the weights of a model without changing its code."""

import collections
import contextlib
import functools
import re
import threading
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Optional, Set, Tuple

from absl import logging

from model_pruning import errors
from model_pruning import names
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables
from model_pruning.graph.penalties import penalize_weights_once
from model_pruning.graph.penalties import remember_product
from model_pruning.graph.products import in_parts
from model_pruning.graph.products import whole
from model_pruning.graph.records import check_owner
from model_pruning.hparams.maps import expression
from model_pruning.hparams.choices import check_prune_option
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


class _Claimed(threading.local):
  """Names of variables that a masked_scope is about to mask, so that an outer one does not."""

  def __init__(self) -> None:
    self.names: Set[str] = set()


_claimed = _Claimed()


class _Scope(contextlib.ContextDecorator):
  """A context that can be entered again, in other graphs, too, as variable scopes can."""

  def __init__(self, made: Callable[[], ContextManager[None]]) -> None:
    self._made = made
    self._entered: Dict[int, List[ContextManager[None]]] = collections.defaultdict(list)

  def __enter__(self) -> None:
    scope = self._made()
    scope.__enter__()
    self._entered[threading.get_ident()].append(scope)

  def __exit__(self, *raised: Any) -> Optional[bool]:
    return self._entered[threading.get_ident()].pop().__exit__(*raised)


def masked_scope(include: str = names.KERNELS, exclude: Optional[str] = None,
                 group_name: Optional[str] = None,
                 prune_option: str = 'weight') -> ContextManager[None]:
  """Masks the weights created within this context, without changes to the model's code.

      with model_pruning.masked_scope(exclude='logits.*'):
        logits = build_model(images)

  get_variable returns trainable variables multiplied by a mask. This includes the weights of
  tf.layers, slim and RNN cells, also inside dynamic_rnn. The product of a partitioned weight has
  the same parts, from which embedding_lookup reads the same rows. A weight <scope>/kernel or
  <scope>/weights gets <scope>/mask and <scope>/threshold. Variable other <scope>/<name> gets
  <scope>/<name>_mask and <scope>/<name>_threshold, so that the two kernels of a separable
  convolution have different masks.

  A regularizer applies once, to the weight, when the variable is created, as without masks. Keras
  layers and tf.Variable do not use get_variable; their weights are not masked, and a warning names
  them.

  Args:
    include: regular expression; variables whose full name matches it from the start are masked.
    exclude: regular expression; variables whose full name matches it from the start are not
      masked. None excludes nothing.
    group_name: the group of the weights; see apply_mask_with_group.
    prune_option: see apply_mask. Optional, because a Pruning with gradient saliency creates the
      same variables.

  Raises:
    errors.GroupError: group_name is not a valid name.
    errors.SpecError: the prune_option is unknown.
    errors.MapError: include or exclude is not a regular expression.
    errors.WeightError: raised while the model is built, if an included variable cannot be masked.
  """
  return _Scope(functools.partial(_masked_scope, include, exclude, group_name, prune_option))


@contextlib.contextmanager
def _masked_scope(include: str, exclude: Optional[str], group_name: Optional[str],
                  prune_option: str) -> Iterator[None]:
  registry.check_builds_graph('masked_scope')
  registry.check_group_name(group_name)
  check_prune_option(prune_option)
  matching: List[str] = []
  included = expression('masked_scope(include=...)', include)
  excluded = expression('masked_scope(exclude=...)', exclude) if exclude else None
  scope = tf.get_variable_scope()
  outer = scope.custom_getter

  def is_ours(name: str) -> bool:
    return included.match(name) and not (excluded and excluded.match(name))

  # TensorFlow passes `getter` and `name` as keyword arguments.
  def masking_getter(getter: Callable[..., Variable], name: str, *args: Any,
                     **kwargs: Any) -> Variable:
    get = functools.partial(outer, getter) if outer else getter
    if kwargs.get('trainable') is False or not is_ours(name):
      return get(name, *args, **kwargs)
    matching.append(name)
    if name in _claimed.names:
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
    remember_product(whole(masked), variable if is_new else None)
    return masked

  unmasked = []

  # Called for all variables, also those that do not come from get_variable.
  def watching_creator(creator: Callable[..., Variable], **kwargs: Any) -> Variable:
    variable = creator(**kwargs)
    name = re.sub(r'/part_\d+$', '', variables.op_name(variable))
    if kwargs.get('trainable') is not False and name not in _claimed.names and is_ours(name):
      unmasked.append(name)
    return variable

  # Set on the open scope, not on a new one: closing a scope would forget the default names that
  # it gave to layers ('dense', 'dense_1', ...).
  scope.set_custom_getter(masking_getter)
  try:
    with tf.variable_creator_scope(watching_creator):
      yield
    if not matching and not unmasked:
      _warn_of_nothing(include, exclude)
  finally:
    scope.set_custom_getter(outer)
    _warn_of(unmasked)


def _warn_of(unmasked: List[str]) -> None:
  if unmasked:
    shown = unmasked[:5] + ['...'] * (len(unmasked) > 5)
    logging.warning(
        'masked_scope does not mask %s: it can only replace variables created by get_variable with '
        'a masked product, and Keras layers and tf.Variable do not use get_variable. Prune Keras '
        'models with model_pruning.keras (TensorFlow 2), %suse the product '
        'apply_mask(weight, scope)', ', '.join(shown),
        'use tf.layers instead, or ' if _has_layers() else 'or ')


def _warn_of_nothing(include: str, exclude: Optional[str]) -> None:
  logging.warning(
      'masked_scope masks nothing: get_variable made no trainable variable in it with a name that '
      'matches include=%r%s. It applies to the graph in which it is opened; an Estimator builds '
      'one of its own, so open it in the model_fn', include,
      ' and not exclude=%r' % exclude if exclude else '')


def _has_layers() -> bool:
  """Whether this TensorFlow has tf.layers; since 2.16 it needs tf_keras."""
  try:
    return hasattr(tf, 'layers') and callable(tf.layers.dense)
  except Exception:  # Of several kinds, by version.
    return False


def _mask_variable(variable: Variable, name: str, get: Callable[..., Variable],
                   getter: Callable[..., Variable],
                   kwargs: Any, prune_option: str, group_name: Optional[str]) -> Tensor:
  """Returns the product of a new variable and its mask; masked_scope describes the names.

  Args:
    variable: the weight.
    name: its full name.
    get: the function that created it, which includes the getters of the user.
    getter: the same function without these getters.
    kwargs: the arguments of the call that created it.
    prune_option, group_name: see masked_scope.
  """
  layout = registry.check(variable)
  if not variables.is_variable(variable):
    # A map could not match the name of a getter's result, for example of a cast.
    with tf.name_scope(None):
      variable = tf.identity(variable, name)
  scope, _, leaf = name.rpartition('/')
  prefix = (scope + '/' if scope else '') + ('' if leaf in ('kernel', 'weights') else leaf + '_')
  options = {key: kwargs[key] for key in ('reuse', 'aggregation', 'synchronization')
             if key in kwargs}

  def create(own_leaf: str, shape: Tuple[int, ...], **given: Any) -> Variable:
    given.setdefault('use_resource', variables.use_resource_of(variable))
    arguments = dict(given, shape=shape, partitioner=variables.partitioner_like(
        variable) if shape else None, **options)
    try:
      made = get(prefix + own_leaf, **arguments)
    except ValueError as error:
      if options.get('reuse') is not True or 'does not exist' not in str(error):
        raise
      raise errors.WeightError(
          'Weight %s is reused in a masked_scope, but was created outside of one, and has no mask; '
          'open a masked_scope where it is created, too' % name) from error
    if variables.is_variable(made):
      return made
    # The user's getters may return tensors, but a mask must be a variable, to be assigned.
    return getter(prefix + own_leaf, **dict(arguments, reuse=True))

  check_owner(prefix + names.MASK, variable)
  made = registry.create_variables(variable, layout, create, prune_option)
  with _name_scope_for_product(scope if leaf in ('kernel', 'weights') else name):
    return in_parts(registry.register(variable, made, group_name), made.mask, variable)


def _name_scope_for_product(name: str) -> ContextManager:
  """Returns the name scope `name`, or name_1, ... if it already contains a masked product.

  Layers get their variables outside the name scope of their operations.
  """
  graph, scope, used = tf.get_default_graph(), name, 0
  with tf.name_scope(None):
    while True:
      product = (scope + '/' if scope else '') + names.MASKED_WEIGHT_NAME
      if graph.unique_name(product, mark_as_used=False) == product:
        return tf.name_scope(scope + '/' if scope else None)
      used += 1
      scope = '%s_%d' % (name or 'masked', used)
