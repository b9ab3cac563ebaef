# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a mask update costs, against sorting and against the least it could cost.

    python -m benchmarks.mask_update

All variants run in one process, interleaved, over the same weight; medians are
compared, as ratios, because the absolute times of a machine drift. Writes the
table as JSON too.
"""

import functools
import os
import subprocess
import sys
import threading

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import numpy as np
import tabulate

from benchmarks import measure
import model_pruning
from model_pruning.compat import tf

FLAGS = flags.FLAGS
flags.DEFINE_list('sizes', ['1e6', '1.6e7'], 'Numbers of weights to measure.')
flags.DEFINE_integer('rounds', 15, 'Interleaved rounds per variant.', lower_bound=1)
flags.DEFINE_integer('sort_rounds', 3, 'Rounds of the sorting variants, which are slow.')
flags.DEFINE_integer('idle_rounds', 1000, 'Pairs of steps without and with an idle update.')
flags.DEFINE_float('sparsity', 0.9, 'Target sparsity.')
flags.DEFINE_string('output', 'out/benchmarks/mask_update.json', 'Where to write the numbers.')
flags.DEFINE_integer('memory_of', 0, 'Only print the peak memory of an update of so many weights.')
flags.DEFINE_bool('resource', False, 'Whether memory_of takes a resource variable.')

OURS, FLOOR, SORT = 'model_pruning', 'threshold known', 'top_k of everything'


def _assign(variable, value):
  return tf.assign(variable, value).op


def _graph(size, use_resource):
  """Builds the variants of one update of one weight; returns (session, {name: operation})."""
  graph = tf.Graph()
  with graph.as_default():
    tf.set_random_seed(1)
    tf.train.get_or_create_global_step()
    with tf.variable_scope('fc', use_resource=use_resource):
      weight = tf.get_variable('weights', [size], initializer=tf.random_normal_initializer(seed=1))
      model_pruning.apply_mask(weight)
    mask, threshold = model_pruning.get_masks()[0], model_pruning.get_thresholds()[0]
    spec = 'initial_sparsity={0},target_sparsity={0}'.format(FLAGS.sparsity)
    operations = {OURS: model_pruning.Pruning(spec).mask_update_op()}

    known = tf.placeholder_with_default(1.6448536, [])  # For standard normal weights at 0.9.
    kept = tf.greater_equal(tf.abs(weight.read_value()), known)
    operations[FLOOR] = _assign(mask, tf.cast(kept, tf.float32))

    # The computation of contrib 1.15, as its documentation and its graph show it.
    scores = tf.abs(weight.read_value())
    descending, _ = tf.nn.top_k(tf.reshape(scores, [-1]), k=size)
    keep = tf.cast(tf.round(tf.cast(size, tf.float32) * (1 - FLAGS.sparsity)), tf.int32)
    cut = tf.gather(descending, keep - 1)
    operations[SORT] = tf.group(
        _assign(mask, tf.cast(tf.greater_equal(scores, cut), tf.float32)), _assign(threshold, cut))
    initialize = tf.global_variables_initializer()
  session = tf.Session(graph=graph)
  session.run(initialize)
  return session, operations, mask


def _peak_bytes(size, use_resource):
  """Returns by how much an update raises the resident memory at its peak; None off Linux.

  Measured in a process of its own in which malloc hands every large block back
  when it is freed; otherwise blocks kept for later would hide new ones.
  """
  if not os.path.exists('/proc/self/statm'):
    return None
  result = subprocess.run(
      [sys.executable, '-m', 'benchmarks.mask_update', '--memory_of=%d' % size,
       '--resource=%s' % use_resource], check=True, stdout=subprocess.PIPE,
      env=dict(os.environ, MALLOC_MMAP_THRESHOLD_='65536', MALLOC_TRIM_THRESHOLD_='0'))
  return int(result.stdout.split()[-1])


def _print_peak(size, use_resource):
  """Samples the resident memory from a second thread; a session releases Python's lock."""
  session, operations, _ = _graph(size, use_resource)
  session.run(operations[OURS])
  before, peak, done = _resident_bytes(), [0], threading.Event()

  def watch():
    while not done.is_set():
      peak[0] = max(peak[0], _resident_bytes())

  watcher = threading.Thread(target=watch)
  watcher.start()
  for _ in range(5):
    session.run(operations[OURS])
  done.set()
  watcher.join()
  print(max(peak[0] - before, 0))


