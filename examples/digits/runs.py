# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs of a net, dense and pruned, for each of some seeds: flags, folders, checkpoints, tables.

What the net is, and what it is trained on, is left to the programs.
"""

import contextlib
import json
import os
import tempfile
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from absl import flags
from absl import logging
import tabulate
import tensorflow.compat.v1 as tf

from examples.digits import terminal
import model_pruning

_FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # They belong to the program that calls define_flags.


def define_flags(output_dir: str, steps: int, batch_size: int, learning_rate: float,
                 unit: str, target: str) -> None:
  """Defines the flags that the functions of this file read.

  Args:
    output_dir, steps, batch_size, learning_rate: the defaults.
    unit: what a batch is made of.
    target: see default_hparams.
  """
  model_pruning.DEFINE_pruning_hparams(
      default=None,
      help='HParams string for the pruned net. Default, with --steps=%d: %s; with other --steps '
      'in proportion.' % (steps, default_hparams(steps, target)))
  flags.DEFINE_integer('steps', steps, 'Training steps, of each net.', lower_bound=1)
  flags.DEFINE_integer('batch_size', batch_size, '%s per step.' % unit, lower_bound=1)
  flags.DEFINE_float('learning_rate', learning_rate, 'Of Adam.', lower_bound=0.0)
  flags.DEFINE_integer('seed', 0, 'The (first) seed, of initial weights and batches.',
                       lower_bound=0, upper_bound=2**31 - 1)
  flags.DEFINE_integer('seeds', 1, 'Number of seeds to compare dense and pruned net over.',
                       lower_bound=1)
  flags.DEFINE_string('output_dir', output_dir,
                      'Folder for checkpoints, summaries and what is exported. A run that was '
                      'stopped goes on from what it finds there.')


def default_hparams(steps: int, target: str) -> str:
  """Returns HParams that reach `target` after seven tenths of `steps`; the rest is for recovery.

  Args:
    steps: of the training.
    target: the clauses that say how sparse, such as target_sparsity=0.9.
  """
  frequency = max(1, steps // 120)
  begin = steps // 10 // frequency * frequency
  # A multiple of the frequency later, so that an update falls on the end.
  span = max(1, steps * 3 // 5 // frequency) * frequency
  return ('%s,begin_pruning_step=%d,sparsity_function_begin_step=%d,'
          'sparsity_function_end_step=%d,pruning_frequency=%d' %
          (target, begin, begin, begin + span, frequency))


def chosen_hparams(target: str) -> str:
  """Returns the HParams string of the flags, after checks that flags cannot make."""
  if not _FLAGS.learning_rate > 0:
    raise terminal.UserError('--learning_rate=%g is not above 0' % _FLAGS.learning_rate)
  if _FLAGS.pruning_hparams is not None:
    return _FLAGS.pruning_hparams
  return default_hparams(_FLAGS.steps, target)


def masked_weights(build: Callable[[], Any], hparams: str) -> List[str]:
  """Returns the names of the masked weights in the graph that `build` creates.

  So what is wrong with hparams shows before any training.
  """
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    build()
    model_pruning.Pruning(hparams).conditional_mask_update_op()
    return [weight.op.name for weight in model_pruning.get_weights()]


def prepare(hparams: str, **settings: Any) -> None:
  """Makes the output folder, and sees to it that it holds no run with other settings."""
  settings.update(pruning_hparams=hparams, batch_size=_FLAGS.batch_size,
                  learning_rate=_FLAGS.learning_rate)
  out = _FLAGS.output_dir
  path = os.path.join(out, 'settings.json')
  try:
    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryFile(dir=out):
      pass
    if not os.path.exists(path):
      write_json(path, settings)
    with open(path) as f:
      before = json.load(f)
  except (OSError, ValueError) as error:
    raise terminal.UserError('--output_dir=%s cannot be used (%s); name a folder that can be '
                             'written to' % (out, error)) from error
  differing = sorted(name for name in settings if before.get(name) != settings[name])
  if differing:
    raise terminal.UserError(
        '%s holds a run with %s; pass the same to go on with it, or another --output_dir to start '
        'anew' % (out, ' '.join('--%s=%s' % (name, before.get(name)) for name in differing)))


def announce(title: str, hparams: str, masked: Sequence[str]) -> None:
  """Prints the net that is trained next."""
  print('%s; TensorFlow %s' % (title, tf.version.VERSION))
  print('pruning: %s' % (hparams or 'defaults'))
  print('masked:  %s' % ', '.join(masked))
  end = model_pruning.PruningSpec.create(hparams).sparsity_function_end_step
  if _FLAGS.steps < end:
    logging.warning('--steps=%d ends before sparsity_function_end_step=%d of the HParams: expect '
                    'weights short of their targets', _FLAGS.steps, end)


def train_pairs(train_and_eval: Callable[..., Any], hparams: str) -> Dict[int, Tuple[Any, Any]]:
  """Trains a dense and a pruned net of each seed, and prints the sparsity of the first.

  Args:
    train_and_eval: trains one net, or finds it trained, and returns a result that has
      the attributes steps and weights. It takes model_dir, pruning_hparams (None for
      the dense net), steps, batch_size, learning_rate, seed and label.
    hparams: those of the pruned nets.

  Returns:
    The results, (dense, pruned), by seed.
  """
  nets = train_nets(train_and_eval, {'dense': None, 'pruned': hparams})
  pairs = {seed: (of_seed['dense'], of_seed['pruned']) for seed, of_seed in nets.items()}
  pruned = pairs[_FLAGS.seed][1]
  print('\nSparsity of the pruned net%s after %d steps\n' % (
      ', seed %d,' % _FLAGS.seed if len(pairs) > 1 else '', pruned.steps))
  print(model_pruning.sparsity_table(pruned.weights))
  return pairs


def train_nets(train_and_eval: Callable[..., Any],
               hparams: Dict[str, Optional[str]]) -> Dict[int, Dict[str, Any]]:
  """Trains several nets of each seed.

  Args:
    train_and_eval: see train_pairs.
    hparams: by the name of the net, which its folder has too; None for a dense net.

  Returns:
    {seed: {name: result}}.
  """
  width = max(map(len, hparams))
  return {seed: {name: _train(train_and_eval, name, hparams[name], seed, width)
                 for name in hparams}
          for seed in range(_FLAGS.seed, _FLAGS.seed + _FLAGS.seeds)}


def folder_of(seed: int, name: str) -> str:
  """Returns the folder of a net, for its checkpoints and summaries."""
  return os.path.join(_FLAGS.output_dir, 'seed%d' % seed, name)


def _train(train_and_eval: Callable[..., Any], name: str, hparams: Any, seed: int,
           width: int) -> Any:
  model_dir = folder_of(seed, name)
  done = trained_steps(model_dir)
  if done >= _FLAGS.steps:
    print('%s, seed %d: training is already finished (%d steps)' % (name, seed, done))
  elif done:
    print('%s, seed %d: resuming from the checkpoint of step %d' % (name, seed, done))
  return train_and_eval(model_dir=model_dir, pruning_hparams=hparams, steps=_FLAGS.steps,
                        batch_size=_FLAGS.batch_size, learning_rate=_FLAGS.learning_rate,
                        seed=seed, label='%-*s seed %d' % (width, name, seed))


def trained_steps(model_dir: str) -> int:
  """Returns the global step of the last checkpoint; 0 if there is none."""
  path = tf.train.latest_checkpoint(model_dir)
  return int(tf.train.load_variable(path, 'global_step')) if path else 0


@contextlib.contextmanager
def restored(model_dir: str, pruning_hparams: Any) -> Iterator[Tuple[Any, list]]:
  """Yields a session with the last checkpoint in the default graph, and the weights' sparsity.

  Args:
    model_dir: where the checkpoint is.
    pruning_hparams: None for a dense net, of whose sparsity nothing is said.
  """
  tf.train.get_or_create_global_step()
  pruning = None if pruning_hparams is None else model_pruning.Pruning(pruning_hparams)
  saver = tf.train.Saver()
  with tf.Session() as session:
    saver.restore(session, tf.train.latest_checkpoint(model_dir))
    yield session, pruning.sparsity_report(session) if pruning else []


def mean(values: Any) -> float:
  """Returns the mean of some numbers."""
  values = list(values)
  return sum(values) / len(values)


def pair_table(values: Dict[int, Tuple[float, float]], number: str, difference: str) -> str:
  """Returns a table of numbers by seed, with their mean where there is more than one.

  Args:
    values: (dense, pruned) by seed.
    number: format of a number.
    difference: heading of the column of differences.
  """
  rows = [('seed %d' % seed, dense, pruned) for seed, (dense, pruned) in values.items()]
  if len(rows) > 1:
    rows.append(('mean', mean(row[1] for row in rows), mean(row[2] for row in rows)))
  return tabulate.tabulate(
      [[name, number % dense, number % pruned, '%+.2f' % (pruned - dense)]
       for name, dense, pruned in rows],
      ['', 'dense', 'pruned', difference], tablefmt='simple', disable_numparse=True,
      colalign=('left', 'right', 'right', 'right'))


def write_metrics(pairs: Dict[int, Tuple[Any, Any]], measure: str, hparams: str,
                  **others: Any) -> None:
  """Writes metrics.json: the attribute `measure` of the results, sparsities, and `others`."""
  content = {
      'tensorflow': tf.version.VERSION,
      'pruning_hparams': hparams,
      'steps': pairs[_FLAGS.seed][1].steps,
      'seeds': [{'seed': seed, 'steps': pruned.steps, 'dense_' + measure: getattr(dense, measure),
                 'pruned_' + measure: getattr(pruned, measure),
                 'weights': weights_as_json(pruned.weights)}
                for seed, (dense, pruned) in pairs.items()],
  }
  for name in ('dense_' + measure, 'pruned_' + measure):
    content['mean_' + name] = mean(seed[name] for seed in content['seeds'])
  content.update(others)
  write_json(os.path.join(_FLAGS.output_dir, 'metrics.json'), content)


def weights_as_json(rows: Sequence[Any]) -> List[dict]:
  """Returns the contents of sparsity_table for a JSON file."""
  return [{'name': row.name, 'shape': list(row.shape), 'target': row.target,
           'achieved': row.achieved, 'zeros': row.zeros, 'size': row.size, 'short': row.short}
          for row in rows]


def write_json(path: str, content: dict) -> None:
  """Writes a JSON file that a person can read."""
  with open(path, 'w') as f:
    json.dump(content, f, indent=2, sort_keys=True)
    f.write('\n')
