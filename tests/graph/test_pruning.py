# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pruning: the operations of a graph, from a spec to assigned masks."""

import json

from absl import logging
import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import ConstantSparsity
from model_pruning.schedules import gradual
from model_pruning.schedules import PolynomialDecay
from model_pruning.schedules import PolynomialDecaySchedule
from model_pruning.schedules import PruningSchedule
from tests import legs
from tests import oracle

RNG = np.random.RandomState(0)
FC = RNG.standard_normal((12, 10)).astype(np.float32)
CONV = RNG.standard_normal((3, 3, 2, 4)).astype(np.float32)


class Model:
  """Two masked weights and a global step, in a new graph."""

  def __init__(self, spec='', use_resource=False, dtype=tf.float32, partitions=None, **options):
    self.graph = tf.Graph()
    with self.graph.as_default():
      self.step = tf.train.get_or_create_global_step()
      with tf.variable_scope('net', use_resource=use_resource):
        def parts(shape, dtype):
          del dtype
          return [partitions if axis == 0 else 1 for axis in range(len(shape))]
        for name, value in (('fc', FC), ('conv', CONV)):
          def initial(shape, dtype=None, partition_info=None, value=value):
            if partition_info is not None:
              begin = partition_info.var_offset
              value = value[tuple(slice(b, b + s) for b, s in zip(begin, shape))]
            return tf.cast(value, dtype)
          weight = tf.get_variable(name + '/weights', value.shape, dtype=dtype, initializer=initial,
                                   partitioner=parts if partitions else None)
          model_pruning.apply_mask(weight, name)
      self.pruning = model_pruning.Pruning(spec, **options)
      self.update = self.pruning.mask_update_op()
      self.conditional = self.pruning.conditional_mask_update_op()
      self.masks = [tf.convert_to_tensor(mask) for mask in model_pruning.get_masks()]
      self.thresholds = model_pruning.get_thresholds()
      self.set_step = tf.placeholder(tf.int64, [])
      self.assign_step = tf.assign(self.step, self.set_step).op
      initialize = tf.global_variables_initializer()
    self.session = tf.Session(graph=self.graph)
    self.session.run(initialize)

  def at(self, step, operation=None):
    """Sets the global step, runs an update (the conditional one), returns the masks."""
    self.session.run(self.assign_step, {self.set_step: step})
    self.session.run(self.conditional if operation is None else operation)
    return self.session.run(self.masks)

  def last_update(self):
    return int(self.session.run(self.pruning.last_mask_update_step))


FINAL = 'initial_sparsity=0.7,target_sparsity=0.7,'


@pytest.mark.sampled(3)
@pytest.mark.parametrize('use_resource, partitions, use_tpu', legs.few(legs.product(
    [False, True], [None, 1, 3], [False, True]), 6))
def test_masks_and_thresholds_are_those_of_the_oracle(use_resource, partitions, use_tpu):
  model = Model(FINAL + 'use_tpu=%s' % use_tpu, use_resource, partitions=partitions)
  masks = model.at(10)
  for mask, threshold, weight in zip(masks, model.session.run(model.thresholds), (FC, CONV)):
    expected, at = oracle.mask(weight, 0.7)
    np.testing.assert_array_equal(mask, expected)
    assert threshold == at


@pytest.mark.parametrize('dtype', [tf.float16, tf.bfloat16, tf.float64])
def test_masks_and_thresholds_have_the_dtype_of_the_weight(dtype):
  model = Model(FINAL, dtype=dtype)
  masks = model.at(10)
  assert [mask.dtype for mask in model.masks] == [dtype] * 2
  assert [threshold.dtype.base_dtype for threshold in model.thresholds] == [dtype] * 2
  with model.graph.as_default():
    stored = [tf.cast(weight, tf.float32) for weight in model_pruning.get_weights()]
  for mask, weight in zip(masks, model.session.run(stored)):
    expected, _ = oracle.mask(weight, 0.7)
    np.testing.assert_array_equal(mask.astype(np.float32), expected)


