# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: data = //model_pruning:sources
"""Imports inside the package point downwards only.

Read from the syntax trees, so that an import inside a function counts as well.
"""

import os

import pytest

from tools import py_imports

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGE = 'model_pruning'

# A file may import files of lower levels only. A new file is entered here; the files
# of a folder share the folder's entry and may import one another.
LEVELS = {
    'errors': 0, 'version': 0, 'quiet': 0, 'compat': 0, 'files': 0, 'grammar': 0, 'hparam': 0,
    'maps': 0, 'expressions': 0, 'names': 0, 'lazy': 0, 'numeric': 0, 'placement': 0,
    'tables': 0, 'figures': 0,
    'spec': 1, 'schedules': 1, 'saliency': 1, 'patterns': 1, 'counting': 1, 'ties': 1,
    'estimate': 1, 'selection': 1, 'n_of_m': 1, 'variables': 1, 'schedule_base': 1,
    'waiting': 1, 'inputs': 1, 'tensors': 1, 'progress': 2,
    'records': 2, 'registry': 2, 'penalties': 2, 'scope': 2, 'summaries': 2, 'updates': 2,
    'slim': 2, 'timeline': 2,
    'sparsity_schedules': 2, 'weight_sparsity': 2, 'products': 2, 'coordination': 2,
    'last_checkpoint': 2, 'stored_spec': 2,
    'pruning': 3, 'warm_start': 3, 'rnn_cells': 3, 'core_layers': 3, 'layers': 3, 'reading': 3,
    'events': 3, 'hooks': 4, 'flags': 4, 'learning': 4, 'report': 4, 'plots': 4, 'one_shot': 4,
    'export': 4, 'keras': 4, 'reporting': 4, 'run_report': 4,
    'cli': 5, '__main__': 5, 'strip_pruning_vars': 5,
    '__init__': 6,
    'python': 7,
}

# The floor: these import nothing of the package, and anything may import them.
FLOOR = ('errors', 'version', 'compat', 'names')

# Imports within a level, each with its reason.
WITHIN_LEVEL = {
    ('hparam', 'grammar'): 'HParams are set by strings',
    ('schedules', 'spec'): 'contrib\'s schedule is built from a spec',
    ('schedule_base', 'spec'): 'steps have one upper bound',
    ('schedule_base', 'schedules'): 'a schedule object has a clock',
    ('patterns', 'spec'): 'a pattern is built from the block dimensions of a spec',
    ('figures', 'tables'): 'names are drawn as tables show them',
    ('ties', 'counting'): 'it works on the same keys, chunk by chunk',
    ('estimate', 'counting'): 'it counts as the exact thresholds do',
    ('selection', 'counting'): 'it counts, and then makes the masks',
    ('selection', 'ties'): 'it counts, and then makes the masks',
    ('selection', 'estimate'): 'the estimate is one of its methods',
    ('n_of_m', 'selection'): 'it answers with a Selection, as select does',
    ('variables', 'patterns'): 'a variable has the layout of a weight',
    ('scope', 'registry'): 'it masks by way of the registry',
    ('registry', 'products'): 'a masked weight is the product of both',
    ('registry', 'records'): 'it enters what the records are read from',
    ('scope', 'records'): 'a mask belongs to one weight',
    ('last_checkpoint', 'records'): 'a Saver should save the masks',
    ('scope', 'penalties'): 'layers that get a product penalize the weight',
    ('maps', 'expressions'): 'the keys of maps are regular expressions',
    ('maps', 'grammar'): 'errors show what was given as those of the grammar do',
    ('updates', 'registry'): 'it reads and assigns what the registry knows',
    ('summaries', 'registry'): 'it reports on the records; Pruning.add_pruning_summaries calls it',
    ('layers', 'core_layers'): 'slim\'s functions run the layer objects',
    ('compat', 'quiet'): 'commands load TensorFlow without its remarks',
    ('stored_spec', 'weight_sparsity'): 'it stores the targets that a schedule ends at',
    ('reporting', 'export'): 'it reads TFLite files, and says what the exporter will do',
    ('report', 'reporting'): 'a report has findings and a page',
    ('run_report', 'report'): 'the page of a run is made from a report',
    ('run_report', 'reporting'): 'a run is recorded and written as a page there',
    ('hooks', 'run_report'): 'a hook writes the page of its run',
    ('keras', 'export'): 'a Keras model is converted as the graph of any other is',
    ('keras', 'report'): 'a model in memory is reported on as one in a file is',
    ('keras', 'reporting'): 'a callback writes the page of its run',
    ('one_shot', 'export'): 'it reads and writes checkpoints as stripping does',
    ('events', 'reading'): 'it finds event files, and the names of weights, as reading does',
    ('strip_pruning_vars', 'cli'): 'it ends as the other commands do',
    ('__main__', 'cli'): '`python -m model_pruning` is the command line',
}

