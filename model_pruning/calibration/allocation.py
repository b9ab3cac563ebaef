# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Shares out a budget among weights so that the sum of their losses is smallest.

The losses of weights pruned alone are assumed to add up. Each weight then has a convex curve of
least loss against savings, and the best plan takes the flattest pieces of all curves first
(Lagrangian relaxation, as in Everett 1963; for bits of quantization, Shoham and Gersho 1988).
"""

from typing import Dict, List, NamedTuple, Sequence


class Choice(NamedTuple):
  """A sparsity that a weight may get.

  Attributes:
    sparsity: fraction of zeros.
    saved: savings in elements, bytes or FLOPs; 0 at sparsity 0.
    loss: estimated loss of the model.
  """
  sparsity: float
  saved: float
  loss: float


class _Piece(NamedTuple):
  slope: float
  weight: str
  begin: Choice
  end: Choice


class Allocation:
  """The best sparsities for every amount to save.

  Attributes:
    most: the most that can be saved.
  """

  def __init__(self, choices: Dict[str, Sequence[Choice]]) -> None:
    """Takes the choices of each weight, by rising sparsity; sparsity 0 is added."""
    pieces: List[_Piece] = []
    for weight, found in choices.items():
      hull = _hull([Choice(0.0, 0.0, 0.0), *found])
      pieces += [_Piece((end.loss - begin.loss) / (end.saved - begin.saved), weight, begin, end)
                 for begin, end in zip(hull, hull[1:])]
    self._weights = list(choices)
    # Stable, so that the pieces of one weight stay in their order.
    self._pieces = sorted(pieces, key=lambda piece: piece.slope)
    self.most = sum(piece.end.saved - piece.begin.saved for piece in pieces)

  def sparsities(self, saved: float, between: bool = True) -> Dict[str, float]:
    """Returns the sparsity of each weight with which they save this much together.

    Args:
      saved: the amount.
      between: whether sparsities between two choices are possible; otherwise more may be saved.
    """
    result = {weight: 0.0 for weight in self._weights}
    for piece in self._pieces:
      if saved <= 0:
        break
      size = piece.end.saved - piece.begin.saved
      part = min(saved / size, 1.0) if between else 1.0
      result[piece.weight] = (
          piece.begin.sparsity + part * (piece.end.sparsity - piece.begin.sparsity))
      saved -= size
    return result


def _hull(points: Sequence[Choice]) -> List[Choice]:
  """Returns the lower convex hull of loss against saved, from the first point to the last.

  >>> _hull([Choice(0, 0, 0), Choice(.5, 5, .3), Choice(.8, 8, .2), Choice(.9, 9, 1)])[1].sparsity
  0.8
  """
  hull: List[Choice] = []
  for point in sorted(points, key=lambda point: (point.saved, point.loss)):
    if hull and point.saved <= hull[-1].saved:
      continue
    while len(hull) > 1 and _turns(hull[-2], hull[-1], point):
      hull.pop()
    hull.append(point)
  return hull


def _turns(first: Choice, middle: Choice, last: Choice) -> bool:
  """Whether the middle point lies on or above the line between the others."""
  return ((middle.loss - first.loss) * (last.saved - first.saved) >=
          (last.loss - first.loss) * (middle.saved - first.saved))
