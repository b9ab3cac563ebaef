# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Charts of a run by global step, as SVG that takes its colours from the surrounding page."""

import io
import re
from typing import Any, List, NamedTuple, Sequence

import numpy as np

from model_pruning.reporting import events
from model_pruning.util import figures
from model_pruning.util import tables

MOST_LINES = 14
COLORS = 7  # The page defines this many: --line-0 to --line-6.
_STYLES = ('-', '--', ':')
# Placeholder colours in the figure; _themed replaces them with var(--name).
_INK, _GRID = '#010203', '#010204'
_LINE = '#0102%02x'
_FIRST = 16
_ALIKE = 0.01


class Line(NamedTuple):
  """A line of a chart, with what its legend needs.

  Attributes:
    label: name of the first weight.
    names: names of all weights drawn by this line.
    value: the last value, as text.
    color: index of its colour.
    style: 'solid', 'dashed' or 'dotted'.
    id: id of the line in the SVG.
  """
  label: str
  names: List[str]
  value: str
  color: int
  style: str
  id: str


class Chart(NamedTuple):
  """A chart: its SVG, its lines for the legend, and the number of weights that are not drawn."""
  svg: str
  lines: List[Line]
  more: int


def sparsity(weights: Sequence[events.WeightHistory]) -> Chart:
  """Draws the sparsity of weights by global step; weights with nearly equal curves share a line.

  Raises:
    errors.MissingPackageError: matplotlib is not installed.
  """
  groups: List[List[events.WeightHistory]] = []
  for weight in weights:
    if not len(weight.sparsity.steps):
      continue
    for group in groups:
      if _alike(group[0].sparsity, weight.sparsity):
        group.append(weight)
        break
    else:
      groups.append([weight])
  shown = groups[:MOST_LINES]
  return _chart('sparsity', [group[0].sparsity for group in shown],
                [[weight.name for weight in group] for group in shown], tables.fraction,
                sum(map(len, groups[MOST_LINES:])), (0, 1.02))


def thresholds(weights: Sequence[events.WeightHistory]) -> Chart:
  """Draws the thresholds of weights by global step. Raises: see sparsity."""
  known = [weight for weight in weights if len(weight.threshold.steps) and
           np.isfinite(weight.threshold.values).all()]
  shown = known[:MOST_LINES]
  return _chart('threshold', [weight.threshold for weight in shown],
                [[weight.name] for weight in shown], lambda value: '%.3g' % value,
                len(known) - len(shown), (0, None))


def _alike(first: events.Series, second: events.Series) -> bool:
  return np.array_equal(first.steps, second.steps) and np.allclose(
      first.values, second.values, 0, _ALIKE)


def _chart(name: str, series: Sequence[events.Series], names: Sequence[List[str]], text: Any,
           more: int, limits: Any) -> Chart:
  """Draws series as step functions.

  Args:
    name: name of the quantity; ids in the SVG begin with it.
    series: the series, one line each.
    names: the names of the weights of each line.
    text: formats the last value of a series.
    more: number of weights that are not drawn.
    limits: limits of the vertical axis.
  """
  lines = []
  with figures.style():
    import matplotlib
    from matplotlib import ticker
    with matplotlib.rc_context({
        'svg.fonttype': 'none', 'svg.hashsalt': name, 'font.size': 9, 'axes.edgecolor': _GRID,
        'grid.color': _GRID, 'text.color': _INK, 'axes.labelcolor': _INK, 'xtick.color': _INK,
        'ytick.color': _INK, 'axes.spines.left': False}):
      figure, (axis,) = figures.rows(6.4, 2.7, 1)
      figure.patch.set_visible(False)
      axis.patch.set_visible(False)
      for index, (each, weights) in enumerate(zip(series, names)):
        color, style = index % COLORS, index // COLORS % len(_STYLES)
        axis.plot(each.steps, each.values, drawstyle='steps-post', color=_LINE % (_FIRST + color),
                  linestyle=_STYLES[style], linewidth=1.6, solid_capstyle='butt',
                  gid='%s-%d' % (name, index))
        lines.append(Line(weights[0], weights, text(each.values[-1]), color,
                          ('solid', 'dashed', 'dotted')[style], '%s-%d' % (name, index)))
      axis.set_ylim(*limits)
      axis.margins(x=0.01)
      axis.grid(False, axis='x')
      axis.tick_params(length=0)
      axis.xaxis.set_major_locator(ticker.MaxNLocator(7, integer=True))
      axis.yaxis.set_major_locator(ticker.MaxNLocator(5))
      axis.set_xlabel('global step')
      target = io.StringIO()
      figure.savefig(target, format='svg', metadata={'Date': None})
  return Chart(_themed(target.getvalue(), name), lines, more)


def _themed(svg: str, name: str) -> str:
  """Returns the svg element alone, using the page's colours and fonts."""
  svg = svg[svg.index('<svg'):]
  svg = re.sub(r'<metadata>.*?</metadata>|<style.*?</style>', '', svg, flags=re.DOTALL)
  svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>',
               r'<svg \1 role="img" aria-label="%s by global step">' % name, svg, count=1,
               flags=re.DOTALL)
  svg = svg.replace(_INK, 'var(--muted)').replace(_GRID, 'var(--rule)')
  for color in range(COLORS):
    svg = svg.replace(_LINE % (_FIRST + color), 'var(--line-%d)' % color)
  svg = re.sub(r'id="(figure_1|patch_|axes_|matplotlib|xtick|ytick|line2d|text)', r'id="%s-\1' %
               name, svg)
  # Keep the font size; the page sets the family.
  svg = re.sub(r"font: (?:\w+ )?([\d.]+px) [^;\"]*", r'font-size: \1', svg)
  svg = re.sub(r'font-family: [^;"]*;?', '', svg)
  return re.sub(r'\n\s*', '\n', svg).strip()
