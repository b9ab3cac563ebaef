# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which tests run on which TensorFlow in CI.

A leg is one environment of tests: `default` is the TensorFlow that fits python3, which `make test`
uses, `oldest` is 1.15.5, `newest` is 2.21 with Keras 3, and `tf_keras` is 2.21 with Keras 2.
`make test-all` and `make soak` run every test on every leg; so does pytest when it is called
directly. The other targets leave out the tests that FILES and the mark `legs` give to other legs:

    @pytest.mark.legs('oldest', 'newest')   # On these two.
    @pytest.mark.legs()                     # Only in `make test-all` and `make soak`.

SHARED divides the tests of files among legs: none of these runs all of them, but together they do.
Of a parametrized test each runs every value of every argument.

A test that takes long may have a few of its cases run in CI, on any leg, and the others only in
`make test-all` and `make soak`:

    @pytest.mark.sampled(6)   # Six, with as many values and pairs of values as they can have.

tools/test.sh passes the names of the leg in MODEL_PRUNING_LEGS.
"""

import collections
import itertools
import os
import zlib

import pytest

NAMES = ('default', 'oldest', 'newest', 'tf_keras')

# Whole files, by their paths in this folder. Each line says why fewer legs are enough.
FILES = {
    # Depends on Python, on files and on processes, and not on the version of TensorFlow.
    'programs/keras/test_run.py': ('default',),
    'repository/test_forks.py': ('default',),
    'hparams/test_expressions.py': ('default',),
    'reading/test_goals.py': ('default', 'oldest'),
    'reading/test_inlining.py': ('default', 'newest'),
    'reading/test_validation.py': ('default', 'oldest'),
    'util/test_files.py': ('default',),
    'util/test_full_disk.py': ('default',),
    'hparams/test_hparam_fuzz.py': ('default',),
    'repository/test_imports.py': ('default',),
    'repository/test_legs.py': ('default',),
    'repository/test_mutants.py': ('default',),
    'reporting/test_plots.py': ('default',),
    'util/test_quiet.py': ('default',),
    'util/test_tables.py': ('default',),
    'reporting/test_timeline.py': ('default',),
    'graph/training/test_waiting.py': ('default',),
    # The same old operations on every TensorFlow, as NumPy has it, or the same graphs where NumPy
    # does the work. On the newest these meet the oracle too: engine/test_conformance,
    # test_selection and test_on_gpu, graph/test_distributions and test_pruning, tpu/test_xla.
    'calibration/test_reconstruct.py': ('default', 'oldest'),
    'calibration/test_shrinking.py': ('default', 'oldest'),
    'engine/test_batches.py': ('default', 'oldest'),
    'engine/test_contracts.py': ('default', 'oldest'),
    'engine/test_distributions.py': ('default', 'oldest'),
    # No GPU of today runs the oldest.
    'engine/test_gpu_batches.py': ('default', 'newest'),
    'engine/test_on_gpu.py': ('default', 'newest'),
    'engine/test_in_chunks.py': ('default', 'oldest'),
    'engine/test_n_of_m.py': ('default', 'oldest'),
    'graph/test_empty_weights.py': ('default', 'newest'),
    'graph/test_updates.py': ('default', 'oldest'),
    'schedules/test_objects.py': ('default', 'oldest'),
    'tpu/test_blocks.py': ('default', 'oldest'),
    'calibration/test_planning.py': ('default', 'oldest'),
    'calibration/test_examples.py': ('default', 'oldest'),
    'calibration/test_solve.py': ('default',),
    # Examples and files go the same way on every TensorFlow; 1.15 has graphs alone, in test_prune.
    'cli/test_plan.py': ('default',), 'cli/test_sensitivity.py': ('default',),
    'cli/test_prune.py': ('default', 'oldest'),
    # Arguments and files; the newest has test_shrink and test_missing_folders.
    'cli/test_cli.py': ('default', 'oldest'),
    'cli/test_missing_folders.py': ('default', 'newest'),
    'cli/test_shrink.py': ('default', 'newest'),
    'export/test_channel_checkpoint.py': ('default', 'newest'),
    'reading/test_ownership.py': ('default', 'oldest'),
    'reading/test_updated.py': ('default', 'oldest'),
    # Processes of contrib's time: servers, sessions and flags, which later versions left alone.
    'cluster/test_traffic.py': ('default',),
    'graph/training/test_coordination.py': ('default', 'oldest'),
    'graph/training/test_hooks.py': ('default', 'oldest'),  # programs/ train with it on the newest.
    'hparams/test_flags.py': ('default', 'oldest'),
    'test_one_shot_examples.py': ('default', 'oldest'),
    'test_package.py': ('default', 'oldest'),
    'graph/training/test_resume.py': ('default', 'oldest'),
    'graph/training/test_restored_steps.py': ('default', 'oldest'),
    # The page of a report: Python, matplotlib and Jinja2 matter; selenium is in one environment.
    'reporting/test_browser.py': ('newest',),
    'reporting/test_advice.py': ('default',), 'reporting/test_findings.py': ('default',),
    'reporting/test_allotment.py': ('default',),
    'reporting/test_history.py': ('default', 'oldest'),
    'reporting/test_page.py': ('default', 'newest'),  # test_pictures and test_command write pages.
    'reporting/test_pictures.py': ('default', 'oldest'),
    'reporting/test_report.py': ('default', 'oldest'),
    'reporting/test_run.py': ('default', 'newest'),
    # The oldest builds conditionals in another way than the newest, and has ref variables.
    'graph/test_channels.py': ('oldest', 'newest'),
    # Compiles with the XLA of TensorFlow itself; `make test-tpu` compiles for TPUs on `default`.
    'tpu/test_xla.py': ('newest',),
    # Control flow and resource variables, which the oldest and the newest build in other ways.
    'tpu/test_rewrite.py': ('oldest', 'newest'),
    # Keras 2 of TensorFlow 2.15 and tf_keras are one program: once is enough. What reads and writes
    # files, and what goes by Keras's modules and names, runs with both.
    'keras/test_built_late.py': ('default', 'newest'),
    'keras/test_removal.py': ('default', 'newest'),
    'keras/test_callbacks.py': ('default', 'newest'),
    'keras/test_channels.py': ('default', 'newest'),
    'keras/test_channel_masks.py': ('default', 'newest'),
    'keras/test_conformance.py': ('default', 'newest'),
    'keras/test_continuing.py': ('default', 'newest'),
    'keras/test_exactness.py': ('default', 'newest'),
    'keras/test_in_place_or_copied.py': ('default', 'newest'),
    'keras/test_lookups.py': ('default', 'newest'),
    'keras/test_loops.py': ('default', 'newest'),
    'keras/test_marks.py': ('default', 'newest'),
    'keras/test_older.py': ('default',),  # Of what changed before that version.
    'keras/test_policies.py': ('default', 'newest'),
    'keras/test_pruned.py': ('default', 'newest'),
    'keras/test_settings.py': ('default', 'newest'),
    'keras/test_trained.py': ('default', 'newest'),
    'keras/test_training.py': ('default', 'newest'),
    'keras/test_unrolling.py': ('default', 'newest'),
    'keras/test_updates.py': ('default', 'newest'),
    # Slow: whole programs in processes, where the versions of examples and tools do not matter.
    'examples/test_accuracy.py': ('default',),
    'examples/test_benchmarks.py': ('newest',),
    'examples/test_deploying.py': ('newest',),
    'examples/test_keras.py': ('oldest', 'newest'),
    'examples/test_keras_peer.py': ('default', 'newest'),
    # Keras 2 and 3 differ in the order and names of weights.
    'examples/test_nets.py': ('default', 'newest'),
    # One environment has Jupyter.
    'examples/test_notebooks.py': ('newest',),
}

# Files whose tests are divided among these legs: a parametrized test by its cases; another runs on
# one of them. Other legs that the file has run all. Each line says why a share is enough. A test
# that differs between legs, or whose cases do, needs a mark of its own: with
# @pytest.mark.legs('default', 'newest') all of it runs on both.
SHARED = dict(
    # Models, optimizers and settings of Keras, which meet the same code of this library with both
    # Kerases: half of them with Keras 2, the others with Keras 3.
    dict.fromkeys([
        'export/test_saved_model.py', 'keras/test_archives.py', 'keras/test_built_late.py',
        'keras/test_callbacks.py', 'keras/test_channel_masks.py', 'keras/test_channels.py',
        'keras/test_conformance.py', 'keras/test_continuing.py', 'keras/test_empty_weights.py',
        'keras/test_exactness.py', 'keras/test_exporting.py', 'keras/test_files.py',
        'keras/test_in_place_or_copied.py', 'keras/test_lookups.py', 'keras/test_loops.py',
        'keras/test_maps.py', 'keras/test_marks.py', 'keras/test_policies.py',
        'keras/test_pruned.py', 'keras/test_removal.py', 'keras/test_settings.py',
        'keras/test_shortfalls.py', 'keras/test_trained.py', 'keras/test_training.py',
        'keras/test_unrolling.py', 'keras/test_updates.py'
    ], ('default', 'newest')),
    # Slow ones, half with Keras 3 and half with Keras 2.
    **dict.fromkeys(['keras/test_layers.py', 'keras/test_saving.py'], ('newest', 'tf_keras')),
    # Keras 2 is one program in TensorFlow 2.15 and tf_keras, and meets the code that Keras 3 does.
    **dict.fromkeys([
        'keras/test_applications.py', 'keras/test_distributions.py', 'keras/test_graphs.py',
        'keras/test_prune.py', 'keras/test_reporting.py', 'keras/test_run_report.py',
        'keras/test_summaries.py'], ('default', 'newest', 'tf_keras')),
    # Masks as NumPy has them, from the same operations on every TensorFlow, and answers that Python
    # alone gives: half of the cases on the oldest, the others on the default one.
    **dict.fromkeys([
        'calibration/test_planning.py', 'calibration/test_reconstruct.py',
        'calibration/test_shrinking.py', 'cli/test_cli.py', 'cli/test_prune.py',
        'engine/test_batches.py', 'engine/test_contracts.py', 'engine/test_distributions.py',
        'engine/test_in_chunks.py', 'engine/test_n_of_m.py', 'graph/layers/test_rnn_cells.py',
        'graph/test_updates.py',
        'reading/test_goals.py', 'reading/test_ownership.py', 'reading/test_updated.py',
        'reading/test_validation.py', 'reporting/test_history.py', 'reporting/test_report.py',
        'schedules/test_objects.py', 'test_one_shot_examples.py', 'test_package.py',
        'tpu/test_blocks.py'], ('default', 'oldest')),
    # Sessions and hooks, which are the same code on every TensorFlow.
    **dict.fromkeys([
        'graph/training/test_coordination.py', 'graph/training/test_hooks.py',
        'graph/training/test_last_checkpoint.py', 'graph/training/test_restored_steps.py',
        'graph/training/test_resume.py', 'python/test_pruning_hook.py'],
                    ('default', 'oldest')),
    # What is built for graphs is built by the same functions on every TensorFlow; differential/
    # compares it with contrib on the oldest.
    **dict.fromkeys([
        'calibration/test_joint.py', 'calibration/test_named.py', 'calibration/test_networks.py',
        'channels/test_nets.py', 'channels/test_operations.py', 'channels/test_random_graphs.py',
        'channels/test_removal.py',
        'engine/test_block_batches.py', 'engine/test_channel_groups.py',
        'engine/test_conformance.py', 'engine/test_selection.py',
        'export/folding/test_fold.py', 'export/test_checkpoint.py', 'export/test_strip.py',
        'export/tflite/test_convert.py', 'graph/test_distributions.py', 'graph/test_freed.py',
        'graph/test_graph_modes.py', 'graph/test_penalties.py', 'graph/test_products.py',
        'graph/test_pruning.py', 'graph/test_records.py', 'graph/test_recurrence.py',
        'graph/test_references.py', 'graph/test_registry.py', 'graph/test_replicas.py',
        'graph/test_scope.py', 'graph/test_summaries.py', 'graph/test_warm_start.py',
        'graph/test_sparsity_function.py', 'schedules/test_gradual.py', 'test_one_shot.py'],
                    ('default', 'oldest', 'newest')),
    # Graphs of the oldest and of the newest, half of the cases each.
    **dict.fromkeys(['export/test_round_trips.py', 'graph/test_channels.py', 'tpu/test_rewrite.py'],
                    ('oldest', 'newest')),
    # As a GPU of today computes masks; no GPU of today runs the oldest.
    **dict.fromkeys(['engine/test_gpu_batches.py', 'engine/test_on_gpu.py'], ('default', 'newest')),
    # Weights without elements, arguments of commands, and pages: Python's work.
    **dict.fromkeys([
        'cli/test_missing_folders.py', 'cli/test_shrink.py', 'graph/test_empty_weights.py',
        'reporting/test_page.py'], ('default', 'newest')),
)


def of_file(path, root):
  """Returns the names of the legs that run tests of a file, by its path below `root`."""
  return set(FILES.get(_key(path, root), NAMES))


def _key(path, root):
  return os.path.relpath(path, root).replace(os.sep, '/')


def of_item(item, root):
  """Returns the names of the legs that run a test of pytest's."""
  found = of_file(str(item.fspath), root)
  marks = list(item.iter_markers('legs'))
  for mark in marks:
    unknown = set(mark.args) - set(NAMES)
    assert not unknown, '%s: no such legs: %s' % (item.nodeid, sorted(unknown))
    found &= set(mark.args)
  # A test of `make test-all` only has a mark without legs.
  assert found or not all(mark.args for mark in marks), (
      '%s: its marks and FILES leave it no leg' % item.nodeid)
  return found


