# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Imports the public names of a package only when they are first used."""

import importlib
import importlib.util
from typing import Any, Callable, Dict, Mapping


def getter(namespace: Dict[str, Any], places: Mapping[str, str]) -> Callable[[str], Any]:
  """Returns the __getattr__ of a package, which imports public names when they are first used.

  It also finds the package's modules, as if the package imported them.

  Args:
    namespace: globals() of the package, in which imported names are kept.
    places: the module, relative to the package, that defines each public name.
  """
  package = namespace['__name__']

  def get(name: str) -> Any:
    if name in places:
      value = getattr(importlib.import_module('%s.%s' % (package, places[name])), name)
    elif name.startswith('_') or importlib.util.find_spec('%s.%s' % (package, name)) is None:
      raise AttributeError('module %r has no attribute %r' % (package, name))
    else:
      value = importlib.import_module('%s.%s' % (package, name))
    namespace[name] = value
    return value

  return get