def test_updates_come_at_the_steps_of_the_schedule_and_with_its_sparsity():
  spec = PruningSpec(begin_pruning_step=12, end_pruning_step=61, pruning_frequency=7,
                     target_sparsity=0.8, sparsity_function_begin_step=5,
                     sparsity_function_end_step=50)
  model = Model(spec)
  due = gradual.update_steps(spec, 80)
  for step in range(81):
    masks = model.at(step)
    assert model.last_update() == max([past for past in due if past <= step], default=0)
    if step in due:
      for mask, weight in zip(masks, (FC, CONV)):
        sparsity = gradual.gradual_sparsity(step, spec)
        assert mask.sum() == oracle.keep_count(weight.size, sparsity)


def test_an_unconditional_update_does_not_ask_for_the_step():
  model = Model(FINAL + 'begin_pruning_step=1000')
  masks = model.at(3, model.update)
  assert masks[0].sum() == oracle.keep_count(FC.size, 0.7)
  assert model.last_update() == 3


def test_a_map_gives_weights_their_own_target_on_the_same_clock():
  text = ('initial_sparsity=0.4,target_sparsity=0.8,weight_sparsity_map=[conv:0.5],'
          'sparsity_function_exponent=1')
  model = Model(text)
  fc, conv = model.at(0, model.update)
  assert [1 - mask.mean() for mask in (fc, conv)] == pytest.approx([0.4, 0.4], abs=0.01)
  fc, conv = model.at(50)
  assert [1 - mask.mean() for mask in (fc, conv)] == pytest.approx([0.6, 0.45], abs=0.01)
  fc, conv = model.at(100)
  assert fc.sum() == oracle.keep_count(FC.size, 0.8)
  assert conv.sum() == oracle.keep_count(CONV.size, 0.5)


def test_a_map_prunes_although_the_global_target_is_zero():
  fc, conv = Model('target_sparsity=0,weight_sparsity_map=[conv:0.5]').at(100)
  assert fc.all() and conv.sum() == oracle.keep_count(CONV.size, 0.5)


def test_blocks_of_each_weight_are_its_own():
  model = Model(FINAL + 'block_height=-1,block_dims_map=[conv:2x2]')
  fc, conv = model.at(10)
  np.testing.assert_array_equal(fc, oracle.mask(FC, 0.7, (-1, 1))[0])
  np.testing.assert_array_equal(conv, oracle.mask(CONV, 0.7)[0])  # Rank 4: elementwise.


@pytest.mark.parametrize('sparsity', [0.6, 'variable', 'tensor', 'function'])
def test_an_external_sparsity_replaces_the_schedule_and_scales_with_the_map(sparsity):
  text = 'target_sparsity=0.8,weight_sparsity_map=[conv:0.4]'
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    external = {'variable': lambda: tf.get_variable('external', initializer=0.6),
                'tensor': lambda: tf.constant(0.6),
                'function': lambda: lambda step: 0.6 + 0.0 * tf.cast(step, tf.float32),
                0.6: lambda: 0.6}[sparsity]()
    for name, value in (('fc', FC), ('conv', CONV)):
      model_pruning.apply_mask(tf.get_variable(name + '/w', initializer=value), name)
    update = model_pruning.Pruning(text, sparsity=external).mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    fc, conv = session.run([tf.convert_to_tensor(mask) for mask in model_pruning.get_masks()])
  assert fc.sum() == oracle.keep_count(FC.size, 0.6)
  assert conv.sum() == oracle.keep_count(CONV.size, 0.3)


class Twice(PruningSchedule):
  """A user's schedule: at steps 3 and 9, first 0.3 and then 0.6."""

  def __call__(self, step):
    return (step == 3) | (step == 9) if isinstance(step, int) else tf.logical_or(
        tf.equal(step, 3), tf.equal(step, 9)), tf.where(
            tf.less(step, 9), tf.constant(0.3), tf.constant(0.6))

  def get_config(self):
    return {'class_name': 'Twice', 'config': {}}


