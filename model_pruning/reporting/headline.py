# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The top of a page: the result of pruning in one line, and the totals."""

import typing
from typing import Dict, List, NamedTuple, Optional

from model_pruning.reporting.weight import WeightReport
from model_pruning.util import tables

if typing.TYPE_CHECKING:
  from model_pruning.reporting.report import Report

_NAMED = 2


class Headline(NamedTuple):
  """The first line of a page.

  Attributes:
    state: 'met', 'missed' or 'unknown'.
    text: the line.
    more: a second sentence, or ''.
  """
  state: str
  text: str
  more: str


def headline(report: 'Report') -> Headline:
  """Returns the first line for a model_pruning.report.Report."""
  masked = [weight for weight in report.weights if weight.masked]
  known = [weight for weight in report.weights if weight.met is not None]
  missed = [weight for weight in known if not weight.met]
  if report.never_updated:
    return Headline('missed', 'No mask was ever updated', 'The model is masked, but still dense.')
  if known:
    missed.sort(key=lambda weight: weight.sparsity - (weight.target or 0.0))
    more = '; '.join(_shortfall(weight) for weight in missed[:_NAMED])
    if len(missed) > _NAMED:
      more += '; and %d more' % (len(missed) - _NAMED)
    number = len(known)
    if not missed:
      return Headline('met', 'All %d weights met their targets' % number if number > 1 else
                      'The weight met its target', '')
    return Headline('missed', '%d of %d weights met their targets' % (
        number - len(missed), number), more)
  if masked:
    return Headline('unknown', 'No targets are stored with this model',
                    'Give hparams= (--hparams=) to compare its %d masked weight%s with them.' % (
                        len(masked), 's' * (len(masked) != 1)))
  if not report.weights:
    return Headline('unknown', 'There are no weights in this model', '')
  return Headline('unknown', 'No weight of this model has a mask',
                  'It is stripped, or was never pruned.')


def _shortfall(weight: WeightReport) -> str:
  found = '%s is at %s, short of %s' % (
      weight.name, tables.fraction(weight.sparsity), weight.target_text)
  goal = weight.details.goal
  return found + ', which cannot be met in %s' % goal.unit if goal and weight.is_coarse else found


def tiles(report: 'Report') -> List[Dict[str, Optional[str]]]:
  """Returns the totals as dicts of 'label', 'value', 'note' and 'bar'."""
  totals, weights = report.totals(), report.weights
  masked = [weight for weight in weights if weight.masked]
  kept = totals['size'] - totals['zeros']
  found: List[Dict[str, Optional[str]]] = [
      {'label': 'Sparsity', 'value': tables.fraction(totals['sparsity']),
       'note': '%s of %s weights kept' % (tables.scaled(kept), tables.scaled(totals['size'])),
       'bar': '%.4f' % totals['sparsity']},
      {'label': 'Size', 'value': tables.scaled(totals['bytes_sparse'], 'B'),
       'note': 'stored sparse; %s dense, which gzips to %s' % (
           tables.scaled(totals['bytes_dense'], 'B'), tables.scaled(totals['bytes_gzipped'], 'B')),
       'bar': None}]
  if totals['flops'] is not None:
    found.append({'label': 'FLOPs per example', 'value': tables.scaled(totals['flops_effective']),
                  'note': 'without those by zeros, of %s' % tables.scaled(totals['flops']),
                  'bar': None})
  found.append({'label': 'Weights', 'value': '%d' % len(weights),
                'note': '%d with masks, %d dense' % (len(masked), len(weights) - len(masked)),
                'bar': None})
  return found
