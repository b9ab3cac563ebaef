# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Schedules as objects: the same invariants over every one, and what each is on its own."""

import doctest
import json

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from model_pruning import errors
from model_pruning import schedules
from model_pruning.compat import tf
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import constant
from model_pruning.schedules import ConstantSparsity
from model_pruning.schedules import gradual
from model_pruning.schedules import polynomial
from model_pruning.schedules import PolynomialDecay
from model_pruning.schedules import PolynomialDecaySchedule
from model_pruning.schedules import PruningSchedule
from model_pruning.schedules import serialization
from model_pruning.schedules import weight_sparsity

CONSTANT = dict(target_sparsity=0.5, begin_step=10, end_step=40, frequency=7)
POLYNOMIAL = dict(initial_sparsity=0.2, final_sparsity=0.8, begin_step=10, end_step=40, power=2,
                  frequency=7)
INDEXED = dict(begin_step=10, total_iters=30, power=2.0, initial_sparsity=0.2, update_frequency=7,
               target_sparsity=0.8)

# Class, arguments, and the steps of its updates up to 60.
GIVEN = [
    (ConstantSparsity, CONSTANT, [10, 17, 24, 31, 38, 40]),
    (ConstantSparsity, dict(CONSTANT, end_step=-1, frequency=20), [10, 30, 50]),
    (ConstantSparsity, dict(CONSTANT, begin_step=40), [40]),
    (ConstantSparsity, dict(CONSTANT, target_sparsity=0.0, begin_step=0, end_step=0), [0]),
    (PolynomialDecay, POLYNOMIAL, [10, 17, 24, 31, 38, 40]),
    (PolynomialDecay, dict(POLYNOMIAL, begin_step=0, frequency=20), [0, 20, 40]),
    (PolynomialDecay, dict(POLYNOMIAL, frequency=100), [10, 40]),
    (PolynomialDecay, dict(POLYNOMIAL, initial_sparsity=0.8, final_sparsity=0.1, power=0.5),
     [10, 17, 24, 31, 38, 40]),
    (PolynomialDecaySchedule, INDEXED, [10, 17, 24, 31, 38, 40]),
    (PolynomialDecaySchedule, dict(INDEXED, update_frequency=100), [10, 40]),
    (PolynomialDecaySchedule, dict(INDEXED, begin_step=0, update_frequency=15), [0, 15, 30]),
    (PolynomialDecaySchedule, dict(INDEXED, total_iters=1, initial_sparsity=0.9), [10, 11]),
]
STEPS = np.arange(0, 61)

every = pytest.mark.parametrize('made, updates', [
    pytest.param(kind(**kwargs), updates, id=str(kind(**kwargs)))
    for kind, kwargs, updates in GIVEN])


class Stairs(PruningSchedule):
  """A user's own, as it is written for tfmot."""

  def __init__(self, top, begin_step, end_step, frequency=10):
    self.top, self.begin_step, self.end_step, self.frequency = top, begin_step, end_step, frequency
    self._validate_step(begin_step, end_step, frequency, False)
    self._validate_sparsity(top, 'top')

  def __call__(self, step):
    up = tf.cast(step, tf.float32) >= (self.begin_step + self.end_step) / 2
    return (self._should_prune_in_step(step, self.begin_step, self.end_step, self.frequency),
            tf.where(up, tf.constant(self.top), tf.constant(self.top / 2)))

  def get_config(self):
    return {'class_name': self.__class__.__name__,
            'config': {'top': self.top, 'begin_step': self.begin_step, 'end_step': self.end_step,
                       'frequency': self.frequency}}


def run(function, steps, dtype=tf.int64):
  """Returns what a function of a tensor gives, step by step, in a graph."""
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.placeholder(dtype, [])
    results = function(step)
    return [session.run(results, {step: value}) for value in steps]


# ---- Of every schedule. ----


@every
def test_prunes_at_its_updates_and_at_no_other_step(made, updates):
  assert [step for step in STEPS.tolist() if made(step)[0]] == updates


@every
def test_the_last_update_has_the_final_sparsity(made, updates):
  assert made(updates[-1])[1] == made.final_sparsity_target


@every
def test_sparsity_moves_one_way_and_stays_in_range(made, updates):
  sparsity = made(STEPS)[1]
  assert np.all((sparsity >= 0) & (sparsity < 1))
  moves = np.sign(np.diff(sparsity))
  assert np.all(moves >= 0) or np.all(moves <= 0)
  assert np.all(sparsity[:updates[0] + 1] == sparsity[0])
  assert np.all(sparsity[updates[-1]:] == sparsity[-1])


