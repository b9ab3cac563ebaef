# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Schedules: functions of the step, alike for numbers, arrays and tensors."""

import functools

import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import clock as clocks
from model_pruning.schedules import gradual

SPECS = [
    PruningSpec(),
    PruningSpec(target_sparsity=0.9, sparsity_function_begin_step=20,
                sparsity_function_end_step=70),
    PruningSpec(initial_sparsity=0.3, target_sparsity=0.8, sparsity_function_exponent=1.0),
    PruningSpec(initial_sparsity=0.8, target_sparsity=0.2, sparsity_function_exponent=0.5),
    PruningSpec(begin_pruning_step=13, end_pruning_step=88, pruning_frequency=7),
]
STEPS = np.arange(0, 130)


@pytest.mark.parametrize('spec', SPECS, ids=str)
def test_sparsity_begins_and_ends_where_it_should_and_moves_one_way(spec):
  sparsity = gradual.gradual_sparsity(STEPS, spec)
  assert sparsity[spec.sparsity_function_begin_step] == pytest.approx(spec.initial_sparsity)
  assert np.all(sparsity[spec.sparsity_function_end_step:] == spec.target_sparsity)
  direction = np.sign(spec.target_sparsity - spec.initial_sparsity)
  assert np.all(np.diff(sparsity) * direction >= 0)


@pytest.mark.parametrize('spec', SPECS, ids=str)
def test_numbers_arrays_and_tensors_agree(spec):
  array = gradual.gradual_sparsity(STEPS, spec)
  numbers = [gradual.gradual_sparsity(int(step), spec) for step in STEPS]
  np.testing.assert_allclose(numbers, array, atol=1e-15)
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.placeholder(tf.int32, [None])
    narrow = session.run(gradual.gradual_sparsity(step, spec), {step: STEPS})
    wide = session.run(gradual.gradual_sparsity(step, spec, dtype=tf.float64), {step: STEPS})
  assert narrow.dtype == np.float32
  np.testing.assert_allclose(narrow, array, atol=2e-7)
  np.testing.assert_allclose(wide, array, atol=1e-15)


def test_the_formula_at_a_point_worked_by_hand():
  spec = PruningSpec(initial_sparsity=0.2, target_sparsity=0.6, sparsity_function_begin_step=10,
                     sparsity_function_end_step=50, sparsity_function_exponent=2.0)
  assert gradual.gradual_sparsity(20, spec) == pytest.approx(0.6 - 0.4 * 0.75**2)
  assert gradual.gradual_sparsity(20, spec, target=0.9) == pytest.approx(0.9 - 0.7 * 0.75**2)


@pytest.mark.parametrize('spec', SPECS, ids=str)
def test_update_steps_are_those_a_run_makes(spec):
  last, made = 0, []
  for step in STEPS.tolist():
    if gradual.is_update_step(step, last, spec):
      made.append(step)
      last = step
  assert gradual.update_steps(spec, int(STEPS[-1])) == made


def test_update_steps_as_tensors():
  spec = SPECS[-1]
  with tf.Graph().as_default(), tf.Session() as session:
    step, last = tf.placeholder(tf.int32, []), tf.placeholder(tf.int32, [])
    due = gradual.is_update_step(step, last, spec)
    for pair in [(12, 0), (13, 0), (13, 7), (19, 13), (20, 13), (88, 13), (89, 13)]:
      expected = gradual.is_update_step(*pair, spec)
      assert session.run(due, dict(zip((step, last), pair))) == expected


@pytest.mark.parametrize('text, step, sparsity', [
    (dict(), 100, 0.5),
    (dict(end_pruning_step=100), 100, 0.5),
    (dict(end_pruning_step=95), 90, 0.5 - 0.5 * 0.1**3),
    (dict(end_pruning_step=100, pruning_frequency=30), 90, 0.5 - 0.5 * 0.1**3),
    (dict(begin_pruning_step=15, end_pruning_step=100), 95, 0.5 - 0.5 * 0.05**3),
    (dict(begin_pruning_step=500), 500, 0.5),
    (dict(pruning_frequency=30), 120, 0.5),
])
def test_reach_names_the_last_update_and_its_sparsity(text, step, sparsity):
  reach = gradual.reach(PruningSpec(**text))
  assert reach.step == step
  assert reach.sparsity == pytest.approx(sparsity)


