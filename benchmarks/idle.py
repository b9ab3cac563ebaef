# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Measures what pruning adds to training steps in which no mask is due.

    python -m benchmarks.idle

The models are stacks of --layers dense layers of 64 x 64, trained on batches of 64, and a stack of
eight convolutions. Each is trained in one process, interleaved: dense; with a handwritten product
(in graphs a mask of ones times the weight, in Keras a constraint that multiplies after each step);
and pruned. The last column is what pruning adds to the step with the product, in percent of the
dense step: the median over rounds. A second model with the product shows the noise. Writes the
table as JSON too.
"""

import functools
import os
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import numpy as np
import tabulate

from benchmarks import measure
import model_pruning
from model_pruning.compat import tensorflow
from model_pruning.compat import tf

FLAGS = flags.FLAGS
flags.DEFINE_list('layers', ['50', '500', 'convolutions'], 'Numbers of dense layers of a model.')
flags.DEFINE_list('apis', ['graph', 'keras'], 'graph, keras or both.')
flags.DEFINE_integer('rounds', 400, 'Interleaved rounds; fewer if steps take long.', lower_bound=3)
flags.DEFINE_float('seconds', 60, 'Approximate time to measure each model.', lower_bound=0)
flags.DEFINE_integer('batches', 40, 'Batches of each fit().', lower_bound=1)
flags.DEFINE_bool('resource', False, 'Whether the weights of graphs are resource variables.')
flags.DEFINE_string('output', 'out/benchmarks/idle.json', 'Where to write the numbers.')

CONVOLUTIONS = 'convolutions'
DENSE, PRODUCT, AGAIN = 'dense', 'product', 'product, again'
COND, MONITORED, HOOK = 'conditional op', 'product, monitored', 'PruningHook'
CALLBACK = 'UpdatePruningStep'
# With which step each one is compared: a MonitoredSession has a cost of its own.
REFERENCES = {AGAIN: PRODUCT, COND: PRODUCT, HOOK: MONITORED, CALLBACK: PRODUCT}
# Within the span of the schedule, but between two updates.
SPEC = 'pruning_frequency=1000000,sparsity_function_end_step=1000000000'


def _used(kind, weight, scope):
  """Returns the tensor that a graph uses for a weight."""
  if kind == DENSE:
    return weight
  if kind in (COND, HOOK):
    return model_pruning.apply_mask(weight, scope)
  return tf.get_variable('mask', weight.shape, initializer=tf.ones_initializer(),
                         trainable=False) * weight


def _graph_step(kind, layers):
  """Returns a function that makes one training step of a graph."""
  convolves = layers == CONVOLUTIONS
  shapes = [[3, 3, 16, 16]] * 8 if convolves else [[64, 64]] * int(layers)
  apply = functools.partial(tf.nn.conv2d, strides=[1] * 4, padding='SAME') if convolves else (
      tf.matmul)
  with tf.Graph().as_default() as graph:
    step = tf.train.get_or_create_global_step()
    x = tf.Variable(tf.random_normal([16, 32, 32, 16] if convolves else [64, 64]), trainable=False)
    for index, shape in enumerate(shapes):
      with tf.variable_scope('layer%d' % index, use_resource=FLAGS.resource) as scope:
        x = tf.nn.relu(apply(x, _used(kind, tf.get_variable('weights', shape), scope)))
    train = tf.train.GradientDescentOptimizer(1e-3).minimize(tf.reduce_mean(x), global_step=step)
    if kind == COND:
      train = tf.group(train, model_pruning.Pruning(SPEC).conditional_mask_update_op())
    if kind in (MONITORED, HOOK):
      hooks = [model_pruning.PruningHook(SPEC)] if kind == HOOK else []
      session = tf.train.SingularMonitoredSession(hooks=hooks)
    else:
      session = tf.Session(graph=graph)
      session.run(tf.global_variables_initializer())
  return functools.partial(session.run, train)


def _keras_epoch(kind, layers):
  """Returns a function that trains a Keras model on --batches batches."""
  from model_pruning import keras as sparsity
  from model_pruning.keras.backend import keras

  class Product(keras.constraints.Constraint):
    """Multiplies by a mask of ones."""

    def __init__(self, shape):
      self._mask = tensorflow.Variable(tensorflow.ones(shape), trainable=False)

    def __call__(self, w):
      return w * self._mask

  def layer(shape):
    constraint = Product(shape) if kind in (PRODUCT, AGAIN) else None
    options = dict(activation='relu', kernel_constraint=constraint)
    return keras.layers.Conv2D(16, 3, padding='same', **options) if layers == CONVOLUTIONS else (
        keras.layers.Dense(64, **options))

  convolves = layers == CONVOLUTIONS
  inner, batch = ((32, 32, 16), 16) if convolves else ((64,), 64)
  model = keras.Sequential([keras.Input(inner)] + [
      layer((3, 3, 16, 16) if convolves else (64, 64))
      for _ in range(8 if convolves else int(layers))])
  callbacks = []
  if kind == CALLBACK:
    model = sparsity.prune_low_magnitude(model, SPEC, in_place=True)
    callbacks = [sparsity.UpdatePruningStep()]
  model.compile('sgd', 'mse')
  x = tensorflow.random.normal((batch, *inner))
  data = tensorflow.data.Dataset.from_tensors((x, x)).repeat(FLAGS.batches)
  return functools.partial(model.fit, data, verbose=0, callbacks=callbacks)


def _timed(function):
  start = time.perf_counter()
  function()
  return time.perf_counter() - start


def measure_model(api, layers):
  """Returns one row per way of training a model."""
  kinds, build, steps = ((DENSE, PRODUCT, AGAIN, COND, MONITORED, HOOK), _graph_step, 1) if (
      api == 'graph') else ((DENSE, PRODUCT, AGAIN, CALLBACK), _keras_epoch, FLAGS.batches)
  sides = {kind: build(kind, layers) for kind in kinds}
  for function in sides.values():
    function()
  once = sum(map(_timed, sides.values()))
  rounds = max(3, min(FLAGS.rounds, int(FLAGS.seconds / once)))
  times = {kind: np.asarray(values) / steps for kind, values in measure.interleaved(
      {kind: functools.partial(_timed, side) for kind, side in sides.items()}, rounds).items()}
  dense = float(np.median(times[DENSE]))
  rows = []
  for kind in kinds:
    row = {'api': api, 'layers': layers, 'trained': kind, 'rounds': rounds,
           'step_ms': 1e3 * float(np.median(times[kind]))}
    if kind in REFERENCES:
      row['percent_over_product'] = 100 / dense * float(np.median(
          times[kind] - times[REFERENCES[kind]]))
    rows.append(row)
  return rows


def main(argv):
  del argv
  apis = [api for api in FLAGS.apis
          if api != 'keras' or not tensorflow.__version__.startswith('1.')]
  rows = [row for api in apis for layers in FLAGS.layers for row in measure_model(api, layers)]
  print(tabulate.tabulate(
      [[row['api'], row['layers'], row['trained'], row['rounds'], row['step_ms'],
        row.get('percent_over_product')] for row in rows],
      headers=['API', 'layers', 'trained', 'rounds', 'step\nms', 'over product,\n% of dense'],
      floatfmt=('', '', '', '', '.3f', '+.2f'), missingval='-'))
  measure.write(FLAGS.output, steps=rows)


if __name__ == '__main__':
  app.run(main)
