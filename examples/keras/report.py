# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Table, picture and JSON of nets that were pruned by several schedules, over several seeds."""

import dataclasses
import gzip
import os
import tempfile
from typing import Any, Callable, Dict, List, Sequence, Tuple

from examples.digits import runs
from examples.digits import terminal
from model_pruning.util import figures
from model_pruning.util import tables
import numpy as np
import tensorflow as tf

# What the article measured, once, on MNIST. Of the baseline it gives the size alone.
PUBLISHED: Dict[str, Dict[str, Any]] = {
    'baseline': {'gzipped_bytes': 1601609},
    'constant': {'accuracy': 0.9886, 'loss': 0.0317, 'gzipped_bytes': 388071},
    'polynomial': {'accuracy': 0.9927, 'loss': 0.0218, 'gzipped_bytes': 384305}}

_MEASURES: Dict[str, Tuple[str, Callable[[float], str]]] = {
    'accuracy': ('accuracy', lambda value: '%.4f' % value),
    'loss': ('loss', lambda value: '%.4f' % value),
    'gzipped_bytes': ('gzipped', lambda value: '{:,.0f}'.format(value))}


@dataclasses.dataclass(frozen=True)
class Result:
  """A trained net, less its masks.

  Attributes:
    accuracy, loss: on all test images.
    bytes, gzipped_bytes: of its weights.
    accuracies: test accuracy after each epoch.
    curve: (batches done, fraction of zeros in all kernels).
    kernels: name, number of elements and of zeros of each kernel.
    negative_zeros: how many of these zeros have the sign bit set. Each other zero is the same
      four bytes; these make half a bit of noise, which no compression removes.
  """
  accuracy: float
  loss: float
  bytes: int
  gzipped_bytes: int
  accuracies: Sequence[float]
  curve: Sequence[Tuple[int, float]]
  kernels: Sequence[Dict[str, Any]]
  negative_zeros: int = 0

  @property
  def sparsity(self) -> float:
    """Returns the fraction of zeros in all kernels."""
    size = sum(kernel['size'] for kernel in self.kernels)
    return sum(kernel['zeros'] for kernel in self.kernels) / max(1, size)

  def line(self, label: str) -> str:
    """Returns a line as training prints it."""
    return '%s  test loss %.3f, test accuracy %.3f, sparsity %.3f' % (
        label, self.loss, self.accuracy, self.sparsity)

  @classmethod
  def of(cls, model: Any, accuracy: float, loss: float, accuracies: Sequence[float],
         curve: Sequence[Tuple[int, float]]) -> 'Result':
    """Returns the Result of a model without masks."""
    # What all Kerases have in common. Files differ: an .h5 has a header of some kilobytes, and
    # a .keras file is a zip archive already.
    content = b''.join(np.ascontiguousarray(weight).tobytes() for weight in model.get_weights())
    kernels, negative = [], 0
    for layer in model.layers:
      if hasattr(layer, 'kernel'):
        kernel = np.asarray(layer.kernel)
        kernels.append({'name': layer.name + '/kernel', 'size': int(kernel.size),
                        'zeros': int(kernel.size - np.count_nonzero(kernel))})
        negative += int(np.sum((kernel == 0) & np.signbit(kernel)))
    return cls(accuracy, loss, len(content), len(gzip.compress(content, 9)),
               [float(value) for value in accuracies], list(curve), kernels, negative)


Results = Dict[int, Dict[str, Result]]  # By seed, and by the name of the net.


def keras_version() -> str:
  """Returns the version of the Keras that TensorFlow has."""
  return getattr(tf.keras, '__version__', None) or tf.version.VERSION  # TF 2.13 has none there.


def prepare(output_dir: str) -> None:
  """Makes the output folder; raises UserError where nothing can be written to it."""
  try:
    os.makedirs(output_dir, exist_ok=True)
    with tempfile.TemporaryFile(dir=output_dir):
      pass
  except OSError as error:
    raise terminal.UserError('--output_dir=%s cannot be used (%s); name a folder that can be '
                             'written to' % (output_dir, error)) from error


def text(results: Results, data_name: str) -> str:
  """Returns the table and a comparison of the two schedules."""
  names = list(next(iter(results.values())))
  rows = [[name] for name in names]
  for measure, (_, number) in _MEASURES.items():
    for row in rows:
      values = _values(results, row[0], measure)
      spread = ' +- %s' % number(_deviation(values)) if len(values) > 1 else ''
      published = PUBLISHED.get(row[0], {}).get(measure)
      row += [number(runs.mean(values)) + spread,
              '-' if published is None else number(published)]
  headers = [''] + [header for name, _ in _MEASURES.values() for header in (name, 'published')]
  size = next(iter(results.values()))[names[0]].bytes
  lines = [tables.aligned(headers, rows), '',
           'On %s%s; published: one run on MNIST.' % (
               data_name, ', means of %d seeds +- their standard deviation' % len(results)
               if len(results) > 1 else ''),
           'Gzipped are the weights, %s bytes as they are.' % '{:,}'.format(size)]
  lines += _explained(results) + ['',
           'Polynomial less constant, seed by seed; published: accuracy %+.4f, loss %+.4f.' %
           tuple(_published_difference(measure) for measure in ('accuracy', 'loss'))]
  lines += ['  ' + _statement(results, measure, better)
            for measure, better in (('accuracy', 1), ('loss', -1))]
  return '\n'.join(lines)


