# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What sparsity does to a TFLite model: its size, and its latency on one thread.

    python -m benchmarks.inference
    python -m benchmarks.inference --files=a.tflite,b.tflite

Four dense layers are pruned by this library in several patterns, stripped, and
exported by to_tflite with the storage it picks by itself. All models run in one
process, by turns; medians are compared with those of the dense float model. With
--files, the given models are, with the first of them. Writes the table as JSON too.
"""

import functools
import gzip
import os
import shutil
import tempfile
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import numpy as np
import tabulate

from benchmarks import measure
import model_pruning
from model_pruning.compat import tf
from model_pruning.export.tflite import convert as tflite

FLAGS = flags.FLAGS
flags.DEFINE_integer('size', 1024, 'Inputs and outputs of a layer.', lower_bound=1)
flags.DEFINE_integer('layers', 4, 'Number of layers.', lower_bound=1)
flags.DEFINE_integer('batch', 1, 'Number of examples in one call.', lower_bound=1)
flags.DEFINE_float('sparsity', 0.9, 'Target sparsity.')
flags.DEFINE_list('patterns', ['1x1', '4x1', '16x1'], 'Sizes of blocks; 1x1 is unstructured.')
flags.DEFINE_list('quantizations', ['none', 'dynamic', 'int8'], 'What to export with.')
flags.DEFINE_enum('sparse', 'auto', ['auto', 'yes', 'no'], 'How to store weights; see to_tflite.')
flags.DEFINE_integer('rounds', 41, 'Interleaved rounds.', lower_bound=1)
flags.DEFINE_integer('calls', 20, 'Calls of a model in a round.', lower_bound=1)
flags.DEFINE_list('files', [], '.tflite files to measure instead.')
flags.DEFINE_string('keep', None, 'Folder to put the models into.')
flags.DEFINE_string('output', 'out/benchmarks/inference.json', 'Where to write the numbers.')
flags.DEFINE_alias('json', 'output')

DENSE = 'dense'


def _graph_def(pattern):
  """Returns the stripped graph of a model pruned in one pattern, or of the dense one."""
  with tf.Graph().as_default() as graph:
    tf.set_random_seed(1)
    tf.train.get_or_create_global_step()
    values = tf.placeholder(tf.float32, [FLAGS.batch, FLAGS.size], 'inputs')
    for index in range(FLAGS.layers):
      with tf.variable_scope('fc%d' % index):
        weight = tf.get_variable('weights', [FLAGS.size, FLAGS.size], initializer=
                                 tf.random_normal_initializer(stddev=FLAGS.size**-0.5, seed=index))
        if pattern != DENSE:
          weight = model_pruning.apply_mask(weight, tf.get_variable_scope())
        bias = tf.get_variable('bias', [FLAGS.size], initializer=
                               tf.random_normal_initializer(stddev=0.1, seed=100 + index))
        values = tf.nn.relu(tf.nn.bias_add(tf.matmul(values, weight), bias))
    tf.identity(values, 'outputs')
    update = tf.no_op()
    if pattern != DENSE:
      update = model_pruning.Pruning(
          'initial_sparsity={0},target_sparsity={0},block_dims_map=[fc.*:{1}]'.format(
              FLAGS.sparsity, pattern)).mask_update_op()
    with tf.Session(graph=graph) as session:
      session.run(tf.global_variables_initializer())
      session.run(update)
      constants = tf.graph_util.convert_variables_to_constants(
          session, graph.as_graph_def(), ['outputs'])
  return model_pruning.strip_pruning_vars_fn(constants, ['outputs'])


def _export(folder):
  """Writes the models; returns a row of each."""
  examples = np.random.RandomState(0).randn(
      100, FLAGS.batch, FLAGS.size).astype(np.float32)
  rows = []
  for pattern in [DENSE] + FLAGS.patterns:
    graph_def = _graph_def(pattern)
    for quantization in FLAGS.quantizations:
      path = os.path.join(folder, '%s-%s.tflite' % (pattern, quantization))
      sparse = 'auto' if pattern == DENSE else {'yes': True, 'no': False}.get(
          FLAGS.sparse, 'auto')
      written = tflite.to_tflite(graph_def, path, 'inputs', 'outputs', quantization,
                                 sparse=sparse, examples=examples, litert=False)
      first = written.weights[0]
      storage = ('sparse kernel' if first.fast else
                 'sparse, made dense' if first.stored.expanded else 'dense')
      rows.append({'pattern': 'unstructured' if pattern == '1x1' else pattern,
                   'quantization': quantization, 'stored': storage, 'path': path,
                   'max_error': written.max_error})
  # Sorted by quantization, so that comparable rows are adjacent.
  return sorted(rows, key=lambda row: FLAGS.quantizations.index(row['quantization']))


def _seconds_of(path):
  """Returns the median time of a call of a model that is reloaded.

  Where a model comes to lie in memory makes up to a half of its latency, and lasts as
  long as the model: each round draws that again.
  """
  model, times = _interpreter(path), []
  for _ in range(FLAGS.calls):
    start = time.perf_counter()
    model.invoke()
    times.append(time.perf_counter() - start)
  return float(np.median(times))


def _interpreter(path):
  with open(path, 'rb') as handle:
    model = tflite.interpreter(handle.read())
  random = np.random.RandomState(0)
  for detail in model.get_input_details():
    kind = np.dtype(detail['dtype'])
    values = (random.randn(*detail['shape']) if kind.kind == 'f'
              else random.randint(0, 2, detail['shape']))
    model.set_tensor(detail['index'], np.asarray(values, kind))
  model.invoke()
  return model


def measure_files(rows):
  """Adds sizes and latencies to rows with a 'path', the first of which they compare with."""
  times = measure.interleaved({row['path']: functools.partial(_seconds_of, row['path'])
                               for row in rows}, FLAGS.rounds)
  base = np.asarray(times[rows[0]['path']])
  for row in rows:
    with open(row['path'], 'rb') as handle:
      content = handle.read()
    row['bytes'], row['gzipped_bytes'] = len(content), len(gzip.compress(content))
    row['microseconds'] = 1e6 * float(np.median(times[row['path']]))
    # Of rounds, as the machine drifts by more than the difference.
    row['times_faster'] = float(np.median(base / np.asarray(times[row['path']])))
    row['times_smaller'] = rows[0]['bytes'] / row['bytes']
    row['times_smaller_gzipped'] = rows[0]['gzipped_bytes'] / row['gzipped_bytes']


def main(argv):
  del argv
  folder = FLAGS.keep or tempfile.mkdtemp()
  try:
    rows = [{'path': path} for path in FLAGS.files] or _export(folder)
    measure_files(rows)
  finally:
    if not FLAGS.keep:
      shutil.rmtree(folder, ignore_errors=True)
  if not FLAGS.files:
    print('%d layers of %dx%d, batch %d, %g %% sparse, one thread, TensorFlow %s.\n' % (
        FLAGS.layers, FLAGS.size, FLAGS.size, FLAGS.batch, 100 * FLAGS.sparsity, tf.__version__))
  for row in rows:
    row['model'] = ('%s, %s' % (row['pattern'], row['quantization']) if 'pattern' in row
                    else row['path'])
  print(tabulate.tabulate(
      [[row['model'], row.get('stored'), row['bytes'] / 1e6, row['gzipped_bytes'] / 1e6,
        row['times_smaller'], row['times_smaller_gzipped'], row['microseconds'],
        row['times_faster']] for row in rows],
      headers=['model', 'stored', 'MB', 'gzipped\nMB', 'times\nsmaller', 'gzipped,\ntimes',
               'us', 'times\nfaster'],
      floatfmt=('', '', '.2f', '.2f', '.1f', '.1f', '.1f', '.2f'), missingval='-'))
  measure.write(FLAGS.output, models=rows)


if __name__ == '__main__':
  app.run(main)