@pytest.mark.sampled(5)
@pytest.mark.parametrize('schedule, updates', [
    (ConstantSparsity(0.5, begin_step=0, end_step=20, frequency=8),
     {0: 0.5, 8: 0.5, 16: 0.5, 20: 0.5}),
    (PolynomialDecay(0.2, 0.6, begin_step=4, end_step=14, power=1, frequency=4),
     {4: 0.2, 8: 0.36, 12: 0.52, 14: 0.6}),
    (PolynomialDecaySchedule(begin_step=4, total_iters=10, power=1, update_frequency=4),
     {4: 0.0, 8: 0.4, 12: 0.8, 14: 0.8}),
    (Twice(), {3: 0.3, 9: 0.6}),
], ids=str)
def test_a_schedule_object_says_when_and_how_sparse(schedule, updates, control_flow):
  del control_flow
  model = Model('target_sparsity=0.8,threshold_decay=0.5', sparsity=schedule)
  with model.graph.as_default():
    merged = model.pruning.add_pruning_summaries()
  kept = [FC.size, CONV.size]
  last = 0
  for step in range(30):
    masks = model.at(step)
    if step in updates:
      last, kept = step, [mask.sum() for mask in masks]
      value, = [value.simple_value for value in
                tf.Summary.FromString(model.session.run(merged)).value
                if value.tag == 'model_pruning_summaries/sparsity']
      assert value == pytest.approx(updates[step])
    assert model.last_update() == last
    assert [mask.sum() for mask in masks] == kept, 'nothing changes between updates'


@pytest.mark.parametrize('schedule, expected', [
    (ConstantSparsity(0.8, 0), {0: (0.8, 0.4), 100: (0.8, 0.4)}),
    (PolynomialDecay(0.0, 0.8, 0, 100, 1, 50), {50: (0.4, 0.2), 100: (0.8, 0.4)}),
    (PolynomialDecaySchedule(0, 100, 1.0, 0.2, 50), {0: (0.2, 0.2), 50: (0.8, 0.4)}),
    (Twice(), {9: (0.6, 0.3)}),
], ids=str)
def test_under_a_schedule_object_a_map_gives_weights_their_own_target(schedule, expected):
  model = Model('target_sparsity=0.8,weight_sparsity_map=[conv:0.4]', sparsity=schedule)
  for step, sparsities in expected.items():
    for mask, weight, sparsity in zip(model.at(step), (FC, CONV), sparsities):
      np.testing.assert_array_equal(mask, oracle.mask(weight, sparsity)[0])


def test_an_update_whose_step_is_passed_over_comes_at_the_next_one():
  model = Model(sparsity=PolynomialDecay(0.0, 0.6, 4, 14, power=1, frequency=4))
  found = []
  for step in (1, 5, 7, 11, 11, 17, 40):
    found.append((model.at(step)[0].sum(), model.last_update()))
  assert found == [(oracle.keep_count(FC.size, sparsity), last) for sparsity, last in (
      (0.0, 0), (0.06, 5), (0.06, 5), (0.42, 11), (0.42, 11), (0.6, 17), (0.6, 17))]


def test_a_schedule_object_is_called_twice_at_a_step_and_updates_once():
  model = Model('threshold_decay=0.5', sparsity=Twice())
  model.at(3)
  thresholds = model.session.run(model.thresholds)
  model.at(3)
  assert model.session.run(model.thresholds) == thresholds


def test_a_schedule_and_a_spec_that_do_not_agree_are_warned_of_once(monkeypatch):
  lines = []
  monkeypatch.setattr(logging, 'warning', lambda text, *args: lines.append(text % args))
  Model('pruning_frequency=7,end_pruning_step=50', sparsity=ConstantSparsity(0.5, 0)).at(10)
  assert len(lines) == 1 and 'pruning_frequency=7, end_pruning_step=50: not used' in lines[0]
  Model('target_sparsity=0.7', sparsity=ConstantSparsity(0.5, 0)).at(10)
  assert len(lines) == 1


