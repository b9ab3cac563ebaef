# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The picture of benchmarks/accuracy.py: accuracy against sparsity, with a panel for each net."""

import collections

from benchmarks import accuracy_cells
from benchmarks.accuracy_cells import DENSE, LANGUAGE_MODEL, PRUNED_AFTER, PRUNED_DURING
import numpy as np

from model_pruning.util import figures

Mean = collections.namedtuple('Mean', ['mean', 'deviation', 'least', 'most', 'seeds'])

_LABELS = {
    'tfmot': 'tfmot', 'contrib': 'tf.contrib', 'uniform': 'uniform', 'erk': 'ERK', 'lamp': 'LAMP',
    'global': 'global', 'after-uniform': 'uniform, masks alone',
    'after-lamp': 'LAMP, masks alone', 'refit-lamp': 'LAMP, refitted'}
_TITLES = {'convnet': 'ConvNet, MNIST', 'residual': 'residual net, MNIST',
           LANGUAGE_MODEL: 'LSTM language model'}
_MARKERS = {'tfmot': 'v', 'contrib': '^'}
# A color for each distribution, whoever prunes and when.
_COLORS = {'tfmot': 3, 'contrib': 4, 'uniform': 0, 'erk': 1, 'lamp': 2, 'global': 5}
# Below it all are useless, and the differences above it would not show.
_LEAST_ACCURACY = 70


def means(net, results):
  """Returns {method: {sparsity: Mean}} of a net; sparsity 0 for the dense one."""
  values = collections.defaultdict(lambda: collections.defaultdict(list))
  for cell, result in results.items():
    if cell.net == net:
      values[cell.method][cell.sparsity].append(result['value'])
  return {method: {sparsity: Mean(
      float(np.mean(of)), float(np.std(of, ddof=1)) if len(of) > 1 else 0.0, min(of), max(of),
      len(of)) for sparsity, of in sorted(of_method.items())}
          for method, of_method in values.items()}


def caption(net, results):
  """Returns a line that says over how many seeds the values of a net are means."""
  def counted(methods):
    seeds = sorted({mean.seeds for method, of_method in found.items() if method in methods
                    for mean in of_method.values()})
    return '%s seed%s' % (' to '.join(map(str, sorted({seeds[0], seeds[-1]}))),
                          's' * (seeds[-1] > 1)) if seeds else None

  found = means(net, results)
  during = counted([method for method in found if method != DENSE and method not in PRUNED_AFTER])
  after = counted(PRUNED_AFTER)
  if during and after and during != after:
    return 'while training: %s, trained before: %s; area: all' % (during, after)
  return '%s, area: all' % (during or after or counted([DENSE]))


def draw(results, path):
  """Draws the nets of the results side by side, as a PNG."""
  nets = [net for net in accuracy_cells.NETS if any(
      cell.net == net and cell.method != DENSE for cell in results)]
  with figures.style():
    # The legend takes the width of a panel from the only one.
    figure, axes = figures.grid(max(1, len(nets)), 3.9 if len(nets) > 1 else 7.4, 3.6)
    for axis, net in zip(axes, nets):
      _panel(axis, net, results)
    if nets:
      last = axes[len(nets) - 1]
      handles = {}
      for axis in axes[:len(nets)]:
        found, labels = axis.get_legend_handles_labels()
        handles.update(zip(labels, found))
      order = [label for label in ['dense'] + [_legend(method) for method in accuracy_cells.METHODS
                                               if method != DENSE] if label in handles]
      last.legend([handles[label] for label in order], order, loc='upper left',
                  bbox_to_anchor=(1.02, 1.02), borderaxespad=0, fontsize=8, handlelength=3)
    figure.savefig(path)


def _legend(method):
  if method in PRUNED_AFTER:
    return 'trained, then ' + _LABELS[method]
  return _LABELS[method] + (', while training' if method in PRUNED_DURING else
                            ' (uniform), while training')


def _panel(axis, net, results):
  scale = 1 if net == LANGUAGE_MODEL else 100
  of_net = means(net, results)
  sparsities = sorted({sparsity for of_method in of_net.values() for sparsity in of_method} - {0})
  if DENSE in of_net:
    axis.axhline(scale * of_net[DENSE][0.0].mean, color='#000000', linewidth=1, label='dense')
  for method in accuracy_cells.METHODS:
    if method == DENSE or method not in of_net:
      continue
    # Evenly spaced: between 98 and 99 % as much changes as between 80 and 90 %.
    places = [sparsities.index(sparsity) for sparsity in of_net[method]]
    found = list(of_net[method].values())
    color = figures.COLORS[_COLORS[method.split('-')[-1]]]
    style = ('--' if method in PRUNED_AFTER else '-') if not method.startswith('refit') else '-.'
    axis.fill_between(places, [scale * mean.least for mean in found],
                      [scale * mean.most for mean in found], color=color, alpha=0.12, linewidth=0)
    axis.plot(places, [scale * mean.mean for mean in found], style, color=color, linewidth=1.6,
              marker=_MARKERS.get(method, 'D' if method.startswith('refit') else 'o'), markersize=4,
              label=_legend(method))
  axis.set_xticks(range(len(sparsities)))
  axis.set_xticklabels(['%.3g %%' % (100 * sparsity) for sparsity in sparsities])
  axis.set_xlabel('zeros in all kernels')
  axis.set_ylabel('bits per character (less is better)' if net == LANGUAGE_MODEL else
                  'test accuracy in %')
  if net != LANGUAGE_MODEL:
    axis.set_ylim(_LEAST_ACCURACY, 100)
  axis.set_title('%s\n%s' % (_TITLES[net], caption(net, results)), fontsize=9)
