# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The update of what is pruned together, one weight or a group: from reads to assignments.

    weight, history -> saliency -> pattern.pool -> select -> pattern.expand -> mask, threshold
"""

import dataclasses
import functools
from typing import Any, Callable, Collection, Dict, List, NamedTuple, Optional, Sequence, Tuple

from model_pruning import errors
from model_pruning import n_of_m
from model_pruning import variables
from model_pruning import saliency
from model_pruning import selection
from model_pruning.compat import tf
from model_pruning.patterns import fewest_elements
from model_pruning.patterns import Layout
from model_pruning.patterns import NofM
from model_pruning.patterns import pattern_for
from model_pruning.placement import in_place
from model_pruning.placement import outlined
from model_pruning.registry import MaskedWeight
from model_pruning.spec import PruningSpec


class Member(NamedTuple):
  """A weight and the pattern it is pruned in.

  Attributes:
    record: a MaskedWeight; or what has its name, identity, group and layout.
    pattern: an Elementwise, a Block or a NofM.
  """
  record: Any
  pattern: Any


@dataclasses.dataclass(frozen=True)
class PrunedTogether:
  """What has one threshold: a weight, or the members of a group.

  Attributes:
    name: that of the weight, or of the group.
    own_target: the target sparsity that a map gives it; None for target_sparsity.
    members: its weights.
  """
  name: str
  own_target: Optional[float]
  members: Tuple[Member, ...]

  @property
  def units(self) -> int:
    return sum(pattern.units(record.layout) for record, pattern in self.members)

  def fewest_zeros(self, sparsity: float) -> int:
    """Returns the least number of elements that masks of that sparsity hide."""
    first = self.members[0]
    if isinstance(first.pattern, NofM):
      return sum(n_of_m.dropped(length, sparsity) * number
                 for length, number in first.pattern.runs(first.record.layout))
    pruned = self.units - selection.rounded_keep_count(self.units, sparsity)
    return fewest_elements([size for record, pattern in self.members
                            for size in pattern.unit_sizes(record.layout)], pruned)


def plan(records: Sequence[Any], spec: PruningSpec,
         left: Collection[Any] = ()) -> List[PrunedTogether]:
  """Returns what is pruned together, in order of registration; see Member.record.

  Args:
    records: the weights that the maps of the spec go by.
    spec: how to prune.
    left: identities of the records that are not pruned.

  Raises:
    errors.MapError, errors.GroupError: the maps and groups of the spec do not fit the weights.
    errors.BlockError: N of M cannot serve a weight.
  """
  spec.check_weights([record.name for record in records], [record.group for record in records])
  plans: Dict[Tuple[Optional[str], Any], List[Member]] = {}
  for record in records:
    if record.identity in left:
      continue
    group = spec.group_for(record.group)
    key = (group, None) if group else (None, record.identity)
    plans.setdefault(key, []).append(Member(record, _pattern_for(record, group, spec)))
  return [PrunedTogether(group or members[0].record.name,
                         spec.mapped_sparsity(members[0].record.name, group), tuple(members))
          for (group, _), members in plans.items()]


def _pattern_for(record: Any, group: Optional[str], spec: PruningSpec) -> Any:
  dims = spec.block_dims_for(record.name, group)
  try:
    pattern = pattern_for(record.layout.shape, dims, spec.block_pooling_function,
                          spec.intra_block_sparsity, spec.use_tpu)
  except errors.BlockError as error:
    raise errors.BlockError('Weight %s: %s' % (record.name, error)) from error
  target = spec.target_for(record.name, group)
  if isinstance(pattern, NofM) and target and not n_of_m.dropped(pattern.m, target):
    raise errors.BlockError(
        'Weight %s: N of M at a sparsity of %g drops floor(%d * %g) = 0 of every %d inputs; ask '
        'for %g or more, or for a sparsity of 0' % (
            record.name, target, pattern.m, target, pattern.m, 1 / pattern.m))
  return pattern


class _Reads(NamedTuple):
  """What an update looks at, of one weight: shards of float32."""
  weight: List[Any]
  gradient: List[Any]
  old_weight: List[Any]
  old_old_weight: List[Any]


def _read(record: MaskedWeight, spec: PruningSpec) -> _Reads:
  """Reads what the saliency of the spec needs, every variable once.

  Passes over what was read must not read again: the weight may be written to meanwhile.
  """
  if not spec.uses_gradients:
    return _Reads(variables.read_shards(record.weight), [], [], [])
  # Of these the weight is remembered, as it was when its change was taken.
  return _Reads(variables.read_shards(record.weight, copy=True),
                variables.read_shards(record.gradient),
                variables.read_shards(record.old_weight, copy=True),
                variables.read_shards(record.old_old_weight)
                if spec.prune_option == 'second_order_gradient' else [])


def _new_gradients(spec: PruningSpec, reads: _Reads) -> List[Any]:
  """Returns the average of the changes after one more of them, per shard."""
  if spec.prune_option == 'first_order_gradient':
    changes = [in_place(saliency.first_order_change, *shards)
               for shards in zip(reads.weight, reads.old_weight)]
  else:
    changes = [in_place(saliency.second_order_change, *shards)
               for shards in zip(reads.weight, reads.old_weight, reads.old_old_weight)]
  inverse_norm = saliency.inverse_norm(
      [in_place(saliency.sum_of_squares, change) for change in changes])
  return [in_place(saliency.average_change, gradient, change, inverse_norm,
                   spec.gradient_decay_rate)
          for gradient, change in zip(reads.gradient, changes)]


def _call(function: Callable[..., Any], reads: Sequence[_Reads], scalars: Sequence[Any],
          spec: PruningSpec) -> List[Any]:
  """Calls function(reads, *scalars), as one node of the graph where all is on one device.

  Of shards on several devices each step of each shard is a node where the shard is. XLA, on the
  way to a TPU, compiles a graph and not calls out of it.

  Args:
    function: closes over nothing, so that its body is built once for all weights alike; takes
      the reads and the scalars, and returns a list of tensors.
  """
  flat = [shard for member in reads for shards in member for shard in shards]
  form = tuple(tuple(len(shards) for shards in member) for member in reads)
  together = not spec.use_tpu and len({shard.device for shard in flat}) == 1
  call = functools.partial(_call_flat, function, form)
  return list((outlined if together else in_place)(call, *flat, *scalars))


def _call_flat(function: Callable[..., Any], form: Sequence[Sequence[int]],
               *tensors: Any) -> Tuple[Any, ...]:
  """Calls function(reads, *scalars), with reads put together again in the given form."""
  remaining = iter(tensors)
  reads = [_Reads(*([next(remaining) for _ in range(length)] for length in member))
           for member in form]
  return tuple(function(reads, *remaining))


class Update(NamedTuple):
  """What an update is about to write.

  Attributes:
    records: the weights.
    reads: what was read of each.
    values: the threshold, the masks of every shard, and then the gradients if there are any.
  """
  records: List[MaskedWeight]
  reads: List[_Reads]
  values: List[Any]


def choose(together: PrunedTogether, asked: Any, spec: PruningSpec) -> Update:
  """Builds the choice of masks and thresholds, of one reading of the weights.

  Args:
    together: what to prune.
    asked: scalar tensor, the sparsity, of selection.sparsity_dtype(together.units).
    spec: how to.
  """
  records = [record for record, _ in together.members]
  reads = [_read(record, spec) for record in records]
  # The members of a group have the same threshold.
  previous = (variables.read(records[0].threshold, tf.float32) if spec.threshold_decay
              else tf.constant(0.0))
  shapes = tuple((record.layout, pattern) for record, pattern in together.members)
  return Update(records, reads, _call(
      functools.partial(_choose, spec, shapes), reads, [asked, previous], spec))


def write(update: Update) -> List[Any]:
  """Builds the assignments of masks and thresholds, and of the history where there is one."""
  threshold, remaining = update.values[0], iter(update.values[1:])
  written = []
  for record in update.records:
    written.append(variables.assign(record.threshold, threshold))
    written.extend(variables.assign_shards(
        record.mask, [next(remaining) for _ in record.mask_shards]))
  for record, reads in zip(update.records, update.reads):
    if reads.gradient:
      written.extend(_remember(record, reads, [next(remaining) for _ in record.mask_shards]))
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
      asked = sparsity_for(together.own_target, selection.sparsity_dtype(together.units))
      scopes.append(scope)
      chosen.append(choose(together, asked, spec))
  # All are chosen before one is written: a server that dies while they are leaves the masks of
  # one update, and who reads while they are written has but that moment to read between.
  written: List[Any] = []
  with tf.control_dependencies([tf.group(*(update.values for update in chosen),
                                         name='masks_chosen')]):
    for scope, update in zip(scopes, chosen):
      with tf.name_scope(scope):
        written.extend(write(update))
  return written


def _choose(spec: PruningSpec, shapes: Sequence[Tuple[Layout, Any]], reads: Sequence[_Reads],
            asked: Any, previous: Any) -> List[Any]:
  """Returns the threshold, the masks of every shard, and then the gradients if there are any."""
  gradients: List[Any] = []
  pooled = []
  for member, (layout, pattern) in zip(reads, shapes):
    if spec.uses_gradients:
      changed = _new_gradients(spec, member)
      gradients.extend(changed)
      scores = [in_place(saliency.gradient_magnitude, *shards)
                for shards in zip(member.weight, changed)]
    else:
      scores = [in_place(saliency.magnitude, shard) for shard in member.weight]
    pooled.append(pattern.pool(scores, layout))
  pattern = shapes[0][1]
  if isinstance(pattern, NofM):
    chosen = n_of_m.select(pooled[0], pattern.m, asked, spec.use_tpu)
  else:
    chosen = selection.select(pooled, asked, previous, spec.threshold_decay,
                              spec.threshold_method, spec.nbins, spec.use_tpu)
  masks = [mask for units, (layout, pattern) in zip(chosen.masks, shapes)
           for mask in pattern.expand(units, layout)]
  return [chosen.threshold, *masks, *gradients]


def choose_masks(together: PrunedTogether, weights: Sequence[Any], asked: Any, previous: Any,
                 spec: PruningSpec) -> Tuple[Any, List[Any]]:
  """Returns the threshold and the mask of each member, of weights that are in one piece.

  Args:
    together: what to prune, by the magnitude of its weights.
    weights: per member, a float32 tensor of its shape.
    asked, previous: scalar tensors; the sparsity, of selection.sparsity_dtype(together.units),
      and the threshold before, float32.
    spec: how to.

  Returns:
    A float32 scalar, and per member a bool tensor of its shape.
  """
  shapes = tuple((record.layout, pattern) for record, pattern in together.members)
  reads = [_Reads([weight], [], [], []) for weight in weights]
  threshold, *masks = _choose(spec, shapes, reads, asked, previous)
  return threshold, masks


def update_gradients(record: MaskedWeight, spec: PruningSpec) -> List[Any]:
  """Builds the assignment of the average of changes alone."""
  gradients = _call(functools.partial(_new_gradients_of_one, spec), [_read(record, spec)], [], spec)
  return variables.assign_shards(record.gradient, gradients)


def _new_gradients_of_one(spec: PruningSpec, reads: Sequence[_Reads]) -> List[Any]:
  return _new_gradients(spec, reads[0])


def _remember(record: MaskedWeight, reads: _Reads, gradients: List[Any]) -> List[Any]:
  """Builds what moves the history on: the average, then the weights of two updates ago and one."""
  written = variables.assign_shards(record.gradient, gradients)
  # What was read of a ref variable changes with it, so each is written when its readers are done.
  with tf.control_dependencies(written):
    written = written + (
        variables.assign_shards(record.old_old_weight, reads.old_weight)
        if reads.old_old_weight else [])
  with tf.control_dependencies(written):
    return written + variables.assign_shards(record.old_weight, reads.weight)
