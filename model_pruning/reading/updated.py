# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Whether the masks of a stored model were ever updated.

A model that is masked and trained without a PruningHook, or without an update op, is dense:
its masks are the ones that they start as.
"""

from typing import Iterable, NamedTuple, Optional

from model_pruning.reading.stored import StoredWeight


class MaskState(NamedTuple):
  """What the mask of a weight says about updates.

  Attributes:
    hides: whether it hides anything.
    threshold: of the last update; None where none is stored.
  """
  hides: bool
  threshold: Optional[float]


def state_of(weight: StoredWeight) -> Optional[MaskState]:
  """Returns the state of the mask of a weight; None for a weight without a mask."""
  return None if weight.kept is None else MaskState(not weight.kept.all(), weight.threshold)


def never_updated(masks: Iterable[Optional[MaskState]], last_update: Optional[int]) -> bool:
  """Whether there are masks, and none was ever updated.

  Every mask is all ones then, and nothing else says that there was an update: each threshold
  is zero or not stored, and so is the step of the last update (Keras models start at -1).

  Args:
    masks: of all weights; None for those without.
    last_update: the step of the last mask update; None where none is stored.
  """
  any_mask = False
  for mask in masks:  # Stops at the first that was updated, without reading the others.
    if mask is not None:
      if mask.hides or mask.threshold:
        return False
      any_mask = True
  return any_mask and (last_update is None or last_update <= 0)


def warning(path: str) -> str:
  """Returns the sentence that says so of the model at a path."""
  return ('masked but never updated: every mask of %s is all ones; was a PruningHook (or '
          'conditional_mask_update_op, or for Keras UpdatePruningStep) left out of training?' %
          path)
