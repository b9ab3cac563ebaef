# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tables, a picture and files from a dense and a pruned net."""

import gzip
import os
from typing import Dict, List, Tuple

import numpy as np
import tabulate

from examples.digits import hooks
from examples.digits import model
from examples.digits import results
from examples.digits import runs
from examples.digits.results import Result
import model_pruning

Pair = Tuple[Result, Result]  # Dense and pruned net of one seed.


def accuracy_table(pairs: Dict[int, Pair]) -> str:
  """Returns test accuracies by seed, with their mean where there is more than one."""
  percent = {seed: (100 * dense.accuracy, 100 * pruned.accuracy)
             for seed, (dense, pruned) in pairs.items()}
  return runs.pair_table(percent, '%.2f %%', 'points')


def export(pair: Pair, images: np.ndarray, output_dir: str) -> dict:
  """Writes dense.pb and stripped.pb.

  Returns:
    A dict: the 'sizes' of both files in bytes, raw and gzipped, and the
    'max_difference' between what the stripped graph computes for `images` and
    what the same graph with masks computed.
  """
  dense, pruned = pair
  stripped = model_pruning.strip_pruning_vars_fn(pruned.graph_def, [model.OUTPUT])
  sizes = {}
  for name, graph_def in (('dense.pb', dense.graph_def), ('stripped.pb', stripped)):
    content = graph_def.SerializeToString()
    with open(os.path.join(output_dir, name), 'wb') as f:
      f.write(content)
    sizes[name] = {'raw': len(content), 'gzipped': len(gzip.compress(content, 9))}
  # A NaN is no equal of itself; one on both sides is no difference.
  again = results.scores_of(stripped, images)
  difference = np.abs(np.nan_to_num(again) - np.nan_to_num(pruned.scores))
  return {'sizes': sizes, 'max_difference': float(np.max(difference))}


def page(model_dir: str, output_dir: str) -> str:
  """Writes report.html, the pruned net as a page for browsers, and returns its path."""
  path = os.path.join(output_dir, 'report.html')
  return model_pruning.report.of(model_dir).html(path)


def size_table(sizes: Dict[str, Dict[str, int]]) -> str:
  """Returns the sizes of the exported files."""
  dense = sizes['dense.pb']
  rows = [[name, '{:,}'.format(size['raw']), '{:,}'.format(size['gzipped']),
           '%.1fx' % (dense['gzipped'] / size['gzipped'])] for name, size in sizes.items()]
  return tabulate.tabulate(rows, ['', 'bytes', 'gzipped', 'times smaller'], tablefmt='simple',
                           disable_numparse=True, colalign=('left', 'right', 'right', 'right'))


def plot(pair: Pair, title: str, path: str) -> None:
  """Draws test accuracy, and the sparsity of each weight, over the steps, as a PNG."""
  import matplotlib
  matplotlib.use('Agg')  # Before pyplot looks for a display.
  from matplotlib import pyplot as plt
  from matplotlib import ticker
  dense, pruned = pair
  style = {'font.size': 10, 'axes.spines.top': False, 'axes.spines.right': False,
           'axes.edgecolor': '#888888', 'axes.labelcolor': '#444444', 'xtick.color': '#444444',
           'ytick.color': '#444444', 'axes.grid': True, 'grid.color': '#e6e6e6',
           'axes.axisbelow': True, 'legend.frameon': False}
  with plt.rc_context(style):
    figure, (top, bottom) = plt.subplots(
        2, 1, sharex=True, figsize=(8, 5.6), gridspec_kw={'height_ratios': [1, 1.25]})
    for result, name, color, width in ((dense, 'dense', '#9a9a9a', 3.5),
                                       (pruned, 'pruned', '#1f6fb4', 1.8)):
      steps, values = _columns(result.curves[hooks.TEST_ACCURACY])
      top.plot(steps, values, color=color, linewidth=width, solid_capstyle='round',
               label='%s, %.2f %% at the end' % (name, 100 * result.accuracy))
    low = min([dense.accuracy, pruned.accuracy])
    # The first steps are far below; the chart should show whether pruning reduces accuracy.
    top.set_ylim(max(0.0, min(0.9, low - 0.05)), 1.002)
    top.set_ylabel('test accuracy')
    top.legend(loc='lower right')
    top.set_title(title, loc='left', fontsize=12, color='#222222', pad=12)

    if any(row.target == pruned.weights[0].target for row in pruned.weights[1:]):
      # Weights with one target lie on one curve: the wider lines show from under the others.
      widths = np.linspace(7.5, 1.5, len(pruned.weights))
    else:
      widths = [2.2] * len(pruned.weights)
    colors = ['#f2b134', '#4cae8a', '#7a5ba8', '#d1495b', '#3b7ea1', '#8c6d46']
    for index, (row, width) in enumerate(zip(pruned.weights, widths)):
      # The last summary may be from before the end.
      steps, values = _columns(pruned.curves[row.name] + [(pruned.steps, row.achieved)])
      bottom.plot(steps, values, color=colors[index % len(colors)], linewidth=width,
                  drawstyle='steps-post', solid_capstyle='butt', solid_joinstyle='round',
                  label='%s, %s: %.4f' % (row.name, 'x'.join(map(str, row.shape)), row.achieved))
    bottom.set_ylim(-0.02, 1.0)
    bottom.set_ylabel('sparsity')
    bottom.set_xlabel('step')
    bottom.legend(loc='lower right')
    for axes in (top, bottom):
      axes.yaxis.set_major_formatter(ticker.PercentFormatter(1.0, decimals=0))
      axes.tick_params(length=0)
    bottom.set_xlim(0, pruned.steps)
    figure.align_ylabels()
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _columns(curve: results.Curve) -> Tuple[List[int], List[float]]:
  return [step for step, _ in curve], [value for _, value in curve]
