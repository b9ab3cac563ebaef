# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Accuracy of trained models that are pruned without training after it.

    python -m benchmarks.one_shot
    python -m benchmarks.one_shot --cases=convnet-95,digits-95 --seeds=1
    python -m benchmarks.one_shot --large

Each case is a net of benchmarks/nets.py (or the language model example), and the hyperparameters it
is pruned by. It is measured on held-out data: dense; masked by magnitude without examples, uniform
and by the case's distribution; by Wanda (Sun et al., 2023: |w| times the norm of the input, within
each output, no refit), where zeros are single elements; and refitted to 256 unlabeled examples.
`plan` cases compare the sparsity that `plan(max_loss=0.01)` reaches with the best uniform sparsity
found by the same search, and what both lose on held-out data. Results are kept in --output, and the
same command goes on from there. --large times the refit of one layer of 4096 x 4096.
"""

import json
import os
import resource
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
from absl import logging
import numpy as np
import tabulate

from benchmarks import nets
from model_pruning.calibration import solve
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.planning import Planner
from model_pruning.hparams.spec import PruningSpec
import model_pruning.keras as sparsity
from model_pruning.keras import trained
from model_pruning.util import files

FLAGS = flags.FLAGS
flags.DEFINE_list('cases', None, 'Which cases; all by default.')
flags.DEFINE_integer('seeds', 5, 'Number of seeds.', lower_bound=1)
flags.DEFINE_bool('large', False, 'Only time the refit of a layer of --size inputs and outputs.')
flags.DEFINE_integer('size', 4096, 'For --large.', lower_bound=1)
flags.DEFINE_string('output', 'out/benchmarks/one_shot.json', 'Results, read and added to.')

UNLABELED = 256
_N_OF_M = 'intra_block_sparsity=true,block_width=4'
_LARGE_DENSE = 'weight_sparsity_map=[conv:0,softmax:0],block_height=16'


def _elementwise(net, *sparsities):
  return {'%s-%g' % (net, 100 * value): (net, 'target_sparsity=%g' % value, True)
          for value in sparsities}


# name: (net, hyperparameters, whether zeros are single elements shared out by lamp).
CASES = {
    **_elementwise('convnet', 0.9, 0.95, 0.98), **_elementwise('digits', 0.9, 0.95),
    'convnet-2of4': ('convnet', 'target_sparsity=0.5,' + _N_OF_M, False),
    'convnet-1of4': ('convnet', 'target_sparsity=0.75,' + _N_OF_M, False),
    'convnet-16x1-90': ('convnet', 'target_sparsity=0.9,' + _LARGE_DENSE, False),
    'convnet-16x1-95': ('convnet', 'target_sparsity=0.95,' + _LARGE_DENSE, False),
    **_elementwise('residual', 0.8, 0.9), **_elementwise('transformer', 0.8, 0.9),
    'text-50': ('text', 0.5, False), 'text-70': ('text', 0.7, False),
    'plan-convnet': ('convnet', None, False), 'plan-digits': ('digits', None, False)}


def _examples(data, seed):
  chosen = np.random.RandomState(seed).permutation(len(data.x_train))[:UNLABELED]
  return data.x_train[chosen]


def measure(case, seed):
  """Returns {method: accuracy}, and for plans and texts other numbers."""
  net, hparams, elementwise = CASES[case]
  if net == 'text':
    return _measure_text(hparams, seed)
  model, data = nets.trained(net, seed)
  x = _examples(data, seed)

  def accuracy(hparams, examples):
    pruned = sparsity.strip_pruning(sparsity.prune_trained(model, hparams, examples))
    return nets.accuracy(pruned, data.x_test, data.y_test)

  dense = nets.accuracy(model, data.x_test, data.y_test)
  if hparams is None:
    return {'dense': dense, **_measure_plan(model, x, accuracy)}
  found = {'dense': dense, 'uniform, data-free': accuracy(hparams, None)}
  if elementwise:
    lamp = hparams + ',sparsity_distribution=lamp'
    found['lamp, data-free'] = accuracy(lamp, None)
    found['wanda'] = _wanda(model, data, x, PruningSpec.create(hparams).target_sparsity)
    found['uniform, refitted'] = accuracy(hparams, x)
    found['lamp, refitted'] = accuracy(lamp, x)
  else:
    found['uniform, refitted'] = accuracy(hparams, x)
  return found


def _wanda(model, data, x, fraction):
  """Returns the accuracy of a model whose smallest |w| * ||x|| of each output are zero."""
  subject = trained.subject_of(model, '', x)
  with subject.networks() as networks:
    networks.reset()
    for layer in networks.layers:
      if layer.reason:
        continue
      gram = networks.moments(layer, Examples(x, networks.inputs)).gram
      design, dense = networks.design_of(layer), networks.dense(layer.weight)
      matrices = design.matrices(dense)
      scores = np.abs(matrices) * np.sqrt(np.stack([np.diag(each) for each in gram]))[..., None]
      order = np.argsort(np.argsort(-scores, axis=1, kind='stable'), axis=1)
      kept = order < round((1 - fraction) * scores.shape[1])
      networks.set({layer.weight: design.kernel(matrices * kept, layer.shape)})
    outputs = np.concatenate([batch[0] for batch in networks.outputs(
        Examples(data.x_test, networks.inputs))])
  return float(np.mean(np.argmax(outputs, axis=1) == data.y_test))


def _measure_plan(model, x, accuracy):
  """Returns the sparsities that keep changed answers within 1 %, and the accuracies there."""
  plan = sparsity.plan(model, x, max_loss=0.01)
  subject = trained.subject_of(model, '', x)
  with subject.networks() as networks, subject.selector(PruningSpec()) as selector:
    planner = Planner(subject, networks, selector, Examples(x, networks.inputs), None)
    uniform = planner.uniform_within_loss(0.01)
  return {'plan: sparsity': plan.sparsity, 'uniform: sparsity': uniform,
          'plan': accuracy(plan.hparams, x),
          'uniform': accuracy('target_sparsity=%r' % uniform, x)}


def _measure_text(fraction, seed):
  """Returns bits per character, dense, data-free, and planned with its dense layer refitted."""
  from benchmarks import accuracy_text
  from examples.language_model import data as data_lib
  from examples.language_model import train
  from model_pruning import one_shot
  from model_pruning.export import freeze
  text, units, unroll, steps = data_lib.load(), 128, 50, 1800
  place = os.path.join('out/benchmarks/text', 'steps%d' % steps, 'seed%d' % seed)
  dense = os.path.join(place, 'dense')
  found = {'dense': train.train_and_eval(text, units, unroll, dense, None, steps, seed=seed)}
  inputs, _ = next(text.batches(accuracy_text.UNLABELED, unroll, seed=1))
  options = dict(inputs=['inputs'], outputs=['softmax/BiasAdd'])
  plan = one_shot.plan_graph(
      freeze.graph_def_from_checkpoint(dense, options['outputs']), {'inputs': inputs},
      exclude='embedding', target_sparsity=fraction, include='.*kernel', **options)
  for name, hparams, given in (
      ('uniform, data-free', 'target_sparsity=%r' % fraction, {}),
      ('uniform, refitted', 'target_sparsity=%r' % fraction, {'examples': {'inputs': inputs}}),
      ('planned, refitted', plan.hparams, {'examples': {'inputs': inputs}})):
    target = os.path.join(place, '%s-%g' % (name.replace(', ', '-'), fraction))
    if not os.path.isdir(target):
      one_shot.prune_checkpoint(dense, os.path.join(target, 'model.ckpt-%d' % steps), hparams,
                                exclude='embedding', **given, **(options if given else {}))
    found[name] = train.evaluate(text, units, target, hparams)
  return {name: result.bits_per_character for name, result in found.items()}


def large(size):
  """Returns the seconds and memory of refitting a layer of size x size to 2,048 examples."""
  rng = np.random.RandomState(0)
  x = rng.randn(2048, size).astype(np.float32)
  dense = (rng.randn(size, size) / size**0.5).astype(np.float64)
  rows = []
  wide = x.astype(np.float64)
  started = time.time()
  gram, cross = wide.T @ wide, wide.T @ (wide @ dense)
  moments = time.time() - started
  for fraction in (0.9, 0.5):
    threshold = np.quantile(np.abs(dense), fraction)
    started = time.time()
    solve.refit(gram, cross, dense, np.abs(dense) >= threshold)
    rows.append({'sparsity': fraction, 'seconds of the moments': moments,
                 'seconds of the refit': time.time() - started,
                 'peak GiB of the process': resource.getrusage(
                     resource.RUSAGE_SELF).ru_maxrss / 2**20})
  return rows


def table(cells):
  """Returns the means over seeds, in percent; bits and sparsities as they are."""
  methods = list(dict.fromkeys(name for cell in cells for name in cell['found']))
  rows = []
  for case in CASES:
    seeds = [cell['found'] for cell in cells if cell['case'] == case]
    if not seeds:
      continue
    row = [case, len(seeds)]
    for name in methods:
      values = [found[name] for found in seeds if name in found]
      scale = 1 if case.startswith('text') or name.endswith('sparsity') else 100
      row.append('' if not values else '%.*f' % (
          3 if scale == 1 else 2, scale * float(np.mean(values))))
    rows.append(row)
  return tabulate.tabulate(rows, ['case', 'seeds'] + methods, disable_numparse=True)


def main(argv):
  del argv
  logging.set_verbosity(logging.ERROR)
  if FLAGS.large:
    rows = large(FLAGS.size)
    print(tabulate.tabulate(rows, 'keys', floatfmt='.2f'))
    return
  names = FLAGS.cases or list(CASES)
  cells = []
  if os.path.exists(FLAGS.output):
    with open(FLAGS.output) as f:
      cells = json.load(f)['cells']
  known = {(cell['case'], cell['seed']) for cell in cells}
  for seed in range(FLAGS.seeds):
    for name in names:
      if (name, seed) in known:
        continue
      cells.append({'case': name, 'seed': seed, 'found': measure(name, seed)})
      print(name, seed, cells[-1]['found'], flush=True)
      os.makedirs(os.path.dirname(os.path.abspath(FLAGS.output)), exist_ok=True)
      with files.replacing(FLAGS.output) as temporary, open(temporary, 'w') as f:
        json.dump({'cells': cells}, f, indent=1)
  print('\n' + table(cells))
  print('\nAccuracy in % on held-out data (text: bits per character), means over seeds.')


if __name__ == '__main__':
  app.run(main)
