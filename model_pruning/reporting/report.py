# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reports on the weights in a model file: their sparsity, sizes and FLOPs."""

import dataclasses
import json
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.maps import BlockDims
from model_pruning.hparams.spec import PruningSpec
from model_pruning.reading import flops
from model_pruning.reading import goals as goals_lib
from model_pruning.reading import inputs
from model_pruning.reading import kinds
from model_pruning.reading import measure
from model_pruning.reading import models
from model_pruning.reading import updated
from model_pruning.reading.nodes import Nodes
from model_pruning.reading.stored import StoredWeight
from model_pruning.reading.stored import without_part
from model_pruning.reporting import findings as findings_lib
from model_pruning.reporting import history as history_lib
from model_pruning.reporting import page
from model_pruning.reporting.events import History
from model_pruning.reporting.finding import Finding
from model_pruning.reporting.measured import measured
from model_pruning.reporting.measured import tflite_weights
from model_pruning.reporting.operations import with_operation
from model_pruning.reporting.weight import WeightReport
from model_pruning.util import tables
from model_pruning.util.files import AnyPath

TFLITE = kinds.TFLITE
Hparams = Union[PruningSpec, HParams, str, None]

_SUMMED = ('size', 'zeros', 'bytes_dense', 'bytes_sparse', 'bytes_gzipped', 'flops',
           'flops_effective')


@dataclasses.dataclass(frozen=True)
class Report:
  """The weights of a model, and their totals.

  Attributes:
    path: the file, the folder of a SavedModel, or the prefix of a checkpoint.
    kind: the kind of model: 'checkpoint', 'frozen graph', 'SavedModel', 'TFLite model', 'Keras
      model' or 'weights of a Keras model'.
    weights: the weights that have masks, and other floats of rank 2 or more.
    notes: sentences that say which numbers are unknown, and why.
    never_updated: whether the model has masks, none of which was ever updated.
    history: sparsity and thresholds over the run; if None, `html` looks for event files beside
      the model.
  """
  path: str
  kind: str
  weights: Tuple[WeightReport, ...]
  notes: Tuple[str, ...] = ()
  never_updated: bool = False
  history: Optional[History] = dataclasses.field(default=None, compare=False, repr=False)

  @property
  def findings(self) -> Tuple[Finding, ...]:
    """Problems and how to fix them, the most important first; at most five."""
    return findings_lib.findings_of(self.weights, self.never_updated)

  def html(self, path: AnyPath) -> str:
    """Writes the report as a page for browsers, a single file that loads nothing.

    The page charts sparsity and thresholds over time if there are event files in the model's
    folder or its parent folder.

    Args:
      path: the file to write.

    Returns:
      The path.

    Raises:
      errors.MissingPackageError: jinja2 or matplotlib is not installed.
      errors.WriteError: nothing can be written there, or it is a file of the model.
      errors.PathError: `path` is not a path.
    """
    history = self.history or history_lib.beside(
        self.path, [weight.name for weight in self.weights if weight.masked])
    return page.write(self, history, path)

  def totals(self) -> Dict[str, Any]:
    """Returns sums over the weights, and their sparsity; FLOPs sum the known ones."""
    sums: Dict[str, Any] = {}
    for name in _SUMMED:
      known = [value for value in (getattr(weight, name) for weight in self.weights)
               if value is not None]
      sums[name] = sum(known) if known or not name.startswith('flops') else None
    sums['sparsity'] = sums['zeros'] / max(sums['size'], 1)
    return sums

  def to_json(self) -> str:
    """Returns the report as a JSON object; sizes are in bytes, FLOPs are unscaled."""
    return json.dumps({'path': self.path, 'kind': self.kind,
                       'weights': [_finite(weight.values()) for weight in self.weights],
                       'totals': self.totals(), 'notes': list(self.notes),
                       'findings': [finding.values() for finding in self.findings]}, indent=2)

  def to_csv(self) -> str:
    """Returns one line per weight; shapes and blocks as 3x3x32x64, unknown cells empty."""
    headers = [field.name for field in dataclasses.fields(WeightReport)
               if field.name != 'details']
    headers[headers.index('zeros'):headers.index('zeros') + 1] = ['size', 'zeros', 'sparsity']
    headers.insert(headers.index('target') + 1, 'target_of')
    rows = []
    for weight in self.weights:
      values = dict(weight.values(), shape=tables.shape_text(weight.shape),
                    block=tables.shape_text(weight.block))
      rows.append([values[name] for name in headers])
    return tables.as_csv(headers, rows)

  def table(self, width: int = tables.WIDTH) -> str:
    """Returns the report for a terminal, in two tables if one would be wider than `width`.

    Empty columns are left out, and long names lose their middle.

    Raises:
      errors.MissingPackageError: tabulate is not installed.
    """
    lines = ['%s: %s' % (self.kind, tables.printable(self.path)), '']
    if not self.weights:
      return '\n'.join(lines + ['no weights: nothing is masked, and no float has rank 2 or more'] +
                       [tables.printable(note) for note in self.notes])
    cells = [_cells(weight) for weight in self.weights]
    totals = self.totals()
    total = dict.fromkeys(cells[0], '')
    total.update({'weight': 'total', 'sparsity': tables.fraction(totals['sparsity']),
                  'if dense': tables.scaled(totals['bytes_dense'], 'B'),
                  'if sparse': tables.scaled(totals['bytes_sparse'], 'B'),
                  'if gzipped': tables.scaled(totals['bytes_gzipped'], 'B'),
                  'FLOP': tables.scaled(totals['flops']),
                  'FLOP kept': tables.scaled(totals['flops_effective'])})
    shown = [name for name in cells[0] if any(row[name] != '-' for row in cells)]
    lines += [tables.fitted(shown, [[row[name] for name in shown] for row in cells + [total]],
                            width, left=2, split=shown.index('if dense')), '']
    if 'FLOP' in shown:
      lines.append('FLOP: per example, two per multiply-add; FLOP kept: without those by zeros.')
    lines += [tables.printable(note) for note in self.notes]
    # If no mask was ever updated, a note already says so.
    found = findings_lib.lines([finding for finding in self.findings
                                if finding.kind != 'never_updated'], width,
                               [weight.name for weight in self.weights])
    return '\n'.join(['\n'.join(lines).rstrip()] + [''] * bool(found) + found)


