# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""How time and memory of a mask update grow with the weights, and with the parts they are cut in.

    python -m benchmarks.scaling

Times are medians of interleaved rounds in one process. Memory is measured in a process of its own
for each case, and needs Linux. Writes the tables as JSON too, and a picture.
"""

import functools
import os
import subprocess
import sys
import threading
import time
from typing import Any, NamedTuple

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import numpy as np
import tabulate

from benchmarks import measure
import model_pruning
from model_pruning.compat import tf
from model_pruning.engine import counting
from model_pruning.util import figures

FLAGS = flags.FLAGS
flags.DEFINE_list('sizes', ['1e4', '1e5', '1e6', '1e7', '1e8'], 'Numbers of weights to time.')
flags.DEFINE_integer('rounds', 9, 'Interleaved rounds.', lower_bound=1)
flags.DEFINE_list('parts', ['2', '8', '64', '512'], 'Into how many parts to cut a weight, one on '
                  'each server: of the graph is measured what it takes to build, of the counts '
                  'what it takes to add them up.')
flags.DEFINE_list('memory', ['one', 'group', 'hundred', 'blocks', '2_of_4', 'first_order',
                             'second_order', 'top_k'], 'Cases to measure the memory of.')
flags.DEFINE_float('memory_scale', 1.0, 'What to multiply the sizes of those by.')
flags.DEFINE_string('output', 'out/benchmarks/scaling.json', 'Where to write the numbers; the '
                    'picture is put beside it.')
flags.DEFINE_string('peak_of', '', 'Only print the bytes and seconds that an update of that case '
                    'takes.')
flags.DEFINE_bool('resource', False, 'Whether peak_of takes resource variables.')

_SPARSITY = 'initial_sparsity=0.9,target_sparsity=0.9'
_COLUMNS = 1000


class Case(NamedTuple):
  """Weights whose update is measured.

  Attributes:
    title: what it is.
    number, size: how many weights, and of how many elements each.
    options: what the spec has besides the sparsity; None for sorting all scores by top_k.
    parts: into how many each weight is cut.
  """
  title: str
  number: int
  size: int
  options: Any = ''
  parts: int = 1

  @property
  def elements(self):
    return self.number * self.size


_MILLION = 10**6
CASES = {
    'one': Case('one weight', 1, 100 * _MILLION),
    'group': Case('4 weights in 4 parts each, one threshold', 4, 100 * _MILLION,
                  'global_pruning=true', 4),
    'hundred': Case('100 weights', 100, _MILLION),
    'blocks': Case('blocks of 16x1', 1, 100 * _MILLION, 'block_height=16,block_width=1'),
    '2_of_4': Case('2 of 4', 1, 100 * _MILLION,
                   'intra_block_sparsity=true,block_height=1,block_width=4'),
    'first_order': Case('first_order_gradient', 1, 30 * _MILLION,
                        'prune_option=first_order_gradient'),
    'second_order': Case('second_order_gradient', 1, 30 * _MILLION,
                         'prune_option=second_order_gradient'),
    'top_k': Case('one weight, sorted by top_k', 1, 100 * _MILLION, None),
}


def _build(case, use_resource):
  """Builds an update; returns (initializers to be run one by one, operation)."""
  tf.train.get_or_create_global_step()
  rows = max(case.size // _COLUMNS, 1)
  partitioner = tf.fixed_size_partitioner(case.parts) if case.parts > 1 else None
  spec = ','.join(filter(None, [_SPARSITY, case.options]))
  if 'intra_block' in spec:
    spec = spec.replace('0.9', '0.5')  # Of 4 at 90 % three are dropped.
  with tf.variable_scope('model', use_resource=use_resource, partitioner=partitioner):
    with model_pruning.masked_scope():
      for index in range(case.number):
        tf.get_variable('layer%d/kernel' % index, [rows, min(case.size, _COLUMNS)],
                        initializer=tf.random_normal_initializer(seed=index + 1))
  operation = (_sorted_update() if case.options is None else
               model_pruning.Pruning(spec).mask_update_op())
  return [variable.initializer for variable in tf.global_variables()], operation


def _sorted_update():
  """Updates masks as contrib 1.15 does, according to its documentation and its graph."""
  weight, mask = model_pruning.get_weights()[0], model_pruning.get_masks()[0]
  scores = tf.abs(weight.read_value())
  size = scores.shape.num_elements()
  descending, _ = tf.nn.top_k(tf.reshape(scores, [-1]), k=size)
  keep = tf.cast(tf.round(tf.cast(size, tf.float32) * (1 - tf.constant(0.9))), tf.int32)
  cut = tf.gather(descending, keep - 1)
  return tf.group(tf.assign(mask, tf.cast(tf.greater_equal(scores, cut), tf.float32)).op,
                  tf.assign(model_pruning.get_thresholds()[0], cut).op)


# ---- Time. ----


def measure_sizes(sizes, rounds):
  """Returns a dict of medians for each kind of variable and size."""
  built = {}
  for size in sizes:
    for use_resource in (False, True):
      with tf.Graph().as_default() as graph:
        initializers, operation = _build(Case('', 1, size), use_resource)
      session = tf.Session(graph=graph)
      for initializer in initializers:
        session.run(initializer)
      session.run(operation)
      built[size, use_resource] = session, operation
  # Of small ones many in a row: a single one would find the caches as a large one left them.
  times = measure.interleaved({
      key: functools.partial(_median_seconds, *update, repeats=int(min(max(2e6 // key[0], 1), 50)))
      for key, update in built.items()}, rounds)
  for session, _ in built.values():
    session.close()
  rows = []
  for (size, use_resource), seconds in times.items():
    median = float(np.median(seconds))
    rows.append({'weights': size, 'variable': 'resource' if use_resource else 'ref',
                 'ms': 1e3 * median, 'ns_per_weight': {'model_pruning': 1e9 * median / size}})
  return rows


def _median_seconds(session, operation, repeats):
  return float(np.median([measure.seconds(session, operation) for _ in range(repeats)]))


def overheads(rows):
  """Returns, by kind of variable, the ms that do not grow with a weight, and where they matter.

  They are the most by which a weight of up to a hundredth of the largest takes longer than the
  straight line through the largest says. They end to matter at 'ends_at': where they are a tenth
  of what that line says.
  """
  result = {}
  for kind in sorted({row['variable'] for row in rows}):
    points = sorted((row['weights'], row['ms']) for row in rows if row['variable'] == kind)
    largest, longest = points[-1]
    constant = max([ms - longest / largest * size for size, ms in points
                    if size <= max(largest / 100, points[0][0])] + [0.0])
    result[kind] = {'ms': constant, 'ends_at': 10 * constant * largest / longest}
  return result


def draw(rows, path):
  """Draws ms against size, with the straight lines of slope 1 through the largest."""
  os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
  with figures.style():
    figure, (axis,) = figures.rows(7, 4.2, 1)
    for index, kind in enumerate(('ref', 'resource')):
      points = sorted((row['weights'], row['ms']) for row in rows if row['variable'] == kind)
      sizes, ms = (np.array(column) for column in zip(*points))
      color = figures.COLORS[index]
      axis.plot(sizes, ms, marker='o', markersize=5, color=color, linewidth=1.6,
                label='%s variable' % kind)
      axis.plot(sizes, ms[-1] * sizes / sizes[-1], color=color, linewidth=1, linestyle='--',
                label='%.2f ns per weight' % (1e6 * ms[-1] / sizes[-1]))
    axis.set_xscale('log')
    axis.set_yscale('log')
    axis.set_xlabel('elements of the weight')
    axis.set_ylabel('ms for a mask update')
    axis.legend(loc='upper left')
    figures.title(figure, 'A mask update takes time in proportion to the weight', None)
    figure.savefig(path)
  print('Drawn to %s' % path)


# ---- Parts. ----


def measure_parts(parts, rounds=5):
  """Returns the cost of building an update of a weight in parts, and of adding up its counts."""
  with tf.Graph().as_default() as graph, tf.device(tf.train.replica_device_setter(ps_tasks=parts)):
    tf.train.get_or_create_global_step()
    with model_pruning.masked_scope():
      # As large as makes two passes of 16 and 15 bits, and several chunks.
      tf.get_variable('kernel', [parts << 12, 1 << 10],
                      partitioner=tf.fixed_size_partitioner(parts))
    before, start = len(graph.get_operations()), time.perf_counter()
    model_pruning.Pruning(_SPARSITY).mask_update_op()
    built = time.perf_counter() - start
    nodes = len(graph.get_operations()) - before
  with tf.Graph().as_default(), tf.Session() as session:
    received = [tf.Variable(tf.ones([1 << 16], tf.int32)) for _ in range(parts)]
    # The graph optimizer would add up constants in advance.
    total = counting.total_of([each.read_value() for each in received], tf.int32)
    found = counting._walk_down(total, tf.constant(parts))
    session.run(tf.global_variables_initializer())
    session.run(found)
    added = float(np.median([measure.seconds(session, found) for _ in range(rounds)]))
  return {'parts': parts, 'build_ms': 1e3 * built, 'nodes': nodes, 'add_ms': 1e3 * added}


# ---- Memory. ----


def measure_memory(name, use_resource):
  """Returns a row with the memory of a case, measured in separate processes.

  What an update needs shows where all that is freed goes back to the system at once. What a
  process takes may be more: with oneDNN, TensorFlow 2 has a pool of memory that only ever grows.
  """
  needed, seconds = _in_a_process(name, use_resource, {
      'TF_ENABLE_ONEDNN_OPTS': '0', 'MALLOC_MMAP_THRESHOLD_': '65536',
      'MALLOC_TRIM_THRESHOLD_': '0'})
  taken, _ = _in_a_process(name, use_resource, {})
  case = _scaled(CASES[name])
  return {'case': case.title, 'variable': 'resource' if use_resource else 'ref',
          'number': case.number, 'weights': case.elements, 'seconds': seconds,
          'extra_bytes': needed, 'times_the_weights': needed / (4.0 * case.elements),
          'times_with_pool': taken / (4.0 * case.elements)}


def _in_a_process(name, use_resource, environment):
  result = subprocess.run(
      [sys.executable, '-m', 'benchmarks.scaling', '--peak_of=' + name,
       '--resource=%s' % use_resource, '--memory_scale=%r' % FLAGS.memory_scale],
      check=True, stdout=subprocess.PIPE, universal_newlines=True,
      env=dict(os.environ, **environment))
  extra, seconds = result.stdout.split()[-2:]
  return int(extra), float(seconds)


def _scaled(case):
  return case._replace(size=max(int(case.size * FLAGS.memory_scale), 1000))


def _print_peak(name, use_resource):
  """Prints how many bytes of memory a few updates take, and the seconds of the last."""
  with tf.Graph().as_default(), tf.Session() as session:
    initializers, operation = _build(_scaled(CASES[name]), use_resource)
    for initializer in initializers:  # One by one, for less memory.
      session.run(initializer)
    with Peak() as peak:
      for _ in range(0 if CASES[name].options is None else 3):  # To sort takes too long.
        session.run(operation)
      seconds = measure.seconds(session, operation)
  print(peak.extra, '%.3f' % seconds)


class Peak:
  """Measures by how many bytes the resident memory of this process rises at its peak, in a block.

  Attributes:
    extra: those, after the block.
  """

  def __enter__(self):
    self._done = threading.Event()
    self._highest, self._sampler = 0, None
    try:
      with open('/proc/self/clear_refs', 'w') as handle:
        handle.write('5')  # Has the kernel forget the highest so far.
    except OSError:
      self._sampler = threading.Thread(target=self._sample)
      self._sampler.start()
    self._before = _status('VmRSS')
    return self

  def _sample(self):
    while not self._done.wait(0.001):
      self._highest = max(self._highest, _status('VmRSS'))

  def __exit__(self, *unused):
    highest = _status('VmHWM')
    if self._sampler:
      self._done.set()
      self._sampler.join()
      highest = self._highest
    self.extra = max(highest - self._before, 0)


def _status(name):
  with open('/proc/self/status') as handle:
    return next(1024 * int(line.split()[1]) for line in handle if line.startswith(name + ':'))


def main(argv):
  del argv
  if FLAGS.peak_of:
    _print_peak(FLAGS.peak_of, FLAGS.resource)
    return
  memory = [measure_memory(name, use_resource) for name in FLAGS.memory if name
            for use_resource in (False, True)] if os.path.exists('/proc/self/status') else []
  print(tabulate.tabulate(
      [[row['case'], row['variable'], '{:,}'.format(row['weights']), row['extra_bytes'] / 1e6,
        row['times_the_weights'], row['times_with_pool'], row['seconds']] for row in memory],
      headers=['update', 'variable', 'weights', 'extra MB', "times the\nweights' bytes",
               "with\nTensorFlow's pool", 'seconds'], floatfmt='.2f'))
  sizes = sorted(int(float(size)) for size in FLAGS.sizes)
  times = measure_sizes(sizes, FLAGS.rounds)
  print()
  print(tabulate.tabulate(
      [['{:,}'.format(row['weights']), row['variable'], row['ms'],
        row['ns_per_weight']['model_pruning']] for row in times],
      headers=['weights', 'variable', 'ms', 'ns/weight'], floatfmt='.2f'))
  small = overheads(times)
  for kind, values in small.items():
    print('%s: up to %.2f ms do not grow with the weight; a tenth of the whole at %s weights.' % (
        kind, values['ms'], '{:,.0f}'.format(values['ends_at'])))
  parts = [measure_parts(int(number)) for number in FLAGS.parts]
  print()
  print(tabulate.tabulate(
      [[row['parts'], row['build_ms'], row['nodes'], row['add_ms']] for row in parts],
      headers=['parts', 'ms to build', 'nodes', 'ms to add counts\nand walk, per pass'],
      floatfmt='.2f'))
  draw(times, os.path.splitext(FLAGS.output)[0] + '.png')
  measure.write(FLAGS.output, times=times, overheads=small, parts=parts, memory=memory)


if __name__ == '__main__':
  app.run(main)