@every
@pytest.mark.parametrize('kind', [int, np.int32, np.int64, np.asarray])
def test_a_number_gives_a_bool_and_a_float(made, updates, kind):
  should_prune, sparsity = made(kind(updates[-1]))
  assert should_prune is True and type(sparsity) is float
  assert type(made.should_prune(kind(9))) is bool and type(made.is_over(kind(9))) is bool
  assert type(made.sparsity_at(kind(9))) is float


@every
def test_an_array_gives_arrays(made, updates):
  should_prune, sparsity = made(STEPS.reshape(1, -1))
  assert STEPS[should_prune[0]].tolist() == updates
  np.testing.assert_array_equal(sparsity[0], [made(step)[1] for step in STEPS])


@every
@pytest.mark.parametrize('dtype', [tf.int32, tf.int64])
def test_tensors_in_a_graph_agree_with_numbers(made, updates, dtype):
  del updates
  for step, (pair, wide, over) in zip(STEPS, run(
      lambda step: (made(step), made.sparsity_at(step, dtype=tf.float64), made.is_over(step)),
      STEPS, dtype)):
    assert pair[0] == made(step)[0] and over == made.is_over(step)
    assert pair[1].dtype == np.float32 and wide.dtype == np.float64
    np.testing.assert_allclose([pair[1], wide], made(step)[1], atol=2e-7)
    np.testing.assert_allclose(wide, made(step)[1], atol=1e-15)


# TensorFlow 1 has no eager functions, so all cases run on the other one.
@pytest.mark.sampled(8)
@pytest.mark.legs('default', 'oldest')
@every
@pytest.mark.parametrize('variable', [False, True])
def test_in_functions_and_eagerly_it_agrees_with_numbers(made, updates, variable):
  if not tf.executing_eagerly():
    pytest.skip('TensorFlow 1 builds graphs')
  for step in (0, updates[0], updates[-1] - 1, updates[-1], 60):
    tensor = tf.Variable(step, dtype=tf.int64) if variable else tf.constant(step, tf.int64)
    for call in (made, lambda given: tf.function(lambda: made(given))()):
      should_prune, sparsity = call(tensor)
      assert should_prune.dtype == tf.bool and sparsity.dtype == tf.float32
      assert bool(should_prune) == made(step)[0]
      assert float(sparsity) == pytest.approx(made(step)[1], abs=2e-7)


@every
def test_is_over_says_that_no_update_follows(made, updates):
  endless = made.get_config()['config'].get('end_step') == -1
  assert [made.is_over(step) for step in STEPS.tolist()] == [
      not endless and step >= updates[-1] for step in STEPS]


@every
def test_next_update_names_the_next_one(made, updates):
  after = made.next_update(60)
  for step in STEPS.tolist():
    assert made.next_update(step) == min([u for u in updates if u > step], default=after)


@every
@pytest.mark.parametrize('stride', [1, 3, 26])
def test_an_update_passed_over_is_made_up_for_once(made, updates, stride):
  last, seen = 0, []
  visited = list(range(1, 61, stride))
  for step in visited:
    if made.is_due(step, last):
      seen.append(step)
      last = step
  late = [min([step for step in visited if step >= update], default=None)
          for update in updates if update > 0]
  assert seen == sorted(set(late) - {None})


@every
def test_is_due_is_alike_for_tensors(made, updates):
  del updates
  for last in (0, 12, 40):
    assert run(lambda step, last=last: made.is_due(step, tf.constant(last, tf.int64)), STEPS) == [
        made.is_due(int(step), last) for step in STEPS]


def test_an_update_of_step_0_is_due_at_step_0_alone():
  made = ConstantSparsity(0.5, begin_step=0)
  assert made.is_due(0, 0) and not made.is_due(1, 0) and made.is_due(100, 0)


@every
def test_a_config_makes_the_schedule_again(made, updates):
  del updates
  config = json.loads(json.dumps(schedules.serialize(made)))
  assert config['class_name'] == type(made).__name__
  for again in (type(made).from_config(config), type(made).from_config(config['config']),
                schedules.deserialize(config)):
    assert type(again) is type(made) and again.get_config() == made.get_config()
    assert str(again) == str(made)


