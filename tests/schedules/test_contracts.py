# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Every registered schedule, and the spec's own, keeps the contract of Schedule."""

import numpy as np
import pytest

from model_pruning import schedules
from model_pruning.compat import tf
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules.base import PruningSchedule
from model_pruning.schedules.schedule import SpecSchedule

# Arguments that make each schedule: from step 20 to step 90, every 10 steps, to a sparsity of 0.8.
# A new schedule needs an entry.
EXAMPLES = {
    'ConstantSparsity': dict(target_sparsity=0.8, begin_step=20, end_step=90, frequency=10),
    'PolynomialDecay': dict(initial_sparsity=0.0, final_sparsity=0.8, begin_step=20, end_step=90,
                            frequency=10),
    'PolynomialDecaySchedule': dict(begin_step=20, total_iters=70, update_frequency=10,
                                    target_sparsity=0.8),
}
UPDATES = list(range(20, 91, 10))
SPEC = PruningSpec(begin_pruning_step=20, end_pruning_step=90, pruning_frequency=10,
                   target_sparsity=0.8, sparsity_function_begin_step=20,
                   sparsity_function_end_step=90)


def made(name):
  if name == 'SpecSchedule':
    return SpecSchedule(SPEC)
  return getattr(schedules, name)(**EXAMPLES[name])


EVERY = pytest.mark.parametrize('name', sorted(EXAMPLES) + ['SpecSchedule'])
REGISTERED = pytest.mark.parametrize('name', sorted(EXAMPLES))


def test_every_schedule_is_tested_here():
  assert set(EXAMPLES) == set(schedules.SCHEDULES)


@EVERY
def test_a_run_that_visits_every_step_updates_on_schedule(name):
  schedule, last, found = made(name), 0, []
  for step in range(120):
    if schedule.is_due(step, last):
      found.append(step)
      last = step
  assert found == UPDATES


@EVERY
def test_next_and_last_update_agree_with_the_run(name):
  schedule = made(name)
  for step in range(120):
    before = [each for each in UPDATES if each <= step]
    after = [each for each in UPDATES if each > step]
    assert schedule.last_update(step) == (before[-1] if before else 0)
    assert schedule.next_update(step) == (after[0] if after else None)
    assert schedule.is_over(step) == (not after)


@EVERY
def test_updates_that_were_passed_over_are_made_up_for(name):
  schedule = made(name)
  assert not schedule.needs_exact_steps
  assert schedule.is_due(57, 40) and not schedule.is_due(57, 50) and schedule.is_due(100, 80)


@EVERY
def test_the_sparsity_ends_at_the_target(name):
  schedule = made(name)
  assert schedule.final_sparsity_for(0.8) == pytest.approx(0.8)
  assert schedule.sparsity_at(90, 0.8) == pytest.approx(0.8)
  assert schedule.final_sparsity_for(0.8, 0.4) == pytest.approx(0.4)
  assert schedule.sparsity_at(90, 0.8, 0.4) == pytest.approx(0.4)
  path = [schedule.sparsity_at(step, 0.8) for step in UPDATES]
  assert all(0 <= low <= high < 1 for low, high in zip(path, path[1:]))


@EVERY
def test_tensors_get_the_answers_of_numbers(name):
  schedule, steps = made(name), np.arange(120, dtype=np.int32)
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.placeholder(tf.int32, [])
    answers = [schedule.is_due(step, tf.constant(40)), schedule.sparsity_at(step, 0.8)]
    found = [session.run(answers, {step: each}) for each in steps]
  assert [bool(due) for due, _ in found] == [bool(schedule.is_due(int(each), 40)) for each in steps]
  np.testing.assert_allclose([sparsity for _, sparsity in found],
                             [schedule.sparsity_at(int(each), 0.8) for each in steps], atol=1e-6)


@REGISTERED
def test_a_config_makes_the_schedule_again(name):
  schedule = made(name)
  assert isinstance(schedule, PruningSchedule)
  again = schedules.deserialize(schedules.serialize(schedule))
  assert type(again) is type(schedule) and again.get_config() == schedule.get_config()


def test_contribs_rule_needs_every_step():
  assert SpecSchedule(SPEC, makes_up=False).needs_exact_steps
  assert not SpecSchedule(SPEC, makes_up=False).is_due(45, 40)
  assert SpecSchedule(SPEC, makes_up=False).is_due(57, 47)
