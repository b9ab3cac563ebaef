# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Updates masks and thresholds in a graph: reads the variables, chooses masks, and writes them.

The masks of all weights are chosen before any variable is written.
"""

import collections
import dataclasses
import functools
import sys
from typing import Callable, Dict, Hashable, List, NamedTuple, Sequence, Set, Tuple

from model_pruning import names
from model_pruning.compat import tf
from model_pruning.engine import selection
from model_pruning.engine.choose import choose_each
from model_pruning.engine.choose import Cut
from model_pruning.engine.choose import cuts_of
from model_pruning.engine.choose import is_light
from model_pruning.engine.choose import is_small
from model_pruning.engine.choose import Job
from model_pruning.engine.choose import overwrites_average
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import on_gpu
from model_pruning.engine.placement import outlined
from model_pruning.engine.placement import routine
from model_pruning.engine.plan import PrunedTogether
from model_pruning.engine.reads import Reads
from model_pruning.engine.saliency import Saliency
from model_pruning.engine.saliency import saliency_for
from model_pruning.graph import references
from model_pruning.graph import variables
from model_pruning.graph.registry import MaskedWeight
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import DType
from model_pruning.util.types import Operation
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


# So many small weights are chosen without a call of a function.
_FEW = 64


def _read(record: MaskedWeight, saliency: Saliency) -> Reads:
  """Returns one reading of the variables that a saliency needs."""
  remembered = _changing(saliency)
  return Reads(
      variables.read_shards(record.weight, copy=names.WEIGHT in remembered),
      tuple(variables.read_shards(getattr(record, leaf), copy=leaf in remembered)
            for leaf in saliency.history),
      names.WEIGHT in remembered and variables.use_resource_of(record.weight) is False)


def _changing(saliency: Saliency) -> Set[str]:
  """Returns the variables whose value is stored in another one and may change before that.

  Training may write the weight at any time. Only updates write the history, in a fixed order.
  """
  changed, found = {names.WEIGHT, *saliency.history[:1]}, set()
  for target, source in saliency.remembers:
    found |= changed & {source}
    changed.add(target)
  return found


def _call(function: Callable[..., Tensor], reads: Sequence[Reads], scalars: Sequence[Tensor],
          spec: PruningSpec, few_nodes: bool = False) -> List[Tensor]:
  """Returns function(reads, *scalars), called as one graph node if all reads are on one device.

  For shards on several devices, every step of every shard is a node on the device of the shard.
  For a TPU the function is also called in place, because XLA compiles only the graph itself and
  not calls to separate functions.

  Args:
    function: takes the reads and the scalars and returns a list of tensors. It must not close over
      variables, so that equal weights use one function body.
    reads, scalars: its arguments.
    spec: the hyperparameters.
    few_nodes: whether the function has few nodes for each weight. A call takes about as long as
      twenty nodes, so it does not pay for few weights.
  """
  flat = [shard for weight, history, _ in reads for shards in (weight, *history)
          for shard in shards]
  form = tuple((copied, *(len(shards) for shards in (weight, *history)))
               for weight, history, copied in reads)
  together = (not spec.use_tpu and len({shard.device for shard in flat}) == 1 and
              not (few_nodes and (len(reads) <= _FEW or on_gpu(flat[0]))))
  call = functools.partial(_call_flat, function, form)
  return list((outlined if together else in_place)(call, *flat, *scalars))


def _call_flat(function: Callable[..., Tensor], form: Sequence[Sequence[int]],
               *tensors: Tensor) -> Tuple[Tensor, ...]:
  """Returns function(reads, *scalars), with the reads assembled from flat tensors.

  Args:
    function: see _call.
    form: per weight, whether it is a copy, and the number of shards of the weight and of each
      variable of its history.
    *tensors: the shards of all reads, and then the scalars.
  """
  remaining = iter(tensors)
  reads = []
  for copied, *lengths in form:
    weight, *history = ([next(remaining) for _ in range(length)] for length in lengths)
    reads.append(Reads(weight, tuple(history), bool(copied)))
  return tuple(function(reads, *remaining))


class Update(NamedTuple):
  """The new values of variables, before they are written.

  Attributes:
    records: the weights.
    reads: the reading of each weight.
    values: the threshold of every weight, the masks of every shard, and then the running averages
      if there are any; without those that choose.overwrites_average.
  """
  records: List[MaskedWeight]
  reads: List[Reads]
  values: List[Tensor]


def read(together: PrunedTogether, sparsity: Tensor, spec: PruningSpec) -> Job:
  """Builds one reading of weights that are pruned together.

  Args:
    together: the weights.
    sparsity: scalar tensor of selection.sparsity_dtype(together.units).
    spec: the hyperparameters.
  """
  records = [record for record, _ in together.members]
  saliency = saliency_for(spec)
  previous = ([variables.read(record.threshold, tf.float32) for record in records]
              if spec.threshold_decay else [])
  return Job(cuts_of(together), [_read(record, saliency) for record in records], sparsity, previous)


def choose(plans: Sequence[PrunedTogether], jobs: Sequence[Job], spec: PruningSpec
           ) -> List[Update]:
  """Builds the operations that choose masks and thresholds.

  Args:
    plans: which weights are pruned together.
    jobs: the reading of the weights of each plan.
    spec: the hyperparameters.
  """
  calls: Dict[Hashable, List[int]] = collections.OrderedDict()
  for index, job in enumerate(jobs):
    # All small weights of a device are chosen in one call.
    devices = {shard.device for reads in job.reads for shard in reads.weight}
    kind = ('small', *devices) if is_small(job, spec) else index
    calls.setdefault(kind, []).append(index)
  updates: Dict[int, Update] = {}
  for indices in calls.values():
    values = iter(_choose_in_one_call([jobs[index] for index in indices], spec,
                                      _dtype_of_masks([plans[index] for index in indices])))
    for index in indices:
      records = [record for record, _ in plans[index].members]
      updates[index] = Update(records, list(jobs[index].reads), next(values))
  return [updates[index] for index in range(len(plans))]


def _choose_in_one_call(jobs: Sequence[Job], spec: PruningSpec, dtype: DType
                        ) -> List[List[Tensor]]:
  """Returns the result of engine.choose.choose_each, computed as one graph node if possible."""
  saliency = saliency_for(spec)
  scalars = list({id(scalar): scalar for job in jobs
                  for scalar in (job.sparsity, *job.previous_thresholds)}.values())
  index = {id(scalar): number for number, scalar in enumerate(scalars)}
  form = tuple(_Form(tuple(job.cuts), index[id(job.sparsity)],
                     tuple(index[id(scalar)] for scalar in job.previous_thresholds))
               for job in jobs)
  flat = iter(_call(functools.partial(_choose_flat, spec, form, dtype),
                    [reads for job in jobs for reads in job.reads], scalars, spec,
                    few_nodes=all(is_light(job, spec) for job in jobs)))
  return [[next(flat) for _ in range(len(job.reads) + sum(
      len(reads.weight) * (1 if saliency.history and not overwrites_average(saliency, reads) else 0)
      + len(reads.weight) for reads in job.reads))] for job in jobs]


def _dtype_of_masks(plans: Sequence[PrunedTogether]) -> DType:
  """Returns the dtype of all masks; bool if they have different ones."""
  dtypes = {variables.dtype_of(variables.copies_of(shard)[0]) for together in plans
            for record, _ in together.members for shard in record.mask_shards}
  return dtypes.pop() if len(dtypes) == 1 else tf.bool


class _Form(NamedTuple):
  """A Job, with numbers in place of its scalars and without its reads."""
  cuts: Tuple[Cut, ...]
  sparsity: int
  previous_thresholds: Tuple[int, ...]


def _choose_flat(spec: PruningSpec, form: Sequence[_Form], dtype: DType, reads: Sequence[Reads],
                 *scalars: Tensor) -> List[Tensor]:
  remaining, none = iter(reads), tf.constant(0.0)
  jobs = [Job(cuts, [next(remaining) for _ in cuts], scalars[sparsity],
              [scalars[number] for number in previous] or [none] * len(cuts))
          for cuts, sparsity, previous in form]
  return [tensor for values in choose_each(spec, jobs, dtype) for tensor in values]


def write(update: Update, spec: PruningSpec) -> List[Operation]:
  """Builds the assignments of masks, thresholds and, if the saliency has one, the history."""
  thresholds, remaining = update.values, iter(update.values[len(update.records):])
  saliency = saliency_for(spec)
  masks = [[next(remaining) for _ in record.mask_shards] for record in update.records]
  averages = [None if not saliency.history or overwrites_average(saliency, reads) else
              [next(remaining) for _ in record.mask_shards]
              for record, reads in zip(update.records, update.reads)]
  written = []
  for record, reads, threshold, mask, average in zip(
      update.records, update.reads, thresholds, masks, averages):
    written.append(variables.assign(record.threshold, threshold))
    history = [] if average is None else _remember(record, reads, average, saliency)
    with tf.control_dependencies(history):  # It has freed the earlier history.
      kept = variables.assign_shards(record.mask, mask)
    if saliency.history and average is None:
      with tf.control_dependencies(kept):  # The mask has freed its temporaries.
        history = _remember(record, reads, _averages(saliency, reads, spec), saliency)
    written.extend(kept + history)
  return written


def update_all(plans: Sequence[PrunedTogether], sparsity_for: Callable[..., Tensor],
               spec: PruningSpec, in_branch: bool = False) -> List[Operation]:
  """Builds the update of all weights and returns the operations that make it.

  Args:
    plans: the result of engine.plan.plan.
    sparsity_for: takes the own target (or None) and the dtype, and returns the sparsity.
    spec: the hyperparameters.
    in_branch: whether the update is a branch of a conditional. Then it is a call of one function,
      if the variables permit that.
  """
  scopes, sparsities = [], []
  for together in plans:
    with tf.name_scope(together.name.replace(':', '_') + '_pruning_ops') as scope:
      scopes.append(scope)
      sparsities.append(sparsity_for(
          together.own_target, selection.sparsity_dtype(together.units)))
  held = references.operations_of(
      [variable for together in plans for record, _ in together.members
       for variable in _variables_of(record, spec)]) if in_branch and not spec.use_tpu else None
  if held is None:
    return _update_here(plans, scopes, sparsities, spec)
  different = list({id(sparsity): sparsity for sparsity in sparsities}.values())
  numbers = {id(sparsity): number for number, sparsity in enumerate(different)}

  def update(*given: Tensor) -> Tensor:
    with tf.control_dependencies(_update_here(
        [_referring(together, spec) for together in plans], scopes,
        [given[numbers[id(sparsity)]] for sparsity in sparsities], spec)):
      # The runtime would replace a constant by one that does not wait for ref variables.
      return references.refer(plans[0].members[0].record.threshold).read_value()

  return [routine(update, held, *different).op]


def _update_here(plans: Sequence[PrunedTogether], scopes: Sequence[str],
                 sparsities: Sequence[Tensor], spec: PruningSpec) -> List[Operation]:
  """Builds the update of all weights, each plan in its scope, and returns the assignments."""
  jobs = []
  for together, scope, sparsity in zip(plans, scopes, sparsities):
    with tf.name_scope(scope):
      jobs.append(read(together, sparsity, spec))
  chosen = choose(plans, jobs, spec)
  # All masks are chosen before any is written. If a server dies while they are chosen, the old
  # masks remain complete. The time in which readers may see old and new masks is also shortest.
  written: List[Operation] = []
  with tf.control_dependencies([tf.group(*(update.values for update in chosen),
                                         name='masks_chosen')]):
    for scope, update in zip(scopes, chosen):
      with tf.name_scope(scope):
        written.extend(write(update, spec))
  return written


def _leaves(spec: PruningSpec) -> List[str]:
  """Returns the attributes of a MaskedWeight that hold variables which an update needs."""
  return [names.WEIGHT, names.MASK, names.THRESHOLD, *saliency_for(spec).history]


def _variables_of(record: MaskedWeight, spec: PruningSpec) -> List[Variable]:
  return [getattr(record, leaf) for leaf in _leaves(spec)]


def _referring(together: PrunedTogether, spec: PruningSpec) -> PrunedTogether:
  """Returns weights that are pruned together, with references in place of their variables."""
  return dataclasses.replace(together, members=tuple(
      member._replace(record=dataclasses.replace(member.record, **{
          leaf: references.refer(getattr(member.record, leaf)) for leaf in _leaves(spec)}))
      for member in together.members))


def update_gradients(record: MaskedWeight, spec: PruningSpec) -> List[Operation]:
  """Builds the assignments of the running average alone."""
  saliency = saliency_for(spec)
  return variables.assign_shards(getattr(record, saliency.history[0]),
                                 _averages(saliency, _read(record, saliency), spec))


def _averages(saliency: Saliency, reads: Reads, spec: PruningSpec) -> List[Tensor]:
  """Returns the new running average of one weight, computed as one graph node if possible."""
  return _call(functools.partial(_average_of_one, saliency), [reads], [], spec)


def copy(record: MaskedWeight, target: str, source: str) -> List[Operation]:
  """Builds the assignments of the value of one variable of a weight (`source`) to another."""
  return variables.assign_shards(getattr(record, target),
                                 variables.read_shards(getattr(record, source)))


def _average_of_one(saliency: Saliency, reads: Sequence[Reads]) -> List[Tensor]:
  return saliency.average(reads[0])


def _remember(record: MaskedWeight, reads: Reads, averages: List[Tensor],
              saliency: Saliency) -> List[Operation]:
  """Builds the assignments of the history: the running average, and then the earlier weights."""
  before: Dict[str, List[Tensor]] = {names.WEIGHT: reads.weight,
                                  **dict(zip(saliency.history, reads.history))}
  written = variables.assign_shards(getattr(record, saliency.history[0]), averages)
  for leaf, source in saliency.remembers:
    # A value read from a ref variable changes with the variable, so write each variable only after
    # all operations that read it.
    with tf.control_dependencies(written):
      written = written + variables.assign_shards(getattr(record, leaf), before[source])
  return written


def report_if_late(step: Tensor, spec: PruningSpec) -> Operation:
  """Builds an operation that reports on stderr an update that is made after end_pruning_step."""
  if spec.end_pruning_step < 0 or spec.use_tpu:  # TPUs have no stderr.
    return tf.no_op()

  def report() -> Tensor:
    with tf.control_dependencies([tf.print(
        '%s: the last mask update before end_pruning_step=%d was missing; it is made at step' % (
            spec.name, spec.end_pruning_step), step, output_stream=sys.stderr)]):
      return tf.constant(True)

  return tf.cond(step > spec.end_pruning_step, report, lambda: tf.constant(False))
