# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The look of figures: without pyplot, in one style, with lines, titles and legends."""

import contextlib
import functools
import io
import warnings
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from model_pruning import errors
from model_pruning.util import tables
from model_pruning.util.types import Axes
from model_pruning.util.types import Figure

DPI = 130

# The colours of Okabe and Ito, which colour-blind people can distinguish; their yellow is too pale
# for lines on white.
COLORS = ('#0072B2', '#E69F00', '#009E73', '#D55E00', '#CC79A7', '#56B4E9', '#000000')
_STYLES = ('-', '--', ':')


@contextlib.contextmanager
def style() -> Iterator[None]:
  """Applies the package's style to figures drawn within; raises MissingPackageError."""
  try:
    import matplotlib
  except ImportError as error:
    raise errors.MissingPackageError(
        'Pictures need the package matplotlib: pip install matplotlib') from error
  with warnings.catch_warnings(), matplotlib.rc_context({
      'text.usetex': False,  # Names are not LaTeX.
      'font.size': 10, 'axes.titlesize': 10, 'axes.spines.top': False, 'axes.spines.right': False,
      'axes.edgecolor': '#888888', 'axes.grid': True, 'grid.color': '#e6e6e6',
      'axes.axisbelow': True, 'legend.frameon': False, 'legend.fontsize': 9}):
    warnings.filterwarnings('ignore', 'Glyph .* missing from')  # Such a glyph is drawn as a box.
    yield


def plain(name: str) -> str:
  """Returns a name escaped so that matplotlib draws each of its characters literally.

  Matplotlib reads text between two dollar signs as a formula, and leaves labels that
  begin with an underscore out of the legend.
  """
  text = tables.printable(name).replace('$', r'\$')
  return ' ' + text if text.startswith('_') else text


@functools.lru_cache(maxsize=None)
def _figure_class() -> Any:
  from matplotlib.figure import Figure

  class NotebookFigure(Figure):  # type: ignore[misc]
    """A figure that a notebook displays, without pyplot and its magic commands."""

    def _repr_png_(self) -> bytes:
      content = io.BytesIO()
      with style():
        self.savefig(content, dpi=DPI // 2, format='png')
      return content.getvalue()

  return NotebookFigure


def _new(width: float, height: float) -> Any:
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  figure = _figure_class()(figsize=(width, height), dpi=DPI, constrained_layout=True)
  FigureCanvasAgg(figure)
  return figure


def rows(width: float, height: float, number: int) -> Tuple[Figure, Sequence[Axes]]:
  """Returns a figure of `width` x `height` inches, and its axes, one below the other."""
  figure = _new(width, height)
  return figure, list(figure.subplots(number, 1, sharex=True, squeeze=False)[:, 0])


def grid(number: int, width: float, height: float) -> Tuple[Figure, List[Axes]]:
  """Returns a figure of `number` panels, each of `width` x `height` inches, and their axes."""
  columns = 5 if number > 16 else 4 if number > 6 else min(number, 2 if number == 4 else 3)
  rows = max(1, -(-number // columns))
  figure = _new(max(width * columns, 5.5), height * rows + 0.7)
  axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
  for axis in axes[number:]:
    axis.set_visible(False)
  return figure, axes


def line(index: int, number: int = 1) -> Dict[str, Any]:
  """Returns the style of a line, as keyword arguments.

  If there are few lines, the first ones are wider and stay visible below later ones.
  """
  few = 1 < number <= len(COLORS)
  return {'color': COLORS[index % len(COLORS)],
          'linestyle': _STYLES[index // len(COLORS) % len(_STYLES)],
          'linewidth': 1.6 + 1.1 * (number - 1 - index) if few else 1.8,
          'solid_capstyle': 'butt', 'solid_joinstyle': 'round'}


def legend(axis: Axes, title: str) -> None:
  """Adds a legend to the right of an axis, if the axis has labelled lines."""
  if axis.get_legend_handles_labels()[0]:
    made = axis.legend(loc='upper left', bbox_to_anchor=(1.01, 1.02), borderaxespad=0,
                       title=title)
    made.get_title().set_fontsize(9)
    made._legend_box.align = 'left'  # The setter exists only from matplotlib 3.6 on.


def few_ticks(axis: Axes, integer: bool = False) -> None:
  """Sets few ticks on the x axis of a small panel; on both axes if they are integers."""
  from matplotlib import ticker
  axis.xaxis.set_major_locator(ticker.MaxNLocator(4, integer=integer))
  if integer:
    axis.yaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))


def label_outer(figure: Figure, axes: Sequence[Axes], number: int, x: str, y: str) -> None:
  """Labels only the leftmost and the lowest axes, as labels are alike in all panels."""
  columns = axes[0].get_subplotspec().get_gridspec().ncols
  for index in range(number):
    if index % columns == 0:
      axes[index].set_ylabel(y)
    if index + columns >= number:
      axes[index].set_xlabel(x)


def title(figure: Figure, text: str, axes: Axes) -> None:
  """Sets a figure's title and, on its right, one legend for `axes` unless they are None."""
  figure.suptitle(text, fontsize=12, x=0.01, ha='left')
  handles: Dict[str, Any] = {}
  for axis in axes or ():
    handles.update(zip(*axis.get_legend_handles_labels()[::-1]))
  if handles:
    figure.legend(handles.values(), handles.keys(), loc='upper right', ncol=len(handles),
                  fontsize=9)