@pytest.mark.parametrize('kind, kwargs', [(ConstantSparsity, CONSTANT),
                                          (PolynomialDecay, POLYNOMIAL),
                                          (PolynomialDecaySchedule, INDEXED)])
def test_arguments_are_attributes(kind, kwargs):
  made = kind(**kwargs)
  assert {name: getattr(made, name) for name in kwargs} == kwargs


@pytest.mark.parametrize('kind, kwargs', [(ConstantSparsity, CONSTANT),
                                          (PolynomialDecay, POLYNOMIAL),
                                          (PolynomialDecaySchedule, INDEXED)])
def test_numpy_and_whole_floats_are_integers(kind, kwargs):
  for cast in (np.int32, np.int64, np.float64, float, np.asarray):
    steps = {name: cast(value) for name, value in kwargs.items()
             if name in ('begin_step', 'end_step', 'total_iters', 'frequency', 'update_frequency')}
    config = kind(**dict(kwargs, **steps)).get_config()['config']
    assert config == kwargs and all(type(config[name]) is int for name in steps)


@st.composite
def polynomials(draw):
  begin = draw(st.integers(0, 200))
  return dict(initial_sparsity=draw(st.floats(0, 0.99)), final_sparsity=draw(st.floats(0, 0.99)),
              begin_step=begin, end_step=begin + draw(st.integers(1, 300)),
              power=draw(st.floats(0.1, 10)), frequency=draw(st.integers(1, 200)))


@settings(max_examples=60, deadline=None)
@given(polynomials())
def test_whatever_the_numbers_updates_are_in_turn_and_the_target_is_reached(kwargs):
  steps = np.arange(0, 600)
  indexed = PolynomialDecaySchedule(
      kwargs['begin_step'], kwargs['end_step'] - kwargs['begin_step'], kwargs['power'],
      kwargs['initial_sparsity'], kwargs['frequency'], kwargs['final_sparsity'])
  for made in (PolynomialDecay(**kwargs), indexed):
    should_prune, sparsity = made(steps)
    updates = steps[should_prune]
    turns = range(kwargs['begin_step'], kwargs['end_step'], kwargs['frequency'])
    assert updates.tolist() == [*turns, kwargs['end_step']]
    assert np.all(sparsity[updates[-1]:] == kwargs['final_sparsity'])
    assert sparsity[updates[0]] == pytest.approx(kwargs['initial_sparsity'])
    low, high = sorted((kwargs['initial_sparsity'], kwargs['final_sparsity']))
    assert np.all((sparsity >= low - 1e-12) & (sparsity <= high + 1e-12))


# ---- What is refused. ----

NAN = float('nan')
REFUSED = [
    (ConstantSparsity, CONSTANT, bad) for bad in (
        dict(begin_step=-1), dict(end_step=-2), dict(end_step=9), dict(frequency=0),
        dict(frequency=-3), dict(target_sparsity=1.0), dict(target_sparsity=-0.1),
        dict(target_sparsity=NAN), dict(target_sparsity=True), dict(target_sparsity='0.5'),
        dict(target_sparsity=None), dict(begin_step=1.5), dict(begin_step=True),
        dict(begin_step=NAN), dict(begin_step='1'), dict(begin_step=None),
        dict(end_step=np.array([20, 30])), dict(frequency=2.5), dict(end_step=np.bool_(True)),
        dict(end_step=float('inf')))
] + [
    (PolynomialDecay, POLYNOMIAL, bad) for bad in (
        dict(begin_step=-1), dict(end_step=-1), dict(end_step=-2), dict(end_step=9),
        dict(end_step=10), dict(frequency=0), dict(initial_sparsity=1.0),
        dict(initial_sparsity=-0.1), dict(final_sparsity=1), dict(final_sparsity=NAN),
        dict(power=0), dict(power=-1), dict(power=NAN), dict(power=float('inf')),
        dict(power=True), dict(power='3'), dict(end_step=40.5))
] + [
    (PolynomialDecaySchedule, INDEXED, bad) for bad in (
        dict(begin_step=-1), dict(total_iters=0), dict(total_iters=-5), dict(total_iters=None),
        dict(total_iters=2.5), dict(update_frequency=0), dict(update_frequency=False),
        dict(power=0), dict(power=NAN), dict(initial_sparsity=1.0), dict(target_sparsity=1.0))
]


