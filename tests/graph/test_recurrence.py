# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Models in the bodies of loops: training in a loop, and recurrent networks."""

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph.layers import core_layers

RATE, STEPS = 0.1, 6
KEPT = np.array([[1., 1.], [0., 1.], [1., 0.]], np.float32)
FEATURES = np.random.RandomState(0).normal(size=(5, 3)).astype(np.float32)
LABELS = np.random.RandomState(1).normal(size=(5, 2)).astype(np.float32)
START = np.random.RandomState(2).normal(size=(3, 2)).astype(np.float32)


@pytest.fixture
def switches_and_merges():
  yield from _control_flow(False)


@pytest.fixture
def functional_control_flow():
  yield from _control_flow(True)


def _control_flow(functional):
  before = tf.control_flow_v2_enabled()
  (tf.enable_control_flow_v2 if functional else tf.disable_control_flow_v2)()
  yield
  (tf.enable_control_flow_v2 if before else tf.disable_control_flow_v2)()


def _kernel():
  return tf.get_variable('kernel', initializer=START)


def _with_apply_mask():
  def model(x):
    with tf.variable_scope('net', reuse=tf.AUTO_REUSE):
      return tf.matmul(x, model_pruning.apply_mask(_kernel()))
  return model


def _with_masked_scope():
  def model(x):
    with model_pruning.masked_scope(), tf.variable_scope('net', reuse=tf.AUTO_REUSE):
      return tf.matmul(x, _kernel())
  return model


def _with_an_object():
  return core_layers.MaskedFullyConnected(
      2, use_bias=False, kernel_initializer=tf.constant_initializer(START))


def _with_an_object_called_before():
  layer = _with_an_object()
  layer(tf.constant(FEATURES))
  return layer


def _with_a_conditional():
  model = _with_apply_mask()
  return lambda x: tf.cond(tf.reduce_sum(x) < 1e6, lambda: model(x), lambda: 2 * model(x))


MODELS = [_with_apply_mask, _with_masked_scope, _with_an_object,
          _with_an_object_called_before, _with_a_conditional]


def _trained_in_numpy(kept):
  weights = START.copy()
  for _ in range(STEPS):
    error = FEATURES @ (weights * kept) - LABELS
    weights -= RATE * kept * (FEATURES.T @ error)
  return weights


def _check_training_in_a_loop(make, use_resource):
  with tf.Graph().as_default(), tf.Session() as session:
    with tf.variable_scope('', use_resource=use_resource):
      model = make()

      def step(index):
        loss = tf.reduce_sum((model(tf.constant(FEATURES)) - LABELS)**2) / 2
        weight, = tf.trainable_variables()
        gradient, = tf.gradients(loss, [weight])
        train = weight.assign_sub(RATE * gradient)
        with tf.control_dependencies([train]):
          return index + 1

      done = tf.while_loop(lambda index: index < STEPS, step, [0], parallel_iterations=1)
    weight, = tf.trainable_variables()
    mask, = model_pruning.get_masks()
    session.run(tf.global_variables_initializer())
    mask.load(KEPT, session)
    assert session.run(done) == STEPS
    np.testing.assert_allclose(session.run(weight), _trained_in_numpy(KEPT), rtol=1e-4)


@pytest.mark.sampled(8)
@pytest.mark.parametrize('use_resource', [False, True])
@pytest.mark.parametrize('make', MODELS)
def test_each_iteration_of_a_training_loop_sees_the_weights_of_the_one_before(
    make, use_resource, switches_and_merges):
  del switches_and_merges
  _check_training_in_a_loop(make, use_resource)


@pytest.mark.parametrize('make', MODELS)
def test_each_iteration_of_a_functional_training_loop_does_so_too(make, functional_control_flow):
  del functional_control_flow
  _check_training_in_a_loop(make, use_resource=True)  # It cannot train ref variables.


def test_a_meta_graph_brings_back_weights_masked_in_bodies(control_flow, tmp_path):
  del control_flow
  path = str(tmp_path / 'model')
  with tf.Graph().as_default(), tf.Session() as session:
    with tf.variable_scope('net', use_resource=True):
      model_pruning.apply_mask(_kernel(), 'first')
      model = _with_masked_scope()

      def body(index, total):
        with model_pruning.masked_scope(), tf.variable_scope('inside'):
          # Masked already, by the scope.
          product = model_pruning.apply_mask(_kernel(), tf.get_variable_scope())
        return index + 1, total + tf.reduce_sum(model(tf.constant(FEATURES))) + product[0, 0]

      tf.while_loop(lambda index, _: index < 2, body, (0, 0.0))
    assert len(model_pruning.get_masks()) == 3
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, path)
    masks = [mask.op.name for mask in model_pruning.get_masks()]
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.import_meta_graph(path + '.meta').restore(session, path)
    assert [mask.op.name for mask in model_pruning.get_masks()] == masks
    tf.train.get_or_create_global_step()
    update = model_pruning.Pruning('initial_sparsity=0.5,target_sparsity=0.5').mask_update_op()
    session.run(tf.variables_initializer(
        [each for each in tf.global_variables() if 'step' in each.name]))
    session.run(update)
    assert [int(session.run(mask).sum()) for mask in model_pruning.get_masks()] == [3, 3, 3]


