# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Whether the masks of a stored model were ever updated.

A masked model that is trained without a PruningHook or another mask update stays dense: its masks
are still all ones.
"""

from typing import Iterable, NamedTuple, Optional

from model_pruning.reading.stored import StoredWeight


class MaskState(NamedTuple):
  """The parts of a mask that show whether it was updated.

  Attributes:
    hides: whether it hides any element.
    threshold: threshold of the last update; None if none is stored.
  """
  hides: bool
  threshold: Optional[float]


def state_of(weight: StoredWeight) -> Optional[MaskState]:
  """Returns the state of a weight's mask; None for a weight without a mask."""
  return None if weight.kept is None else MaskState(not weight.kept.all(), weight.threshold)


def never_updated(masks: Iterable[Optional[MaskState]], last_update: Optional[int]) -> bool:
  """Whether there are masks, none of which was ever updated.

  In that case every mask is all ones, and nothing else records an update: each threshold is
  zero or not stored, and so is the step of the last update (Keras models start at -1).

  Args:
    masks: one per weight; None for weights without a mask.
    last_update: the step of the last mask update; None if none is stored.
  """
  any_mask = False
  for mask in masks:  # Stops at the first updated mask, without reading the others.
    if mask is not None:
      if mask.hides or mask.threshold:
        return False
      any_mask = True
  return any_mask and (last_update is None or last_update <= 0)


def warning(path: str) -> str:
  """Returns the sentence that warns of this, for the model at a path."""
  return ('masked but never updated: every mask of %s is all ones; was a PruningHook (or '
          'conditional_mask_update_op, or for Keras UpdatePruningStep) left out of training?' %
          path)