def _resident_bytes():
  with open('/proc/self/statm') as handle:
    return int(handle.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def measure_update(size, use_resource):
  """Returns a dict with the medians and ratios of one size."""
  session, operations, mask = _graph(size, use_resource)
  with session:
    for name, operation in operations.items():
      session.run(operation)
      if name == OURS:
        exact = int(session.run(mask).sum())
    times = measure.interleaved(
        {name: functools.partial(measure.seconds, session, operation)
         for name, operation in operations.items()}, max(FLAGS.rounds, FLAGS.sort_rounds),
        skip=lambda name, index: index >= (FLAGS.sort_rounds if name == SORT else FLAGS.rounds))
    median = {name: float(np.median(values)) for name, values in times.items()}
  peak = _peak_bytes(size, use_resource)
  return {
      'weights': size, 'variable': 'resource' if use_resource else 'ref', 'kept': exact,
      'ns_per_weight': {name: value / size * 1e9 for name, value in median.items()},
      'times_as_fast_as_sorting': median[SORT] / median[OURS],
      'times_the_floor': median[OURS] / median[FLOOR],
      'peak_memory_per_weight_byte': None if peak is None else peak / (4.0 * size),
  }


def measure_idle(rounds, step_ms=5.0, layers=8):
  """Returns the time that the conditional update adds to a step without an update."""
  graph = tf.Graph()
  with graph.as_default():
    step = tf.train.get_or_create_global_step()
    tf.set_random_seed(1)
    x = tf.random_normal([64, 256], seed=1)
    with model_pruning.masked_scope():
      for index in range(layers):
        with tf.variable_scope('layer%d' % index):
          x = tf.nn.relu(tf.matmul(x, tf.get_variable('kernel', [256, 256])))
    loss = tf.reduce_mean(x)
    repeats = tf.get_variable('repeats', [], tf.int32, tf.ones_initializer(), trainable=False)
    more = tf.assign_add(repeats, tf.maximum(1, repeats // 8)).op
    # More of the same work until a step takes as long as it should.
    busy = tf.while_loop(lambda i, _: i < repeats,
                         lambda i, y: (i + 1, tf.nn.tanh(tf.matmul(y, y))),
                         (0, tf.random_normal([192, 192], seed=2)))[1]
    with tf.control_dependencies([busy]):
      train = tf.train.GradientDescentOptimizer(0.01).minimize(loss, global_step=step)
    pruning = model_pruning.Pruning('begin_pruning_step=1000000000')
    with tf.control_dependencies([train]):
      both = pruning.conditional_mask_update_op()
    initialize = tf.global_variables_initializer()
  with tf.Session(graph=graph) as session:
    session.run(initialize)
    for _ in range(20):
      session.run(train)
    while 1e3 * np.median([measure.seconds(session, train) for _ in range(15)]) < step_ms:
      session.run(more)
    pairs = []
    for index in range(rounds):
      order = (train, both) if index % 2 else (both, train)
      pair = {operation: measure.seconds(session, operation) * 1e3 for operation in order}
      pairs.append((pair[train], pair[both]))
    step = float(np.median([alone for alone, _ in pairs]))
    # Of pairs, as the machine drifts by more than the difference.
    added = float(np.median([together - alone for alone, together in pairs]))
  return {'step_ms': step, 'weights': layers, 'added_ms': added, 'percent': 100 * added / step}


def main(argv):
  del argv
  if FLAGS.memory_of:
    _print_peak(FLAGS.memory_of, FLAGS.resource)
    return
  rows = [measure_update(int(float(size)), use_resource)
          for size in FLAGS.sizes for use_resource in (False, True)]
  print(tabulate.tabulate(
      [['{:,}'.format(row['weights']), row['variable'], row['ns_per_weight'][SORT],
        row['ns_per_weight'][OURS], row['ns_per_weight'][FLOOR], row['times_as_fast_as_sorting'],
        row['times_the_floor'], row['peak_memory_per_weight_byte']] for row in rows],
      headers=['weights', 'variable', 'sort\nns/weight', 'ours\nns/weight', 'floor\nns/weight',
               'times as fast\nas sorting', 'times\nthe floor', 'peak memory,\nweights'],
      floatfmt='.2f'))
  idle = measure_idle(rounds=FLAGS.idle_rounds)
  print('\nConditional update of %d weights after a %.1f ms step without an update: %+.3f ms, '
        '%.1f%%.' % (idle['weights'], idle['step_ms'], idle['added_ms'], idle['percent']))
  measure.write(FLAGS.output, updates=rows, idle=idle)


if __name__ == '__main__':
  app.run(main)