def test_a_schedule_that_takes_a_weight_beyond_1_is_refused():
  with pytest.raises(errors.ScheduleError, match='set target_sparsity=0.9'):
    Model('weight_sparsity_map=[conv:0.8]', sparsity=ConstantSparsity(0.9, 0))


def test_the_report_goes_by_the_schedule_object():
  model = Model('target_sparsity=0.8,weight_sparsity_map=[conv:0.4]',
                sparsity=PolynomialDecay(0.0, 0.8, 0, 100))
  with model.graph.as_default():
    for step, short in ((0, True), (50, True), (100, False)):
      model.at(step)
      rows = model.pruning.sparsity_report(model.session)
      assert [(row.short, row.target) for row in rows] == [(short, 0.8), (short, 0.4)]


def test_the_report_of_a_schedule_that_may_end_anywhere_goes_by_the_last_update():
  model = Model('target_sparsity=0.9', sparsity=Twice())
  with model.graph.as_default():
    for step, asked in ((3, 0.3), (9, 0.6)):
      model.at(step)
      for row in model.pruning.sparsity_report(model.session):
        assert row.target == pytest.approx(asked) and not row.short


def test_builders_give_the_same_operation_twice():
  model = Model()
  with model.graph.as_default():
    assert model.pruning.mask_update_op() is model.update
    assert model.pruning.conditional_mask_update_op() is model.conditional
    assert model.pruning.add_pruning_summaries() is model.pruning.add_pruning_summaries()


def test_two_updates_of_the_same_weights_give_the_same_masks():
  model = Model(FINAL)
  first = model.at(10)
  second = model.at(20)
  for one, other in zip(first, second):
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('use_resource', [False, True])
def test_a_conditional_update_under_control_dependencies_sees_the_new_step(use_resource):
  with tf.Graph().as_default(), tf.Session() as session:
    with tf.variable_scope('', use_resource=use_resource):
      step = tf.get_variable('step', [], tf.int64, tf.zeros_initializer(), trainable=False)
      model_pruning.apply_mask(tf.get_variable('w', [10]), 'fc')
    pruning = model_pruning.Pruning('pruning_frequency=1', global_step=step)
    with tf.control_dependencies([tf.assign_add(step, 1)]):
      update = pruning.conditional_mask_update_op()
    session.run(tf.global_variables_initializer())
    for expected in range(1, 20):
      session.run(update)
      assert session.run(pruning.last_mask_update_step) == expected


def test_summaries_contain_target_and_achieved_sparsity():
  model = Model(FINAL)
  with model.graph.as_default():
    merged = model.pruning.add_pruning_summaries()
  model.at(10)
  values = {value.tag: value.simple_value
            for value in tf.Summary.FromString(model.session.run(merged)).value}
  assert values['model_pruning_summaries/sparsity'] == pytest.approx(0.7)
  assert values['model_pruning_summaries/last_mask_update_step'] == 10
  assert values['model_pruning_summaries/net/fc/mask/sparsity'] == pytest.approx(0.7)
  assert values['model_pruning_summaries/net/fc/threshold/threshold'] == pytest.approx(
      float(oracle.mask(FC, 0.7)[1]))


def test_the_report_names_what_is_short():
  model = Model('target_sparsity=0.8,sparsity_function_exponent=1')
  model.at(50)
  with model.graph.as_default():
    rows = model.pruning.sparsity_report(model.session)
    assert [row.short for row in rows] == [True, True]
    model.at(100)
    rows = model.pruning.sparsity_report(model.session)
  assert [row.short for row in rows] == [False, False]
  assert [row.name for row in rows] == ['net/fc/weights', 'net/conv/weights']
  assert [row.zeros for row in rows] == [
      weight.size - oracle.keep_count(weight.size, 0.8) for weight in (FC, CONV)]


