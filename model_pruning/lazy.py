# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Public names of a package that are imported when they are first asked for."""

import importlib
import importlib.util
from typing import Any, Callable, Dict, Mapping


def getter(namespace: Dict[str, Any], places: Mapping[str, str]) -> Callable[[str], Any]:
  """Returns a package's __getattr__.

  Modules of the package are found as well, as they would be if it imported them.

  Args:
    namespace: globals() of the package; what was found is kept there.
    places: module, relative to the package, by the public name in it.
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
