# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a Python file imports, read from its syntax tree without running it.

Used by tools/check_build.py and tests/repository/test_imports.py.
"""

import ast
import os
from typing import Dict, Iterator, List, NamedTuple, Optional


class Import(NamedTuple):
  """`import module` (name is None) or `from module import name`."""
  module: str
  name: Optional[str]
  line: int


def python_files(root: str, folder: str) -> List[str]:
  """Returns the .py files under `folder`, relative to `root`, with '/', sorted."""
  found = []
  for path, folders, names in os.walk(os.path.join(root, folder)):
    folders[:] = [f for f in folders if f != '__pycache__' and not f.startswith('.')]
    found += [os.path.relpath(os.path.join(path, n), root).replace(os.sep, '/')
              for n in names if n.endswith('.py')]
  return sorted(found)


def module_of(path: str) -> str:
  """'a/b.py' -> 'a.b' and 'a/__init__.py' -> 'a'."""
  parts = path[:-len('.py')].split('/')
  return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def imports_of(root: str, path: str) -> List[Import]:
  """Returns every import of a file, those inside functions too.

  Relative imports come resolved. `importlib.import_module('literal')` counts. What
  stands under `if TYPE_CHECKING:` does not: it never runs.
  """
  with open(os.path.join(root, path), encoding='utf-8') as f:
    tree = ast.parse(f.read(), path)
  package = module_of(path)
  if not path.endswith('/__init__.py'):
    package = package.rpartition('.')[0]
  found = []
  for node in _running_nodes(tree):
    if isinstance(node, ast.Import):
      found += [Import(alias.name, None, node.lineno) for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      module = node.module or ''
      if node.level:
        base = package.split('.')[:len(package.split('.')) - (node.level - 1)]
        module = '.'.join(base + ([module] if module else []))
      found += [Import(module, alias.name, node.lineno) for alias in node.names]
    elif isinstance(node, ast.Call):
      function = node.func
      called = function.attr if isinstance(function, ast.Attribute) else getattr(function, 'id', '')
      if called in ('import_module', '__import__') and node.args:
        value = getattr(node.args[0], 'value', getattr(node.args[0], 's', None))
        if isinstance(value, str) and not value.startswith('.'):
          found.append(Import(value, None, node.lineno))
  return found


def _running_nodes(node: ast.AST) -> Iterator[ast.AST]:
  for child in ast.iter_child_nodes(node):
    if isinstance(child, ast.If) and 'TYPE_CHECKING' in ast.dump(child.test):
      for other in child.orelse:
        yield other
        yield from _running_nodes(other)
      continue
    yield child
    yield from _running_nodes(child)


def resolve(found: Import, files: Dict[str, str]) -> Optional[str]:
  """Returns the file an import reads, or None when it is none of `files`.

  Args:
    found: the import.
    files: module name -> path. `from package import name` means the submodule of
      that name where there is one, and the package's __init__.py otherwise.
  """
  if found.name is not None and '%s.%s' % (found.module, found.name) in files:
    return files['%s.%s' % (found.module, found.name)]
  return files.get(found.module)
