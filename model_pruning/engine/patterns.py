# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The patterns there are, and which one a weight is pruned in."""

from typing import Sequence, Tuple, Type

from model_pruning import errors
from model_pruning.engine.blocks import Block
from model_pruning.engine.elementwise import Elementwise
from model_pruning.engine.n_of_m import NofM
from model_pruning.engine.pattern import Pattern
from model_pruning.hparams.maps import BlockDims
from model_pruning.hparams.spec import PruningSpec

# The first that a spec asks for is taken; the last serves every weight.
PATTERNS: Tuple[Type[Pattern], ...] = (NofM, Block, Elementwise)


def pattern_for(shape: Sequence[int], dims: BlockDims, spec: PruningSpec) -> Pattern:
  """Returns the pattern for a weight of that shape.

  Args:
    shape: static shape of the whole weight.
    dims: (height, width) that the spec gives the weight; -1 is the whole dimension.
    spec: the hyperparameters.

  Raises:
    errors.BlockError: the dimensions are impossible, or the pattern cannot serve the weight.
  """
  if any(dim == 0 or dim < -1 for dim in dims):
    raise errors.BlockError('Block dimensions %s: each must be positive, or -1 for the whole '
                            'dimension' % (tuple(dims),))
  found = (kind.create(shape, dims, spec) for kind in PATTERNS)
  return next(pattern for pattern in found if pattern is not None)
