# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Shows the effect of refitting on each weight."""

import collections
import dataclasses
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from model_pruning.calibration.reconstruct import Fit
from model_pruning.util import tables
from model_pruning.util.sparsity_table import WeightSparsity

_SHOWN = 5
_LEGEND = ("masked, refitted: error of the layer's outputs on the examples, before and after the "
           'kept weights were refitted, as a fraction of the variance of the outputs.')


@dataclasses.dataclass(frozen=True)
class FittedWeight(WeightSparsity):
  """The sparsity of a weight, and how well its layer reproduces the outputs of the dense model.

  Attributes:
    error_masked: with masked dense weights, ||X W - Y||^2 / ||Y||^2 on the examples, Y without its
      mean where a bias can absorb it; None if unknown.
    error_refitted: the same after the refit; None if the weight was only masked.
    reason: why it was only masked; '' if it was refitted.
  """
  error_masked: Optional[float] = None
  error_refitted: Optional[float] = None
  reason: str = ''


def fitted_rows(rows: Sequence[WeightSparsity], fits: Mapping[str, Fit]) -> List[FittedWeight]:
  """Returns the rows with the fit of each weight.

  Args:
    rows: the sparsities of the weights.
    fits: the fits by the names of the weights.
  """
  return [FittedWeight(row.name, row.shape, row.target, row.zeros, row.short,
                       *(dataclasses.astuple(fits[row.name])[1:] if row.name in fits else ()))
          for row in rows]


def not_refitted(reasons: Sequence[Tuple[str, str]]) -> str:
  """Returns a sentence that names weights that were only masked, with the reasons.

  Args:
    reasons: (weight, reason) pairs.
  """
  by_reason: Dict[str, List[str]] = collections.OrderedDict()
  for name, reason in reasons:
    by_reason.setdefault(reason, []).append(name)
  return 'masked and not refitted: ' + '; '.join(
      '%s%s (%s)' % (', '.join(names[:_SHOWN]),
                     ' and %d more' % (len(names) - _SHOWN) if len(names) > _SHOWN else '', reason)
      for reason, names in by_reason.items())


def fitted_table(rows: Sequence[FittedWeight], width: int = tables.WIDTH) -> str:
  """Returns a table of the weights, with the errors of their layers.

  Args:
    rows: the weights.
    width: names lose their middle if the table would be wider.
  """
  lines = [[row.name, tables.shape_text(row.shape), tables.fraction(row.achieved),
            '{:,}'.format(row.zeros), '{:,}'.format(row.size), _error(row.error_masked),
            _error(row.error_refitted)] for row in rows]
  zeros, size = sum(row.zeros for row in rows), sum(row.size for row in rows)
  lines.append(['total', '', tables.fraction(zeros / max(size, 1)), '{:,}'.format(zeros),
                '{:,}'.format(size), '', ''])
  text = [tables.fitted(['weight', 'shape', 'sparsity', 'zeros', 'of', 'masked', 'refitted'], lines,
                        width, left=2), '', *tables.wrapped(_LEGEND, width)]
  reasons = [(row.name, row.reason) for row in rows if row.reason]
  if reasons:
    sentence = not_refitted(reasons)
    text += tables.wrapped(sentence[:1].upper() + sentence[1:] + '.', width)
  return '\n'.join(text)


def _error(value: Optional[float]) -> str:
  return '-' if value is None else '%.4f' % value
