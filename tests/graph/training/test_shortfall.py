# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The warning about weights that end short of their targets."""

import re

import pytest

from model_pruning.graph.training import shortfall
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules.constant import ConstantSparsity
from model_pruning.schedules.polynomial import PolynomialDecay
from model_pruning.util.sparsity_table import WeightSparsity


def _spec(text):
  return PruningSpec.create('target_sparsity=0.8,sparsity_function_end_step=40,' + text)


def _rows(*zeros):
  return [WeightSparsity('l%d/weights' % index, (10, 10), 0.8, hidden, hidden < 80)
          for index, hidden in enumerate(zeros)]


def test_no_weight_is_short():
  assert shortfall.warning(_rows(80, 90), 40, _spec('')) is None


@pytest.mark.parametrize('last, warns', [(0, True), (30, True), (40, False)])
def test_channels_that_share_a_sparsity_have_the_targets_of_the_schedule_alone(last, warns):
  spec = _spec('channel_pruning=true,sparsity_distribution=global')
  text = shortfall.warning(_rows(90, 90), last, spec)
  assert bool(text) == warns
  if warns:
    assert 'short of the target sparsity of all channels: train on to a mask update' in text


def test_one_line_has_the_number_and_the_worst_weights():
  text = shortfall.warning(_rows(79, 80, 60, 78, 77, 76, 75), 30, _spec('name=mine'))
  assert '\n' not in text and text.startswith('mine: 6 of 7 weights ended short of their target')
  assert 'l2/weights has sparsity 0.6000 and a target of 0.8000, l6/weights has ' in text
  assert 'l5/weights' in text and 'l4/weights' not in text
  assert 'and 3 others' in text and 'l0/weights' not in text and 'at step 30' in text


@pytest.mark.parametrize('step, advice', [
    (0, 'the global step is still 0.*global_step=tf.train.get_or_create_global_step'),
    (3, 'train on to a mask update'), (None, 'train on to a mask update')])
def test_a_step_that_nothing_counts_is_named(step, advice):
  assert re.search(advice, shortfall.warning(_rows(0), 0, _spec(''), step=step))


def test_few_weights_are_all_named():
  text = shortfall.warning(_rows(70, 80), 30, _spec(''))
  assert '1 of 2 weights' in text and 'others' not in text


@pytest.mark.parametrize('options, zeros, named', [
    ('sparsity_distribution=lamp', (90, 60),
     'l1/weights and l0/weights together have sparsity 0.7500 and a target of 0.8000'),
    ('global_pruning=true', (90, 60, 60),
     'l1/weights and 2 others together have sparsity 0.7000 and a target of 0.8000'),
    ('global_pruning=true', (79,), 'l0/weights has sparsity 0.7900 and a target of 0.8000'),
])
def test_weights_with_one_target_have_it_together(options, zeros, named):
  rows = [WeightSparsity(row.name, row.shape, row.target, row.zeros, short=True)
          for row in _rows(*zeros)]
  assert named in shortfall.warning(rows, 30, _spec(options))


@pytest.mark.parametrize('last', [0, 30, 39])
def test_before_the_target_more_steps_help_with_and_without_decay(last):
  for decay in ('', 'threshold_decay=0.5'):
    text = shortfall.warning(_rows(70), last, _spec(decay))
    assert 'train on to a mask update at or after sparsity_function_end_step=40' in text
    assert ('without a mask update' in text) == (last == 0)


@pytest.mark.parametrize('options,last,advice', [
    ('pruning_frequency=100', 0, ', which is at step 100'),
    ('pruning_frequency=30', 30, ', which is at step 60'),
    ('pruning_frequency=10,end_pruning_step=30', 30,
     '; as no update comes there, set a later end_pruning_step')])
def test_the_update_that_is_to_be_reached_has_its_step(options, last, advice):
  text = shortfall.warning(_rows(70), last, _spec(options))
  assert text.endswith('sparsity_function_end_step=40' + advice)


@pytest.mark.parametrize('options,schedule,advice', [
    ('end_pruning_step=60', None, 'no mask update follows: set a later end_pruning_step than the '
     'step from which training goes on'),
    ('', PolynomialDecay(0.0, 0.8, 0, 60), 'no mask update follows: let the schedule end later'),
    ('', None, 'run one more mask update')])
def test_after_the_last_update_none_is_advised(options, schedule, advice):
  assert advice in shortfall.warning(_rows(70), 70, _spec(options), schedule)


@pytest.mark.parametrize('options,schedule,advice', [
    ('', None, 'train on,'),
    (',end_pruning_step=45', None, 'set a later end_pruning_step,'),
    ('', ConstantSparsity(0.8, 0), 'train on,'),
    ('', PolynomialDecay(0.0, 0.8, 0, 40), 'let the schedule end later,'),
])
def test_at_the_target_with_decay_the_advice_is_more_updates(options, schedule, advice):
  text = shortfall.warning(_rows(70), 40, _spec('threshold_decay=0.5' + options), schedule)
  assert 'sparsity_function_end_step' not in text and 'threshold_decay=0.5' in text
  assert advice + ' or lower threshold_decay' in text


def test_an_estimate_is_called_one():
  text = shortfall.warning(_rows(70), 40, _spec('threshold_method=histogram'))
  assert 'set threshold_method=exact' in text


def test_a_schedule_that_has_not_ended_is_shown():
  schedule = PolynomialDecay(0.0, 0.8, 0, 100)
  assert repr(schedule) in shortfall.warning(_rows(70), 40, _spec(''), schedule)
