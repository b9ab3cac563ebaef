# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Predicts which weight of a trained model gets how many of the zeros at the end of a run."""

import dataclasses
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine import selection
from model_pruning.engine.choose import choose_masks
from model_pruning.engine.plan import plan
from model_pruning.engine.plan import PrunedTogether
from model_pruning.engine.saliency import keeps_history
from model_pruning.hparams.maps import expression
from model_pruning.hparams.spec import PruningSpec
from model_pruning.names import KERNELS
from model_pruning.reading import models
from model_pruning.reading.goals import Masked
from model_pruning.reading.stored import as_float
from model_pruning.reading.stored import StoredWeight
from model_pruning.reading.stored import without_part
from model_pruning.reporting import distribution_advice
from model_pruning.reporting.weight import is_off
from model_pruning.util import tables
from model_pruning.util.files import AnyPath


@dataclasses.dataclass(frozen=True)
class Allotted:
  """The number of elements that one weight keeps.

  Attributes:
    name, shape: the weight.
    kept: the number of elements that its mask keeps.
  """
  name: str
  shape: Tuple[int, ...]
  kept: int

  @property
  def size(self) -> int:
    """The number of elements."""
    return int(np.prod(self.shape, dtype=np.int64))

  @property
  def sparsity(self) -> float:
    """The fraction of elements that the mask hides."""
    return 1 - self.kept / max(self.size, 1)

  def values(self) -> Dict[str, Any]:
    """Returns the attributes for JSON."""
    return {'name': self.name, 'shape': list(self.shape), 'sparsity': self.sparsity,
            'kept': self.kept, 'size': self.size}


@dataclasses.dataclass(frozen=True)
class Allotment:
  """The number of elements that every weight of a model keeps at the target sparsity.

  Attributes:
    path: the model.
    rows: its weights, in the model's order.
    warnings: sentences about weights that keep next to nothing, and notes.
    shortfalls: clauses about targets that the patterns of weights cannot reach.
  """
  path: str
  rows: Tuple[Allotted, ...]
  warnings: Tuple[str, ...] = ()
  shortfalls: Tuple[str, ...] = ()

  def table(self, width: int = tables.WIDTH) -> str:
    """Returns the weights and their total for a terminal.

    Raises:
      errors.MissingPackageError: tabulate is not installed.
    """
    total = sum(row.size for row in self.rows)
    kept = sum(row.kept for row in self.rows)
    cells = [[row.name, tables.shape_text(row.shape), tables.fraction(row.sparsity),
              '{:,}'.format(row.kept), '{:,}'.format(row.size)] for row in self.rows]
    cells.append(['total', '', tables.fraction(1 - kept / max(total, 1)), '{:,}'.format(kept),
                  '{:,}'.format(total)])
    lines = [tables.fitted(['weight', 'shape', 'sparsity', 'kept', 'of'], cells, width, left=2)]
    for sentence in (*('Falls short: %s.' % each for each in self.shortfalls), *self.warnings):
      lines += [''] + tables.wrapped(sentence, width)
    return '\n'.join(lines)

  def values(self) -> Dict[str, Any]:
    """Returns the weights and warnings for JSON."""
    return {'model': self.path, 'weights': [row.values() for row in self.rows],
            'shortfalls': list(self.shortfalls), 'warnings': list(self.warnings)}

  def to_csv(self) -> str:
    """Returns one line per weight."""
    return tables.as_csv(['name', 'shape', 'sparsity', 'kept', 'size'], [
        [row.name, tables.shape_text(row.shape), row.sparsity, row.kept, row.size]
        for row in self.rows])