def _explained(results: Results) -> List[str]:
  """Returns lines on the rows and on the published sizes."""
  first = next(iter(results.values()))
  lines = []
  if 'one-shot' in first:
    lines.append('one-shot: the baseline, pruned after its training, with unlabeled images.')
  signed = [result for result in first.values() if result.negative_zeros]
  if signed:
    lines.append("tfmot's: trained on the same images with the same seeds. It multiplies by masks, "
                 'so %.0f %% of\nits zeros are -0.0: bits that do not compress.' % (
                     100 * sum(result.negative_zeros for result in signed) /
                     sum(kernel['zeros'] for result in signed for kernel in result.kernels)))
  lines.append("Published sizes: tfmot's .h5 files with such zeros, zipped at level 6 where 9 is "
               'used here.')
  return lines


def _values(results: Results, name: str, measure: str) -> List[float]:
  return [getattr(of_seed[name], measure) for of_seed in results.values()]


def _deviation(values: Sequence[float]) -> float:
  """Returns the sample standard deviation of the values; 0 for a single value."""
  return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _published_difference(measure: str) -> float:
  return PUBLISHED['polynomial'][measure] - PUBLISHED['constant'][measure]


def _differences(results: Results, measure: str) -> List[float]:
  """Returns by how much polynomial exceeds constant, by seed.

  Two nets of one seed start from the same weights and see the same batches, so that
  most of what makes seeds differ is not in this.
  """
  return [polynomial - constant for polynomial, constant in zip(
      _values(results, 'polynomial', measure), _values(results, 'constant', measure))]


def _statement(results: Results, measure: str, better: int) -> str:
  differences = _differences(results, measure)
  count = len(differences)
  line = '%-8s  %+.4f' % (measure, runs.mean(differences))
  if count > 1:
    line += ' +- %.4f (standard error), from %+.4f to %+.4f' % (
        _deviation(differences) / count**0.5, min(differences), max(differences))
  return line + ', better with %d of %d seed%s' % (
      sum(better * difference > 0 for difference in differences), count, 's' * (count > 1))


def draw(results: Results, steps: int, title: str, path: str) -> None:
  """Draws sparsity over batches, of the first seed, and test accuracy after epochs, as a PNG."""
  first = next(iter(results.values()))
  names = [name for name in first if first[name].curve]  # Trained here.
  with figures.style():
    figure, (top, bottom) = figures.rows(8, 5.6, 2)
    for index, name in enumerate(names):
      line = figures.line(index)
      if name != 'baseline':
        batches, values = zip(*first[name].curve)
        top.plot(batches, values, drawstyle='steps-post', label=name, **line)
      by_seed = np.array([of_seed[name].accuracies for of_seed in results.values()])
      ends = np.arange(1, by_seed.shape[1] + 1) * steps / by_seed.shape[1]
      if len(by_seed) > 1:
        bottom.fill_between(ends, by_seed.min(axis=0), by_seed.max(axis=0), linewidth=0,
                            color=line['color'], alpha=0.15)
      bottom.plot(ends, by_seed.mean(axis=0), marker='o', markersize=4,
                  label='%s: %.4f' % (name, by_seed[:, -1].mean()), **line)
    for name in first:
      if not first[name].accuracies:
        values = [of_seed[name].accuracy for of_seed in results.values()]
        bottom.plot([steps], [np.mean(values)], label='%s: %.4f' % (name, np.mean(values)),
                    linestyle='none', marker='D', markersize=6, clip_on=False,
                    color=figures.line(len(names))['color'])
    top.set_ylabel('sparsity of all kernels')
    top.set_ylim(-0.02, 1)
    bottom.set_ylabel('test accuracy')
    # The first epochs are far below, and nothing is pruned yet.
    begin = by_seed.shape[1] // 5
    late = [min(of_seed[name].accuracies[begin:])
            for of_seed in results.values() for name in names]
    bottom.set_ylim(max(0.0, min(late) - 0.02), 1.002)
    figure.align_ylabels()
    bottom.set_xlabel('batches')
    bottom.set_xlim(0, steps * 1.01)  # The last marker shows whole.
    figures.legend(top, 'schedule')
    figures.legend(bottom, 'at the end' if len(results) == 1 else
                   'at the end, mean of\n%d seeds (area: all)' % len(results))
    figures.title(figure, title, None)
    figure.savefig(path)


def as_json(results: Results, schedules: Dict[str, Any], **settings: Any) -> Dict[str, Any]:
  """Returns the contents of results.json: all numbers, by seed and over all seeds."""
  nets: Dict[str, Any] = {}
  for name, schedule in schedules.items():
    nets[name] = {'schedule': schedule and schedule.get_config(),
                  'published': PUBLISHED.get(name, {})}
    for measure in _MEASURES:
      values = _values(results, name, measure)
      nets[name][measure] = {'mean': runs.mean(values), 'standard_deviation': _deviation(values),
                             'least': min(values), 'most': max(values)}
  return dict(
      settings, tensorflow=tf.version.VERSION, keras=keras_version(), nets=nets,
      polynomial_less_constant={measure: _differences(results, measure) for measure in _MEASURES},
      seeds=[{'seed': seed, 'nets': {name: dataclasses.asdict(result)
                                     for name, result in of_seed.items()}}
             for seed, of_seed in results.items()])
