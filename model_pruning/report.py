# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What pruning came to in a file: sparsity, sizes and FLOPs of each weight of a model."""

import dataclasses
import json
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from model_pruning.reading import flops
from model_pruning.reading import kinds
from model_pruning.reading import measure
from model_pruning.reading import models
from model_pruning.reading import updated
from model_pruning import inputs
from model_pruning import tables
from model_pruning import tensors
from model_pruning.compat import tf
from model_pruning.export import flatbuffer
from model_pruning.spec import BlockDims
from model_pruning.reading.stored import nonzero
from model_pruning.reading.stored import StoredWeight

TFLITE = kinds.TFLITE


@dataclasses.dataclass(frozen=True)
class WeightReport:
  """One weight.

  Attributes:
    name: of the variable, constant or tensor.
    shape: of the weight.
    dtype: name of its dtype.
    masked: whether a mask is stored with it.
    zeros: number of elements that are zero, or hidden by the mask.
    block: (height, width) of the blocks that the next two are about, in elements
      of the weight as a matrix [inputs, outputs].
    block_sparsity: share of the blocks that are all zeros; None for a weight that is
      no matrix, where blocks were asked for.
    threshold: of the last mask update; None where none is stored.
    bytes_dense: size of all elements.
    bytes_sparse: size in the encoding of measure.bytes_sparse, in these blocks, or
      bytes_dense where that is less.
    bytes_gzipped: size of all elements, zeros included, once gzipped.
    flops: of the layers that multiply by the weight, per example, two per
      multiply-add; None where they are not known.
    flops_effective: flops times the share of elements that are kept.
  """
  name: str
  shape: Tuple[int, ...]
  dtype: str
  masked: bool
  zeros: int
  block: BlockDims
  block_sparsity: Optional[float]
  threshold: Optional[float]
  bytes_dense: int
  bytes_sparse: int
  bytes_gzipped: int
  flops: Optional[int] = None
  flops_effective: Optional[int] = None

  @property
  def size(self) -> int:
    """Number of elements."""
    return int(np.prod(self.shape, dtype=np.int64))

  @property
  def sparsity(self) -> float:
    """Share of the elements that are zero."""
    return self.zeros / max(self.size, 1)

  def values(self) -> Dict[str, Any]:
    """Returns all of it by name, for JSON and CSV."""
    return {'name': self.name, 'shape': list(self.shape), 'dtype': self.dtype,
            'masked': self.masked, 'size': self.size, 'zeros': self.zeros,
            'sparsity': self.sparsity, 'block': list(self.block),
            'block_sparsity': self.block_sparsity, 'threshold': self.threshold,
            'bytes_dense': self.bytes_dense, 'bytes_sparse': self.bytes_sparse,
            'bytes_gzipped': self.bytes_gzipped, 'flops': self.flops,
            'flops_effective': self.flops_effective}


_SUMMED = ('size', 'zeros', 'bytes_dense', 'bytes_sparse', 'bytes_gzipped', 'flops',
           'flops_effective')