def sample(items):
  """Leaves only as many cases in CI as the mark `sampled` of a parametrized test says.

  Cases that CI never runs do not count.

  Args:
    items: the items of pytest's of one function.

  Raises:
    ValueError: there are no more cases than the mark says.
  """
  mark = items[0].get_closest_marker('sampled')
  if mark is None:
    return
  number, = mark.args
  free = [item for item in items if all(mark.args for mark in item.iter_markers('legs'))]
  if not 1 <= number < len(free):
    raise ValueError('%s: sampled(%d) of %d cases' % (items[0].nodeid, number, len(free)))
  kept = _chosen(_singles([_params(item) for item in free]), number)
  for index, item in enumerate(free):
    if index not in kept:
      item.add_marker(pytest.mark.legs(), append=False)  # share_out() looks at the first one.


def share_out(items, root):
  """Marks a test, or the cases of a parametrized one, with the legs that run it, as SHARED says.

  Cases that have a mark `legs` keep it, and count as cases of those legs.

  Args:
    items: the items of pytest's of one function.
    root: the folder of tests.
  """
  path = _key(str(items[0].fspath), root)
  sharing = SHARED.get(path, ())
  if all(item.get_closest_marker('slow') for item in items):
    left_out = ('skip', 'skipif')
    sharing = tuple(leg for leg in sharing if leg != 'default')  # `make test` has no slow ones.
  else:
    left_out = ('slow', 'skip', 'skipif')  # Which some legs do not run.
  marked = [item.get_closest_marker('legs') for item in items]
  free = [index for index, item in enumerate(items)
          if marked[index] is None and not any(map(item.get_closest_marker, left_out))]
  if len(sharing) < 2 or not free:
    return
  cases = [_params(item) for item in items]
  fixed = {leg: [index for index, mark in enumerate(marked) if mark and leg in mark.args]
           for leg in sharing}
  # Which leg has the first case depends on the test, so that each leg has each case in some test.
  # Tests that share a fixture have it on one leg.
  own = _arguments(items[0])
  fixtures = sorted(name for name in _by_name(items[0]) if name not in own)
  if fixtures and len(items) < 3:
    return  # One leg would have one half of the file, and nothing of the other half.
  key = path + ','.join(fixtures) if fixtures else items[0].nodeid.partition('[')[0]
  first = zlib.crc32(key.encode()) % len(sharing)
  found = {index: set(NAMES) - set(sharing) for index in free}
  for leg, indices in shared(cases, free, fixed, sharing[first:] + sharing[:first]).items():
    for index in indices:
      found[index].add(leg)
  for index in free:
    items[index].add_marker(pytest.mark.legs(*sorted(found[index])))


