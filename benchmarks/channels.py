# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Accuracy and latency of models that lose whole channels, after training or during it.

    python -m benchmarks.channels
    python -m benchmarks.channels --parts=accuracy --nets=convnet --seeds=1
    python -m benchmarks.channels --parts=training
    python -m benchmarks.channels --parts=latency --models=MobileNetV2
    python -m benchmarks.channels --parts=analysis --nodes=10000

Accuracy: nets of benchmarks/nets.py lose 25, 50 and 75 % of each group of channels: by norm, and
with a refit to 256 unlabeled examples; with a joint refit to all training images, without labels;
as many bytes, wherever it does the least damage, with a refit; and a net of that width is trained
from scratch. Training: masks hide as many channels while the nets are trained, with
channel_pruning=true, and then the channels are removed; all nets are trained equally long. Latency:
models of keras.applications with random weights, dense and without the channels that half of their
FLOPs need, in TensorFlow and TFLite on one thread, by turns. Analysis: seconds and memory that a
residual network of many nodes takes, to find its channels and to remove half of them. Results are
kept in --output, and the same command goes on from there.
"""

import functools
import itertools
import json
import os
import resource
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
from benchmarks.accuracy_cells import schedule
from model_pruning import export
from model_pruning.channels.analysis import analyse
from model_pruning.channels.choice import Target
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.export import channels as removal
from model_pruning.export.tflite import convert as tflite
import model_pruning.keras as sparsity
from model_pruning.keras import exporting

FLAGS = flags.FLAGS
flags.DEFINE_list('parts', ['accuracy', 'training', 'latency', 'analysis'], 'What to measure.')
flags.DEFINE_list('nets', ['convnet', 'residual'], 'Nets whose accuracy is measured.')
flags.DEFINE_list('fractions', ['0.25', '0.5', '0.75'], 'Fractions of channels to remove.')
flags.DEFINE_integer('seeds', 5, 'Number of seeds.', lower_bound=1)
flags.DEFINE_integer('epochs', 0, 'Epochs of training; 0 for as many as the net takes.')
flags.DEFINE_integer('joint_steps', 1000, 'Steps of the joint refit; 0 for none.', lower_bound=0)
flags.DEFINE_bool('scratch', True, 'Also train nets of the smaller widths.')
flags.DEFINE_list('models', ['ResNet50', 'MobileNetV2'], 'Models whose latency is measured.')
flags.DEFINE_integer('size', 224, 'Height and width of their images.', lower_bound=32)
flags.DEFINE_integer('batch', 1, 'Number of images that they take at once.', lower_bound=1)
flags.DEFINE_float('flops', 0.5, 'The most FLOPs that are left, as a fraction.')
flags.DEFINE_integer('multiple_of', 16, 'The widths that are left are multiples.', lower_bound=1)
flags.DEFINE_list('quantizations', ['none', 'int8'], 'Of the TFLite files.')
flags.DEFINE_list('nodes', ['2500', '5000', '10000'], 'Sizes of the analysed graphs.')
flags.DEFINE_integer('rounds', 21, 'Interleaved rounds.', lower_bound=1)
flags.DEFINE_string('output', 'out/benchmarks/channels.json', 'Results, read and added to.')

_UNLABELED = 256


def accuracy_of(net, fraction, seed):
  """Returns {method: accuracy} of a net that loses a fraction of its channels."""
  model, data = nets.trained(net, seed, epochs=FLAGS.epochs)
  examples = data.x_train[np.random.RandomState(seed).permutation(len(data.x_train))]
  some = examples[:_UNLABELED]

  def accuracy(net):
    return nets.accuracy(net, data.x_test, data.y_test)

  smaller = sparsity.remove_channels(model, fraction, examples=some)
  found = {'dense': accuracy(model), 'removed': accuracy(sparsity.remove_channels(model, fraction)),
           'refitted': accuracy(smaller), 'budget': accuracy(sparsity.remove_channels(
               model, max_bytes=4 * smaller.count_params(), examples=some))}
  if FLAGS.joint_steps:
    found['joint'] = accuracy(sparsity.remove_channels(
        model, fraction, examples=examples, joint_steps=FLAGS.joint_steps))
  if FLAGS.scratch:
    found['from scratch'] = accuracy(_from_scratch(smaller, net, data, seed))
  return found


def _from_scratch(model, net, data, seed):
  tensorflow.keras.utils.set_random_seed(seed)
  fresh = tensorflow.keras.models.clone_model(model)
  nets.fit(fresh, net, data, seed, FLAGS.epochs)
  return fresh


def training_of(net, fraction, seed):
  """Returns {method: accuracy} of a net that loses a fraction of its channels in training."""
  dense, data = nets.trained(net, seed, epochs=FLAGS.epochs)
  epochs = FLAGS.epochs or nets.NETS[net].epochs
  begin, end, frequency = schedule(epochs * -(-len(data.x_train) // nets.NETS[net].batch_size))
  model = sparsity.prune_low_magnitude(
      nets.build(net, data.x_train.shape[1:], seed),
      'channel_pruning=true,target_sparsity=%r,begin_pruning_step=%d,end_pruning_step=%d,'
      'sparsity_function_begin_step=%d,sparsity_function_end_step=%d,pruning_frequency=%d' % (
          fraction, begin, end, begin, end, frequency))
  nets.fit(model, net, data, seed, FLAGS.epochs, [sparsity.UpdatePruningStep()])
  smaller = sparsity.remove_channels(sparsity.strip_pruning(model))
  found = {name: nets.accuracy(each, data.x_test, data.y_test) for name, each in {
      'dense': dense, 'masked': model, 'smaller': smaller,
      'from scratch': _from_scratch(smaller, net, data, seed)}.items()}
  found['fewer weights'] = dense.count_params() / smaller.count_params()
  tensorflow.keras.backend.clear_session()
  return found


def latency_of(name):
  """Returns a row for each runtime: milliseconds, dense and smaller, and their ratios."""
  tensorflow.keras.utils.set_random_seed(0)
  model = getattr(tensorflow.keras.applications, name)(
      weights=None, input_shape=(FLAGS.size, FLAGS.size, 3))
  frozen = exporting.freeze(model, batch_size=FLAGS.batch)
  dense = export.shrink(frozen.graph_def, frozen.outputs)
  smaller = export.shrink(frozen.graph_def, frozen.outputs, multiple_of=FLAGS.multiple_of,
                          max_flops=FLAGS.flops * dense.flops[0])
  graphs = {'dense': frozen.graph_def, 'smaller': smaller.graph_def}
  images = np.random.RandomState(0).rand(
      8, FLAGS.batch, FLAGS.size, FLAGS.size, 3).astype(np.float32)
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
  return {'model': name, 'runtime': runtime, 'batch': FLAGS.batch,
          'flops': smaller.flops[0] / smaller.flops[1],
          'bytes': smaller.bytes[0] / smaller.bytes[1],
          'dense ms': 1e3 * float(np.median(dense)), 'smaller ms': 1e3 * float(np.median(small)),
          # Of rounds, as the machine drifts.
          'times as fast': float(np.median(dense / small))}


def _seconds(call):
  start = time.perf_counter()
  call()
  return time.perf_counter() - start


def _deep(nodes):
  """Returns a frozen residual network of about so many nodes, with 8 blocks in each stage."""
  rng = np.random.RandomState(0)

  def constant(*shape):
    # Kernels are so small that the outputs of hundreds of blocks stay finite.
    value = 0.1 * rng.randn(*shape) / np.prod(shape[:-1])**0.5 if len(shape) > 1 else (
        0.5 + 0.5 * rng.rand(*shape))
    return tf.identity(tf.constant(value.astype(np.float32)))

  def convolved(x, filters, size):
    x = tf.nn.conv2d(x, constant(size, size, x.shape[-1], filters), 1, 'SAME')
    return tf.nn.fused_batch_norm(x, *[constant(filters) for _ in range(4)], is_training=False)[0]

  with tf.Graph().as_default() as graph:
    x = convolved(tf.placeholder(tf.float32, [None, 8, 8, 3], 'images'), 64, 3)
    for block in itertools.count(1):
      if len(graph.get_operations()) >= nodes - 4:
        break
      inner = tf.nn.relu(convolved(x, 32, 1))
      inner = tf.nn.relu(convolved(inner, 32, 3))
      x = tf.nn.relu(x + convolved(inner, 64, 1))
      if block % 8 == 0:  # The next stage has channels of its own.
        x = tf.nn.relu(convolved(x, 64, 1))
    tf.matmul(tf.reduce_mean(x, [1, 2]), constant(64, 10), name='scores')
    return graph.as_graph_def()


def analysis_of(nodes):
  """Returns a row: how long the analysis of a graph takes, the removal, and their memory."""
  graph_def = _deep(nodes)
  start, before = time.perf_counter(), _most_memory()
  channels = analyse(graph_def, ['scores'])
  found, analysed = time.perf_counter(), _most_memory()
  removal.without_smallest(channels, Target(0.5))
  return {'nodes': len(graph_def.node), 'MB': graph_def.ByteSize() / 1e6,
          'groups': len(channels.groups), 'analysis s': found - start,
          'analysis MiB': analysed - before, 'removal s': time.perf_counter() - found,
          'removal MiB': _most_memory() - analysed}


def _most_memory():
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tables(found):
  """Returns the tables of the results."""
  return '\n\n'.join([
      _means(found['accuracy'], {'dense': 'dense', 'removed': 'by norm', 'refitted': 'refitted',
                                 'budget': 'same bytes', 'joint': 'jointly',
                                 'from scratch': 'from scratch'}),
      _means(found['training'], {'fewer weights': 'fewer weights', 'dense': 'dense',
                                 'masked': 'masked', 'smaller': 'then removed',
                                 'from scratch': 'from scratch'}),
      tabulate.tabulate(found['latency'], 'keys', floatfmt='.2f'),
      tabulate.tabulate(found['analysis'], 'keys', floatfmt='.1f')])


def _means(found, columns):
  """Returns a table of means over seeds, accuracies in %; columns maps names to their titles."""
  rows = []
  for net in FLAGS.nets:
    for fraction in map(float, FLAGS.fractions):
      cells = [cell['found'] for cell in found
               if (cell['net'], cell['fraction']) == (net, fraction)]
      if cells:
        rows.append([net, '%g %%' % (100 * fraction), len(cells)] + [
            '%.1f' % ((1 if name == 'fewer weights' else 100) * np.mean(
                [cell[name] for cell in cells if name in cell]))
            for name in columns if any(name in cell for cell in cells)])
  return tabulate.tabulate(rows, ['net', 'removed', 'seeds', *columns.values()])


def main(argv):
  del argv
  logging.set_verbosity(logging.ERROR)
  found = {'accuracy': [], 'training': [], 'latency': [], 'analysis': []}
  if os.path.exists(FLAGS.output):
    with open(FLAGS.output) as f:
      found.update({key: value for key, value in json.load(f).items() if key in found})
  for part, measured in (('accuracy', accuracy_of), ('training', training_of)):
    known = {(cell['net'], cell['fraction'], cell['seed']) for cell in found[part]}
    for net, fraction, seed in [
        (net, fraction, seed) for seed in range(FLAGS.seeds) for net in FLAGS.nets
        for fraction in map(float, FLAGS.fractions)] if part in FLAGS.parts else ():
      if (net, fraction, seed) not in known:
        found[part].append({'net': net, 'fraction': fraction, 'seed': seed,
                            'found': measured(net, fraction, seed)})
        measure.write(FLAGS.output, **found)
  for name in FLAGS.models if 'latency' in FLAGS.parts else ():
    if (name, FLAGS.batch) not in [(row['model'], row.get('batch', 1)) for row in found['latency']]:
      found['latency'] += latency_of(name)
      measure.write(FLAGS.output, **found)
  for nodes in sorted(map(int, FLAGS.nodes)) if 'analysis' in FLAGS.parts else ():
    found['analysis'].append(analysis_of(nodes))
    measure.write(FLAGS.output, **found)
  print('\n' + tables(found))


if __name__ == '__main__':
  app.run(main)