@dataclasses.dataclass(frozen=True)
class Report:
  """The weights of a model, and what they sum to.

  Attributes:
    path: the file, the folder of a SavedModel, or the prefix of a checkpoint.
    kind: what it is: 'checkpoint', 'frozen graph', 'SavedModel', 'TFLite model', 'Keras
      model' or 'weights of a Keras model'.
    weights: the weights that have masks, and other floats of rank 2 or more.
    notes: what is not known, and why; a sentence each.
  """
  path: str
  kind: str
  weights: Tuple[WeightReport, ...]
  notes: Tuple[str, ...] = ()

  def totals(self) -> Dict[str, Any]:
    """Returns sums over the weights, and their sparsity; FLOPs of those that are known."""
    sums: Dict[str, Any] = {}
    for name in _SUMMED:
      known = [value for value in (getattr(weight, name) for weight in self.weights)
               if value is not None]
      sums[name] = sum(known) if known or not name.startswith('flops') else None
    sums['sparsity'] = sums['zeros'] / max(sums['size'], 1)
    return sums

  def to_json(self) -> str:
    """Returns the report as a JSON object; sizes in bytes, FLOPs as they are."""
    return json.dumps({'path': self.path, 'kind': self.kind,
                       'weights': [_finite(weight.values()) for weight in self.weights],
                       'totals': self.totals(), 'notes': list(self.notes)}, indent=2)

  def to_csv(self) -> str:
    """Returns a line per weight; shapes and blocks as 3x3x32x64, an empty cell where unknown."""
    headers = [field.name for field in dataclasses.fields(WeightReport)]
    headers[headers.index('zeros'):headers.index('zeros') + 1] = ['size', 'zeros', 'sparsity']
    rows = []
    for weight in self.weights:
      values = dict(weight.values(), shape=tables.shape_text(weight.shape),
                    block=tables.shape_text(weight.block))
      rows.append([values[name] for name in headers])
    return tables.as_csv(headers, rows)

  def table(self, width: int = 100) -> str:
    """Returns the report for a terminal, as two tables where one would be wider than `width`.

    Columns without anything in them are left out, and long names lose their middle.

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
    total.update(weight='total', sparsity=tables.share(totals['sparsity']),
                 dense=tables.scaled(totals['bytes_dense'], 'B'),
                 sparse=tables.scaled(totals['bytes_sparse'], 'B'),
                 gzipped=tables.scaled(totals['bytes_gzipped'], 'B'),
                 FLOP=tables.scaled(totals['flops']), kept=tables.scaled(totals['flops_effective']))
    shown = [name for name in cells[0] if any(row[name] != '-' for row in cells)]
    groups = [shown]
    if _width(cells + [total], shown) > width:
      costs = [name for name in shown if name in ('dense', 'sparse', 'gzipped', 'FLOP', 'kept')]
      groups = [[name for name in shown if name not in costs], ['weight'] + costs]
    for group in groups:
      room = width - _width(cells + [total], group) + max(len(row['weight']) for row in cells)
      names = tables.elided([row['weight'] for row in cells], max(room, 12))
      rows = [dict(row, weight=name) for row, name in zip(cells, names)]
      lines += [tables.aligned(group, [[row[name] for name in group] for row in rows + [total]],
                               left=2 if 'shape' in group else 1), '']
    if 'FLOP' in shown:
      lines.append('FLOP: per example, two per multiply-add; kept: without those by zeros.')
    lines += [tables.printable(note) for note in self.notes]
    return '\n'.join(lines).rstrip()


def _cells(weight: WeightReport) -> Dict[str, str]:
  """Returns the texts of a row of the table, by column."""
  in_blocks = weight.block != (1, 1) and weight.block_sparsity is not None
  short = {'float32': '', 'float16': ' f16', 'bfloat16': ' bf16', 'float64': ' f64'}
  return {
      'weight': tables.printable(weight.name),
      'shape': tables.shape_text(weight.shape) + short.get(weight.dtype, ' ' + weight.dtype),
      'sparsity': tables.share(weight.sparsity),
      'block': tables.shape_text(weight.block) if in_blocks else '-',
      'of blocks': tables.share(weight.block_sparsity) if in_blocks else '-',
      'threshold': '-' if weight.threshold is None else '%.3g' % weight.threshold,
      'dense': tables.scaled(weight.bytes_dense, 'B'),
      'sparse': tables.scaled(weight.bytes_sparse, 'B'),
      'gzipped': tables.scaled(weight.bytes_gzipped, 'B'),
      'FLOP': tables.scaled(weight.flops),
      'kept': tables.scaled(weight.flops_effective),
  }


def _width(rows: Sequence[Dict[str, str]], columns: Sequence[str]) -> int:
  return sum(max([len(name)] + [len(row[name]) for row in rows]) + 2 for name in columns) - 2


def _finite(values: Dict[str, Any]) -> Dict[str, Any]:
  """Returns the values with texts for what JSON has no number for."""
  return {name: str(value) if isinstance(value, float) and not np.isfinite(value) else value
          for name, value in values.items()}


def of(path: Any, block: Optional[BlockDims] = None,
       input_shapes: Optional[Mapping[str, Sequence[int]]] = None,
       output_node_names: Optional[Sequence[str]] = None) -> Report:
  """Reports on a checkpoint, a frozen graph, a SavedModel, a TFLite model, or a file of Keras.

  FLOPs are those of convolutions and matrix products with a stored kernel, as far as
  the file has the graph and shapes can be told from it. Where the inputs' batch size
  is unknown it is one; where it is fixed, FLOPs are divided by it.

  Args:
    path: the prefix of a checkpoint, a folder of checkpoints for the latest, a
      SavedModel's folder, or a file: with a GraphDef, a TFLite model, a Keras model (.keras,
      .h5), or weights of one (.weights.h5).
    block: (height, width) of the blocks of a matrix [inputs, outputs] to look for; -1
      for its whole dimension. None finds those in which each weight is sparse.
    input_shapes: shape of one example, by the name of the graph's input, for graphs
      whose inputs leave theirs open.
    output_node_names: count the FLOPs of what these need only, such as without
      the parts of a graph for evaluation. None is all but gradients.

  Raises:
    errors.CheckpointError: there is no checkpoint, or it is damaged.
    errors.ModelFileError: the file holds no model, or is damaged; or input_shapes
      names no input.
    errors.OutputNodeError: an output is not in the graph.
    errors.BlockError: there are no blocks of that size.
  """
  measure.check_block(block)
  path = inputs.check(path)
  if kinds.kind_of(path) == kinds.TFLITE:
    return Report(path, TFLITE, tuple(_tflite_weights(path, block)),
                  ('FLOPs of TFLite models are not counted.',))
  model = models.load(path, output_node_names)
  rows, masks = [], []
  for weight in model.weights():
    rows.append((_measure(weight, block), weight.nodes))
    masks.append(updated.state_of(weight))
  known = [name for _, made_of in rows for name in made_of]
  layers = [flops.layers_of(model.nodes, known, input_shapes)]
  if len(model.signatures) > 1:  # Each may have a copy of the model: a weight counts in one.
    layers = [flops.layers_of(nodes, known, {
        name: shape for name, shape in (input_shapes or {}).items()
        if name.split(':')[0] in nodes}) for nodes in model.signatures]
  weights, counted = [], {0: layers[0].notes}
  for row, made_of in rows:
    index, found = next(((index, found) for index, found in enumerate(
        _layers_by(made_of, each.layers) for each in layers) if found), (0, []))
    weights.append(_with_flops(row, found))
    counted[index] = layers[index].notes
  notes = model.notes + tuple(dict.fromkeys(note for each in counted.values() for note in each))
  if updated.never_updated(masks, model.last_update):
    notes += (_as_note(updated.warning(model.path)),)
  return Report(model.path, model.kind, tuple(weights), notes)


def of_weights(name: str, kind: str, weights: Iterable[StoredWeight],
               block: Optional[BlockDims] = None, last_update: Optional[int] = None,
               notes: Tuple[str, ...] = ()) -> Report:
  """Reports on weights that are in memory.

  Args:
    name, kind: what they are the weights of; see Report.path and kind.
    weights: the weights.
    block: see `of`.
    last_update: the step of the last mask update; None where none is known.
    notes: see Report.
  """
  measure.check_block(block)
  rows, masks = [], []
  for weight in weights:
    rows.append(_measure(weight, block))
    masks.append(updated.state_of(weight))
  if updated.never_updated(masks, last_update):
    notes += (_as_note(updated.warning(name)),)
  return Report(name, kind, tuple(rows), notes)


def _as_note(warning: str) -> str:
  return warning[0].upper() + warning[1:]


def _measure(weight: StoredWeight, block: Optional[BlockDims]) -> WeightReport:
  values = weight.masked
  row = _row(weight.name, nonzero(values), values, block)
  return dataclasses.replace(row, masked=weight.kept is not None, threshold=weight.threshold)


def _row(name: str, kept: np.ndarray, values: np.ndarray,
         block: Optional[BlockDims]) -> WeightReport:
  """Returns what there is to say of a weight by its values alone.

  Args:
    name: of the weight.
    kept: bool array of its shape, False for zeros.
    values: as they are stored.
    block: see `of`.
  """
  shape, is_matrix = kept.shape, measure.is_matrix(kept.shape)
  kept = measure.as_matrix(kept)
  repeated = tensors.is_repeated(kept) and tensors.is_repeated(values)
  if repeated:  # It takes no memory, and has none taken for it here.
    alive = bool(kept[0, 0])
    blocks = measure.uniform_blocks(kept.shape, block if block and is_matrix else (1, 1), alive)
    zeros = 0 if alive else kept.size
  else:
    found = (block or measure.find_block(kept)) if is_matrix else (1, 1)
    blocks = measure.blocks_of(kept, found)
    zeros = int(kept.size - np.count_nonzero(kept))
  return WeightReport(
      name=name, shape=shape, dtype=tf.as_dtype(values.dtype).name, masked=False,
      zeros=zeros, block=(blocks.height, blocks.width),
      block_sparsity=blocks.sparsity if is_matrix or block is None else None, threshold=None,
      bytes_dense=values.nbytes,
      bytes_sparse=min(values.nbytes, measure.bytes_sparse(blocks, kept.shape, values.itemsize)),
      bytes_gzipped=measure.bytes_gzipped_repeated(tensors.distinct(values).tobytes(), values.size)
      if repeated else measure.bytes_gzipped(values.tobytes()))


def _layers_by(made_of: Iterable[str], layers: Sequence[flops.Layer]) -> List[flops.Layer]:
  names = set(made_of)
  # A product of several weights counts for the first.
  return [layer for layer in layers if layer.sources[0] in names]


def _with_flops(row: WeightReport, layers: Sequence[flops.Layer]) -> WeightReport:
  if not layers or any(layer.flops is None for layer in layers):
    return row
  total = sum(layer.flops or 0 for layer in layers)
  kept = total * (row.size - row.zeros) / max(row.size, 1)
  return dataclasses.replace(row, flops=total, flops_effective=int(round(kept)))


def _tflite_weights(path: str, block: Optional[BlockDims]) -> Iterator[WeightReport]:
  """Yields the weights of a TFLite model; of those stored sparse, as they are stored."""
  for constant in flatbuffer.constants_of(path):
    stored, kept = constant.stored(), constant.values != constant.zero
    if not constant.sparse:
      kept = kept.reshape(constant.shape)
      # The outputs come first in the file, and last in a kernel.
      kept = np.moveaxis(kept, 0, -1) if stored.shape != constant.shape else kept
      row = _row(stored.name, kept, constant.values, block)
    else:
      rows, columns = stored.shape[-2:]
      height, width = stored.block or (1, 1)
      blocks = -(-rows // height) * -(-columns // width) * (
          stored.size // max(rows * columns, 1))
      row = WeightReport(
          stored.name, stored.shape, stored.dtype, False,
          stored.size - int(np.count_nonzero(kept)), (height, width),
          1 - kept.size / (height * width) / max(blocks, 1), None, stored.dense_bytes,
          stored.stored_bytes, measure.bytes_gzipped(constant.values.tobytes()))
    yield dataclasses.replace(row, shape=stored.shape)