@pytest.mark.parametrize('kind, kwargs, bad', REFUSED, ids=str)
def test_bad_arguments_are_refused_by_name_and_value(kind, kwargs, bad):
  kind(**kwargs)
  with pytest.raises(errors.ScheduleError) as caught:
    kind(**dict(kwargs, **bad))
  (name, value), = bad.items()
  assert name in str(caught.value)
  assert any(form % (value,) in str(caught.value) for form in ('%r', '%s')) or value is None


def test_the_fields_of_the_indexed_one_cannot_be_set():
  with pytest.raises(AttributeError):
    PolynomialDecaySchedule(total_iters=5).power = 2


@pytest.mark.parametrize('config, named', [
    (None, 'None'),
    ({'top': 0.5}, 'top'),
    ({'class_name': 'PolynomialDecay', 'config': {}}, 'initial_sparsity'),
    ({'class_name': 'ConstantSparsity', 'config': dict(CONSTANT, power=3)}, 'power'),
    ({'class_name': 'PolynomialDecy', 'config': POLYNOMIAL}, 'did you mean PolynomialDecay'),
    ({'class_name': 'Stairs', 'config': {}}, 'custom_objects'),
    ({'class_name': 'PruningSchedule', 'config': {}}, 'PruningSchedule'),
    ({'class_name': 'ConstantSparsity', 'config': 3}, '3'),
])
def test_bad_configs_are_refused(config, named):
  with pytest.raises(errors.ScheduleError, match=named):
    schedules.deserialize(config)


def test_a_config_of_another_class_is_refused():
  with pytest.raises(errors.ScheduleError, match='ConstantSparsity.*PolynomialDecay'):
    PolynomialDecay.from_config(ConstantSparsity(**CONSTANT).get_config())


# ---- Each on its own. ----


def test_the_polynomial_at_a_point_worked_by_hand():
  assert PolynomialDecay(**POLYNOMIAL)(25)[1] == pytest.approx(0.8 - 0.6 * 0.5**2)


def test_the_polynomial_is_the_specs_bit_by_bit():
  spec = PruningSpec(initial_sparsity=0.2, target_sparsity=0.8, sparsity_function_begin_step=10,
                     sparsity_function_end_step=40, sparsity_function_exponent=2.0)
  for ours, specs in run(lambda step: (PolynomialDecay(**POLYNOMIAL)(step)[1],
                                       gradual.gradual_sparsity(step, spec)), STEPS):
    assert ours == specs


TABLE = [(0, 0.0), (10, 0.0), (15, 0.562963), (20, 0.770370), (25, 0.8), (30, 0.8), (99, 0.8)]
FIVE = PolynomialDecaySchedule(begin_step=10, total_iters=20, update_frequency=5)


@pytest.mark.parametrize('step, sparsity', TABLE)
def test_the_table_of_the_indexed_one(step, sparsity):
  assert FIVE.compute_sparsity(step, 0.8) == pytest.approx(sparsity, abs=5e-7)
  assert FIVE.compute_sparsity(step, target_sparsity=0.8, prev_sparsity=0.3) == pytest.approx(
      sparsity, abs=5e-7)


def test_without_a_frequency_every_step_of_the_indexed_one_is_an_update():
  made = PolynomialDecaySchedule(total_iters=5, power=1)
  assert [made.compute_sparsity(step, 0.8) for step in range(6)] == pytest.approx(
      [0.0, 0.2, 0.4, 0.6, 0.8, 0.8])


@pytest.mark.parametrize('step', [11, 14, 16, 29])
def test_between_updates_the_indexed_one_stays_what_it_was(step):
  assert FIVE.compute_sparsity(step, 0.8, prev_sparsity=0.123) == 0.123
  with pytest.raises(errors.ScheduleError, match='prev_sparsity'):
    FIVE.compute_sparsity(step, 0.8)


def test_the_indexed_one_computes_tensors():
  def compute(step):
    return FIVE.compute_sparsity(step, 0.8, prev_sparsity=0.5)

  np.testing.assert_allclose(run(compute, range(40)), [compute(step) for step in range(40)],
                             atol=2e-7)
  with tf.Graph().as_default(), pytest.raises(errors.ScheduleError, match='prev_sparsity'):
    FIVE.compute_sparsity(tf.constant(10), 0.8)


@pytest.mark.parametrize('bad', [None, 1.0, NAN])
def test_the_indexed_one_wants_a_target(bad):
  with pytest.raises(errors.ScheduleError, match='target_sparsity=%s' % bad):
    FIVE.compute_sparsity(10, bad)
  with pytest.raises(errors.ScheduleError, match='target_sparsity'):
    FIVE(10)
  assert FIVE.should_prune(10)