def _by_name(item):
  """Returns the arguments of a parametrized case, as {name: value}."""
  return getattr(item, 'callspec', None) and item.callspec.params or {}


def _params(item):
  """Returns the values of the arguments, sorted by name; pytest sorts them by decorator."""
  return tuple(value for _, value in sorted(_by_name(item).items()))


def _arguments(item):
  """Returns the names of the arguments that decorators give to a test, and no fixture."""
  found = set()
  for mark in item.iter_markers('parametrize'):
    names = mark.args[0]
    found.update(each.strip() for each in (names.split(',') if isinstance(names, str) else names))
  return found


def shared(cases, free, fixed, legs):
  """Returns which of the cases each leg has, as {leg: indices}.

  Each has about as many as the others. A value that several cases have is in cases of each leg.

  Args:
    cases: a list of tuples of values.
    free: the indices of the cases to divide; each is for one leg, or more for the sake of values.
    fixed: {leg: indices} of cases that are divided already.
    legs: the names of the legs.
  """
  single = [[(place, repr(value)) for place, value in enumerate(case)] for case in cases]
  values = dict(zip(free, _singles([cases[index] for index in free])))
  common = {value for each in values.values() for value in each}
  shares, left = {}, list(free)
  for position, leg in enumerate(legs):
    # The legs that follow have some already, too.
    others = sum(len(fixed[other]) for other in legs[position:])
    number = round((len(left) + others) / (len(legs) - position)) - len(fixed[leg])
    number = min(max(number, 0), len(left)) if position < len(legs) - 1 else len(left)
    chosen = [left[index] for index in _chosen([values[each] for each in left], number)]
    left = [each for each in left if each not in chosen]
    shares[leg] = chosen
  for leg in legs:
    has = {value for index in shares[leg] + fixed[leg] for value in single[index]}
    while common - has:
      shares[leg].append(max((index for index in free if index not in shares[leg]),
                             key=lambda index: (len(set(values[index]) - has), -index)))
      has.update(single[shares[leg][-1]])
  return {leg: sorted(indices) for leg, indices in shares.items()}


