# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A finding of a report, and how its sentences name weights."""

import dataclasses
from typing import Any, Dict, Sequence, Tuple

from model_pruning.reporting.weight import WeightReport

NAMED = 3  # A sentence names this many weights and counts the others.


@dataclasses.dataclass(frozen=True)
class Finding:
  """A problem of a pruned model, and what to do about it.

  Attributes:
    kind: 'not_finite', 'never_updated', 'empty', 'short', 'coarse', 'dead_outputs', 'ends', 'small'
      or 'runtime'.
    text: a sentence that states the problem.
    advice: a sentence that says how to fix it.
    weights: names of the weights it concerns.
  """
  kind: str
  text: str
  advice: str
  weights: Tuple[str, ...]

  def values(self) -> Dict[str, Any]:
    """Returns all attributes by name, for JSON."""
    return {'kind': self.kind, 'text': self.text, 'advice': self.advice,
            'weights': list(self.weights)}


def make(kind: str, weights: Sequence[WeightReport], text: str, advice: str) -> Finding:
  """Returns a finding about these weights."""
  return Finding(kind, text, advice, tuple(weight.name for weight in weights))


def named(weights: Sequence[WeightReport]) -> str:
  """Returns names for a sentence, 'a, b, c and 4 more'."""
  names = [weight.name for weight in weights]
  if len(names) <= NAMED:
    return ' and '.join(filter(None, [', '.join(names[:-1]), names[-1]]))
  return '%s and %d more' % (', '.join(names[:NAMED]), len(names) - NAMED)
