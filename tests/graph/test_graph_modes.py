# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Every way to graph mode prunes exactly, each in a process of its own.

How a program comes to graph mode, and whether it was eager before, decides what `==` means to
TensorFlow, which conditionals it builds, and where variables live.
"""

import os
import textwrap

import pytest

from tests.paths import ROOT

from tests import forks


_PROGRAM = textwrap.dedent('''
    import sys
    import tempfile
    from absl import app
    import numpy as np
    import tensorflow.compat.v1 as tf
    import model_pruning

    WAY, EQUALITY, CONTROL_FLOW, KIND = sys.argv[1:5]
    SPEC = 'target_sparsity=0.75,sparsity_function_end_step=10,pruning_frequency=2'

    def flags():
      if EQUALITY != 'default':
        (tf.enable_tensor_equality if EQUALITY == 'by_value' else tf.disable_tensor_equality)()
      (tf.enable_control_flow_v2 if CONTROL_FLOW == 'v2' else tf.disable_control_flow_v2)()
      (tf.enable_resource_variables if KIND == 'resource' else tf.disable_resource_variables)()

    def model():
      with model_pruning.masked_scope():
        with tf.variable_scope('large', reuse=tf.AUTO_REUSE):
          large = tf.get_variable('kernel', [300, 200])
        with tf.variable_scope('small', reuse=tf.AUTO_REUSE):
          small = tf.get_variable('weights', [200, 2])
      return tf.matmul(tf.matmul(tf.ones([4, 300]), large), small)

    def train_op():
      return tf.train.GradientDescentOptimizer(1e-6).minimize(
          tf.reduce_mean(model()**2), tf.train.get_or_create_global_step())

    class Sparsities(tf.train.SessionRunHook):

      def begin(self):
        self.fetch = model_pruning.get_weight_sparsity()

      def end(self, session):
        print('sparsities', session.run(self.fetch))

    def hooks():
      return [tf.train.StopAtStepHook(14), model_pruning.PruningHook(SPEC), Sparsities()]

    def train():
      train = train_op()
      with tf.train.MonitoredTrainingSession(hooks=hooks()) as session:
        while not session.should_stop():
          session.run(train)

    def estimator():
      def model_fn(features, labels, mode):
        loss = tf.reduce_mean(model()**2)
        train = tf.train.GradientDescentOptimizer(1e-6).minimize(
            loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train,
                                          training_hooks=hooks())
      data = lambda: tf.data.Dataset.from_tensors({'x': np.ones((4, 300), np.float32)}).repeat()
      tf.estimator.Estimator(model_fn, tempfile.mkdtemp()).train(data, steps=14)

    def wrapped():
      tf.enable_eager_execution()
      def step():
        model()
        pruning = model_pruning.Pruning(SPEC, global_step=tf.constant(10, tf.int64))
        with tf.control_dependencies([pruning.conditional_mask_update_op()]):
          return [tf.identity(mask.read_value()) for mask in model_pruning.get_masks()]
      masks = tf.wrap_function(step, [])()
      print('sparsities', [np.float32(1 - np.mean(mask.numpy())) for mask in masks])

    def main(_):
      if WAY == 'behavior':
        tf.disable_v2_behavior()
      elif WAY == 'early':
        tf.disable_eager_execution()
      elif WAY in ('late', 'late_graph'):
        tf.set_random_seed(1)
        if tf.executing_eagerly():
          tf.ones([2]) + 1
        tf.disable_eager_execution()
      flags()
      if WAY == 'estimator':
        estimator()
      elif WAY == 'wrap_function':
        wrapped()
      elif WAY in ('graph', 'late_graph'):
        with tf.Graph().as_default():
          train()
      else:
        train()

    if __name__ == '__main__':
      app.run(main, argv=sys.argv[:1])
''')

_WAYS = ('behavior', 'early', 'late', 'graph', 'late_graph', 'estimator', 'wrap_function')
_ALL = [(way, equality, control_flow, kind) for way in _WAYS
        for equality in ('default', 'by_value', 'by_identity') for control_flow in ('v1', 'v2')
        for kind in ('ref', 'resource')]
# One of each way in the fast tests, on every leg.
_FEW = [(way, ('by_value', 'by_identity')[index % 2], ('v1', 'v2')[index // 2 % 2],
         ('ref', 'resource')[index % 2]) for index, way in enumerate(_WAYS)]
# Of the others, in the slow tests, a tenth on the oldest leg and another tenth on the newest. All
# of them on every leg in `make test-all` and `make soak`.
_LEGS = {0: ['oldest'], 5: ['newest']}


@pytest.mark.sampled(2)
@pytest.mark.parametrize('way,equality,control_flow,kind', _FEW + [
    pytest.param(*case, marks=[pytest.mark.slow, pytest.mark.legs(*_LEGS.get(index % 10, []))])
    for index, case in enumerate(_ALL) if case not in _FEW])
def test_masks_are_exact(way, equality, control_flow, kind, tmp_path):
  if way == 'estimator':
    from model_pruning.compat import tf
    if not hasattr(tf, 'estimator'):
      pytest.skip('this TensorFlow has no Estimator')
  program = tmp_path / 'program.py'
  program.write_text(_PROGRAM)
  done = forks.run(
      str(program), [way, equality, control_flow, kind], str(tmp_path), timeout=300,
      environment={'PYTHONPATH': os.pathsep.join([ROOT, os.environ.get('PYTHONPATH', '')])})
  found = [line for line in done.stdout.splitlines() if line.startswith('sparsities')]
  assert found, done.stderr[-2000:]
  assert found[-1].count('0.75') == 2, found
