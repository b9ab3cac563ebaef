# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The sparsity of a weight: spec, external sparsity and own target, as numbers and tensors."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.saliency import keeps_history
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import ConstantSparsity
from model_pruning.schedules import PolynomialDecay
from model_pruning.schedules import PolynomialDecaySchedule
from model_pruning.schedules import weight_sparsity
from model_pruning.schedules.base import PruningSchedule
from model_pruning.schedules.kinds import scaled

SPAN = dict(sparsity_function_begin_step=0, sparsity_function_end_step=10,
            sparsity_function_exponent=1.0)

# Spec, external sparsity, own target, sparsity at step 5.
CASES = [
    (dict(SPAN, target_sparsity=0.8), None, None, 0.4),
    (dict(SPAN, target_sparsity=0.8), None, 0.4, 0.2),
    (dict(SPAN, target_sparsity=0.8, initial_sparsity=0.2), None, 0.4, 0.3),
    (dict(SPAN, target_sparsity=0.0), None, 0.4, 0.2),
    (dict(target_sparsity=0.8), 0.6, None, 0.6),
    (dict(target_sparsity=0.8), 0.6, 0.4, 0.3),
    (dict(target_sparsity=0.0), 0.6, 0.4, 0.4),
    (dict(target_sparsity=0.8), lambda step: 0.6, 0.4, 0.3),
    (dict(target_sparsity=0.8), ConstantSparsity(0.6, 0), None, 0.6),
    (dict(target_sparsity=0.8), ConstantSparsity(0.6, 0), 0.4, 0.3),
    (dict(target_sparsity=0.8), PolynomialDecay(0.0, 0.8, 0, 10, power=1), 0.4, 0.2),
    (dict(target_sparsity=0.0), PolynomialDecay(0.0, 0.8, 0, 10, power=1), 0.4, 0.2),
    (dict(target_sparsity=0.8), PolynomialDecaySchedule(0, 11, 1.0, 0.2), None, 0.5),
    (dict(target_sparsity=0.8), PolynomialDecaySchedule(0, 11, 1.0, 0.2), 0.4, 0.3),
    (dict(target_sparsity=0.8), PolynomialDecaySchedule(0, 11, 1.0, target_sparsity=0.6), None,
     0.3),
]


@pytest.mark.parametrize('spec, external, own, expected', CASES,
                         ids=[str(index) for index in range(len(CASES))])
def test_numbers_and_tensors_agree(spec, external, own, expected):
  spec = PruningSpec(**spec)
  number = weight_sparsity.sparsities_at(5, spec, external)(own)
  assert type(number) is float and number == pytest.approx(expected)
  with tf.Graph().as_default(), tf.Session() as session:
    sparsity_for = weight_sparsity.sparsities_at(tf.constant(5), spec, external)
    narrow, wide = session.run([tf.convert_to_tensor(sparsity_for(own)),
                                tf.convert_to_tensor(sparsity_for(own, tf.float64))])
  assert narrow.dtype == np.float32 and narrow == pytest.approx(expected)
  assert wide.dtype == np.float64 and wide == pytest.approx(
      expected, abs=1e-15 if external is None or hasattr(external, 'get_config') else 3e-8)


def test_a_tensor_in_place_of_the_schedule_serves_a_number_too():
  with tf.Graph().as_default(), tf.Session() as session:
    sparsity_for = weight_sparsity.sparsities_at(5, PruningSpec(target_sparsity=0.8),
                                                 tf.constant(0.6))
    assert session.run(sparsity_for(0.4)) == pytest.approx(0.3)


def test_the_formula_is_in_the_graph_once():
  with tf.Graph().as_default():
    sparsity_for = weight_sparsity.sparsities_at(tf.constant(5), PruningSpec())
    assert sparsity_for(None, tf.float32) is sparsity_for(None, tf.float32)


def test_a_function_that_returns_a_pair_is_refused():
  with pytest.raises(errors.ScheduleError, match='PruningSchedule'):
    weight_sparsity.sparsities_at(5, PruningSpec(), lambda step: (True, 0.5))


CONSTANT = ConstantSparsity(0.6, 0)


def _warnings(text, schedule):
  spec = PruningSpec.create(text)
  return weight_sparsity.warnings(spec, schedule, keeps_history(spec.prune_option))


@pytest.mark.parametrize('spec, schedule, named', [
    ('', CONSTANT, []),
    ('target_sparsity=0.6,weight_sparsity_map=[conv:0.3]', CONSTANT, []),
    ('weight_sparsity_map=[conv:0.3]', PolynomialDecaySchedule(total_iters=9), []),
    ('pruning_frequency=7,end_pruning_step=50', CONSTANT, ['pruning_frequency=7, end_pruning_st']),
    ('begin_pruning_step=7,prune_option=first_order_gradient', CONSTANT, []),
    ('sparsity_function_exponent=1', CONSTANT, ['sparsity_function_exponent=1']),
    ('target_sparsity=0.8,weight_sparsity_map=[conv:0.4]', CONSTANT,
     ['conv:0.4 ends at 0.3; set target_sparsity=0.6']),
    ('target_sparsity=0.8,group_pruning=true,group_sparsity_map=[g:0.4]', CONSTANT, ['g:0.4']),
])
def test_what_a_spec_and_a_schedule_do_not_agree_on_is_named(spec, schedule, named):
  found = _warnings(spec, schedule)
  assert len(found) == len(named)
  assert all(part in text for part, text in zip(named, found))


def test_a_map_that_a_schedule_takes_beyond_1_is_refused():
  with pytest.raises(errors.ScheduleError, match='conv:0.9 ends at 1.08; set target_sparsity=0.6'):
    _warnings('weight_sparsity_map=[conv:0.9]', CONSTANT)


class Quarter(PruningSchedule):
  """Does not say where it ends."""

  def __call__(self, step):
    return True, 0.25

  def get_config(self):
    return {'class_name': 'Quarter', 'config': {}}


def test_the_end_of_a_schedule_is_known_if_it_says_so():
  spec = PruningSpec(target_sparsity=0.8)
  assert weight_sparsity.is_final_known(spec, None)
  assert weight_sparsity.is_final_known(spec, ConstantSparsity(0.6, 0))
  assert not weight_sparsity.is_final_known(spec, Quarter())
  assert [weight_sparsity.final(spec, schedule) for schedule in (
      None, ConstantSparsity(0.6, 0), Quarter())] == [0.8, 0.6, 0.8]
  assert [weight_sparsity.final(spec, schedule, 0.4) for schedule in (
      None, ConstantSparsity(0.6, 0), Quarter())] == [0.4, pytest.approx(0.3), 0.4]


@pytest.mark.parametrize('of', [None, 0, 0.0])
def test_a_target_with_nothing_to_scale_by_is_the_sparsity(of):
  assert scaled(0.3, 0.5, of) == 0.5
  np.testing.assert_array_equal(scaled(np.array([0.0, 0.3]), 0.5, of), [0.5, 0.5])
  with tf.Graph().as_default(), tf.Session() as session:
    assert session.run(scaled(tf.constant(0.3), 0.5, of)) == 0.5


@pytest.mark.parametrize('sparsity', [60, -0.5, 1.0, lambda step: 60])
def test_a_sparsity_in_place_of_a_schedule_is_a_fraction(sparsity):
  with pytest.raises(errors.ScheduleError, match='sparsity=.*expected a fraction of zeros'):
    weight_sparsity.sparsities_at(3, PruningSpec(), sparsity)
