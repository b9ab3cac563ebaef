# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Plants small faults in the package and counts how many of them the tests notice.

    tools/with_env.sh auto -m tools.mutants [--number=60] [--seed=17] [file or folder ...]

For each fault (tools/mutant_edits.py) it writes the file into a copy of the checkout and runs the
tests that mirror the file there. A fault is killed when a test fails or takes too long, and
survives when all pass. The checkout itself is never changed.

Each run is forked from one process that has imported TensorFlow. Needs Python 3.8 and fork.
"""

import argparse
import json
import os
import sys
import time
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from tools import mutant_edits
from tools.mutant_runs import run_all, Task

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGE = 'model_pruning'

# The subjects by default.
_FOLDERS = ('engine', 'hparams', 'schedules')

# Tests of a file besides test_<file>.py: the names of test files, the quickest first.
_FURTHER = {
    # Engine.
    'batches': ['test_conformance'],
    'blocks': ['test_patterns', 'test_conformance'],
    'change': ['test_saliency', 'test_updates'],
    'choose': ['test_updates', 'keras/test_conformance', 'test_conformance'],
    'counting': ['test_selection', 'test_n_of_m', 'test_conformance'],
    'distribution': ['test_distributions', 'test_contracts'],
    'distributions': ['test_contracts'],
    'erk': ['test_distributions'],
    'keys': ['test_on_gpu', 'test_selection', 'test_n_of_m'],
    'lamp': ['test_distributions'],
    'elementwise': ['test_patterns', 'test_selection', 'test_conformance'],
    'estimate': ['test_selection', 'test_conformance'],
    'layout': ['test_patterns', 'test_n_of_m', 'test_conformance'],
    'magnitude': ['test_saliency', 'test_conformance'],
    'n_of_m': ['test_contracts', 'test_updates'],
    'pattern': ['test_patterns', 'test_contracts', 'test_pruning'],
    'patterns': ['test_contracts', 'test_n_of_m'],
    'placement': ['test_updates', 'test_replicas'],
    'plan': ['test_pruning', 'test_updates'],
    'reads': ['test_updates'],
    'runs': ['test_n_of_m'],
    'saliency': ['test_contracts', 'test_updates'],
    'selection': ['test_conformance'],
    'ties': ['test_selection', 'test_conformance'],
    # Hyperparameters.
    'choices': ['test_spec'],
    'defaults': ['test_spec', 'test_hparam'],
    'grammar': ['test_spec', 'test_hparam'],
    'maps': ['test_spec', 'test_pruning'],
    'spec': ['test_pruning'],
    # Calibration.
    'at_once': ['test_trained', 'test_one_shot'],
    'endless': ['test_examples'],
    # Schedules.
    'arguments': ['test_objects', 'test_contracts'],
    'base': ['test_weight_sparsity', 'test_objects', 'test_contracts'],
    'clock': ['test_gradual', 'test_objects'],
    'constant': ['test_objects'],
    'gradual': ['test_objects'],
    'kinds': ['test_weight_sparsity', 'test_objects', 'test_gradual'],
    'numeric': ['test_gradual', 'test_objects'],
    'polynomial': ['test_objects'],
    'schedule': ['test_objects', 'test_contracts', 'test_weight_sparsity'],
    'schedules': ['test_objects'],
    'serialization': ['test_objects'],
    'weight_sparsity': ['test_objects'],
}


class Subject(NamedTuple):
  """A file to plant faults in: its path in the checkout, and the paths of its tests."""
  path: str
  tests: Tuple[str, ...]


def subjects(root: str, paths: Sequence[str] = ()) -> List[Subject]:
  """Returns the files below `paths` (by default in _FOLDERS), each with its tests.

  Raises:
    ValueError: a path is not there, or a file has no tests.
  """
  found = []
  for path in paths or [os.path.join(PACKAGE, folder) for folder in _FOLDERS]:
    whole = os.path.join(root, path)
    if not os.path.exists(whole):
      raise ValueError('%s: no such file or folder below %s' % (path, root))
    for file in sorted(_python_files(whole)):
      relative = os.path.relpath(file, root)
      tests = tests_of(root, relative)
      if tests:
        found.append(Subject(relative, tests))
      elif os.path.basename(file) != '__init__.py':
        raise ValueError('%s: no test mirrors it. Add tests/test_%s, or a line to _FURTHER of '
                         'tools/mutants.py' % (relative, os.path.basename(file)))
  return found


def tests_of(root: str, path: str) -> Tuple[str, ...]:
  """Returns the paths of the test files for a file of the package, in the order to run them."""
  name = module_name(path)
  folder = os.path.basename(os.path.dirname(path))
  found: List[str] = []
  for test in ['test_' + name] + _FURTHER.get(name, []):
    for place in (folder, '', *_FOLDERS, 'graph'):
      candidate = os.path.join('tests', place, test + '.py')
      if os.path.isfile(os.path.join(root, candidate)):
        if candidate not in found:
          found.append(candidate)
        break
  return tuple(found)


def module_name(path: str) -> str:
  """Returns the last part of a module's name: the folder's for an __init__.py."""
  name = os.path.basename(path)[:-len('.py')]
  return os.path.basename(os.path.dirname(path)) if name == '__init__' else name


def _python_files(path: str) -> Iterator[str]:
  if os.path.isfile(path):
    yield path
    return
  for folder, _, names in os.walk(path):
    for name in names:
      if name.endswith('.py'):
        yield os.path.join(folder, name)


def main(words: Optional[Sequence[str]] = None) -> int:
  """Runs the command; returns 1 if a control failed or a run could not be judged."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('paths', nargs='*', help='files or folders, from the root of the checkout')
  parser.add_argument('--number', type=int, default=60, help='of mutants (default: 60)')
  parser.add_argument('--seed', type=int, default=17, help='which ones (default: 17)')
  parser.add_argument('--jobs', type=int, default=2, help='processes at a time (default: 2)')
  parser.add_argument('--timeout', type=float, default=300, help='of a mutant, in seconds')
  parser.add_argument('--legs', default=os.environ.get('MODEL_PRUNING_LEGS', 'default other'),
                      help="the tests of these legs (default: 'default other', as `make test`); "
                      "'' runs all, slow ones too")
  parser.add_argument('--only', action='append', help='a mutant by its name; may be repeated')
  parser.add_argument('--list', action='store_true', help='shows the mutants and runs nothing')
  parser.add_argument('--no-control', action='store_true',
                      help='does not first run the tests without a mutant')
  parser.add_argument('--json', help='writes the table there')
  parser.add_argument('--root', default=ROOT, help='the checkout (default: this one)')
  parser.add_argument('--preload', default='tensorflow', help='what to import before forking')
  options = parser.parse_args(words)

  every = []
  for subject in subjects(options.root, options.paths):
    with open(os.path.join(options.root, subject.path), 'rb') as file:
      found = mutant_edits.mutants_of(file.read(), module_name(subject.path))
    every.extend(Task(subject.path, mutant, subject.tests) for mutant in found)
  by_mutant = {task.mutant: task for task in every}
  tasks = [by_mutant[mutant] for mutant in mutant_edits.chosen(
      list(by_mutant), len(every) if options.only else options.number, options.seed)]
  if options.only:
    tasks = [task for task in tasks if task.mutant.name in options.only]
  print('%d of %d mutants, seed %d' % (len(tasks), len(every), options.seed))
  if options.list:
    for task in tasks:
      print(_line(task, 'not run', ''))
    return 0

  os.environ['MODEL_PRUNING_LEGS'] = options.legs
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  if options.preload:
    __import__(options.preload)
  selection = 'not slow' if options.legs else 'not long and not tpu'
  begin = time.time()

  def run(some, show):
    return run_all(some, options.root, options.jobs, options.timeout, selection, show)

  if not options.no_control:
    controls = [Task('', None, (test,)) for test in sorted({t for x in tasks for t in x.tests})]
    bad = {task.tests[0]: result for task, result in run(controls, lambda *_: None).items()
           if result.outcome != 'survived' and 'no tests ran' not in result.first}
    if bad:
      for test, result in sorted(bad.items()):
        print('%s, without a mutant: %s: %s' % (test, result.outcome, result.first))
      return 1
    print('the tests pass without a mutant, after %d s' % (time.time() - begin))

  results = run(tasks, lambda task, result: print(
      _line(task, result.outcome, '%.0f s  %s' % (result.seconds, result.first)), flush=True))
  counts = {outcome: sum(each.outcome == outcome for each in results.values())
            for outcome in ('killed', 'timed out', 'survived', 'error')}
  print('%d mutants: %s; legs %r, %d s' % (len(results), ', '.join(
      '%d %s' % (count, outcome) for outcome, count in counts.items()), options.legs,
      time.time() - begin))
  if options.json:
    with open(options.json, 'w') as file:
      json.dump([dict(name=task.mutant.name, path=task.path, line=task.mutant.line,
                      before=task.mutant.before, after=task.mutant.replacement,
                      outcome=results[task].outcome, seconds=round(results[task].seconds, 1),
                      first=results[task].first) for task in tasks], file, indent=1)
      file.write('\n')
  return 1 if counts['error'] else 0


def _line(task: Task, outcome: str, rest: str) -> str:
  mutant = task.mutant
  change = '%s -> %s' % tuple(' '.join(each.split()) or "''"
                              for each in (mutant.before, mutant.replacement))
  return '%-9s  %s  (%s:%d)  %s  %s' % (
      outcome, mutant.name, task.path, mutant.line, change, rest)


if __name__ == '__main__':
  sys.exit(main())
