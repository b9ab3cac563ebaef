# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes the page of a run in graph mode, from the variables in its session."""

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.graph import records
from model_pruning.graph import variables
from model_pruning.graph.pruning import Pruning
from model_pruning.reading import goals
from model_pruning.reading import nodes
from model_pruning.reading.stored import StoredWeight
from model_pruning.reporting import history
from model_pruning.reporting import report
from model_pruning.reporting.run import RunPage
from model_pruning.util.types import Graph
from model_pruning.util.types import Hook
from model_pruning.util.types import Session
from model_pruning.util.types import Variable


class RunReport:
  """Records sparsities and thresholds during a run, and writes its page at the end."""

  def __init__(self, path: Any) -> None:
    """Stores the path of the page; raises the same errors as RunPage."""
    self._page = RunPage(path)
    self._records: List[records.MaskedWeight] = []
    self._dense: List[Variable] = []
    self._folder: Optional[str] = None

  def begin(self, hooks: Sequence[Hook]) -> None:
    """Collects the weights of the default graph.

    Args:
      hooks: the session's hooks; the hook that saves checkpoints has the folder of the event files.
    """
    self._records = records.masked_weights()
    masked = {variables.op_name(shard) for record in self._records
              for shard in record.weight_shards}
    self._dense = [variable for variable in tf.trainable_variables()
                   if variables.op_name(variable) not in masked and variable.dtype.is_floating and
                   variable.shape.rank is not None and variable.shape.rank >= 2]
    self._folder = next((folder for folder in (
        getattr(hook, '_checkpoint_dir', None) for hook in hooks) if folder), None)

  def record(self, session: Session, pruning: Pruning, step: int) -> None:
    """Records a mask update at `step`."""
    kept = pruning.prepare_report()[0]
    thresholds = [variables.copies_of(record.threshold)[0] for record in self._records]
    found = session.run([kept, thresholds])
    self._page.recorder.record(step, {
        record.name: (1 - int(number) / max(record.size(), 1), float(threshold))
        for record, number, threshold in zip(self._records, *found)})

  def write(self, session: Session, pruning: Pruning, last_update: int) -> None:
    """Writes the page; a failure is only a warning.

    Args:
      session: the session that holds the variables.
      pruning: the Pruning that updated the masks.
      last_update: the step of the last mask update.
    """
    def make() -> report.Report:
      names = [record.name for record in self._records]
      earlier = history.beside(self._folder, names) if self._folder else None
      graph, notes = _nodes_of(session.graph)
      stored = goals.StoredGoals(pruning.stored_spec, {
          record.name: record.group for record in self._records if record.group is not None})
      return report.of_weights(
          self._folder or pruning.spec.name, 'training run', self._weights(session),
          last_update=last_update, notes=notes, goals=stored, nodes=graph,
          history=self._page.recorder.history(self._folder or '', earlier))

    self._page.write(pruning.spec.name, make)

  def _weights(self, session: Session) -> Iterator[StoredWeight]:
    """Yields the weights, in the order of creation."""
    masked: Dict[str, records.MaskedWeight] = {}
    for record in self._records:
      masked[variables.op_name(record.weight_shards[0])] = record
    dense = {variables.op_name(variable): variable for variable in self._dense}
    order = [variables.op_name(variable) for variable in tf.global_variables()]
    for name in dict.fromkeys(order + list(masked)):
      if name in masked:
        record = masked[name]
        axis = record.layout.axis
        yield StoredWeight(
            record.name, _whole(session, record.weight_shards, axis),
            _whole(session, record.mask_shards, axis) != 0,
            float(session.run(variables.copies_of(record.threshold)[0])),
            tuple(variables.op_name(shard) for shard in record.weight_shards))
      elif name in dense:
        yield StoredWeight(name, _whole(session, [dense[name]], 0), nodes=(name,))


def _whole(session: Session, shards: Sequence[Variable], axis: int) -> np.ndarray:
  """Returns the value of a variable from its shards."""
  parts = session.run([variables.copies_of(shard)[0] for shard in shards])
  return parts[0] if len(parts) == 1 else np.concatenate(parts, axis)


def _nodes_of(graph: Graph) -> Tuple[nodes.Nodes, Tuple[str, ...]]:
  """Returns a graph's nodes, for FLOPs, or none and a note if the graph is too large."""
  try:
    return nodes.flatten(graph.as_graph_def()), ()
  except (ValueError, tf.errors.OpError):  # For example over 2 GB.
    return {}, ('FLOPs are unknown: the graph is too large.',)
