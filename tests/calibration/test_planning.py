# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sensitivity and plans of graphs, and how a budget is shared out."""

import json

import numpy as np
import pytest

from model_pruning import errors
from model_pruning import one_shot
from model_pruning.calibration import planning
from model_pruning.calibration.allocation import Allocation
from model_pruning.calibration.allocation import Choice
from model_pruning.compat import tf
from model_pruning.hparams.spec import PruningSpec
from tests.calibration import models

OUTPUTS = {'outputs': ['outputs']}


@pytest.fixture(scope='module')
def dense():
  return models.graph_of(models.convnet)


@pytest.fixture(scope='module')
def labels(dense):
  return np.argmax(models.run(dense, models.inputs()), axis=1)


def test_an_allocation_takes_the_cheapest_zeros_first():
  choices = {'a': [Choice(0.5, 50, 1), Choice(0.9, 90, 9)],
             'b': [Choice(0.5, 500, 1), Choice(0.8, 800, 2), Choice(0.9, 900, 50)]}
  allocation = Allocation(choices)
  assert allocation.most == 990
  assert allocation.sparsities(500) == {'a': 0.0, 'b': 0.5}
  assert allocation.sparsities(825) == {'a': 0.25, 'b': 0.8}
  assert allocation.sparsities(990) == {'a': 0.9, 'b': 0.9}


def test_no_other_choice_of_the_grid_is_better():
  rng = np.random.RandomState(0)
  grid = (0.3, 0.6, 0.9)
  choices = {str(index): [Choice(s, s * size, loss) for s, loss in zip(
      grid, np.cumsum(rng.rand(3)**2))] for index, size in enumerate((10, 100, 400))}
  allocation = Allocation(choices)
  losses = {key: {0.0: 0.0, **{choice.sparsity: choice.loss for choice in found}}
            for key, found in choices.items()}
  for a in (0,) + grid:
    for b in (0,) + grid:
      for c in (0,) + grid:
        saved = 10 * a + 100 * b + 400 * c
        best = sum(np.interp(s, sorted(losses[key]), [losses[key][s] for s in sorted(losses[key])])
                   for key, s in allocation.sparsities(saved).items())
        assert best <= losses['0'][a] + losses['1'][b] + losses['2'][c] + 0.5


def test_sensitivity_rises_with_sparsity_and_knows_the_labels(dense, labels):
  found = one_shot.sensitivity_of_graph(dense, models.inputs(), labels, sparsities=[0.3, 0.99],
                                        **OUTPUTS)
  assert found.accuracy == 1.0 and found.examples == 64
  for curve in found.curves:
    low, high = curve.points
    assert low.loss.error < high.loss.error and low.loss.lost == 1 - low.loss.accuracy
  assert 'Lost accuracy on 64 examples' in found.table()
  printed = json.loads(found.to_json())
  assert [row['name'] for row in printed['weights']] == [curve.name for curve in found.curves]
  found.plot()


@pytest.mark.parametrize('target', [0.5, 0.8])
def test_a_plan_for_a_sparsity_is_pruned_to_it_exactly(dense, target):
  plan = one_shot.plan_graph(dense, models.inputs(), target_sparsity=target, **OUTPUTS)
  assert abs(plan.sparsity - target) < 1e-3
  PruningSpec.create(plan.hparams)
  pruned = one_shot.prune_graph(dense, plan.hparams, models.inputs(), **OUTPUTS)
  for row, weight in zip(pruned.rows, sorted(plan.weights, key=lambda weight: [
      row.name for row in pruned.rows].index(weight.name))):
    assert row.target == weight.sparsity
    assert row.zeros == row.size - weight.kept
    assert abs(row.zeros - weight.sparsity * row.size) <= 0.5


def test_a_plan_keeps_the_loss_it_is_allowed_and_says_how_it_was_judged(dense, labels):
  plans = [one_shot.plan_graph(dense, models.inputs(), given, max_loss=most, **OUTPUTS)
           for given, most in ((labels, 0.1), (None, 0.1), (None, 0.5))]
  assert all(plan.loss.loss + 1 / 32 <= most for plan, most in zip(plans, (0.1, 0.1, 0.5)))
  assert plans[1].sparsity <= plans[2].sparsity and plans[0].judged == 32
  assert [plan.loss.name for plan in plans[:2]] == ['lost accuracy', 'changed answers']
  assert 'on 32 examples that were not fitted' in plans[0].table()


@pytest.mark.parametrize('goal', ['bytes', 'flops'])
def test_a_plan_keeps_its_budget(dense, goal):
  whole = one_shot.plan_graph(dense, models.inputs(), target_sparsity=0.3, **OUTPUTS)
  numbers = json.loads(whole.to_json())
  budget = numbers[goal] / 2
  plan = one_shot.plan_graph(dense, models.inputs(), **{'max_' + goal: budget}, **OUTPUTS)
  assert json.loads(plan.to_json())[goal] <= budget * 1.05


