# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Imports the public names of a package only when they are first used."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple


def attributes(namespace: Dict[str, Any], places: Mapping[str, str],
               modules: Optional[Mapping[str, str]] = None
               ) -> Tuple[Callable[[str], Any], Callable[[], List[str]], List[str]]:
  """Returns __getattr__, __dir__ and __all__ of a package that imports its public names lazily.

  `__getattr__` also finds the package's modules, as if the package imported them. `__all__` has
  the names in `places` without the modules: `import *` must not hide the user's own `keras`.

  Args:
    namespace: globals() of the package, in which imported names are kept.
    places: the module, relative to the package, that defines each public name.
    modules: modules, relative to the package, by their public names. Statements like
      `import package.name` find them by these names, too.
  """
  package = namespace['__name__']
  modules = modules or {}
  aliases = {'%s.%s' % (package, name): '%s.%s' % (package, place)
             for name, place in modules.items() if name != place}
  if aliases:
    sys.meta_path.append(_Aliases(aliases))

  def get(name: str) -> Any:
    if name in places:
      value = getattr(importlib.import_module('%s.%s' % (package, places[name])), name)
    elif name in modules:
      value = importlib.import_module('%s.%s' % (package, modules[name]))
    elif name.startswith('_') or importlib.util.find_spec('%s.%s' % (package, name)) is None:
      raise AttributeError('module %r has no attribute %r' % (package, name))
    else:
      value = importlib.import_module('%s.%s' % (package, name))
    namespace[name] = value
    return value

  def names() -> List[str]:
    return sorted({*namespace, *places, *modules})

  return get, names, list(places)


class _Aliases(importlib.abc.MetaPathFinder, importlib.abc.Loader):
  """Finds modules under alternative names."""

  def __init__(self, aliases: Mapping[str, str]) -> None:
    """Takes the full names of modules, by their alternative full names."""
    self._aliases = aliases
    self._specs: Dict[str, Any] = {}

  def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
    del path, target
    if fullname not in self._aliases:
      return None
    return importlib.machinery.ModuleSpec(fullname, self)

  def create_module(self, spec: Any) -> Any:
    module = importlib.import_module(self._aliases[spec.name])
    self._specs[spec.name] = module.__spec__
    return module

  def exec_module(self, module: Any) -> None:
    # The import system set the spec of the alternative name; restore the original one.
    module.__spec__ = self._specs.pop(module.__spec__.name)
