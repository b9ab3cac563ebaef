# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: data = //model_pruning:sources
"""Imports inside the package point downwards only.

Read from the syntax trees, so that an import inside a function counts as well.
"""

import os

import pytest

from tests.paths import ROOT
from tools import py_imports

PACKAGE = 'model_pruning'

# The folders and top files of the package, from the bottom up. Each imports only what stands
# before it in this list, and files of its own folder.
ORDER = (
    'version', 'errors', 'names',  # These three import nothing of the package.
    'util', 'compat', 'hparams', 'schedules', 'engine', 'reading', 'channels', 'export',
    'reporting', 'calibration', 'graph', 'keras',  # The two APIs; neither imports the other.
    'one_shot', 'cli', 'strip_pruning_vars', '__main__', '__init__',
    'python',  # Re-exports for legacy code, which nothing else imports.
)

FLOOR = ('version', 'errors', 'names')
APIS = ('graph', 'keras')
NO_TENSORFLOW = ('version', 'errors', 'names', 'util', 'hparams')

LONGEST_FILE = 350
MOST_TOP_FILES = 8


def unit(path):
  """'model_pruning/export/x.py' -> 'export', 'model_pruning/errors.py' -> 'errors'."""
  head = path.split('/')[1]
  return head[:-len('.py')] if head.endswith('.py') else head


FILES = {py_imports.module_of(p): p for p in py_imports.python_files(ROOT, PACKAGE)}


def imported_files(path):
  """Yields (path of a file of the package that `path` imports, where it does)."""
  for found in py_imports.imports_of(ROOT, path):
    target = py_imports.resolve(found, FILES)
    if target is not None:
      yield target, '%s:%d' % (path, found.line)
    elif found.module.split('.')[0] == PACKAGE:
      raise AssertionError('%s:%d imports %s, which does not exist' % (
          path, found.line, found.module))


def complaint(here, there, where):
  """Returns the reason why `here` must not import `there`, or None."""
  if here == there and here not in FLOOR:
    return None
  if here in FLOOR:
    return '%s: %s imports nothing of the package' % (where, here)
  if there == 'python':
    return '%s imports model_pruning.python, which only re-exports for legacy code' % where
  if here in APIS and there in APIS:
    return ('%s: the APIs stand beside each other, and %s does not import %s; what both need '
            'belongs to a folder below them' % (where, here, there))
  if ORDER.index(there) > ORDER.index(here):
    return ('%s: %s imports %s, which stands above it in ORDER of tests/repository/'
            'test_imports.py; move the code that both need to a lower folder' % (
                where, here, there))
  return None


@pytest.mark.parametrize('path', sorted(FILES.values()))
def test_imports_point_downwards(path):
  assert unit(path) in ORDER, (
      '%s: enter %r in ORDER of tests/repository/test_imports.py and in the table of '
      'CONTRIBUTING.md' % (path, unit(path)))
  complaints = [complaint(unit(path), unit(there), where) for there, where in imported_files(path)]
  assert not [each for each in complaints if each]


def test_no_two_files_import_each_other():
  """Not in a ring either."""
  below = {path: sorted({there for there, _ in imported_files(path)} - {path})
           for path in FILES.values()}
  done = set()

  def visit(path, above):
    assert path not in above, 'a ring of imports: %s' % ' -> '.join(
        above[above.index(path):] + [path])
    if path not in done:
      for there in below[path]:
        # A package's __init__ hands on what is inside of the folder.
        if not there.endswith('__init__.py'):
          visit(there, above + [path])
      done.add(path)

  for path in below:
    visit(path, [])


@pytest.mark.parametrize('path', [p for p in sorted(FILES.values()) if unit(p) != 'compat'])
def test_tensorflow_comes_from_compat_alone(path):
  roots = ('tensorflow',) + (() if unit(path) not in NO_TENSORFLOW else ('keras', 'tf_keras'))
  direct = ['%s:%d' % (path, i.line) for i in py_imports.imports_of(ROOT, path)
            if i.module.split('.')[0] in roots]
  assert not direct, 'import it as `from model_pruning.compat import tf`: %s' % direct


@pytest.mark.parametrize('name', NO_TENSORFLOW)
def test_strings_and_specs_need_no_tensorflow(name):
  paths = [path for path in FILES.values() if unit(path) == name]
  assert paths, '%s is gone; take it out of NO_TENSORFLOW' % name
  bad = [where for path in paths for there, where in imported_files(path)
         if unit(there) not in NO_TENSORFLOW]
  assert not bad, '%s must work without TensorFlow; see %s' % (name, bad)


@pytest.mark.parametrize('path', sorted(FILES.values()))
def test_files_have_one_purpose(path):
  with open(os.path.join(ROOT, path), encoding='utf-8') as f:
    lines = sum(1 for _ in f)
  assert lines <= LONGEST_FILE, '%s has %d lines: it is two files' % (path, lines)


def test_the_top_of_the_package_is_short():
  top = [path for path in FILES.values() if path.count('/') == 1]
  assert len(top) <= MOST_TOP_FILES, 'a new file belongs to a folder: %s' % sorted(top)


def test_the_rule_catches_what_it_is_for():
  assert complaint('hparams', 'graph', 'x')
  assert complaint('errors', 'hparams', 'x')
  assert complaint('errors', 'errors', 'x')
  assert complaint('graph', 'python', 'x')
  assert complaint('schedules', 'engine', 'x')
  assert complaint('graph', 'keras', 'x') and complaint('keras', 'graph', 'x')
  assert complaint('graph', 'engine', 'x') is None
  assert complaint('export', 'export', 'x') is None