def test_reach_of_a_run_without_updates():
  reach = gradual.reach(PruningSpec(end_pruning_step=5, pruning_frequency=10))
  assert reach == gradual.Reach(None, 0.0)


@pytest.mark.parametrize('text', [
    'pruning_frequency=10', 'pruning_frequency=10,begin_pruning_step=15',
    'pruning_frequency=7,begin_pruning_step=3,end_pruning_step=40',
    'pruning_frequency=50,end_pruning_step=40', 'pruning_frequency=1,end_pruning_step=5'])
@pytest.mark.parametrize('stride', [1, 3, 7, 26])
def test_an_update_that_was_passed_over_is_made_up_for_and_the_next_is_on_schedule(text, stride):
  made = PruningSpec.create(text)
  updates = gradual.update_steps(made, 120)
  last, seen = 0, []
  visited = list(range(1, 121, stride))
  for step in visited:
    if gradual.is_update_due(step, last, made):
      seen.append(step)
      last = step
  late = [min([step for step in visited if step >= update], default=None) for update in updates]
  assert seen == sorted(set(late) - {None})


@pytest.mark.parametrize('text', ['pruning_frequency=10,begin_pruning_step=15,end_pruning_step=60',
                                  'pruning_frequency=4'])
def test_the_neighbours_of_a_step_in_the_schedule(text):
  made = PruningSpec.create(text)
  updates = gradual.update_steps(made, 100)
  for step in range(80):
    before = [update for update in updates if update <= step]
    after = [update for update in updates if update > step]
    assert gradual.last_update_step(step, made) == (before[-1] if before else 0)
    assert gradual.next_update_step(step, made) == (after[0] if after else None)


@pytest.mark.sampled(8)
@pytest.mark.parametrize('frequency', [1, 10, 2**31 - 1])
@pytest.mark.parametrize('begin,end', [(0, -1), (0, 2**31 - 1), (2**31 - 2, -1), (5, 2**31 - 1)])
def test_no_sum_of_steps_wraps_in_a_graph(frequency, begin, end):
  made = PruningSpec(pruning_frequency=frequency, begin_pruning_step=begin,
                          end_pruning_step=end)
  clock = clocks.Clock(begin, end, frequency)
  pairs = [(step, last) for step in (0, 5, 1000, 2**31 - 1) for last in (0, 3, 2**31 - 3)
           if last <= step]
  with tf.Graph().as_default(), tf.Session() as session:
    for step, last in pairs:
      tensors = tf.constant(step, tf.int32), tf.constant(last, tf.int32)
      rules = [functools.partial(gradual.is_update_step, spec=made),
               functools.partial(gradual.is_update_due, spec=made), clock.is_due]
      got = session.run([rule(*tensors) for rule in rules])
      assert got == [rule(step, last) for rule in rules], (step, last)


@pytest.mark.parametrize('text', ['pruning_frequency=10', 'pruning_frequency=1',
                                  'pruning_frequency=7,begin_pruning_step=20'])
def test_no_update_is_due_again_at_the_step_of_the_last_one(text):
  spec = PruningSpec.create(text)
  for step in gradual.update_steps(spec, 60):
    assert gradual.is_update_due(step, step - 1, spec)
    assert not gradual.is_update_due(step, step, spec)
    with tf.Graph().as_default(), tf.Session() as session:
      due = gradual.is_update_due(tf.constant(step), tf.constant([step - 1, step]), spec)
      assert session.run(due).tolist() == [True, False]


@pytest.mark.parametrize('end, expected', [(-1, [0, 5, 10]), (0, [0]), (5, [0, 5]), (9, [0, 5])])
def test_turns_end_at_their_end_be_it_step_0(end, expected):
  assert [step for step in range(12) if clocks.is_in_turn(step, 0, end, 5)] == expected


def test_begin_and_end_are_inclusive():
  made = PruningSpec(begin_pruning_step=5, end_pruning_step=20, pruning_frequency=5)
  inside = [step for step in range(30) if gradual.is_inside(step, made)]
  assert (inside[0], inside[-1], len(inside)) == (5, 20, 16)
  assert gradual.is_update_step(20, 15, made) and not gradual.is_update_step(21, 15, made)
  assert gradual.is_inside(10**6, PruningSpec(end_pruning_step=-1))
