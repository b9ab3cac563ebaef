# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Compiles conditional pruning steps for TPUs, without a TPU, and prints their cost.

    tools/with_env.sh auto -m tools.tpu_compile --targets=v4,v5e --sizes=1024

The step of a Pruning with use_tpu=true stands next to the same step that finds its thresholds by
sorting. TensorFlow lowers both to HLO, and libtpu, in the environment `tpu` that tools/env.sh
makes, compiles that. See docs/tpu.md for what the numbers mean.
"""

import json
import os
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, Sequence

from absl import app
from absl import flags

from model_pruning.compat import tf
from model_pruning.util import tables
from tools import tpu_step
from tools.tpu_backend import TARGETS

FLAGS = flags.FLAGS
flags.DEFINE_list('targets', ['v4', 'v5e', 'v6e'],
                  'What to compile for, of: %s.' % ', '.join(TARGETS))
flags.DEFINE_list('sizes', ['1024'], 'Numbers of rows, and columns, of each weight.')
flags.DEFINE_list('patterns', ['elementwise'],
                  'What the steps prune, of: %s.' % ', '.join(tpu_step.PATTERNS))
flags.DEFINE_float('sparsity', 0.9, 'Sparsity that the steps prune to.', 0, 1)
flags.DEFINE_string('output', '', 'A file to write the numbers to, as JSON, if not empty.')

HEADERS = ('pattern', 'weights', 'thresholds by', 'compiled in', 'flops', 'bytes accessed',
           'temporaries', 'code')
NUMBERS = ('seconds', 'flops', 'bytes_accessed', 'temporaries', 'code')
NOTE = ('A loop counts as one round of it, a sort as one pass: flops and bytes accessed are no '
        'measure of time.')


class Error(Exception):
  """What the user is told in one line."""


def measured(targets: Sequence[str], sizes: Sequence[int], patterns: Sequence[str],
             sparsity: float) -> List[Dict[str, Any]]:
  """Returns a dict per target, size, pattern and selector, with the numbers or an error."""
  with tempfile.TemporaryDirectory() as folder:
    steps = tpu_step.write_modules(folder, sizes, patterns, sparsity)
    rows = [dict(step, target=target) for target in targets for step in steps]
    requests, results = os.path.join(folder, 'requests'), os.path.join(folder, 'results')
    with open(requests, 'w', encoding='utf-8') as f:
      json.dump([{'hlo': row['hlo'], 'target': row['target']} for row in rows], f)
    _run_backend(requests, results)
    with open(results, encoding='utf-8') as f:
      found = json.load(f)
  return [dict({key: row[key] for key in ('target', 'size', 'pattern', 'selector')}, **numbers)
          for row, numbers in zip(rows, found)]


def _run_backend(*arguments: str) -> None:
  folder = os.path.dirname(os.path.abspath(__file__))
  made = subprocess.run([os.path.join(folder, 'env.sh'), 'tpu'], stdout=subprocess.PIPE,
                        universal_newlines=True)
  if made.returncode:
    raise Error('There is no environment to compile in; see above')
  # libtpu writes harmless errors, of a cluster that it does not find.
  ran = subprocess.run([made.stdout.strip(), os.path.join(folder, 'tpu_backend.py'), *arguments],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
  if ran.returncode:
    raise Error('The compiler failed with %d:\n%s' % (ran.returncode, ran.stdout))


def table(rows: Sequence[Dict[str, Any]]) -> str:
  """Returns a table of the rows of one target, in pairs of counting and sorting."""
  cells = []
  for counting, sorting in zip(rows[::2], rows[1::2]):
    for row in (counting, sorting):
      cells.append([row['pattern'], tables.shape_text([row['size']] * 2), row['selector']] + (
          ['refused', '', '', '', ''] if 'error' in row else
          ['%.1f s' % row['seconds'], tables.scaled(row['flops'])] +
          [tables.scaled(row[key], 'B') for key in NUMBERS[2:]]))
    ratios = ['' if 'error' in counting or 'error' in sorting else
              '%.3g' % (counting[key] / sorting[key]) for key in NUMBERS]
    cells.append(['', '', 'counting / sorting'] + ratios)
  return tables.aligned(HEADERS, cells, left=3)


def main(argv: Sequence[str]) -> None:
  if len(argv) > 1:
    raise app.UsageError('Unexpected arguments: %s' % ' '.join(argv[1:]))
  tf.logging.set_verbosity(tf.logging.ERROR)
  try:
    for name, given, known in (('target', FLAGS.targets, TARGETS),
                               ('pattern', FLAGS.patterns, tpu_step.PATTERNS)):
      for value in given:
        if value not in known:
          raise Error('Unknown %s %r; there are: %s' % (name, value, ', '.join(known)))
    wrong = [size for size in FLAGS.sizes if not size.isdigit() or not int(size) or int(size) % 4]
    if wrong:
      raise Error('Size %r: a positive multiple of 4 is expected' % wrong[0])
    rows = measured(FLAGS.targets, [int(size) for size in FLAGS.sizes], FLAGS.patterns,
                    FLAGS.sparsity)
  except Error as error:
    sys.exit(str(error))
  for target in FLAGS.targets:
    print('TPU %s\n%s\n' % (target, table([row for row in rows if row['target'] == target])))
  print(NOTE)
  if FLAGS.output:
    with open(FLAGS.output, 'w', encoding='utf-8') as f:
      json.dump(rows, f, indent=1)
  refused = [row for row in rows if 'error' in row]
  for row in refused:
    print('%(target)s refused %(pattern)s of %(size)d by %(selector)s: %(error)s' % row)
  if any(row['selector'] == tpu_step.COUNTING for row in refused):
    sys.exit('A step by counting was refused')


if __name__ == '__main__':
  app.run(main)
