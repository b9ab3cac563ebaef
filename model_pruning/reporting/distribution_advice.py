# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Says which distribution to take if equal sparsities leave a weight with next to nothing."""

import dataclasses
from typing import List, Optional, Sequence, Tuple

from model_pruning.hparams.spec import PruningSpec

# A weight is small if the mean weight has this many times as many elements.
SMALL = 20
# From this target on, small weights suffer if they are pruned as hard as large ones.
HARD = 0.7

MEASURED = ('On MNIST images, pruned to 98 % while training, the ConvNet of the examples reached '
            '96.2 % accuracy with one threshold over all weights, and 77.0 % with the same '
            'sparsity in every weight.')


def thin(weights: Sequence[Tuple[int, float]]) -> List[int]:
  """Returns the indices of small weights that are pruned as hard as large ones.

  Args:
    weights: the number of elements and the target sparsity of each weight.
  """
  if len({round(target, 4) for _, target in weights}) != 1:
    return []
  mean = sum(size for size, _ in weights) / len(weights)
  found = [index for index, (size, target) in enumerate(weights)
           if target >= HARD and size * SMALL <= mean]
  return [] if 2 * len(found) > len(weights) else found


def better(spec: PruningSpec) -> Optional[PruningSpec]:
  """Returns the spec with a distribution that spares small weights; None if it takes none."""
  if spec.shares_target or spec.intra_block_sparsity or spec.group_pruning:
    return None
  return dataclasses.replace(spec, sparsity_distribution='global' if spec.use_tpu else 'lamp')


def sentence(name: str, kept: int, size: int, distribution: str, with_it: int) -> str:
  """Returns a warning about a weight, and the number it would keep by another distribution."""
  return '{} keeps {:,} of its {:,} weights; by sparsity_distribution={}, at the same total, ' \
      '{:,}.'.format(name, kept, size, distribution, with_it)