def _singles(cases):
  """Returns the values of each case as (place, value), without those that no other case has.

  Where there are no others, there may be nothing to choose by.
  """
  single = [[(place, repr(value)) for place, value in enumerate(case)] for case in cases]
  counts = collections.Counter(value for each in single for value in each)
  return [[value for value in each if counts[value] > 1] for each in single]


def few(cases, number, *others):
  """Returns the cases of a parametrization, of which most run on few legs.

  Args:
    cases: a list of values, of tuples of values or of pytest.param().
    number: how many of them run on every leg. Of tuples they are chosen to have each value at each
      place, and then as many pairs of values as they can; of others they are spread evenly.
    *others: the legs of the rest. By default they run in `make test-all` and `make soak` only.

  Raises:
    ValueError: there are fewer cases than `number`.
  """
  cases = list(cases)
  if not 1 <= number <= len(cases):
    raise ValueError('number=%d of %d cases' % (number, len(cases)))
  kept = _covering(cases, number)
  return [case if index in kept else _marked(case, pytest.mark.legs(*others))
          for index, case in enumerate(cases)]


def _covering(cases, number):
  """Returns the indices of the cases to keep: the same ones whoever asks."""
  values = [_values(case) for case in cases]
  if len(values[0]) == 1:
    return _spread(len(cases), number)
  return _chosen([[(place, repr(value)) for place, value in enumerate(case)] for case in values],
                 number)


