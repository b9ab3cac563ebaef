# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
# bazel: tags = manual
"""A run that is interrupted anywhere and resumed ends as one that was not, to the bit."""

import json
import os
import random
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from model_pruning.compat import tf
from tests import legs
from tests import resumed
from tests.paths import ROOT

BASE = 'target_sparsity=0.75,pruning_frequency=2,sparsity_function_end_step=10'
SPECS = {
    'exact': '', 'decay': ',threshold_decay=0.5', 'blocks': ',block_height=2,block_width=2',
    'n_of_m': ',intra_block_sparsity=true,block_width=4', 'group': ',global_pruning=true',
    'first_order': ',prune_option=first_order_gradient',
    'second_order': ',prune_option=second_order_gradient',
    'estimate': ',threshold_method=histogram',
}
SOAK = int(os.environ.get('MODEL_PRUNING_SOAK', '1'))


class _Killed(Exception):
  """Stands for the end of a process: nothing is saved on its way."""


def _kill(step):
  del step
  raise _Killed


def _assert_same(one, other):
  assert one.keys() == other.keys()
  for name in one:
    np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def _resumed(folder, at_step, **options):
  with pytest.raises(_Killed):
    resumed.train(folder, at_step=at_step, what=_kill, **options)
  return resumed.train(folder, **options)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('spec, use_resource', legs.few(legs.product(
    sorted(SPECS), [False, True]), 8, 'oldest'))
def test_a_run_that_is_interrupted_and_resumed_ends_the_same(spec, use_resource, tmp_path):
  options = dict(spec=BASE + SPECS[spec], use_resource=use_resource, save_steps=3)
  whole = resumed.train(str(tmp_path / 'whole'), **options)
  assert whole['global_step'] == resumed.STEPS
  assert whole['model_pruning/last_mask_update_step'] == resumed.STEPS
  assert 0 < whole['model/one/mask'].sum() < 96
  for at_step in (5, 8):  # Before an update, and after one.
    _assert_same(whole, _resumed(str(tmp_path / ('at%d' % at_step)), at_step, **options))


@pytest.mark.sampled(1)
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize('save_steps, hook_first, ahead', [
    # Half of them have any two settings together; `make soak` has all.
    case if (case[0] == 4) ^ case[1] ^ case[2] else pytest.param(*case, marks=pytest.mark.legs())
    for case in legs.product([1, 4], [False, True], [False, True])])
def test_interrupted_at_any_step(save_steps, hook_first, ahead, tmp_path):
  """A process that is killed leaves its folder as it is: one run is copied after each step."""
  options = dict(spec=BASE, save_steps=save_steps, hook_first=hook_first, partitions=3,
                 relative_paths=True)
  folder = str(tmp_path / 'whole')
  whole = resumed.train(folder, ahead=ahead, **options,
                        what=lambda step: shutil.copytree(folder, str(tmp_path / str(step))))
  _assert_same(whole, resumed.train(str(tmp_path / 'alone'), **options))
  for at_step in range(1, resumed.STEPS):
    killed = str(tmp_path / str(at_step))
    assert resumed.values(killed)['global_step'] <= at_step
    _assert_same(whole, resumed.train(killed, **options))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.legs()
def test_killed_at_random_moments_and_started_again(tmp_path):
  """With kill -9, wherever it hits: in a step, in an update, or while a checkpoint is written."""
  options = dict(save_steps=1)
  whole = resumed.train(str(tmp_path / 'whole'), BASE, **options)
  output, folder = str(tmp_path / 'variables.npz'), str(tmp_path / 'killed')
  command = [sys.executable, '-m', 'tests.resumed', folder, output, BASE, json.dumps(options)]
  environment = dict(os.environ, PYTHONPATH=os.pathsep.join([ROOT] + sys.path))
  choice, kills = random.Random(1), 0
  while kills < 4 * SOAK:
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    before = tf.train.latest_checkpoint(folder)
    while process.poll() is None and tf.train.latest_checkpoint(folder) == before:
      time.sleep(0.01)
    time.sleep(choice.uniform(0, 0.4))
    process.kill()
    _, errors = process.communicate()
    kills += 1
    assert process.returncode in (0, -9), errors.decode()[-3000:]
    if process.returncode == 0:
      _assert_same(whole, dict(np.load(output)))
      output, folder = output + '.npz', folder + '_again'
      command[3:5] = [folder, output]
  subprocess.run(command, cwd=ROOT, env=environment, check=True)
  _assert_same(whole, dict(np.load(output)))


# ---- Other partitioning. ----


@pytest.mark.sampled(1)
@pytest.mark.parametrize('before,after,use_resource', legs.few([
    (None, 2, False), (2, 3, True), (3, None, True),
    (None, 2, True), (2, 3, False), (3, None, False)], 3, 'oldest'))
def test_a_checkpoint_restores_into_a_graph_with_other_partitions(before, after, use_resource,
                                                                  tmp_path):
  options = dict(spec=BASE, use_resource=use_resource)
  whole = resumed.train(str(tmp_path / 'whole'), partitions=before, **options)
  folder = str(tmp_path / 'changed')
  resumed.train(folder, partitions=before, steps=7, **options)
  changed = resumed.train(folder, partitions=after, **options)
  assert changed.keys() == whole.keys()
  for name in whole:
    # Products of parts are summed up in another order.
    np.testing.assert_allclose(changed[name], whole[name], atol=1e-4, err_msg=name)
    if name.endswith('mask'):
      np.testing.assert_array_equal(changed[name], whole[name])