def test_the_formula_by_update_index_is_that_of_contribs_documentation():
  """1 - step / (num_steps - 1), the step counted in updates; the spec goes by the global step."""
  made = PolynomialDecaySchedule(begin_step=0, total_iters=100, update_frequency=10)
  for index in range(10):
    assert made.sparsity_at(10 * index, 0.5) == pytest.approx(0.5 - 0.5 * (1 - index / 9)**3)


# ---- Targets. ----


def test_a_target_of_its_own_scales_by_contribs_rule():
  made = PolynomialDecay(**POLYNOMIAL)
  for step in (10, 25, 40):
    assert made.sparsity_at(step, 0.8, 0.4) == pytest.approx(made(step)[1] * 0.5)
    assert made.sparsity_at(step, None, 0.4) == made.sparsity_at(step, 0, 0.4) == pytest.approx(
        made(step)[1] * 0.5)
    assert made.sparsity_at(step, 0.8) == made(step)[1]
  assert made.final_sparsity_for(0.8, 0.4) == pytest.approx(0.4)
  assert made.final_sparsity_for(0.8) == 0.8


def test_the_indexed_one_goes_to_a_target_of_its_own():
  made = PolynomialDecaySchedule(total_iters=10, initial_sparsity=0.2)
  assert made.sparsity_at(0, 0.8, 0.4) == pytest.approx(0.2)
  assert made.sparsity_at(10, 0.8, 0.4) == made.final_sparsity_for(0.8, 0.4) == 0.4
  assert made.sparsity_at(10, 0.8) == made.final_sparsity_for(0.8) == 0.8
  assert made.final_sparsity_for() is None


# ---- Users' own. ----


def test_a_schedule_written_for_tfmot_works():
  stairs = Stairs(0.8, 10, 40)
  for step, (should_prune, sparsity) in zip(STEPS, run(stairs, STEPS)):
    assert should_prune == (step in (10, 20, 30, 40))
    assert sparsity == pytest.approx(0.8 if step >= 25 else 0.4)
  assert [bool(stairs.should_prune(step)) for step in (9, 10, 40, 50)] == [False, True, True, False]
  if tf.executing_eagerly():
    assert stairs.sparsity_at(40) == pytest.approx(0.8) and type(stairs.sparsity_at(40)) is float


def test_what_a_users_schedule_does_not_say_has_a_default():
  stairs = Stairs(0.8, 10, 40)
  assert stairs.final_sparsity_target is None and stairs.final_sparsity_for(0.5, 0.4) is None
  assert stairs.is_over(1000) is False and stairs.next_update(1000) == 1001
  assert stairs.is_due(20, 10) and not stairs.is_due(20, 20) and not stairs.is_due(21, 10)


def test_a_users_schedule_is_found_by_name():
  again = schedules.deserialize(Stairs(0.8, 10, 40).get_config(), {'Stairs': Stairs})
  assert isinstance(again, Stairs) and again.get_config() == Stairs(0.8, 10, 40).get_config()


@pytest.mark.parametrize('bad', [(-1, 5, 1), (5, 4, 1), (0, -1, 1), (0, -2, 1), (0, 5, 0)])
def test_a_users_schedule_can_have_its_steps_checked(bad):
  with pytest.raises(errors.ScheduleError):
    Stairs(0.8, *bad)
  with pytest.raises(errors.ScheduleError, match='top=1.5'):
    Stairs(1.5, 0, 5)


def test_a_subclass_that_overrides_call_is_asked_for_everything():
  class Halved(PolynomialDecay):
    """Half as sparse, at odd steps."""

    def __call__(self, step):
      return step % 2 == 1, super().__call__(step)[1] / 2

  made = Halved(**POLYNOMIAL)
  assert made.sparsity_at(40) == pytest.approx(0.4)
  assert made.should_prune(41) and not made.should_prune(40)
  assert made.is_due(41, 40) and not made.is_due(40, 30)
  assert made.is_over(100) is False and made.next_update(100) == 101
  assert made.final_sparsity_target is None


def test_the_base_is_abstract():
  with pytest.raises(TypeError):
    PruningSchedule()


@pytest.mark.parametrize(
    'module', [constant, polynomial, serialization, weight_sparsity], ids=lambda m: m.__name__)
def test_examples_in_docstrings_are_true(module):
  result = doctest.testmod(module)
  assert result.attempted and not result.failed
