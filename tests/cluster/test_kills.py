# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
# bazel: tags = manual
"""Kills tasks of a cluster of real servers; training must end as if nothing had happened."""
# bazel: deps = //tests:cluster/probe

import os
import random
import time

import pytest

from tests import oracle
from tests.cluster import harness

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group('cluster')]  # Of many processes each.

_KILLS = 10  # In one training.


@pytest.mark.parametrize(
    'mode', [pytest.param('async', marks=pytest.mark.legs()),  # As the random ones are.
             pytest.param('sync', marks=pytest.mark.long)])
def test_one_kill_of_each_kind(mode, tmp_path):
  flags = ['--sync'] if mode == 'sync' else []
  with harness.Run(tmp_path, 700, '--pace=0.02', '--save_steps=20', '--keep_checkpoints=0',
                   *flags) as run:
    run.slow_down(400, 0.2)
    run.wait_for_step(40)
    run.kill('chief/0', during_update=True)
    run.wait_for_more()
    run.kill('worker/1')
    run.wait_for_more()
    run.kill('ps/1')
    run.wait_for_more()
    run.wait_for_more('worker/1')
    run.finish()
  assert run.check() > 10


@pytest.mark.long
@pytest.mark.legs()
@pytest.mark.parametrize('round', range(max(1, oracle.soak(10) // _KILLS)))
def test_random_kills(round, tmp_path):
  # A sync one in `make soak`, where there are more rounds than one.
  flags = ['--sync'] if round % 2 else []
  seed = int(os.environ.get('MODEL_PRUNING_KILL_SEED', random.SystemRandom().randrange(10**6)))
  print('MODEL_PRUNING_KILL_SEED=%d' % seed)
  with harness.Run(tmp_path, 1500, '--pace=0.05', '--save_steps=20', '--keep_checkpoints=0',
                   *flags, limit=600) as run:
    run.slow_down(1000, 0.5)
    run.wait_for_more()
    since = time.time()
    seconds = harness.random_kills(run, _KILLS, seed, print)
    print('%d kills in %.0f s; trained again after %.1f s in the mean, %.1f s at most' % (
        _KILLS, time.time() - since, sum(seconds) / len(seconds), max(seconds)))
    run.finish()
  print('%d checkpoints, %d tasks that ended by themselves' % (run.check(), run.restarts))
