# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reports on the pruning of a Keras model in memory."""

from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from model_pruning import errors
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.maps import BlockDims
from model_pruning.keras import backend
from model_pruning.keras import graphs
from model_pruning.keras import variables
from model_pruning.keras.copying import plain_weights
from model_pruning.keras.plans import plans_of
from model_pruning.keras.pruned import pruned_layers
from model_pruning.reading.goals import Goal
from model_pruning.reading.goals import goals_by_weight
from model_pruning.reading.goals import StoredGoals
from model_pruning.reading.stored import StoredWeight
from model_pruning.reading.stored_spec import StoredSpec
from model_pruning.reporting.events import History
from model_pruning.reporting.report import of_weights
from model_pruning.reporting.report import Report
from model_pruning.schedules import weight_sparsity
from model_pruning.util.types import Model


def report(model: Model, block: Optional[BlockDims] = None,
           hparams: Union[HParams, str, None] = None, history: Optional[History] = None,
           input_shapes: Optional[Mapping[str, Sequence[int]]] = None) -> Report:
  """Returns a report on the sparsity and sizes of a model's weights, pruned or stripped.

      print(report(model).table())
      report(model).html('report.html')

  Args:
    model: a built Keras model or layer.
    block: (height, width) of the blocks to look for in matrices [inputs, outputs]; -1 means
      the whole dimension. None looks for the largest blocks in which each weight is sparse.
    hparams: the hyperparameters with which it was pruned, for targets; they replace the
      targets that its layers store.
    history: sparsity and thresholds over the run, for the page.
    input_shapes: shape of one example, by the name of the input, for inputs whose shapes the model
      does not fix. They are needed for FLOPs only.

  Returns:
    A model_pruning.report.Report, with the weights that have masks and other floats of
    rank 2 or more. It has the FLOPs of models that declare their inputs, as functional ones do.

  Raises:
    errors.LayerError: it is not a layer or model, or not built.
    errors.BlockError: `block` is not a valid block size.
    errors.ModelFileError: input_shapes has a name that is no input.
    errors.PruningError: hparams are invalid, or do not fit the masked weights.
  """
  if not backend.is_layer(model) or not model.built:
    raise errors.LayerError('report() takes a built Keras model or layer, not %r' %
                            (model,))
  graph = graphs.graph_of(model)
  return of_weights(model.name, 'Keras model', stored_weights(model, graph), block,
                    last_update(model), _frozen(model), goals(model), hparams, history,
                    graph.nodes if graph else None, input_shapes)


def goals(model: Model) -> StoredGoals:
  """Returns the targets that a model's pruned layers store, as far as they are known."""
  known: Dict[str, Goal] = {}
  try:
    plans = plans_of([layer for layer in pruned_layers(model) if layer.pruning.made])
  except errors.PruningError:
    return StoredGoals()  # Maps name weights that are not built yet.
  for settings, together in plans:
    if weight_sparsity.is_final_known(settings.spec, settings.schedule):
      target = float(weight_sparsity.final(settings.spec, settings.schedule, together.own_target))
      stored = StoredSpec.create(settings.spec, settings.schedule)
      known.update((record.name, goal) for record, goal in goals_by_weight(
          together, target, stored.end_step if stored else None, settings.spec))
  return StoredGoals(known=known)


def _frozen(model: Model) -> Tuple[str, ...]:
  """Returns a sentence about weights frozen short of their target, or nothing."""
  names: List[str] = []
  for layer in pruned_layers(model):
    pruning = layer.pruning
    if pruning.made and not pruning.settings.is_reached(int(pruning.step.numpy()),
                                                        pruning.last_update):
      names.extend(record.name for record in pruning.weights if not record.trainable)
  return ('Frozen (trainable=False) before they reached their target sparsity: %s' %
          ', '.join(names),) if names else ()


def last_update(model: Model) -> Optional[int]:
  """Returns the step of the last mask update of a model; None if no layer is pruned."""
  steps = [layer.pruning.last_update for layer in pruned_layers(model) if layer.pruning.made]
  return max(steps) if steps else None


def stored_weights(model: Model, graph: Optional[graphs.Graph] = None) -> Iterator[StoredWeight]:
  """Yields the weights of a model or layer: those with masks, and other floats of rank 2 or more.

  Args:
    model: the model or layer.
    graph: its graph, for the nodes of the weights.
  """
  names = graph.weights if graph else {}
  pruned = {id(record.weight): record
            for layer in pruned_layers(model) for record in layer.pruning.weights}
  for weight in plain_weights(model):
    record, values = pruned.get(id(weight)), variables.to_array(weight)
    nodes = (names[id(weight)],) if id(weight) in names else ()
    if record is not None:
      yield StoredWeight(record.name, values, variables.to_array(record.mask).astype(bool),
                         float(variables.to_array(record.threshold)), nodes)
    elif values.ndim >= 2 and values.dtype.kind in 'fV':
      yield StoredWeight(variables.variable_name(weight), values, nodes=nodes)
