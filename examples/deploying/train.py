# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""From training to a file on a device: prunes in blocks, exports to TFLite, measures the files.

  python -m examples.deploying.train
  python -m examples.deploying.train --seeds=3

A fully connected net for handwritten digits is trained dense, pruned in blocks of 4x1
(four inputs of one output), which TFLite's float kernels skip, and in blocks of 16x1,
which its kernels for int8 weights skip. What has to do with pruning is the masked_scope in
model.py, and PRUNING, the PruningHook and `deploy` here.
"""

import dataclasses
import functools
import os
import sys
import time
from typing import Any, Dict, Iterator, List, Optional

if not __package__:  # Started as a file: the packages are in the checkout it lies in.
  sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from examples.digits import terminal  # First, since it quietens TensorFlow.
from absl import flags
from examples.deploying import device
from examples.deploying import model
from examples.deploying import report
from examples.digits import data as data_lib
from examples.digits import hooks
from examples.digits import model as digits_model
from examples.digits import runs
import model_pruning
from model_pruning.export.tflite import convert as tflite
import tensorflow.compat.v1 as tf
import tqdm

# The last layer has few weights, each of which matters, and stays dense.
PRUNING = 'weight_sparsity_map=[hidden:0.9,logits:0.0]'
BLOCKS = ('4x1', '16x1')
DENSE = 'dense'

# How the files of each net are quantized.
QUANTIZATIONS = {DENSE: ('none', 'dynamic', 'int8'), '4x1': ('none',), '16x1': ('dynamic', 'int8')}
_EXAMPLES = 200  # Training images to compare outputs on, and to measure ranges of activations.

_FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class Net:
  """A trained net: its folder, its global steps, and target and achieved sparsity by weight."""
  model_dir: str
  steps: int
  weights: list


def train_and_eval(data: data_lib.Data, units: int, layers: int, model_dir: str,
                   pruning_hparams: Optional[str] = None, steps: int = 600, batch_size: int = 64,
                   learning_rate: float = 0.001, seed: int = 0, label: str = 'training') -> Net:
  """Trains a net up to `steps` global steps, from the last checkpoint on if there is one.

  Args:
    data: images to train on.
    units, layers: see model.logits.

  The others are those of runs.train_pairs. Ctrl-C raises KeyboardInterrupt, after the step
  under way is in a checkpoint.
  """
  build = functools.partial(model.build, units=units, layers=layers,
                            pruned=pruning_hparams is not None)
  done = runs.trained_steps(model_dir)
  if done < steps:
    with tf.Graph().as_default():
      tf.set_random_seed(seed)
      images = placeholder(data)
      labels = tf.placeholder(tf.int32, [None], name='labels')
      loss, accuracy = digits_model.loss_and_accuracy(build(images), labels)
      train_op = digits_model.train_op(loss, learning_rate)
      interrupt = terminal.Interrupt()
      session_hooks = hooks.watching(label, steps, loss, {'loss': loss, 'accuracy': accuracy},
                                     interrupt)
      if pruning_hparams is not None:
        session_hooks.append(model_pruning.PruningHook(pruning_hparams))
      with interrupt.listening():
        with tf.train.MonitoredTrainingSession(
            # Checkpoints are of some 30 MB: one as it starts, and one as it ends or is stopped.
            checkpoint_dir=model_dir, hooks=session_hooks, save_checkpoint_steps=steps,
            save_summaries_steps=max(5, steps // 120)) as session:
          for batch_images, batch_labels in data.batches(batch_size, seed, first=done):
            if session.should_stop():
              break
            session.run(train_op, {images: batch_images, labels: batch_labels})
  with tf.Graph().as_default():
    build(placeholder(data))
    with runs.restored(model_dir, pruning_hparams) as (_, weights):
      return Net(model_dir, runs.trained_steps(model_dir), weights)


def placeholder(data: data_lib.Data) -> Any:
  """Returns the input of the net."""
  return tf.placeholder(tf.float32, (None,) + data.image_shape, name=model.INPUT)


def deploy(data: data_lib.Data, model_dir: str, paths: Dict[str, str],
           pruned: bool) -> Iterator[Any]:
  """Writes TFLite files of a trained net.

  Args:
    data: images for the examples.
    model_dir: where its checkpoint is.
    paths: the files to write, by quantization; see to_tflite.
    pruned: whether it is pruned.

  Yields:
    What to_tflite says of each file.
  """
  graph_def = model_pruning.graph_def_from_checkpoint(model_dir, [model.OUTPUT])
  stripped = model_pruning.strip_pruning_vars_fn(graph_def, [model.OUTPUT])
  for quantization, path in paths.items():
    # Small files of int8 need sparse=True. LiteRT does not load them, so it is turned off.
    packed = quantization == 'int8' and pruned and not tf.__version__.startswith('1.')
    yield tflite.to_tflite(stripped, path, [model.INPUT], [model.OUTPUT], quantization,
                           sparse=packed or 'auto', examples=data.train_images[:_EXAMPLES],
                           litert=False if packed else 'auto')


def deploy_all(data: data_lib.Data, nets: Dict[int, Dict[str, Net]]) -> List[report.File]:
  """Writes and runs the files of all nets; files of the first seed go into --output_dir itself."""
  files = []
  total = len(nets) * sum(map(len, QUANTIZATIONS.values()))
  with tqdm.tqdm(desc='exporting', total=total, unit=' files', file=sys.stderr, disable=None,
                 dynamic_ncols=True) as bar:
    for seed, of_seed in nets.items():
      folder = _FLAGS.output_dir
      if seed != _FLAGS.seed:
        folder = os.path.join(folder, 'seed%d' % seed)
      for net, quantizations in QUANTIZATIONS.items():
        paths = {one: os.path.join(folder, report.name_of(net, one, '-') + '.tflite')
                 for one in quantizations}
        with terminal.tensorflow_muted():
          for written in deploy(data, of_seed[net].model_dir, paths, net != DENSE):
            accuracy = device.accuracy(written.path, data.test_images, data.test_labels)
            files.append(report.File(net, seed, written, accuracy))
        bar.update(len(paths))
  return files


def main() -> None:
  started = time.time()
  common = runs.chosen_hparams(PRUNING)
  hparams = hparams_by_net(common)
  data, units, layers, out = data_lib.load('digits'), _FLAGS.units, _FLAGS.layers, _FLAGS.output_dir
  next(data.batches(_FLAGS.batch_size, _FLAGS.seed))  # Is there enough for one?
  for block in BLOCKS:
    masked = runs.masked_weights(
        lambda: model.build(placeholder(data), units, layers, pruned=True), hparams[block])
  runs.prepare(common, units=units, layers=layers)
  runs.announce('Handwritten digits: %s images to train on and %d to test on' % (
      '{:,}'.format(len(data.train_labels)), len(data.test_labels)), common, masked)
  print('blocks:  %s of the hidden layers; a net each' % ', '.join(BLOCKS))

  nets = runs.train_nets(functools.partial(train_and_eval, data, units, layers), hparams)
  files = deploy_all(data, nets)
  with terminal.tensorflow_muted():
    latencies = device.latencies([file.written.path for file in files if file.seed == _FLAGS.seed],
                                 data.test_images[0], _FLAGS.rounds)
  rows = report.rows_of(files, latencies)
  print('\nTFLite files: accuracy on the %d test images%s; latency of one image on one thread\n' % (
      len(data.test_labels), ' over %d seeds' % len(nets) if len(nets) > 1 else ''))
  print(report.table(rows, len(nets)))
  print('\nAccuracy against "%s"\n\n%s' % (rows[0]['model'], report.differences(files)))
  if tf.version.VERSION.startswith('1.'):
    print('\nTensorFlow %s stores pruned weights dense: only gzip makes their files smaller. For '
          'sparse files\nrun the same command on TensorFlow 2; it goes on from these checkpoints.' %
          tf.version.VERSION)

  report.draw_masks({block: nets[_FLAGS.seed][block].model_dir for block in BLOCKS},
                    os.path.join(out, 'masks.png'))
  seconds = time.time() - started
  report.write_metrics(
      os.path.join(out, 'metrics.json'), rows, files,
      {seed: {block: of_seed[block].weights for block in BLOCKS} for seed, of_seed in nets.items()},
      tensorflow=tf.version.VERSION, pruning_hparams=hparams,
      steps=nets[_FLAGS.seed][DENSE].steps, units=units, layers=layers, seconds=round(seconds, 1))
  print('\nWritten to %s in %.0f s: *.tflite, masks.png and metrics.json.' % (out, seconds))


def hparams_by_net(hparams: str) -> Dict[str, Optional[str]]:
  """Returns the HParams of each net, given their common part; None for the dense net."""
  if model_pruning.PruningSpec.create(hparams).block_dims_map:
    raise terminal.UserError('--pruning_hparams has a block_dims_map; leave it out, as the nets '
                             'differ in it: %s' % ', '.join(BLOCKS))
  nets: Dict[str, Optional[str]] = {DENSE: None}
  for block in BLOCKS:
    clauses = hparams.rstrip(', ')
    nets[block] = clauses + ',' * bool(clauses) + 'block_dims_map=[hidden:%s]' % block
  return nets


if __name__ == '__main__':
  runs.define_flags('out/deploying', steps=600, batch_size=64, learning_rate=0.001, unit='Images',
                    target=PRUNING)
  flags.DEFINE_integer('units', 1024, 'Size of each hidden layer.', lower_bound=1)
  flags.DEFINE_integer('layers', 3, 'Number of hidden layers.', lower_bound=1)
  flags.DEFINE_integer('rounds', 61, 'Rounds in which the files take turns to be timed.',
                       lower_bound=1)
  terminal.run(main)
