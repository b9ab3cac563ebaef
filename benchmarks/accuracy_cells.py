# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which nets, methods, sparsities and seeds benchmarks/accuracy.py measures, and by which library.

Without TensorFlow: three environments import this.
"""

import collections

UNLABELED = 256  # Training images that a refit looks at.
CONVNET, RESIDUAL, LANGUAGE_MODEL = 'convnet', 'residual', 'language_model'
NETS = (CONVNET, RESIDUAL, LANGUAGE_MODEL)
DENSE, TFMOT, CONTRIB = 'dense', 'tfmot', 'contrib'
SPARSITIES = (0.8, 0.9, 0.95, 0.98, 0.99)

# Ours while training: what is added to the HParams string.
PRUNED_DURING = {
    'uniform': '', 'erk': 'sparsity_distribution=erk', 'lamp': 'sparsity_distribution=lamp',
    'global': 'global_pruning=true'}
# Ours without training: the same, and whether kept weights are refitted to examples.
PRUNED_AFTER = {
    'after-uniform': ('', False), 'after-lamp': ('sparsity_distribution=lamp', False),
    'refit-lamp': ('sparsity_distribution=lamp', True)}
METHODS = (DENSE, TFMOT, CONTRIB) + tuple(PRUNED_DURING) + tuple(PRUNED_AFTER)

# A trained net, pruned in one way. The sparsity of a dense net is 0.
Cell = collections.namedtuple('Cell', ['net', 'method', 'sparsity', 'seed'])


def schedule(steps):
  """Returns (first step, last step, steps between updates) of pruning in `steps` of training."""
  return steps // 5, steps * 7 // 10, max(1, steps // 40)


def library_of(cell):
  """Returns the library whose process measures a cell; None if it cannot be measured."""
  if cell.method == TFMOT:  # It prunes Keras models alone.
    return None if cell.net == LANGUAGE_MODEL else TFMOT
  if cell.method == CONTRIB:  # The other nets are Keras's, or would need contrib's own cells.
    return CONTRIB if cell.net == CONVNET else None
  return 'model_pruning'


def cells(nets, methods, sparsities, seeds):
  """Returns the cells to measure, seed after seed, so that an early end leaves whole seeds."""
  found = []
  for seed in seeds:
    for net in nets:
      if DENSE in methods:
        found.append(Cell(net, DENSE, 0.0, seed))
      found += [Cell(net, method, sparsity, seed) for sparsity in sparsities for method in methods
                if method != DENSE]
  return [cell for cell in found if library_of(cell) is not None]
