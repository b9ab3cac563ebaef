# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Works with both versions of slim: tf_slim, and tf.contrib.slim of TensorFlow 1.15.

Both are optional. A model may set defaults with the arg_scope of either, so if both are installed,
the functions here use both.
"""

import functools
import importlib
from typing import Any, Callable, Mapping, Sequence, Tuple, Union

from model_pruning.compat import tf
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable

# The names of collections, or a dict of them by the kind of variable.
Collections = Union[str, Sequence[str], Mapping[str, Union[str, Sequence[str]]], None]

TF_SLIM = 'tf_slim'
_CONTRIB_SLIM = 'tensorflow.contrib.slim'

# The arguments of model_variable. The other arguments of a getter are passed around it.
_MODEL_VARIABLE_TAKES = ('shape', 'dtype', 'initializer', 'regularizer', 'trainable', 'collections',
                         'caching_device', 'partitioner', 'use_resource')


@functools.lru_cache(maxsize=None)
def libraries() -> Tuple[Any, ...]:
  """Returns the installed versions of slim, tf_slim first."""
  found = []
  for name in (TF_SLIM, _CONTRIB_SLIM):
    try:
      found.append(importlib.import_module(name))
    except Exception:  # tf_slim uses TensorFlow's internals, and may raise any error with an
      continue         # unknown version. A model that needs it raises the error at its own import.
  return tuple(found)


def add_arg_scope(function: Callable[..., Any]) -> Callable[..., Any]:
  """Returns `function` with defaults from the arg_scope of every installed slim.

  Arguments of the call take precedence. If the arg_scopes of both versions set an argument,
  contrib's value is used, because neither knows which of the two scopes is the inner one.
  """
  scoped = function
  for library in libraries():
    scoped = library.add_arg_scope(scoped)
  for library in libraries():
    library.add_arg_scope(function)  # Registers the names of the arguments, which wrappers hide.
  return scoped


def model_variable(getter: Callable[..., Variable], name: str, **kwargs: Any) -> Variable:
  """Returns a variable as slim creates it: a model variable with the defaults of an arg_scope.

  Args:
    getter: creates the variable; the first argument of a custom_getter.
    name: the full name.
    **kwargs: the other arguments of a custom_getter.
  """
  collections = list(kwargs.get('collections') or [])
  for key in (tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.MODEL_VARIABLES):
    if key not in collections:
      collections.append(key)
  taken = {key: kwargs.pop(key) for key in _MODEL_VARIABLE_TAKES if key in kwargs}
  taken['collections'] = collections
  getter = functools.partial(getter, **kwargs)
  for library in libraries():
    getter = functools.partial(library.model_variable,
                               custom_getter=_without_slim_arguments(getter))
  return getter(name, **taken)


def _without_slim_arguments(getter: Callable[..., Variable]) -> Callable[..., Variable]:
  """Returns the getter without the arguments that slim adds."""

  def get(name: str, *, reuse: Any = None, synchronization: Any = None, aggregation: Any = None,
          **kwargs: Any) -> Variable:
    del reuse, synchronization, aggregation
    return getter(name, **kwargs)

  return get


def collect_output(collections: Collections, alias: str, output: Tensor) -> Tensor:
  """Adds the output of a layer to collections under an alias, and returns the output.

  Args:
    collections: the name of a collection, several names, or None.
    alias: its name in slim's end points; a trailing slash is removed.
    output: the tensor.
  """
  if collections:
    output.aliases = getattr(output, 'aliases', []) + [alias.rstrip('/')]
    tf.add_to_collections(collections, output)
  return output