def _spread(length, number):
  """Returns so many of the indices of a list, as far from each other as they can."""
  return {round(index * (length - 1) / max(number - 1, 1)) for index in range(number)}


def _chosen(singles, number):
  """Returns the indices of so many cases that have all values and many pairs of them.

  Args:
    singles: the values of each case.
    number: how many.
  """
  if not any(singles):
    return _spread(len(singles), number)
  pairs = [list(itertools.combinations(single, 2)) for single in singles]
  kept, uses = [], collections.Counter()

  def gain(index):
    return (sum(not uses[each] for each in singles[index]),
            sum(not uses[each] for each in pairs[index]),
            -sum(uses[each] for each in singles[index]), -index)

  for _ in range(number):
    kept.append(max((index for index in range(len(singles)) if index not in kept), key=gain))
    uses.update(singles[kept[-1]] + pairs[kept[-1]])
  return set(kept)


def product(*lists):
  """Returns the tuples of all combinations, the last list varying fastest."""
  return list(itertools.product(*lists))


def _values(case):
  if hasattr(case, 'marks'):  # A pytest.param(), which is a tuple as well.
    return tuple(case.values)
  return case if isinstance(case, tuple) else (case,)


def _marked(case, mark):
  if hasattr(case, 'marks'):
    return pytest.param(*case.values, marks=[*case.marks, mark], id=case.id)
  return pytest.param(*_values(case), marks=mark)
