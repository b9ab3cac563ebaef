# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Plots of sparsity over time, magnitudes of weights, masks, and schedules.

Each function returns a new matplotlib Figure that is not registered with pyplot;
`save` writes it as a PNG.
"""

from typing import Any, Dict, Iterable, List, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.reading import measure
from model_pruning.reading import tensors
from model_pruning.reading.stored import as_float
from model_pruning.reading.stored import nonzero
from model_pruning.reading.stored import StoredWeight
from model_pruning.reporting import events
from model_pruning.reporting import timeline as timeline_lib
from model_pruning.util import figures
from model_pruning.util import files
from model_pruning.util import tables
from model_pruning.util.files import AnyPath
from model_pruning.util.types import Axes
from model_pruning.util.types import Figure

MOST_WEIGHTS = 40  # Panels in one figure.
MOST_LINES = 16

_PRUNED, _KEPT, _MARK = '#E69F00', '#0072B2', '#444444'
_CELLS = 128  # The most cells of a mask's picture, in each direction.
_BINS = 60


def save(figure: Figure, path: AnyPath, inputs: Sequence[Any] = ()) -> None:
  """Writes a figure as a PNG, whole or not at all.

  Args:
    figure: the result of one of the functions below.
    path: the file to write.
    inputs: paths of the files that the figure shows, which must not be overwritten.

  Raises:
    errors.WriteError: nothing can be written there, `path` does not end in .png, or it is
      one of the inputs.
    errors.PathError: `path` is not a path.
  """
  path = files.as_path(path)
  if not path.endswith('.png'):
    raise errors.WriteError('%s: pictures are written as PNG; give a path that ends in .png' % path)
  with files.replacing(path, inputs) as temporary, figures.style():
    figure.savefig(temporary, dpi=figures.DPI, format='png')


def sparsity(history: events.History, thresholds: bool = False) -> Figure:
  """Draws the sparsity of each weight by global step and, if requested, the thresholds below.

  With more than seven weights, those whose curves differ by at most 0.01 share a line.
  """
  groups = _alike(history.weights)
  lines = groups[:MOST_LINES]
  number = 2 if thresholds else 1
  names = _labels([weight.name for weight in history.weights], 34)
  label_of = dict(zip([weight.name for weight in history.weights], names))
  with figures.style():
    entries = min(MOST_LINES, len(history.weights) if thresholds else len(lines))
    figure, axes = figures.rows(9, 1 + number * max(2.9, 0.7 + 0.195 * entries), number)
    top = axes[0]
    for index, group in enumerate(lines):
      series, label = group[0].sparsity, label_of[group[0].name]
      if len(group) > 1:
        label += ' and %d more' % (len(group) - 1)
      top.plot(series.steps, series.values, drawstyle='steps-post', label='%s: %s' % (
          label, tables.fraction(series.last)), **figures.line(index, len(lines)))
    top.set_ylabel('sparsity (fraction of zeros)')
    top.set_ylim(-0.02, 1.02)
    more = len(groups) - len(lines)
    figures.legend(top, _heading(more))
    if thresholds:
      shown = [weight for weight in history.weights if len(weight.threshold.steps)][:MOST_LINES]
      for index, weight in enumerate(shown):
        axes[1].plot(weight.threshold.steps, weight.threshold.values, drawstyle='steps-post',
                     label='%s: %.3g' % (label_of[weight.name], weight.threshold.values[-1]),
                     **figures.line(index))
      axes[1].set_ylabel('threshold (magnitude)')
      axes[1].set_ylim(bottom=0)
      more = len(history.weights) - len(shown)
      figures.legend(axes[1], _heading(more))
    axes[-1].set_xlabel('global step')
    top.set_title('Sparsity of %d weight%s' % (
        len(history.weights), 's' * (len(history.weights) != 1)), loc='left')
  return figure


def _labels(names: Sequence[str], width: int) -> List[str]:
  """Returns names for a figure, of at most `width` characters if possible."""
  return [figures.plain(name) for name in tables.elided(names, width)]


def _heading(more: int) -> str:
  return 'weight: value at the end' + ('\n(%d more are not drawn)' % more if more else '')


def _alike(weights: Sequence[events.WeightHistory]) -> List[List[events.WeightHistory]]:
  """Groups the weights whose curves are alike, if there are many weights."""
  groups: List[List[events.WeightHistory]] = []
  for weight in weights:
    if not len(weight.sparsity.steps):
      continue
    for group in groups if len(weights) > len(figures.COLORS) else ():
      first = group[0].sparsity
      if np.array_equal(first.steps, weight.sparsity.steps) and np.allclose(
          first.values, weight.sparsity.values, 0, 0.01):
        group.append(weight)
        break
    else:
      groups.append([weight])
  return groups


def magnitudes(weights: Iterable[StoredWeight]) -> Figure:
  """Draws histograms of the magnitudes of pruned and of kept elements, one panel per weight.

  A stored threshold is drawn as a line. Of more than MOST_WEIGHTS weights, only the
  largest are drawn.
  """
  panels = []
  for weight in weights:
    stored, hidden, times = weight.values, weight.kept, 1
    if tensors.is_repeated(stored) and (hidden is None or tensors.is_repeated(hidden)):
      times, stored = stored.size, tensors.distinct(stored)
      hidden = None if hidden is None else tensors.distinct(hidden)
    values = np.abs(as_float(stored).astype(np.float64)).ravel()
    kept = values != 0 if hidden is None else hidden.ravel()
    finite = np.isfinite(values)
    edges = np.linspace(0, max(float(np.max(values[finite])) if finite.any() else 0, 1e-30),
                        _BINS + 1)
    counts = [times * np.histogram(values[finite & part], edges)[0] for part in (~kept, kept)]
    panels.append((weight, edges, counts, 1 - np.count_nonzero(kept) / max(kept.size, 1)))
    # Keep only the counts, to free the weight's memory.
    panels[-1] = (_without_values(weight),) + panels[-1][1:]
  shown, note = _largest(panels)
  with figures.style():
    figure, axes = figures.grid(len(shown), 3.1, 2.3)
    names = _labels([panel[0].name for panel in shown], 36)
    for axis, name, (weight, edges, counts, zeros) in zip(axes, names, shown):
      for part, color, label in ((counts[0], _PRUNED, 'pruned'), (counts[1], _KEPT, 'kept')):
        heights = np.append(part, part[-1])
        axis.fill_between(edges, heights, step='post', color=color, linewidth=0, label=label)
        # Outlines stay visible where one area hides the other.
        axis.plot(edges, np.maximum(heights, 0.1), drawstyle='steps-post', color=color, zorder=3,
                  linewidth=1.2)
      if weight.threshold is not None:
        axis.axvline(weight.threshold, color=_MARK, linewidth=1.2, linestyle='--',
                     label='threshold')
      axis.set_yscale('log')
      axis.set_ylim(0.7, 2 * max(int(np.max(counts)), 1))
      axis.set_xlim(0, edges[-1])
      figures.few_ticks(axis)
      axis.set_title('%s\n%s, sparsity %s' % (
          name, tables.shape_text(weight.values.shape), tables.fraction(zeros)))
    figures.label_outer(figure, axes, len(shown), 'magnitude', 'weights per bin')
    figures.title(figure, 'Magnitudes of the weights' + note, axes)
  return figure


def masks(weights: Iterable[StoredWeight]) -> Figure:
  """Draws the masks of weights as matrices [inputs, outputs], one panel per weight.

  All axes but the last are inputs. If an axis has more than 128 elements, a dot stands
  for several of them; the larger the fraction that is kept, the darker the dot. Of more
  than MOST_WEIGHTS weights, only the largest are drawn.
  """
  panels = []
  for weight in weights:
    matrix = measure.as_matrix(nonzero(weight.values) if weight.kept is None else weight.kept)
    panels.append((_without_values(weight), matrix.shape, measure.cell_of(matrix.shape, _CELLS),
                   _fractions(matrix), 1 - np.count_nonzero(matrix) / max(matrix.size, 1)))
  shown, note = _largest(panels)
  with figures.style():
    from matplotlib import colors
    figure, axes = figures.grid(len(shown), 3.1, 3.1)
    image = None
    names = _labels([panel[0].name for panel in shown], 36)
    for axis, name, (weight, shape, cell, fractions, zeros) in zip(axes, names, shown):
      # Dots are dark even where few elements are kept, so that empty cells stand out.
      image = axis.imshow(fractions, cmap='gray_r', norm=colors.PowerNorm(0.5, 0, 1), aspect='auto',
                          interpolation='nearest', extent=(0, shape[1], shape[0], 0))
      axis.grid(False)
      for spine in axis.spines.values():
        spine.set_visible(True)  # Masks may be white at the edges.
      axis.set_xlabel('output')
      axis.set_ylabel('input' if len(weight.values.shape) < 3 or measure.is_matrix(
          weight.values.shape) else 'height, width, input')
      figures.few_ticks(axis, True)
      axis.set_title('%s\n%s, sparsity %s%s' % (
          name, tables.shape_text(weight.values.shape), tables.fraction(zeros),
          '\none dot: %dx%d weights' % cell if cell != (1, 1) else ''))
    if image is not None:
      bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 3 / figure.get_figheight()),
                            aspect=15, ticks=[0, 0.1, 0.25, 0.5, 1])
      bar.set_label('fraction kept')
    figures.title(figure, 'Patterns of the masks' + note, None)
  return figure


def _without_values(weight: StoredWeight) -> StoredWeight:
  """Returns a weight of the same name, shape and threshold that takes no memory for values."""
  return StoredWeight(weight.name, np.broadcast_to(np.float32(0), weight.values.shape), None,
                      weight.threshold)


def _fractions(matrix: np.ndarray) -> np.ndarray:
  """Returns the fraction of True in each cell of a matrix."""
  return measure.kept_by_cell(matrix, _CELLS)


def schedule(timeline: timeline_lib.Timeline) -> Figure:
  """Draws a predicted run: the sparsity requested at each mask update, and the targets."""
  spec, steps = timeline.spec, timeline.steps
  courses = timeline.courses[:MOST_LINES]
  end = max(timeline.num_steps, spec.sparsity_function_end_step, spec.end_pruning_step)
  with figures.style():
    figure, (axis,) = figures.rows(9, 4.6, 1)
    names = _labels([course.name for course in courses], 28)
    for index, (name, course) in enumerate(zip(names, courses)):
      line = figures.line(index, len(courses))
      # Masks are all ones before the first update, and stay unchanged after the last one.
      axis.plot(np.concatenate([[0], steps, [end]]),
                np.concatenate([[0], course.sparsity, [course.reached]]), drawstyle='steps-post',
                label='%s: target %g, %s %s' % (
                    name, course.target,
                    'reaches only' if course.falls_short else 'reaches',
                    tables.fraction(course.reached)), **line)
      axis.axhline(course.target, color=line['color'], linewidth=0.9, linestyle=(0, (1, 3)))
      if len(steps) <= 150:
        axis.plot(steps, course.sparsity, linestyle='none', marker='o', markersize=3.2,
                  color=line['color'])
    handles = axis.get_legend_handles_labels()[0]
    marks = []
    if len(steps) > 150:  # More ticks would overlap.
      marks.append(axis.hlines(-0.03, steps[0], steps[-1], color='#999999', linewidth=5))
    else:
      marks += axis.plot(steps, np.full(len(steps), -0.03), linestyle='none', marker='|',
                         markersize=6, color=_MARK)
    marks[0].set_label('mask updates: %s' % timeline.when())
    for (step, names), style in zip(_marks(timeline).items(), ('--', '-.', ':', (0, (8, 2)))):
      marks.append(axis.axvline(step, color=_MARK, linewidth=1, linestyle=style,
                                label='%s: %d' % (', '.join(names), step)))
    axis.set_xlim(-0.01 * end, 1.01 * end)
    axis.set_ylim(-0.06, 1.02)
    axis.set_ylabel('sparsity (fraction of zeros)')
    axis.set_xlabel('global step')
    more = len(timeline.courses) - len(courses)
    # The long legend goes below, in two columns of equal length.
    rows = max(len(handles), len(marks))
    blanks = axis.plot([], [], linestyle='none', label=' ') * rows
    axis.legend(handles=(handles + blanks)[:rows] + (marks + blanks)[:rows], ncol=2,
                loc='upper center', bbox_to_anchor=(0.5, -0.13),
                title='(%d more are not drawn)' % more if more else None)
    figure.set_figheight(4.2 + 0.21 * (rows + (more > 0)))
    shortfall = timeline.shortfall()
    axis.set_title('Falls short of its target' if shortfall else 'Schedule of the sparsity',
                   loc='left', color=figures.COLORS[3] if shortfall else 'black')
  return figure


def _marks(timeline: timeline_lib.Timeline) -> Dict[int, List[str]]:
  """Returns the names of the hyperparameters that are steps, by step."""
  marks: Dict[int, List[str]] = {}
  for name in ('begin_pruning_step', 'sparsity_function_begin_step', 'sparsity_function_end_step',
               'end_pruning_step'):
    step = getattr(timeline.spec, name)
    if step > 0:
      marks.setdefault(step, []).append(name)
  return marks


def _largest(panels: List[Axes]) -> Tuple[List[Any], str]:
  """Returns the panels of the largest weights, in order, and a note if some were left out."""
  if not panels:
    raise errors.WeightError('There are no weights to draw: nothing is masked, and no float has '
                             'rank 2 or more')
  if len(panels) <= MOST_WEIGHTS:
    return panels, ''
  by_size = sorted(range(len(panels)), key=lambda index: -panels[index][0].values.size)
  chosen = sorted(by_size[:MOST_WEIGHTS])
  return [panels[index] for index in chosen], ': the %d largest of %d' % (
      MOST_WEIGHTS, len(panels))
