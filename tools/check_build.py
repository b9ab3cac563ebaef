# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checks that the BUILD files match the imports of the Python files.

  python tools/check_build.py          fails, with a diff, when a BUILD file is off
  python tools/check_build.py --fix    rewrites it

The BUILD file of each folder in FOLDERS is derived as a whole: one py_library per
file, and one py_test per tests/**/test_*.py, each with its own direct dependencies.
What imports cannot show is said in the Python file, in comments of the form

  # bazel: deps = //examples:digits/train      (it starts that as a program)
  # bazel: data = //:README.md                 (it reads that)
  # bazel: tags = manual                       (py_test only)
  # bazel: size = large                        (py_test only; default: medium)

with blanks between several values. Tests under tests/differential are always manual:
they need TensorFlow 1.15, and Bazel runs the tests with one Python.
"""

import argparse
import difflib
import os
import re
import sys
from typing import Dict, List

import py_imports

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ('model_pruning', 'tests', 'examples', 'benchmarks', 'tools')
RUNNER = 'tests/bazel_main.py'
KEYS = ('deps', 'data', 'tags', 'size')
_DIRECTIVE = re.compile(r'^# bazel: *(\w+) *= *(.*?) *$', re.M)

_HEAD = '''\
# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Derived from the imports by tools/check_build.py --fix. Do not edit.

package(default_visibility = ["//visibility:public"])
'''


def folder_of(path: str) -> str:
  return path.split('/')[0]


def target_of(path: str) -> str:
  """'model_pruning/export/x.py' -> 'export/x'; a folder's own __init__.py -> its name."""
  folder, _, rest = path.partition('/')
  return folder if rest == '__init__.py' else rest[:-len('.py')]


def label(path: str, folder: str) -> str:
  """How a BUILD file in `folder` names the target of `path`."""
  there = '' if folder_of(path) == folder else '//' + folder_of(path)
  if there and target_of(path) == folder_of(path):
    return there
  return '%s:%s' % (there, target_of(path))


def directives(path: str) -> Dict[str, List[str]]:
  """Returns the `# bazel:` comments of a file."""
  with open(os.path.join(ROOT, path), encoding='utf-8') as f:
    text = f.read()
  said: Dict[str, List[str]] = {}
  # This file's docstring shows examples of them.
  for key, values in [] if path.endswith('check_build.py') else _DIRECTIVE.findall(text):
    if key not in KEYS:
      raise SystemExit('%s: "# bazel: %s" is none of %s' % (path, key, ', '.join(KEYS)))
    said.setdefault(key, []).extend(values.split())
  return said


def known_modules() -> Dict[str, str]:
  """Returns module name -> path, with every name a file can be imported by."""
  files = {}
  for folder in FOLDERS:
    for path in py_imports.python_files(ROOT, folder):
      files[py_imports.module_of(path)] = path
  for path in list(files.values()):
    # pytest and `python tools/x.py` put the file's own folder on the path, so that
    # neighbours are imported by their bare names.
    if folder_of(path) in ('tests', 'tools') and not path.endswith('__init__.py'):
      files.setdefault(os.path.basename(path)[:-len('.py')], path)
  return files


def rule(path: str, files: Dict[str, str]) -> str:
  """Returns the target of one file."""
  folder = folder_of(path)
  said = directives(path)
  is_test = folder == 'tests' and os.path.basename(path).startswith('test_')
  read = {py_imports.resolve(i, files) for i in py_imports.imports_of(ROOT, path)}
  if is_test:
    # pytest finds the conftest files of the folders above by itself.
    parts = path.split('/')[:-1]
    read.update('/'.join(parts[:n] + ['conftest.py']) for n in range(1, len(parts) + 1)
                if os.path.exists(os.path.join(ROOT, *parts[:n], 'conftest.py')))
  deps = {label(p, folder) for p in read if p and p != path} | set(said.get('deps', ()))
  srcs = [path.partition('/')[2]]
  data = set(said.get('data', ()))
  tags = set(said.get('tags', ()))
  fields = [('name', target_of(path))]
  if is_test:
    srcs.append(RUNNER.partition('/')[2])
    data.add('//:pyproject.toml')
    if path.startswith('tests/differential/'):
      tags.add('manual')
    fields.append(('size', (said.get('size') or ['medium'])[0]))
  fields.append(('srcs', sorted(srcs)))
  if is_test:
    fields += [('main', RUNNER.partition('/')[2]), ('args', [path])]
  fields += [('data', sorted(data)), ('tags', sorted(tags)), ('deps', sorted(deps))]
  lines = ['py_test(' if is_test else 'py_library(']
  for key, value in fields:
    if isinstance(value, str):
      lines.append('    %s = "%s",' % (key, value))
    elif len(value) == 1:
      lines.append('    %s = ["%s"],' % (key, value[0]))
    elif value:
      lines += ['    %s = [' % key] + ['        "%s",' % v for v in value] + ['    ],']
  return '\n'.join(lines + [')', ''])


def build_file(folder: str, files: Dict[str, str]) -> str:
  """Returns the whole BUILD file of a folder."""
  blocks = [_HEAD]
  if folder == 'model_pruning':
    blocks.append('# For the test that reads the syntax trees.\nfilegroup(\n'
                  '    name = "sources",\n    srcs = glob(["**/*.py"]),\n)\n')
  blocks += [rule(path, files) for path in py_imports.python_files(ROOT, folder)
             if path != RUNNER and not path.startswith('tools/bazel/')]
  return '\n'.join(blocks)


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--fix', action='store_true', help='rewrite the files that differ')
  fix = parser.parse_args().fix
  files = known_modules()
  differing = 0
  for folder in FOLDERS:
    if not py_imports.python_files(ROOT, folder):
      continue
    path = os.path.join(ROOT, folder, 'BUILD')
    want = build_file(folder, files)
    have = ''
    if os.path.exists(path):
      with open(path, encoding='utf-8') as f:
        have = f.read()
    if have == want:
      continue
    differing += 1
    if fix:
      with open(path, 'w', encoding='utf-8') as f:
        f.write(want)
      print('rewrote %s/BUILD' % folder)
    else:
      sys.stdout.writelines(difflib.unified_diff(
          have.splitlines(True), want.splitlines(True), folder + '/BUILD', 'as imported'))
  if differing and not fix:
    print('\n%d BUILD file(s) do not match the imports: run '
          '`python tools/check_build.py --fix`' % differing, file=sys.stderr)
    return 1
  return 0


if __name__ == '__main__':
  sys.exit(main())