def test_hparams_are_logged_as_json(monkeypatch):
  lines = []
  monkeypatch.setattr(logging, 'info', lambda text, *args: lines.append(text % args))
  Model('target_sparsity=0.25').pruning.print_hparams()
  assert json.loads(lines[-1])['target_sparsity'] == 0.25


@pytest.mark.parametrize('text, expected', [
    ('end_pruning_step=95', 'step 90 and reaches a sparsity of 0.4995'),
    ('pruning_frequency=30,end_pruning_step=100', 'step 90'),
    ('end_pruning_step=5', 'nothing will be pruned'),
    ('end_pruning_step=100', None),
    ('', None),
])
def test_a_run_that_will_fall_short_is_warned_of_once(text, expected, monkeypatch):
  lines = []
  monkeypatch.setattr(logging, 'warning', lambda text, *args: lines.append(text % args))
  Model(text).at(10)
  assert len(lines) == (expected is not None)
  if expected:
    assert expected in lines[0]


def test_an_update_of_many_weights_is_few_nodes():
  """An untaken conditional visits every node of its branch, so they are counted."""
  def nodes(weights):
    with tf.Graph().as_default() as graph:
      tf.train.get_or_create_global_step()
      for index in range(weights):
        model_pruning.apply_mask(tf.get_variable('w%d' % index, [64, 64]), 'fc%d' % index)
      pruning = model_pruning.Pruning()
      before = len(graph.get_operations())
      pruning.conditional_mask_update_op()
      return len(graph.get_operations()) - before
  assert (nodes(9) - nodes(1)) / 8 <= 40


def test_bad_graphs_are_named():
  with tf.Graph().as_default():
    with pytest.raises(errors.GlobalStepError, match='get_or_create_global_step'):
      model_pruning.Pruning()
    tf.train.get_or_create_global_step()
    pruning = model_pruning.Pruning()
    with tf.Graph().as_default():
      other_step = tf.train.get_or_create_global_step()
      with pytest.raises(errors.GraphMismatchError, match='another graph'):
        pruning.mask_update_op()
    with pytest.raises(errors.GraphMismatchError, match='global_step'):
      model_pruning.Pruning(global_step=other_step)


def test_a_map_key_that_fits_no_weight_is_an_error_before_any_step():
  with pytest.raises(errors.MapError, match='net/fc/weights, net/conv/weights'):
    Model('weight_sparsity_map=[dense:0.8]')


@pytest.mark.parametrize('spec', ['', 'prune_option=first_order_gradient',
                                  'weight_sparsity_map=[a:0.5]'])
@pytest.mark.parametrize('name', ['mask_update_op', 'conditional_mask_update_op',
                                  'gradient_update_op', 'conditional_gradient_update_op'])
def test_a_graph_without_masks_is_left_alone_with_a_warning(name, spec, caplog):
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    pruning = model_pruning.Pruning(spec)
    update = getattr(pruning, name)()
    session.run(tf.global_variables_initializer())
    session.run(update)
    if 'gradient' not in name or pruning.use_gradient():
      assert 'no masked weights' in caplog.text


def test_masks_made_after_an_update_without_masks_are_updated_by_the_next():
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    pruning = model_pruning.Pruning('target_sparsity=0.5,initial_sparsity=0.5')
    pruning.mask_update_op()
    with model_pruning.masked_scope():
      tf.get_variable('a/kernel', [4, 4])
    update = pruning.mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    assert session.run(model_pruning.get_weight_sparsity()) == [0.5]


@pytest.mark.sampled(5)
@pytest.mark.parametrize('end,frequency,last,step,expected', [
    (20, 20, 0, 21, 0.9),  # contrib's own checkpoint, saved at the end.
    (20, 10, 10, 500, 0.9),  # Long after the end.
    (100, 20, 81, 101, 0.9),  # Its phase had shifted.
    (25, 10, 20, 26, 0.0),  # The last update inside the window was made.
    (20, 10, 20, 21, 0.0),
    (20, 10, 0, 5, 0.0)])