def _cells(weight: WeightReport) -> Dict[str, str]:
  """Returns the cells of a row of the table, by column."""
  in_blocks = weight.block != (1, 1) and weight.block_sparsity is not None
  short = {'float32': '', 'float16': ' f16', 'bfloat16': ' bf16', 'float64': ' f64'}
  return {
      'weight': tables.printable(weight.name),
      'shape': tables.shape_text(weight.shape) + short.get(weight.dtype, ' ' + weight.dtype),
      'sparsity': tables.fraction(weight.sparsity),
      'target': weight.target_text,
      'block': tables.shape_text(weight.block) if in_blocks else '-',
      'blocks zero': tables.fraction(weight.block_sparsity) if in_blocks else '-',
      'threshold': '-' if weight.threshold is None else '%.3g' % weight.threshold,
      'if dense': tables.scaled(weight.bytes_dense, 'B'),
      'if sparse': tables.scaled(weight.bytes_sparse, 'B'),
      'if gzipped': tables.scaled(weight.bytes_gzipped, 'B'),
      'FLOP': tables.scaled(weight.flops),
      'FLOP kept': tables.scaled(weight.flops_effective),
  }


def _finite(values: Dict[str, Any]) -> Dict[str, Any]:
  """Returns the values, with non-finite numbers as text, as JSON has none."""
  return {name: str(value) if isinstance(value, float) and not np.isfinite(value) else value
          for name, value in values.items()}


def of(path: AnyPath, block: Optional[BlockDims] = None,
       input_shapes: Optional[Mapping[str, Sequence[int]]] = None,
       output_node_names: Optional[Sequence[str]] = None, hparams: Hparams = None) -> Report:
  """Reports on a checkpoint, a frozen graph, a SavedModel, a TFLite model or a Keras file.

  FLOPs cover convolutions and matrix products with a stored kernel, if the file has the
  graph and the shapes can be inferred from it. An unknown batch size counts as one; a fixed
  one divides the FLOPs.

  Args:
    path: the prefix of a checkpoint, a folder of checkpoints (the latest is taken), the
      folder of a SavedModel, or a file: a GraphDef, a TFLite model, a Keras model (.keras,
      .h5) or its weights (.weights.h5).
    block: (height, width) of the blocks to look for in matrices [inputs, outputs]; -1 means
      the whole dimension. None looks for the largest blocks in which each weight is sparse.
    input_shapes: shape of one example, by the name of the graph's input, for graphs
      whose input shapes are unknown.
    output_node_names: count only the FLOPs that these need, for example without the
      evaluation part of a graph. None counts all but gradients.
    hparams: the hyperparameters with which the model was pruned, for the targets. None takes
      them from the model: Keras models and graphs built with a Pruning or PruningHook
      store them.

  Raises:
    errors.CheckpointError: there is no checkpoint, or it is damaged.
    errors.ModelFileError: the file holds no model, or is damaged; or input_shapes
      has a name that is no input.
    errors.OutputNodeError: an output is not in the graph.
    errors.BlockError: `block` is not a valid block size.
    errors.PruningError: hparams are invalid, or do not fit the masked weights.
  """
  measure.check_block(block)
  path = inputs.check(path)
  if kinds.kind_of(path) == kinds.TFLITE:
    return Report(path, TFLITE, tuple(tflite_weights(path, block)),
                  ('FLOPs of TFLite models are not counted.',))
  model = models.load(path, output_node_names)
  rows, masks = [], []
  for weight in model.weights():
    rows.append((measured(weight, block), weight.nodes))
    masks.append(updated.state_of(weight))
  known = [name for _, made_of in rows for name in made_of]
  layers = [flops.layers_of(model.nodes, known, input_shapes)]
  if len(model.signatures) > 1:  # Each may have a copy of the model; count a weight only in one.
    layers = [flops.layers_of(nodes, known, {
        name: shape for name, shape in (input_shapes or {}).items()
        if name.split(':')[0] in nodes}) for nodes in model.signatures]
  weights, counted = [], {0: layers[0].notes}
  for row, made_of in rows:
    index, found = next(((index, found) for index, found in enumerate(
        _layers_by(made_of, each.layers) for each in layers) if found), (0, []))
    weights.append(with_operation(_with_flops(row, found), found))
    counted[index] = layers[index].notes
  notes = model.notes + tuple(dict.fromkeys(note for each in counted.values() for note in each))
  # The settings of a Keras model are by the names of its weights, not by nodes of its graph.
  names = [without_part(made_of[0]) if made_of and model.kind != kinds.KERAS else row.name
           for row, made_of in rows]
  return _finished(Report(model.path, model.kind, tuple(weights), notes), names, model.goals,
                   hparams, updated.never_updated(masks, model.last_update))


