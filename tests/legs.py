# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which tests run on which TensorFlow in CI.

A leg is one environment of tests: `default` is the TensorFlow that fits python3, which `make test`
uses, `oldest` is 1.15.5, `newest` is 2.21 with Keras 3, and `tf_keras` is 2.21 with Keras 2.
`make test-all` and `make soak` run every test on every leg; so does pytest when it is called
directly. The other targets leave out the tests that FILES and the mark `legs` give to other legs:

    @pytest.mark.legs('oldest', 'newest')   # On these two.
    @pytest.mark.legs()                     # Only in `make test-all` and `make soak`.

tools/test.sh passes the names of the leg in MODEL_PRUNING_LEGS.
"""

import collections
import itertools
import os

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
    'keras/test_loops.py': ('default', 'newest'),
    'keras/test_policies.py': ('default', 'newest'),
    'keras/test_pruned.py': ('default', 'newest'),
    'keras/test_settings.py': ('default', 'newest'),
    'keras/test_trained.py': ('default', 'newest'),
    'keras/test_training.py': ('default', 'newest'),
    'keras/test_updates.py': ('default', 'newest'),
    'keras/test_vocabularies.py': ('default', 'newest'),
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


def of_file(path, root):
  """Returns the names of the legs that run tests of a file, by its path below `root`."""
  return set(FILES.get(os.path.relpath(path, root).replace(os.sep, '/'), NAMES))


def of_item(item, root):
  """Returns the names of the legs that run a test of pytest's."""
  found = of_file(str(item.fspath), root)
  for mark in item.iter_markers('legs'):
    unknown = set(mark.args) - set(NAMES)
    assert not unknown, '%s: no such legs: %s' % (item.nodeid, sorted(unknown))
    found &= set(mark.args)
  return found


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
    return {round(index * (len(cases) - 1) / max(number - 1, 1)) for index in range(number)}
  singles = [[(place, repr(value)) for place, value in enumerate(case)] for case in values]
  pairs = [list(itertools.combinations(single, 2)) for single in singles]
  kept, uses = [], collections.Counter()

  def gain(index):
    return (sum(not uses[each] for each in singles[index]),
            sum(not uses[each] for each in pairs[index]),
            -sum(uses[each] for each in singles[index]), -index)

  for _ in range(number):
    kept.append(max((index for index in range(len(cases)) if index not in kept), key=gain))
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
