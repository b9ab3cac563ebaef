# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Bits per character of the language model example, for benchmarks/accuracy.py."""

import os

from benchmarks.accuracy_cells import DENSE, PRUNED_AFTER, PRUNED_DURING, schedule, UNLABELED
from examples.language_model import data as data_lib
from examples.language_model import train

from model_pruning import one_shot

_UNITS, _UNROLL, _STEPS = 128, 50, 1800


def measure(cell, folder, steps):
  """Returns (bits per character of the test text, fraction of zeros in all masked kernels).

  Args:
    cell: accuracy_cells.Cell.
    folder: where checkpoints are kept; a dense model is trained once.
    steps: of every training; 0 for as many as the example has.
  """
  text, steps = data_lib.load(), steps or _STEPS
  dense = os.path.join(folder, 'steps%d' % steps, 'seed%d' % cell.seed, DENSE)
  place = os.path.join(os.path.dirname(dense), '%s-%g' % (
      ''.join(letter if letter.isalnum() else '_' for letter in cell.method), cell.sparsity))
  if cell.method == DENSE or cell.method in PRUNED_AFTER:
    result = train.train_and_eval(text, _UNITS, _UNROLL, dense, None, steps, seed=cell.seed)
  if cell.method in PRUNED_AFTER:
    hparams, refit = PRUNED_AFTER[cell.method]
    hparams = 'target_sparsity=%r,%s' % (cell.sparsity, hparams)
    examples = {}
    if refit:
      inputs, _ = next(text.batches(UNLABELED, _UNROLL, seed=1))
      examples = dict(examples={'inputs': inputs}, outputs=['softmax/BiasAdd'])
    one_shot.prune_checkpoint(dense, os.path.join(place, 'model.ckpt-%d' % steps), hparams,
                              exclude='embedding', **examples)
    result = train.evaluate(text, _UNITS, place, hparams)
  elif cell.method in PRUNED_DURING:
    begin, end, frequency = schedule(steps)
    hparams = ('target_sparsity=%r,begin_pruning_step=%d,sparsity_function_begin_step=%d,'
               'sparsity_function_end_step=%d,pruning_frequency=%d,%s' % (
                   cell.sparsity, begin, begin, end, frequency, PRUNED_DURING[cell.method]))
    result = train.train_and_eval(text, _UNITS, _UNROLL, place, hparams, steps, seed=cell.seed)
  size = sum(row.size for row in result.weights)
  return result.bits_per_character, sum(row.zeros for row in result.weights) / max(1, size)
