# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Masks by channel in a graph: finds its channels, and builds the update of their masks."""

import dataclasses
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence

from absl import logging
import numpy as np

from model_pruning.channels import masking
from model_pruning.channels.analysis import analyse
from model_pruning.compat import tf
from model_pruning.engine import channel_groups
from model_pruning.graph import variables
from model_pruning.graph.forward import forward_part
from model_pruning.graph.records import MaskedWeight
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.sparsity_table import WeightSparsity
from model_pruning.util.types import Graph
from model_pruning.util.types import Operation
from model_pruning.util.types import Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
  """The channels of a graph that masks hide.

  Attributes:
    records: the masked weights of the graph.
    plan: the channels.
    sources: per weight of the plan, the variable; or a constant tensor.
    masked: per weight of plan.masked, its record.
  """
  records: List[MaskedWeight]
  plan: channel_groups.ChannelPlan
  sources: List[Any]
  masked: List[MaskedWeight]


def find(records: Sequence[MaskedWeight], spec: PruningSpec) -> Found:
  """Returns the channels of the default graph that its masks can hide.

  Logs one line with the weights that stay dense. The result is kept until a weight is added.

  Args:
    records: the masked weights.
    spec: the hyperparameters.

  Raises:
    errors.ChannelError: masks can hide no channels.
    errors.MapError: a key of weight_sparsity_map matches no group, or several match one.
    errors.OutputNodeError: an output in channel_outputs is not in the graph.
  """
  graph = tf.get_default_graph()
  # Stored on the graph. Elsewhere it would keep every graph alive.
  key = tuple(record.identity for record in records), spec
  kept = getattr(graph, '_model_pruning_channels', None)
  if kept is None or kept[0] != key:
    kept = graph._model_pruning_channels = key, _find(graph, records, spec)
  return kept[1]


def _find(graph: Graph, records: Sequence[MaskedWeight], spec: PruningSpec) -> Found:
  forward = forward_part(graph, records, spec.channel_outputs)
  by_name = {forward.names[record.mask.name]: record for record in records}
  channels = analyse(forward.graph_def, forward.outputs)
  found = masking.hideable(channels, set(by_name), channels.groups)
  found = found.renamed({name: record.name for name, record in by_name.items()})
  sources = _sources(graph, channels.trace.weights, forward.stand_ins)
  sources.update((record.name, record.weight) for record in records)
  layouts = {name: variables.layout_of(source) for name, source in sources.items()}
  plan, names = found.plan(layouts, [record.name for record in records], spec)
  if found.log_line:
    logging.warning('%s: these weights stay dense, as masks cannot hide their channels: %s',
                    spec.name, found.log_line)
  records_of = {record.name: record for record in records}
  return Found(list(records), plan, [sources[name] for name in names],
               [records_of[names[number]] for number in plan.masked])


def _sources(graph: Graph, weights: Iterable[str], stand_ins: Mapping[str, Optional[Tensor]]
             ) -> Dict[str, Any]:
  """Returns the variables and tensors with slices of channels, by name.

  Args:
    graph: the graph.
    weights: the names of weights in its forward part.
    stand_ins: see Forward.
  """
  known = {variables.op_name(variable): variable for variable in (
      *variables.saved_variables(), *tf.local_variables())}
  found = {}
  for name in weights:
    if name in known:
      found[name] = known[name]
    elif stand_ins.get(name) is not None:
      found[name] = stand_ins[name]
    elif name not in stand_ins and graph.get_operation_by_name(name).type == 'Const':
      found[name] = graph.get_tensor_by_name(name + ':0')
  return found


def update_all(found: Found, sparsity_for: Callable[..., Tensor], spec: PruningSpec,
               in_branch: bool = False) -> List[Operation]:
  """Builds the update of all masks, and returns the operations that make it.

  Args:
    found: the channels.
    sparsity_for: takes the own target (or None) and the dtype, and returns the sparsity.
    spec: the hyperparameters.
    in_branch: has no effect; as for updates.update_all.
  """
  del in_branch
  with tf.name_scope('channels_pruning_ops'):
    chosen = channel_groups.choose(
        found.plan, [variables.read_shards(source) for source in found.sources], sparsity_for, spec)
    # All masks are chosen before any is written.
    with tf.control_dependencies([tf.group(
        *chosen.thresholds, *(mask for shards in chosen.masks for mask in shards),
        name='masks_chosen')]):
      written = []
      for record, threshold, masks in zip(found.masked, chosen.thresholds, chosen.masks):
        written.append(variables.assign(record.threshold, threshold))
        written.extend(variables.assign_shards(record.mask, masks))
      return written


def achieved(found: Found, counts: Sequence[int], final: Callable[[Optional[float]], float],
             spec: PruningSpec) -> List[WeightSparsity]:
  """Returns the target and the achieved sparsity of every masked weight, in order of registration.

  The target of a weight is the fraction of elements in slices of hidden channels. If all groups
  share a sparsity, it is unknown: then it is the achieved one.

  Args:
    found: the channels.
    counts: per record, the number of elements that its mask keeps.
    final: the final sparsity of channels, by their target in a map.
    spec: the hyperparameters.
  """
  numbers = {record.mask.name: number for record, number in zip(found.masked, found.plan.masked)}
  rows = []
  for record, kept in zip(found.records, counts):
    zeros, number = record.size() - int(kept), numbers.get(record.mask.name)
    target = 0.0 if number is None else found.plan.target_of(number, final, spec)
    if target is None:
      target = zeros / max(record.size(), 1)
    rows.append(WeightSparsity(record.name, record.layout.shape, target, zeros,
                               short=zeros < np.rint(target * record.size())))
  return rows