def of_weights(name: str, kind: str, weights: Iterable[StoredWeight],
               block: Optional[BlockDims] = None, last_update: Optional[int] = None,
               notes: Tuple[str, ...] = (), goals: Optional[goals_lib.StoredGoals] = None,
               hparams: Hparams = None, history: Optional[History] = None,
               nodes: Optional[Nodes] = None,
               input_shapes: Optional[Mapping[str, Sequence[int]]] = None) -> Report:
  """Reports on weights in memory.

  Args:
    name, kind: the source of the weights; see Report.path and Report.kind.
    weights: the weights.
    block: see `of`.
    last_update: the step of the last mask update; None if unknown.
    notes, history: see Report.
    goals: the stored settings that give their targets.
    hparams: see `of`.
    nodes: nodes of the weights' graph, for FLOPs; see StoredWeight.nodes.
    input_shapes: see `of`.

  Raises:
    errors.BlockError, errors.ModelFileError, errors.PruningError: see `of`.
  """
  measure.check_block(block)
  rows, masks = [], []
  for weight in weights:
    rows.append((measured(weight, block), weight.nodes))
    masks.append(updated.state_of(weight))
  layers = flops.layers_of(nodes or {}, [node for _, made_of in rows for node in made_of],
                           input_shapes)
  found = [_layers_by(made_of, layers.layers) for _, made_of in rows]
  counted = tuple(with_operation(_with_flops(row, each), each)
                  for (row, _), each in zip(rows, found))
  return _finished(Report(name, kind, counted, notes + layers.notes, history=history),
                   [row.name for row in counted], goals or goals_lib.StoredGoals(), hparams,
                   updated.never_updated(masks, last_update))


def _finished(report: Report, names: Sequence[str], goals: goals_lib.StoredGoals,
              hparams: Hparams, never_updated: bool) -> Report:
  """Returns the report with each weight's target, and a note if no mask was ever updated.

  Args:
    names: names of the weights in which the hyperparameters' maps are searched.
  """
  masked = [index for index, row in enumerate(report.weights) if row.masked]
  found = goals_lib.find([goals_lib.Masked(names[index], report.weights[index].shape)
                          for index in masked], goals, hparams)
  met = goals_lib.met(found, [report.weights[index].details.hidden for index in masked])
  weights = list(report.weights)
  for index, goal, is_met in zip(masked, found, met):
    if goal is not None:
      row = dataclasses.replace(
          weights[index], target=goal.target,
          details=dataclasses.replace(weights[index].details, goal=goal))
      weights[index] = dataclasses.replace(row, met=is_met and not row.is_coarse)
  notes = report.notes + ((_as_note(updated.warning(report.path)),) if never_updated else ())
  return dataclasses.replace(report, weights=tuple(weights), notes=notes,
                             never_updated=never_updated)


def _as_note(warning: str) -> str:
  return warning[0].upper() + warning[1:]


def _layers_by(made_of: Iterable[str], layers: Sequence[flops.Layer]) -> List[flops.Layer]:
  names = set(made_of)
  # A product of several weights counts for the first one.
  return [layer for layer in layers if layer.sources[0] in names]


def _with_flops(row: WeightReport, layers: Sequence[flops.Layer]) -> WeightReport:
  if not layers or any(layer.flops is None for layer in layers):
    return row
  total = sum(layer.flops or 0 for layer in layers)
  kept = total * (row.size - row.zeros) / max(row.size, 1)
  return dataclasses.replace(row, flops=total, flops_effective=int(round(kept)))