NO_TENSORFLOW = ('errors', 'expressions', 'files', 'version', 'grammar', 'hparam', 'lazy', 'maps',
                 'names', 'quiet', 'spec', 'tables')


def unit(path):
  """'model_pruning/export/x.py' -> 'export', 'model_pruning/spec.py' -> 'spec'."""
  head = path.split('/')[1]
  return head[:-len('.py')] if head.endswith('.py') else head


FILES = {py_imports.module_of(p): p for p in py_imports.python_files(ROOT, PACKAGE)}


def imported_units(path):
  for found in py_imports.imports_of(ROOT, path):
    target = py_imports.resolve(found, FILES)
    if target is not None:
      yield unit(target), '%s:%d' % (path, found.line)
    elif found.module.split('.')[0] == PACKAGE:
      raise AssertionError('%s:%d imports %s, which does not exist' % (
          path, found.line, found.module))


def complaint(here, there, where):
  """Returns what is wrong with `here` importing `there`, or None."""
  if here == there and here in ('cli', 'export', 'keras', 'python', 'reading', 'reporting'):
    return None
  if there == 'python':
    return '%s imports model_pruning.python, which only re-exports for legacy code' % where
  if here in FLOOR and (here, there) not in WITHIN_LEVEL:
    return '%s: %s is the floor and imports nothing of the package' % (where, here)
  if LEVELS[there] < LEVELS[here] or there in FLOOR or (here, there) in WITHIN_LEVEL:
    return None
  return ('%s: %s (level %d) imports %s (level %d); imports point to lower levels only. '
          'Move the code, or, where one file of a level must build on another, enter the '
          'pair with its reason in WITHIN_LEVEL of tests/test_imports.py' % (
              where, here, LEVELS[here], there, LEVELS[there]))


@pytest.mark.parametrize('path', sorted(FILES.values()))
def test_every_file_has_a_level(path):
  assert unit(path) in LEVELS, (
      '%s has no level: enter %r in LEVELS of tests/test_imports.py and in the table of '
      'CONTRIBUTING.md' % (path, unit(path)))


@pytest.mark.parametrize('path', sorted(FILES.values()))
def test_imports_point_downwards(path):
  known = [(there, where) for there, where in imported_units(path) if there in LEVELS]
  complaints = [complaint(unit(path), there, where) for there, where in known
                if unit(path) in LEVELS]
  assert not [c for c in complaints if c]


@pytest.mark.parametrize('path', [p for p in sorted(FILES.values()) if unit(p) != 'compat'])
def test_tensorflow_comes_from_compat_alone(path):
  roots = ('tensorflow',) + (() if unit(path) not in NO_TENSORFLOW else ('keras', 'tf_keras'))
  direct = ['%s:%d' % (path, i.line) for i in py_imports.imports_of(ROOT, path)
            if i.module.split('.')[0] in roots]
  assert not direct, 'import it as `from model_pruning.compat import tf`: %s' % direct


@pytest.mark.parametrize('name', NO_TENSORFLOW)
def test_string_and_spec_need_no_tensorflow(name):
  path = '%s/%s.py' % (PACKAGE, name)
  if path not in FILES.values():
    pytest.fail('%s is gone; take it out of NO_TENSORFLOW' % path)
  bad = [where for there, where in imported_units(path) if there not in NO_TENSORFLOW]
  assert not bad, '%s must work without TensorFlow; see %s' % (path, bad)


def test_exceptions_make_no_cycle():
  """Two files of one level may not import each other, directly or in a ring."""
  below = {}
  for here, there in WITHIN_LEVEL:
    assert LEVELS[here] == LEVELS[there], (here, there)
    below.setdefault(here, []).append(there)

  def visit(name, seen):
    assert name not in seen, 'a cycle: %s' % (seen + [name])
    for other in below.get(name, ()):
      visit(other, seen + [name])

  for name in below:
    visit(name, [])


def test_the_rule_catches_what_it_is_for():
  assert complaint('spec', 'registry', 'x')
  assert complaint('errors', 'hparam', 'x')
  assert complaint('hooks', 'python', 'x')
  assert complaint('schedules', 'selection', 'x')
  assert complaint('hooks', 'pruning', 'x') is None
  assert complaint('export', 'export', 'x') is None
