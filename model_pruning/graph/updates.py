# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The update of masks and thresholds in a graph: reads the variables, chooses, and writes.

All weights are chosen for before one variable is written.
"""

import functools
import sys
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

from model_pruning import names
from model_pruning.compat import tf
from model_pruning.engine import selection
from model_pruning.engine.choose import choose as choose_masks
from model_pruning.engine.choose import cuts_of
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import outlined
from model_pruning.engine.plan import PrunedTogether
from model_pruning.engine.reads import Reads
from model_pruning.engine.saliency import Saliency
from model_pruning.engine.saliency import saliency_for
from model_pruning.graph import variables
from model_pruning.graph.registry import MaskedWeight
from model_pruning.hparams.spec import PruningSpec


def _read(record: MaskedWeight, saliency: Saliency) -> Reads:
  """Reads what a saliency needs, every variable once."""
  remembered = {source for _, source in saliency.remembers}
  return Reads(
      variables.read_shards(record.weight, copy=names.WEIGHT in remembered),
      tuple(variables.read_shards(getattr(record, leaf), copy=leaf in remembered)
            for leaf in saliency.history))


def _call(function: Callable[..., Any], reads: Sequence[Reads], scalars: Sequence[Any],
          spec: PruningSpec) -> List[Any]:
  """Calls function(reads, *scalars), as one node of the graph where all is on one device.

  Of shards on several devices each step of each shard is a node where the shard is. XLA, on the
  way to a TPU, compiles a graph and not calls out of it.

  Args:
    function: closes over nothing, so that its body is built once for all weights alike; takes
      the reads and the scalars, and returns a list of tensors.
  """
  flat = [shard for weight, history in reads for shards in (weight, *history) for shard in shards]
  form = tuple(tuple(len(shards) for shards in (weight, *history)) for weight, history in reads)
  together = not spec.use_tpu and len({shard.device for shard in flat}) == 1
  call = functools.partial(_call_flat, function, form)
  return list((outlined if together else in_place)(call, *flat, *scalars))


def _call_flat(function: Callable[..., Any], form: Sequence[Sequence[int]],
               *tensors: Any) -> Tuple[Any, ...]:
  """Calls function(reads, *scalars), with reads put together again in the given form."""
  remaining = iter(tensors)
  reads = []
  for member in form:
    weight, *history = ([next(remaining) for _ in range(length)] for length in member)
    reads.append(Reads(weight, tuple(history)))
  return tuple(function(reads, *remaining))


class Update(NamedTuple):
  """What an update is about to write.

  Attributes:
    records: the weights.
    reads: what was read of each.
    values: the threshold, the masks of every shard, and then the gradients if there are any.
  """
  records: List[MaskedWeight]
  reads: List[Reads]
  values: List[Any]


def choose(together: PrunedTogether, sparsity: Any, spec: PruningSpec) -> Update:
  """Builds the choice of masks and thresholds, by one reading of the weights.

  Args:
    together: the weights that are pruned together.
    sparsity: scalar tensor of selection.sparsity_dtype(together.units).
    spec: the hyperparameters.
  """
  records = [record for record, _ in together.members]
  saliency = saliency_for(spec)
  reads = [_read(record, saliency) for record in records]
  # The members of a group have the same threshold.
  previous = (variables.read(records[0].threshold, tf.float32) if spec.threshold_decay
              else tf.constant(0.0))
  return Update(records, reads, _call(
      functools.partial(choose_masks, spec, cuts_of(together)), reads, [sparsity, previous], spec))


def write(update: Update, spec: PruningSpec) -> List[Any]:
  """Builds the assignments of masks, thresholds and, if the saliency has one, the history."""
  threshold, remaining = update.values[0], iter(update.values[1:])
  saliency = saliency_for(spec)
  written = []
  for record in update.records:
    written.append(variables.assign(record.threshold, threshold))
    written.extend(variables.assign_shards(
        record.mask, [next(remaining) for _ in record.mask_shards]))
  for record, reads in zip(update.records, update.reads):
    if saliency.history:
      written.extend(_remember(record, reads, [next(remaining) for _ in record.mask_shards],
                               saliency))
  return written


def update_all(plans: Sequence[PrunedTogether], sparsity_for: Callable[..., Any],
               spec: PruningSpec) -> List[Any]:
  """Builds the update of all weights; returns the assignments.

  Args:
    plans: from `plan`.
    sparsity_for: takes the own target (or None) and the dtype, and returns the sparsity.
    spec: how to prune.
  """
  scopes, chosen = [], []
  for together in plans:
    with tf.name_scope(together.name.replace(':', '_') + '_pruning_ops') as scope:
      sparsity = sparsity_for(together.own_target, selection.sparsity_dtype(together.units))
      scopes.append(scope)
      chosen.append(choose(together, sparsity, spec))
  # All are chosen before one is written: a server that dies while they are leaves the masks of
  # one update, and who reads while they are written has but that moment to read between.
  written: List[Any] = []
  with tf.control_dependencies([tf.group(*(update.values for update in chosen),
                                         name='masks_chosen')]):
    for scope, update in zip(scopes, chosen):
      with tf.name_scope(scope):
        written.extend(write(update, spec))
  return written


def update_gradients(record: MaskedWeight, spec: PruningSpec) -> List[Any]:
  """Builds the assignment of the running average alone."""
  saliency = saliency_for(spec)
  averages = _call(functools.partial(_average_of_one, saliency), [_read(record, saliency)], [],
                   spec)
  return variables.assign_shards(getattr(record, saliency.history[0]), averages)


def copy(record: MaskedWeight, target: str, source: str) -> List[Any]:
  """Builds the assignment of one variable of a weight to another."""
  return variables.assign_shards(getattr(record, target),
                                 variables.read_shards(getattr(record, source)))


def _average_of_one(saliency: Saliency, reads: Sequence[Reads]) -> List[Any]:
  return saliency.average(reads[0])


def _remember(record: MaskedWeight, reads: Reads, averages: List[Any],
              saliency: Saliency) -> List[Any]:
  """Builds the assignments of the history: the running average, and then earlier weights."""
  before: Dict[str, List[Any]] = {names.WEIGHT: reads.weight,
                                  **dict(zip(saliency.history, reads.history))}
  written = variables.assign_shards(getattr(record, saliency.history[0]), averages)
  for leaf, source in saliency.remembers:
    # A value read from a ref variable changes with it: each is written once its readers are done.
    with tf.control_dependencies(written):
      written = written + variables.assign_shards(getattr(record, leaf), before[source])
  return written


def report_if_late(step: Any, spec: PruningSpec) -> Any:
  """Builds an operation that reports an update after end_pruning_step on stderr."""
  if spec.end_pruning_step < 0 or spec.use_tpu:  # TPUs have no stderr.
    return tf.no_op()

  def report() -> Any:
    with tf.control_dependencies([tf.print(
        '%s: the last mask update before end_pruning_step=%d was missing; it is made at step' % (
            spec.name, spec.end_pruning_step), step, output_stream=sys.stderr)]):
      return tf.constant(True)

  return tf.cond(step > spec.end_pruning_step, report, lambda: tf.constant(False))
