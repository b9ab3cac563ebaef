# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Conditional pruning steps as HLO, by counting and by sorting. Needs TensorFlow, and no TPU.

TensorFlow lowers the step for XLA on its CPU device; the HLO is what XLA dumps before it
optimizes. What it computes, and in which shapes, is the same as on a TPU.
"""

import glob
import os
import tempfile
from typing import Any, Dict, List, Optional, Sequence, Tuple
from unittest import mock

import model_pruning
from model_pruning.compat import tf
from model_pruning.engine import runs
from model_pruning.engine import selection

# What a step prunes. Weights are squares: (regular expressions of block_dims_map or none,
# further hyperparameters, [(name of the weight, its group)]).
PATTERNS: Dict[str, Tuple[str, str, Sequence[Tuple[str, Optional[str]]]]] = {
    'elementwise': ('', '', [('dense', None)]),
    'block': ('block:4x4', '', [('block', None)]),
    'n_of_m': ('runs:1x4', 'intra_block_sparsity=true', [('runs', None)]),
    'group': ('', 'group_pruning=true', [('first', 'both'), ('second', 'both')]),
    'mixed': ('block:4x4', 'group_pruning=true', [
        ('dense', None), ('block', None), ('first', 'both'), ('second', 'both')]),
}
COUNTING, SORTING = 'counting (use_tpu=true)', 'sorting'


def write_modules(folder: str, sizes: Sequence[int], patterns: Sequence[str],
                  sparsity: float) -> List[Dict[str, Any]]:
  """Writes the HLO of each step into a folder, as XLA's HloProto.

  Args:
    folder: an existing one.
    sizes: numbers of rows, and columns, of each weight.
    patterns: of PATTERNS.
    sparsity: what the steps prune to.

  Returns:
    Per step a dict of size, pattern, selector (COUNTING or SORTING) and hlo, the path.
  """
  dumps = tempfile.mkdtemp(dir=folder)
  # Read when XLA is first used in this process.
  os.environ['XLA_FLAGS'] = '--xla_dump_to=%s --xla_dump_hlo_as_proto' % dumps
  steps = []
  for size in sizes:
    for pattern in patterns:
      for selector in (COUNTING, SORTING):
        before = set(_dumped(dumps))
        if selector == COUNTING:
          run_step(size, pattern, sparsity)
        else:
          with mock.patch.object(selection, 'select', _select_by_sorting), \
              mock.patch.object(runs, 'select', _select_runs_by_sorting):
            run_step(size, pattern, sparsity)
        path, = set(_dumped(dumps)) - before
        steps.append({'size': size, 'pattern': pattern, 'selector': selector, 'hlo': path})
  return steps


def _dumped(folder: str) -> List[str]:
  return glob.glob(os.path.join(folder, '*before_optimizations.hlo.pb'))


def run_step(size: int, pattern: str, sparsity: float) -> None:
  """Has TensorFlow compile and run the conditional step once, when it is not yet due."""
  blocks, options, weights = PATTERNS[pattern]
  spec = ('use_tpu=true,begin_pruning_step=1,initial_sparsity={0},target_sparsity={0},'
          'block_dims_map=[{1}],{2}').format(sparsity, blocks, options)
  with tf.Graph().as_default(), tf.variable_scope('', use_resource=True):
    tf.train.get_or_create_global_step()
    for name, group in weights:
      with tf.variable_scope(name):
        weight = tf.get_variable('weights', [size, size], initializer=tf.zeros_initializer())
        model_pruning.apply_mask_with_group(weight, tf.get_variable_scope(), group_name=group)
    pruning = model_pruning.Pruning(spec)
    step = tf.xla.experimental.compile(pruning.conditional_mask_update_op)
    initialize = tf.global_variables_initializer()
    with tf.Session() as session:
      session.run(initialize)
      session.run(step)


# ---- What counting takes the place of. Of equal scores it keeps all, which is less work. ----


def _select_by_sorting(weights: Sequence[Sequence[Any]], sparsity: Any, *_: Any) -> Any:
  """Selects by the k-th of all scores in order, as selection.select does by counting."""
  every = [tf.reshape(shard, [-1]) for shards in weights for shard in shards]
  scores = every[0] if len(every) == 1 else tf.concat(every, axis=0)
  keep = selection.keep_count(selection.unit_count(weights), sparsity)
  threshold = tf.gather(tf.sort(scores, direction='DESCENDING'), keep - 1)
  return selection.Selection(
      threshold, [[shard >= threshold for shard in shards] for shards in weights])


def _select_runs_by_sorting(shards: Sequence[Any], m: int, sparsity: Any, *_: Any) -> List[Any]:
  """Selects by the sorted scores of each run, as runs.select does; for inputs that m divides."""
  keep = m - tf.cast(tf.floor(m * (tf.cast(sparsity, tf.float32) + 1e-6)), tf.int32)
  masks = []
  for shard in shards:
    before, inputs, after = shard.shape.as_list()
    in_runs = tf.reshape(shard, [before, inputs // m, m, after])
    ordered = tf.sort(in_runs, axis=2, direction='DESCENDING')
    masks.append(tf.reshape(in_runs >= tf.gather(ordered, [keep - 1], axis=2), shard.shape))
  return masks