def test_the_last_update_inside_the_window_is_made_once(
    end, frequency, last, step, expected, capfd):
  with tf.Graph().as_default(), tf.Session() as session:
    with model_pruning.masked_scope():
      tf.get_variable('a/kernel', [100, 100])
    global_step = tf.train.get_or_create_global_step()
    pruning = model_pruning.Pruning(
        'target_sparsity=0.9,sparsity_function_end_step=20,end_pruning_step=%d,'
        'pruning_frequency=%d' % (end, frequency))
    update = pruning.conditional_mask_update_op(keeps_schedule=True)
    session.run(tf.global_variables_initializer())
    session.run([tf.assign(pruning.last_mask_update_step, last), tf.assign(global_step, step)])
    session.run(update)
    zeros, = session.run(model_pruning.get_weight_sparsity())
    assert round(float(zeros), 6) == expected
    assert session.run(pruning.last_mask_update_step) == (step if expected else last)
    session.run(tf.assign(global_step, step + 1000))
    session.run([tf.assign(mask, tf.ones_like(mask)) for mask in model_pruning.get_masks()])
    if expected:  # Once.
      session.run(update)
      assert session.run(model_pruning.get_weight_sparsity()) == [0.0]
  assert ('end_pruning_step=%d was missing' % end in capfd.readouterr().err) == bool(expected)


def test_a_resumed_run_is_on_schedule_again_after_an_update_that_came_late():
  with tf.Graph().as_default(), tf.Session() as session:
    with model_pruning.masked_scope():
      tf.get_variable('a/kernel', [10, 10])
    global_step = tf.train.get_or_create_global_step()
    pruning = model_pruning.Pruning('pruning_frequency=20,end_pruning_step=100')
    update = pruning.conditional_mask_update_op(keeps_schedule=True)
    session.run(tf.global_variables_initializer())
    session.run(tf.assign(pruning.last_mask_update_step, 20))  # As contrib left it at step 40.
    seen = []
    for step in range(41, 130):
      session.run(tf.assign(global_step, step))
      session.run(update)
      if session.run(pruning.last_mask_update_step) == step:
        seen.append(step)
  assert seen == [41, 60, 80, 100]


@pytest.mark.parametrize('dtype', [tf.int32, tf.int64])
def test_a_global_step_beyond_int32_does_not_wrap(dtype):
  with tf.Graph().as_default(), tf.Session() as session:
    with model_pruning.masked_scope():
      tf.get_variable('a/kernel', [10, 10])
    step = tf.placeholder(dtype, [])
    pruning = model_pruning.Pruning('target_sparsity=0.5', global_step=step)
    update = pruning.conditional_mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update, {step: 2**31 - 1 if dtype == tf.int32 else 2**31 + 5})
    assert session.run(model_pruning.get_weight_sparsity()) == [0.5]
    assert session.run(pruning.last_mask_update_step) == 2**31 - 1


def test_a_finalized_graph_is_an_error_that_says_so():
  with tf.Graph().as_default() as graph:
    tf.train.get_or_create_global_step()
    with model_pruning.masked_scope():
      tf.get_variable('a/kernel', [10, 10])
    pruning = model_pruning.Pruning()
    graph.finalize()
    for build in (model_pruning.Pruning, pruning.mask_update_op,
                  pruning.conditional_mask_update_op):
      with pytest.raises(errors.FinalizedGraphError, match='before the session'):
        build()


@pytest.mark.parametrize('own_session', [False, True])
@pytest.mark.parametrize('begins', [1, 2])
def test_a_pruning_made_after_a_hook_began_is_initialized(begins, own_session):
  with tf.Graph().as_default():
    step = tf.train.get_or_create_global_step()
    with model_pruning.masked_scope():
      tf.get_variable('a/kernel', [8, 8])
    for _ in range(begins):
      model_pruning.PruningHook('target_sparsity=0.5').begin()
    pruning = model_pruning.Pruning('target_sparsity=0.5', global_step=step)
    update = pruning.conditional_mask_update_op()
    train = step.assign_add(1)
    if own_session:
      with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(update)
        tf.train.Saver()
      return
    with tf.train.MonitoredTrainingSession(hooks=[model_pruning.PruningHook(pruning)]) as session:
      session.run(train)
      assert session.run(pruning.last_mask_update_step) == 0


