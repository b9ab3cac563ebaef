# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A table and a picture of nets that were exported to TFLite files."""

import dataclasses
import os
from typing import Any, Dict, List, Sequence, Tuple

import tabulate

from examples.digits import runs
from model_pruning import plots
from model_pruning.export.tflite.convert import TFLiteExport
from model_pruning.reading import models

_QUANTIZATIONS = {'none': 'float', 'dynamic': 'dynamic', 'int8': 'int8'}
_CORNER = 128  # Inputs and outputs of a mask to draw: of more, a dot would be several elements.


@dataclasses.dataclass(frozen=True)
class File:
  """A TFLite file.

  Attributes:
    net: name of the net that it was exported from.
    seed: of the net's training.
    written: what to_tflite said of it.
    accuracy: fraction of correct answers that the file gives on the test images.
  """
  net: str
  seed: int
  written: TFLiteExport
  accuracy: float

  @property
  def model(self) -> str:
    """The name without the seed, for example '16x1, int8'."""
    return name_of(self.net, self.written.quantization)


def name_of(net: str, quantization: str, separator: str = ', ') -> str:
  """Returns the name of a net in a quantization, for example '16x1, int8'."""
  return net + separator + _QUANTIZATIONS[quantization]


def rows_of(files: Sequence[File], latencies: Dict[str, Tuple[float, float]]) -> List[dict]:
  """Returns the rows of the table, and of metrics.json: one for each model, over all seeds.

  Args:
    files: of all seeds; those of the first seed first, the model to compare with first.
    latencies: of the files of the first seed; see device.latencies.
  """
  rows = []
  base = files[0].written
  for first in (file for file in files if file.written.path in latencies):
    accuracies = [file.accuracy for file in files if file.model == first.model]
    seconds, times_as_fast = latencies[first.written.path]
    rows.append({
        'model': first.model, 'net': first.net, 'quantization': first.written.quantization,
        'path': first.written.path, 'stored': _stored(first.written),
        'accuracy': runs.mean(accuracies), 'worst_accuracy': min(accuracies),
        'bytes': first.written.bytes, 'times_smaller': base.bytes / first.written.bytes,
        'gzipped_bytes': first.written.gzipped_bytes,
        'times_smaller_gzipped': base.gzipped_bytes / first.written.gzipped_bytes,
        'microseconds': 1e6 * seconds, 'times_as_fast': times_as_fast,
    })
  return rows


def _stored(written: TFLiteExport) -> str:
  if not written.sparse:
    return 'dense'
  return 'sparse' if any(weight.fast for weight in written.weights) else 'packed'


def table(rows: Sequence[dict], seeds: int) -> str:
  """Returns the table and an explanation of its words."""
  shown = []
  for row in rows:
    accuracies = [row['accuracy'], row['worst_accuracy']][:1 if seeds == 1 else 2]
    shown.append(
        [row['model'], row['stored']] + ['%.2f %%' % (100 * value) for value in accuracies] +
        ['{:,.0f}'.format(row['bytes'] / 1e3), '%.1fx' % row['times_smaller'],
         '{:,.0f}'.format(row['gzipped_bytes'] / 1e3), '%.0f' % row['microseconds'],
         '%.1fx' % row['times_as_fast']])
  headers = ['model', 'stored'] + (
      ['accuracy'] if seeds == 1 else ['accuracy,\nmean', '\nworst']) + [
          'file,\nkB', 'times\nsmaller', 'gzipped,\nkB', 'time,\nus', 'times\nas fast']
  text = tabulate.tabulate(shown, headers, tablefmt='simple', disable_numparse=True,
                           colalign=['left'] * 2 + ['right'] * (len(headers) - 2))
  stored = [row['stored'] for row in rows]
  notes = []
  if 'sparse' in stored:
    notes.append('sparse: the runtime multiplies with what is stored, and skips the zeros.')
  if 'packed' in stored:
    notes.append('packed: stored sparse, and made dense again when loaded: small, but not faster.')
  return '\n'.join([text] + ([''] + notes if notes else []))


def differences(files: Sequence[File]) -> str:
  """Returns the difference in accuracy between each pruned model and the first model, as text."""
  base = {file.seed: file.accuracy for file in files if file.model == files[0].model}
  lines = []
  pruned = {file.model: None for file in files if file.net != files[0].net}
  width = max(map(len, pruned))
  for model in pruned:
    points = [100 * (file.accuracy - base[file.seed]) for file in files if file.model == model]
    text = '%-*s  %+.2f points' % (width, model, runs.mean(points))
    if len(points) > 1:
      text += ', from %+.2f to %+.2f by the seed' % (min(points), max(points))
    lines.append(text)
  return '\n'.join(lines)


def draw_masks(model_dirs: Dict[str, str], path: str) -> None:
  """Draws corners of the first two layers' masks, where single elements can be seen, as a PNG.

  Args:
    model_dirs: folders of checkpoints, by the name of the net.
    path: the file to write.
  """
  corners: List[Any] = []
  for layer in ('hidden1', 'hidden2'):
    for net, model_dir in model_dirs.items():
      for weight in models.load(model_dir).weights():
        if weight.name == layer + '/kernel':
          assert weight.kept is not None
          part = weight.values[:_CORNER, :_CORNER]
          name = '%s: %s%s' % (net, weight.name, ', a corner' * (part.size < weight.values.size))
          corners.append(dataclasses.replace(weight, name=name, threshold=None, values=part,
                                             kept=weight.kept[:_CORNER, :_CORNER]))
  plots.save(plots.masks(corners), path)


def write_metrics(path: str, rows: Sequence[dict], files: Sequence[File],
                  nets: Dict[int, Dict[str, Any]], **others: Any) -> None:
  """Writes metrics.json.

  Args:
    path: the file to write.
    rows: see rows_of.
    files: of all seeds.
    nets: {seed: {name of the net: its weights' sparsity}}.
    **others: what else is to be in it.
  """
  seeds = []
  for seed, weights in nets.items():
    seeds.append({
        'seed': seed,
        'weights': {net: runs.weights_as_json(found) for net, found in weights.items()},
        'files': [{'model': file.model, 'path': os.path.relpath(
            file.written.path, os.path.dirname(path)), 'accuracy': file.accuracy,
                   'bytes': file.written.bytes, 'gzipped_bytes': file.written.gzipped_bytes,
                   'max_error': file.written.max_error}
                  for file in files if file.seed == seed]})
  content = dict(others, models=[dict(row, path=os.path.relpath(
      row['path'], os.path.dirname(path))) for row in rows], seeds=seeds)
  runs.write_json(path, content)