def of(path: AnyPath, spec: PruningSpec) -> Allotment:
  """Returns how much each weight of a model keeps at its final sparsity, by its present values.

  The weights are the masked ones of a model that has masks, and otherwise those that are masked
  by default. Groups are taken from the model.

  Args:
    path: see models.load.
    spec: the hyperparameters.

  Raises:
    errors.SpecError: the spec prunes channels.
    errors.PruningError: the model cannot be read, or the spec does not fit its weights.
  """
  if spec.channel_pruning:
    raise errors.SpecError(
        'channel_pruning=true: how much of each weight is hidden depends on what reads its '
        'channels; list the groups of channels of a frozen graph or SavedModel with '
        '`model-pruning channels MODEL`')
  model = models.load(path)
  weights = _weights(model)
  groups = model.goals.groups
  records = [Masked(without_part(weight.name), weight.values.shape,
                    groups.get(weight.name), index) for index, weight in enumerate(weights)]
  notes = []
  if keeps_history(spec.prune_option):
    notes.append('Chosen by magnitudes: prune_option=%s also needs the history of the run.' %
                 spec.prune_option)
  kept, shortfalls = _kept(records, weights, spec)
  rows = tuple(Allotted(record.name, record.shape, count) for record, count in zip(records, kept))
  other = distribution_advice.better(spec)
  thin = [index for index in distribution_advice.thin(
      [(row.size, spec.target_for(row.name, spec.group_for(record.group, row.name)))
       for row, record in zip(rows, records)]) if not spec.shares_target]
  if thin and other is not None:
    with_other, _ = _kept(records, weights, other)
    notes += [distribution_advice.sentence(
        rows[index].name, rows[index].kept, rows[index].size, other.sparsity_distribution,
        with_other[index]) for index in thin]
    notes.append(distribution_advice.MEASURED)
  return Allotment(model.path, rows, tuple(notes), tuple(shortfalls))


def _weights(model: models.StoredModel) -> List[StoredWeight]:
  found = list(model.weights())
  masked = [weight for weight in found if weight.kept is not None]
  kernels = masked or [weight for weight in found
                       if expression('include', KERNELS).match(weight.name)]
  if not kernels:
    raise errors.ModelFileError(
        '%s has no masked weight, and no weight whose name matches %r, which are masked by '
        'default%s' % (model.path, KERNELS, '; it has: ' + ', '.join(
            weight.name for weight in found[:10]) if found else ''))
  return [weight for weight in kernels if weight.values.size]


def _kept(records: Sequence[Masked], weights: Sequence[StoredWeight], spec: PruningSpec
          ) -> Tuple[List[int], List[str]]:
  """Returns how many elements each weight keeps, and clauses about targets that are missed.

  Both are for masks as one update to the targets chooses them.
  """
  spec = dataclasses.replace(spec, prune_option='weight', threshold_decay=0.0, use_tpu=False)
  counts: Dict[int, Any] = {}
  feed = {}
  plans = plan(records, spec)
  with tf.Graph().as_default(), tf.Session() as session:
    for together in plans:
      members = [record for record, _ in together.members]
      inputs = [tf.placeholder(tf.float32, record.shape) for record in members]
      target = spec.target_sparsity if together.own_target is None else together.own_target
      _, masks = choose_masks(
          together, inputs, tf.constant(target, selection.sparsity_dtype(together.units)),
          [tf.constant(0.0)] * len(members), spec)
      for record, tensor, mask in zip(members, inputs, masks):
        counts[record.identity] = tf.math.count_nonzero(mask, dtype=tf.int64)
        feed[tensor] = as_float(weights[record.identity].values)
    found = session.run(counts, feed)
  kept = [int(found[index]) for index in range(len(records))]
  return kept, [clause for clause in (_shortfall(each, kept, spec) for each in plans) if clause]


def _shortfall(together: PrunedTogether, kept: Sequence[int], spec: PruningSpec) -> str:
  """Returns a clause about a target that is missed, or ''.

  Args:
    together: the weights that share the target.
    kept: how many elements each record keeps, by its identity.
    spec: the hyperparameters.
  """
  target = spec.target_sparsity if together.own_target is None else together.own_target
  members = together.members
  sizes = [int(np.prod(record.shape, dtype=np.int64)) for record, _ in members]
  sparsity = 1 - sum(kept[record.identity] for record, _ in members) / max(sum(sizes), 1)
  if not is_off(target, sparsity, sum(sizes)):  # As a report of the run will say.
    return ''
  unit = members[0].pattern.describe(members[0].record.layout).name
  return '%s gets a sparsity of %s, and its target is %s%s' % (
      together.name, tables.fraction(sparsity), tables.fraction(target),
      ', because its mask hides %s: set a target that these can reach, or other ones' % unit
      if unit else '')