@pytest.mark.sampled(5)
@pytest.mark.parametrize('goal,message', [
    ({}, 'exactly one of max_loss'), ({'max_loss': 0.1, 'target_sparsity': 0.5}, 'exactly one'),
    ({'max_loss': 2}, r'in \[0, 1\)'), ({'max_bytes': -1}, '0 or more'),
    ({'max_bytes': 3}, 'max_bytes=3 cannot be reached.*need 9040 when dense, and .* at'),
    ({'target_sparsity': 0.9999}, 'cannot be reached'), ({'max_flops': 1}, 'cannot be reached')])
def test_goals_that_make_no_sense_or_cannot_be_reached_are_refused(dense, goal, message):
  with pytest.raises(errors.SpecError, match=message):
    one_shot.plan_graph(dense, models.inputs(), **goal, **OUTPUTS)


@pytest.mark.parametrize('wrong,message', [
    (np.zeros(9, int), r'shape \[9\], but there are 64'), (np.zeros(64), 'dtype float64'),
    (np.full(64, 7), 'from 7 to 7.*classes 0 to 4')])
def test_labels_that_do_not_fit_are_refused(dense, wrong, message):
  with pytest.raises(errors.ExamplesError, match=message):
    one_shot.sensitivity_of_graph(dense, models.inputs(), wrong, **OUTPUTS)


def test_sparsities_of_its_own_leave_a_plan_nothing_to_choose(dense):
  with pytest.raises(errors.SpecError, match='leave out weight_sparsity_map'):
    one_shot.plan_graph(dense, models.inputs(), hparams='weight_sparsity_map=[fc:0.5]',
                        target_sparsity=0.5, **OUTPUTS)


def test_outputs_of_a_regression_are_compared_by_their_error(dense, labels):
  found = one_shot.sensitivity_of_graph(dense, models.inputs(), classes=False, sparsities=[0.9],
                                        **OUTPUTS)
  assert found.curves[0].points[0].loss.name == 'relative error of the outputs'
  with pytest.raises(errors.ExamplesError, match='outputs are no classes'):
    one_shot.sensitivity_of_graph(dense, models.inputs(), labels, classes=False, **OUTPUTS)
  with pytest.raises(errors.ExamplesError, match='pass classes=False'):
    one_shot.sensitivity_of_graph(dense, models.inputs(), np.random.rand(64, 5), **OUTPUTS)


@pytest.mark.parametrize('target', [0.4, 0.6])
def test_a_plan_of_n_of_m_has_the_sparsities_that_it_can_have(dense, target):
  pattern = 'intra_block_sparsity=true,block_width=4,block_dims_map=[conv1:1x1]'
  plan = one_shot.plan_graph(dense, models.inputs(), hparams=pattern, target_sparsity=target,
                             **OUTPUTS)
  pruned = one_shot.prune_graph(dense, plan.hparams, models.inputs(), **OUTPUTS)
  zeros = {row.name: row.zeros for row in pruned.rows}
  assert all(zeros[weight.name] == weight.size - weight.kept for weight in plan.weights)
  assert plan.sparsity >= target


def test_too_few_examples_for_a_small_loss_are_refused(dense):
  with pytest.raises(errors.ExamplesError, match='max_loss=0.01 needs at least 200 examples'):
    one_shot.plan_graph(dense, models.inputs(), max_loss=0.01, **OUTPUTS)


@pytest.mark.parametrize('goal,error,message', [
    ({'max_loss': 0.01}, errors.ExamplesError, 'needs at least 200 examples'),
    ({'max_loss': 0}, errors.ExamplesError, 'max_loss=0 cannot be judged by 32 examples'),
    ({'target_sparsity': 0.9999}, errors.SpecError, r'the plan goes up to 0\.99'),
    ({'max_flops': 1}, errors.SpecError, 'max_flops=1 cannot be reached')])
def test_an_impossible_goal_is_refused_before_anything_is_measured(
    dense, monkeypatch, goal, error, message):
  def measured(*unused, **unused_too):
    raise AssertionError('the weights are pruned one by one')

  monkeypatch.setattr(planning, 'curves_of', measured)
  with pytest.raises(error, match=message):
    one_shot.plan_graph(dense, models.inputs(), **goal, **OUTPUTS)


def test_kernels_inside_of_loops_are_planned_and_masked():
  def recurrent(images, weight):
    kernel = weight('cell/kernel', 12, 12)
    x = tf.while_loop(lambda i, _: i < 2, lambda i, y: (i + 1, tf.tanh(tf.matmul(y, kernel))),
                      (tf.constant(0), images))[1]
    return tf.matmul(x, weight('fc/kernel', 12, 5))

  dense, x = models.graph_of(recurrent, (None, 12)), models.inputs((64, 12)) / 2
  plan = one_shot.plan_graph(dense, x, target_sparsity=0.5, **OUTPUTS)
  assert {weight.name for weight in plan.weights} == {'cell/kernel', 'fc/kernel'}
  pruned = one_shot.prune_graph(dense, plan.hparams, x, **OUTPUTS)
  reasons = {row.name: row.reason for row in pruned.rows}
  assert reasons['cell/kernel'] and not reasons['fc/kernel']
  for row in pruned.rows:
    assert np.count_nonzero(models.value(pruned.graph_def, row.name) == 0) == row.zeros > 0