def _cell():
  try:
    return tf.nn.rnn_cell.BasicRNNCell(4)
  except AttributeError as error:
    pytest.skip('%s (TF_USE_LEGACY_KERAS=1 has it)' % error)


@pytest.mark.legacy_keras
def test_an_rnn_in_a_training_loop_multiplies_in_the_body_of_the_training_loop(
    switches_and_merges):
  del switches_and_merges
  with tf.Graph().as_default(), tf.Session() as session:
    cell = _cell()

    def step(index):
      with model_pruning.masked_scope(), tf.variable_scope('', reuse=tf.AUTO_REUSE):
        outputs, _ = tf.nn.dynamic_rnn(cell, tf.ones([2, 3, 4]), dtype=tf.float32)
      weight = next(each for each in tf.trainable_variables() if 'kernel' in each.name)
      # Not a gradient: TensorFlow has none for a loop in a loop with this state.
      train = weight.assign(weight * 0.5 + 0.0 * tf.reduce_sum(outputs))
      with tf.control_dependencies([train]):
        return index + 1

    done = tf.while_loop(lambda index: index < 3, step, [0], parallel_iterations=1)
    masked, = model_pruning.get_masked_weights()
    context = masked.op._get_control_flow_context()
    assert context.IsWhileContext() and context.outer_context is None
    session.run(tf.global_variables_initializer())
    assert session.run(done) == 3


def test_a_weight_made_in_the_body_of_a_loop_is_masked_in_each_iteration(control_flow):
  def body(index, total):
    with tf.variable_scope('layer', use_resource=True):
      weights = tf.get_variable('weights', [3], initializer=tf.ones_initializer)
    return index + 1, total + weights

  del control_flow
  with tf.Graph().as_default(), tf.Session() as session:
    with model_pruning.masked_scope():
      _, total = tf.while_loop(lambda index, _: index < 4, body, (0, tf.zeros([3])))
    session.run(tf.global_variables_initializer())
    session.run(tf.assign(model_pruning.get_masks()[0], [1., 0., 1.]))
    np.testing.assert_array_equal(session.run(total), [4, 0, 4])


@pytest.mark.parametrize('branch', [True, False])
def test_a_weight_made_in_a_branch_is_masked_there(branch, control_flow):
  del control_flow
  with tf.Graph().as_default(), tf.Session() as session:
    with model_pruning.masked_scope():
      def made():
        with tf.variable_scope('layer', use_resource=True):
          return tf.get_variable('weights', [3], initializer=tf.ones_initializer) + 0.
      which = tf.placeholder(tf.bool, [])
      result = tf.cond(which, made, lambda: tf.zeros([3]))
    session.run(tf.global_variables_initializer())
    session.run(tf.assign(model_pruning.get_masks()[0], [1., 0., 1.]))
    np.testing.assert_array_equal(session.run(result, {which: branch}),
                                  [1, 0, 1] if branch else [0, 0, 0])


# ---- Bodies that TensorFlow 2 makes functions. ----


def _in_a_branch(build):
  return tf.cond(tf.placeholder_with_default(True, []), build, lambda: tf.constant(False))


def _in_a_loop(build):
  return tf.while_loop(lambda done: ~done, lambda done: build(), [tf.constant(False)])


@pytest.mark.parametrize('place', [_in_a_branch, _in_a_loop])
@pytest.mark.parametrize('outside', [True, False], ids=['made_outside', 'made_inside'])
def test_an_update_in_a_function_of_control_flow_is_refused_with_advice(
    place, outside, functional_control_flow):
  del functional_control_flow
  with tf.Graph().as_default(), tf.variable_scope('net', use_resource=True):
    tf.train.get_or_create_global_step()
    model_pruning.apply_mask(_kernel())
    pruning = model_pruning.Pruning() if outside else None

    def build():
      update = (pruning or model_pruning.Pruning()).conditional_mask_update_op()
      with tf.control_dependencies([update]):
        return tf.constant(True)

    with pytest.raises(errors.GraphMismatchError, match='before the loop or the conditional'):
      place(build)