def _model(name='fc'):
  with model_pruning.masked_scope(), tf.variable_scope(name):
    return tf.get_variable('kernel', [10, 10])


def test_pruning_starts_again_after_the_step_is_set_back():
  """A run restored to be tuned further, whose step is assigned."""
  with tf.Graph().as_default(), tf.Session() as session:
    _model()
    step = tf.train.get_or_create_global_step()
    pruning = model_pruning.Pruning('target_sparsity=0.9,sparsity_function_end_step=20,'
                                    'pruning_frequency=5,end_pruning_step=30')
    update = pruning.conditional_mask_update_op(keeps_schedule=True)
    session.run(tf.global_variables_initializer())
    session.run(tf.assign(pruning.last_mask_update_step, 4000))
    seen = []
    for at in range(40):
      session.run(tf.assign(step, at))
      session.run(update)
      if session.run(pruning.last_mask_update_step) == at:
        seen.append(at)
    assert seen == [5, 10, 15, 20, 25, 30]
    assert round(float(session.run(model_pruning.get_weight_sparsity())[0]), 6) == 0.9


@pytest.mark.parametrize('update', ['conditional_mask_update_op', 'mask_update_op'])
def test_a_weight_masked_after_the_update_was_built_is_named(update, caplog):
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    _model()
    getattr(model_pruning.Pruning(), update)()
    assert 'later' not in caplog.text
    _model('later')
  assert 'later/kernel' in caplog.text and 'whole model first' in caplog.text


@pytest.mark.parametrize('other,which', [
    ('target_sparsity=0.9,name=b', 'the one that runs last wins'),
    ('target_sparsity=0.5,name=b', None), ('target_sparsity=0.5', None),
    ('target_sparsity=0.5,pruning_frequency=3', 'only the one that runs first')])
def test_two_prunings_of_one_graph_that_differ_are_named(other, which, caplog):
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    _model()
    for spec in ('target_sparsity=0.5', other):
      model_pruning.Pruning(spec).conditional_mask_update_op()
  assert ('weight_sparsity_map' in caplog.text) == bool(which) and (which or '') in caplog.text


@pytest.mark.parametrize('step', ['global_step', b'step', True])
def test_a_global_step_that_is_no_number_is_refused(step):
  with tf.Graph().as_default():
    with pytest.raises(errors.GlobalStepError, match='integer scalar'):
      model_pruning.Pruning('', global_step=step)
    with pytest.raises(errors.GlobalStepError, match='integer scalar'):
      model_pruning.Pruning('', global_step=tf.constant([1, 2]))


def test_an_update_built_in_a_branch_does_not_stand_for_the_one_outside(control_flow):
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.train.get_or_create_global_step()
    _model()
    pruning = model_pruning.Pruning('target_sparsity=0.5', sparsity=0.5)
    tf.disable_control_flow_v2()

    def branch():
      with tf.control_dependencies([pruning.conditional_mask_update_op()]):
        return tf.constant(1)

    inside = tf.cond(tf.placeholder_with_default(True, []), branch, lambda: tf.constant(0))
    outside = pruning.conditional_mask_update_op()
    assert pruning.conditional_mask_update_op() is outside
    session.run(tf.global_variables_initializer())
    session.run(tf.assign(step, 10))
    session.run(outside)
    assert session.run(inside) == 1
    assert session.run(model_pruning.get_weight_sparsity()) == [0.5]


@pytest.mark.parametrize('spec', [{'target_sparsity': 0.5}, 3, ['target_sparsity=0.5']])
def test_a_spec_of_another_type_is_refused(spec):
  with pytest.raises(errors.SpecError, match='expected an HParams'):
    model_pruning.PruningHook(spec)
