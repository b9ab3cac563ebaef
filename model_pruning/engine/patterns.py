# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Lists the patterns and selects the pattern of a weight."""

from typing import Sequence, Tuple, Type

from model_pruning import errors
from model_pruning.engine.blocks import Block
from model_pruning.engine.elementwise import Elementwise
from model_pruning.engine.n_of_m import NofM
from model_pruning.engine.pattern import Pattern
from model_pruning.hparams.maps import BlockDims
from model_pruning.hparams.spec import PruningSpec

# In order of preference: the first pattern that the spec requests. The last fits every weight.
PATTERNS: Tuple[Type[Pattern], ...] = (NofM, Block, Elementwise)


def pattern_for(shape: Sequence[int], dims: BlockDims, spec: PruningSpec) -> Pattern:
  """Returns the pattern for a weight of a given shape.

  Args:
    shape: static shape of the whole weight.
    dims: (height, width) of the weight's blocks in the spec; -1 is the whole dimension.
    spec: the hyperparameters.

  Raises:
    errors.BlockError: the dimensions are invalid, or the pattern does not fit the weight.
  """
  if any(dim == 0 or dim < -1 for dim in dims):
    raise errors.BlockError('Block dimensions %s: each must be positive, or -1 for the whole '
                            'dimension' % (tuple(dims),))
  # A weight without elements has no blocks or runs, and needs none.
  kinds = PATTERNS if all(shape) else PATTERNS[-1:]
  found = (kind.create(shape, dims, spec) for kind in kinds)
  return next(pattern for pattern in found if pattern is not None)
