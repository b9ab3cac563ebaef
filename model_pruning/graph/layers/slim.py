# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What there is of slim: tf_slim, and contrib's own on TensorFlow 1.15. Both are optional.

A model may set its defaults by the arg_scope of either, so nothing here picks one
where both can be served.
"""

import functools
import importlib
from typing import Any, Callable, Tuple

from model_pruning.compat import tf

TF_SLIM = 'tf_slim'
_CONTRIB_SLIM = 'tensorflow.contrib.slim'

# What model_variable takes. The rest of what get_variable hands to a getter goes around it.
_MODEL_VARIABLE_TAKES = ('shape', 'dtype', 'initializer', 'regularizer', 'trainable', 'collections',
                         'caching_device', 'partitioner', 'use_resource')


@functools.lru_cache(maxsize=None)
def libraries() -> Tuple[Any, ...]:
  """Returns the slims that can be imported, tf_slim first."""
  found = []
  for name in (TF_SLIM, _CONTRIB_SLIM):
    try:
      found.append(importlib.import_module(name))
    except Exception:  # tf_slim uses TensorFlow's insides, and may fail in any way on one it
      continue         # does not know. A model that needs it hears of that from its own import.
  return tuple(found)


def add_arg_scope(function: Callable[..., Any]) -> Callable[..., Any]:
  """Lets the arg_scope of every slim there is set defaults of `function`.

  What the call itself says goes before what an arg_scope says. An argument that
  both slims set is contrib's: neither knows which of the two scopes is the inner.
  """
  scoped = function
  for library in libraries():
    scoped = library.add_arg_scope(scoped)
  for library in libraries():
    library.add_arg_scope(function)  # For the names of the arguments, which a wrapper hides.
  return scoped


def model_variable(getter: Callable[..., Any], name: str, **kwargs: Any) -> Any:
  """Gets a variable as slim does: a model variable, with the defaults of an arg_scope.

  Args:
    getter: makes the variable; a custom_getter is handed one.
    name: the full name.
    **kwargs: what get_variable hands to a custom_getter.
  """
  collections = list(kwargs.get('collections') or [])
  for key in (tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.MODEL_VARIABLES):
    if key not in collections:
      collections.append(key)
  taken = {key: kwargs.pop(key) for key in _MODEL_VARIABLE_TAKES if key in kwargs}
  taken['collections'] = collections
  getter = functools.partial(getter, **kwargs)
  for library in libraries():
    getter = functools.partial(library.model_variable, custom_getter=_as_told(getter))
  return getter(name, **taken)


def _as_told(getter: Callable[..., Any]) -> Callable[..., Any]:
  """Returns the getter without what slim adds of its own accord to what it was told."""

  def get(name: str, *, reuse: Any = None, synchronization: Any = None, aggregation: Any = None,
          **kwargs: Any) -> Any:
    del reuse, synchronization, aggregation
    return getter(name, **kwargs)

  return get


def collect_output(collections: Any, alias: str, output: Any) -> Any:
  """Returns the output of a layer, having entered it into collections under an alias.

  Args:
    collections: a name, several, or None.
    alias: what slim's end points call it; a trailing slash is cut off.
    output: the tensor.
  """
  if collections:
    output.aliases = getattr(output, 'aliases', []) + [alias.rstrip('/')]
    tf.add_to_collections(collections, output)
  return output
