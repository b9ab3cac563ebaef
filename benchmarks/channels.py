# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Accuracy and latency of models that lose whole channels, without training after it.

    python -m benchmarks.channels
    python -m benchmarks.channels --parts=accuracy --nets=convnet --seeds=1
    python -m benchmarks.channels --parts=latency --models=MobileNetV2

Accuracy: nets of benchmarks/nets.py lose 25, 50 and 75 % of each group of channels: by norm, and
with a refit to 256 unlabeled examples; as many bytes, wherever it does the least damage, with a
refit; and a net of that width is trained from scratch. Latency: models of keras.applications with
random weights, dense and without the channels that half of their FLOPs need, in TensorFlow and
TFLite on one thread, by turns. Results are kept in --output, and the same command goes on from
there.
"""

import functools
import json
import os
import tempfile
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
from absl import logging
import numpy as np
import tabulate

from benchmarks import measure
from benchmarks import nets
from model_pruning import export
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.export.tflite import convert as tflite
import model_pruning.keras as sparsity
from model_pruning.keras import exporting

FLAGS = flags.FLAGS
flags.DEFINE_list('parts', ['accuracy', 'latency'], 'What to measure.')
flags.DEFINE_list('nets', ['convnet', 'residual'], 'Nets whose accuracy is measured.')
flags.DEFINE_list('fractions', ['0.25', '0.5', '0.75'], 'Fractions of channels to remove.')
flags.DEFINE_integer('seeds', 5, 'Number of seeds.', lower_bound=1)
flags.DEFINE_integer('epochs', 0, 'Epochs of training; 0 for as many as the net takes.')
flags.DEFINE_bool('scratch', True, 'Also train nets of the smaller widths.')
flags.DEFINE_list('models', ['ResNet50', 'MobileNetV2'], 'Models whose latency is measured.')
flags.DEFINE_integer('size', 224, 'Height and width of their images.', lower_bound=32)
flags.DEFINE_float('flops', 0.5, 'The most FLOPs that are left, as a fraction.')
flags.DEFINE_list('quantizations', ['none', 'int8'], 'Of the TFLite files.')
flags.DEFINE_integer('rounds', 21, 'Interleaved rounds.', lower_bound=1)
flags.DEFINE_string('output', 'out/benchmarks/channels.json', 'Results, read and added to.')

_UNLABELED = 256


def accuracy_of(net, fraction, seed):
  """Returns {method: accuracy} of a net that loses a fraction of its channels."""
  model, data = nets.trained(net, seed, epochs=FLAGS.epochs)
  chosen = np.random.RandomState(seed).permutation(len(data.x_train))[:_UNLABELED]

  def accuracy(net):
    return nets.accuracy(net, data.x_test, data.y_test)

  smaller = sparsity.remove_channels(model, fraction, examples=data.x_train[chosen])
  found = {'dense': accuracy(model), 'removed': accuracy(sparsity.remove_channels(model, fraction)),
           'refitted': accuracy(smaller), 'budget': accuracy(sparsity.remove_channels(
               model, max_bytes=4 * smaller.count_params(), examples=data.x_train[chosen]))}
  if FLAGS.scratch:
    tensorflow.keras.utils.set_random_seed(seed)
    fresh = tensorflow.keras.models.clone_model(smaller)
    nets.fit(fresh, net, data, seed, FLAGS.epochs)
    found['from scratch'] = accuracy(fresh)
  return found


def latency_of(name):
  """Returns a row for each runtime: milliseconds, dense and smaller, and their ratios."""
  tensorflow.keras.utils.set_random_seed(0)
  model = getattr(tensorflow.keras.applications, name)(
      weights=None, input_shape=(FLAGS.size, FLAGS.size, 3))
  frozen = exporting.freeze(model, batch_size=1)
  dense = export.shrink(frozen.graph_def, frozen.outputs)
  smaller = export.shrink(frozen.graph_def, frozen.outputs, multiple_of=8,
                          max_flops=FLAGS.flops * dense.flops[0])
  graphs = {'dense': frozen.graph_def, 'smaller': smaller.graph_def}
  images = np.random.RandomState(0).rand(8, 1, FLAGS.size, FLAGS.size, 3).astype(np.float32)
  rows = [_row(name, 'TensorFlow', smaller, {
      key: _session(graph, frozen, images[0]) for key, graph in graphs.items()})]
  with tempfile.TemporaryDirectory() as folder:
    for quantization in FLAGS.quantizations:
      calls = {}
      for key, graph in graphs.items():
        path = os.path.join(folder, key + quantization)
        tflite.to_tflite(graph, path, frozen.inputs, frozen.outputs, quantization, sparse=False,
                         examples=list(images), tolerance=10, litert=False)
        calls[key] = _interpreter(path, images[0])
      rows.append(_row(name, 'TFLite, ' + ('float' if quantization == 'none' else quantization),
                       smaller, calls))
  return rows


def _session(graph_def, frozen, image):
  with tf.Graph().as_default() as graph:
    tf.import_graph_def(graph_def, name='')
    session = tf.Session(graph=graph, config=tf.ConfigProto(
        intra_op_parallelism_threads=1, inter_op_parallelism_threads=1))
    fetches = [graph.get_tensor_by_name(name if ':' in name else name + ':0')
               for name in frozen.outputs]
    return functools.partial(session.run, fetches, {frozen.inputs[0] + ':0': image})


def _interpreter(path, image):
  with open(path, 'rb') as handle:
    model = tensorflow.lite.Interpreter(model_content=handle.read(), num_threads=1)
  model.allocate_tensors()
  model.set_tensor(model.get_input_details()[0]['index'], image)
  return model.invoke


def _row(name, runtime, smaller, calls):
  for call in calls.values():
    call()  # The first call plans.
  times = measure.interleaved({key: functools.partial(_seconds, call)
                               for key, call in calls.items()}, FLAGS.rounds)
  dense, small = (np.asarray(times[key]) for key in ('dense', 'smaller'))
  return {'model': name, 'runtime': runtime, 'flops': smaller.flops[0] / smaller.flops[1],
          'bytes': smaller.bytes[0] / smaller.bytes[1],
          'dense ms': 1e3 * float(np.median(dense)), 'smaller ms': 1e3 * float(np.median(small)),
          # Of rounds, as the machine drifts.
          'times as fast': float(np.median(dense / small))}


def _seconds(call):
  start = time.perf_counter()
  call()
  return time.perf_counter() - start


def tables(found):
  """Returns the tables of the results."""
  rows = []
  for net in FLAGS.nets:
    for fraction in map(float, FLAGS.fractions):
      cells = [cell['found'] for cell in found['accuracy']
               if (cell['net'], cell['fraction']) == (net, fraction)]
      if cells:
        rows.append([net, '%g %%' % (100 * fraction), len(cells)] + [
            '%.1f' % (100 * np.mean([cell[name] for cell in cells if name in cell]))
            for name in ('dense', 'removed', 'refitted', 'budget', 'from scratch')
            if any(name in cell for cell in cells)])
  return '\n\n'.join([tabulate.tabulate(
      rows, ['net', 'removed', 'seeds', 'dense', 'by norm', 'refitted', 'same bytes',
             'from scratch']),
                      tabulate.tabulate(found['latency'], 'keys', floatfmt='.2f')])


def main(argv):
  del argv
  logging.set_verbosity(logging.ERROR)
  found = {'accuracy': [], 'latency': []}
  if os.path.exists(FLAGS.output):
    with open(FLAGS.output) as f:
      found.update({key: value for key, value in json.load(f).items() if key in found})
  cells = [(net, fraction, seed) for seed in range(FLAGS.seeds) for net in FLAGS.nets
           for fraction in map(float, FLAGS.fractions)] if 'accuracy' in FLAGS.parts else []
  known = {(cell['net'], cell['fraction'], cell['seed']) for cell in found['accuracy']}
  for net, fraction, seed in cells:
    if (net, fraction, seed) not in known:
      found['accuracy'].append({'net': net, 'fraction': fraction, 'seed': seed,
                                'found': accuracy_of(net, fraction, seed)})
      measure.write(FLAGS.output, **found)
  for name in FLAGS.models if 'latency' in FLAGS.parts else ():
    if name not in [row['model'] for row in found['latency']]:
      found['latency'] += latency_of(name)
      measure.write(FLAGS.output, **found)
  print('\n' + tables(found))


if __name__ == '__main__':
  app.run(main)
