# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pruning: the object that ties spec, schedule, weights and selection into a graph's operations."""

import functools
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union

from absl import logging

from model_pruning import errors
from model_pruning import registry
from model_pruning import saliency
from model_pruning import schedules
from model_pruning import selection
from model_pruning import summaries
from model_pruning.compat import tf
from model_pruning.hparam import HParams
from model_pruning.patterns import pattern_for
from model_pruning.placement import in_place
from model_pruning.placement import outlined
from model_pruning.placement import switches_and_merges
from model_pruning.spec import PruningSpec


class Pruning:
  """Prunes the masked weights of the default graph.

      pruning = Pruning('target_sparsity=0.9,sparsity_function_end_step=1000')
      update = pruning.conditional_mask_update_op()
      ...
      session.run(train_op)
      session.run(update)

  Attributes:
    spec: the PruningSpec it follows.
  """

  def __init__(self, spec: Union[HParams, str, PruningSpec, None] = None, global_step: Any = None,
               sparsity: Any = None) -> None:
    """Validates the spec and makes the variable <spec.name>/last_mask_update_step.

    Args:
      spec: an HParams, a string in its grammar, or None for the defaults.
      global_step: integer scalar variable or tensor; by default the global step
        of the graph.
      sparsity: float32 scalar tensor or variable, a float, or a function of the
        int32 step that returns one of these; replaces the spec's sparsity
        function. A weight in weight_sparsity_map gets
        sparsity * its own target / target_sparsity.

    Raises:
      errors.PruningError: the spec is invalid.
      errors.GlobalStepError: no global_step is given and the graph has none.
      errors.GraphMismatchError: global_step belongs to another graph.
    """
    self.spec = PruningSpec.create(spec)
    self._graph = tf.get_default_graph()
    self._global_step = self._find_global_step(global_step)
    self._sparsity = sparsity
    self._last_update_step = registry.last_update_step(
        self.spec.name, use_resource=True if self.spec.use_tpu else None)
    self._ops: dict = {}
    if sparsity is None:
      _warn_if_short(self.spec)

  @property
  def last_mask_update_step(self) -> Any:
    """The int32 variable with the global step of the last mask update."""
    return self._last_update_step

  @property
  def global_step(self) -> Any:
    """The variable or tensor that the schedule goes by."""
    return self._global_step

  def mask_update_op(self) -> Any:
    """Returns an operation that updates all masks and thresholds, whatever the step.

    Raises:
      errors.NoMaskedWeightsError: the graph has no masked weight.
      errors.MapError: a key of a map matches no weight, or two match one.
      errors.GraphMismatchError: the default graph is not that of this object.
    """
    return self._once('mask_update', self._update_masks)

  def conditional_mask_update_op(self) -> Any:
    """Returns an operation that updates the masks if the spec says so for the current step.

    It reads the step when it runs, after the control dependencies under which
    this method was first called. Raises what mask_update_op raises.
    """
    def build() -> Any:
      step = self._step()
      due = schedules.is_update_step(step, registry.read(self._last_update_step), self.spec)

      def update() -> Any:
        with tf.control_dependencies([self._update_masks(step)]):
          return tf.constant(True)

      with tf.control_dependencies([tf.cond(due, update, lambda: tf.constant(False))]):
        return tf.no_op('conditional_mask_update')

    return self._once('conditional_mask_update', build)

  def add_pruning_summaries(self) -> Any:
    """Adds summaries of the sparsity asked for, and of each weight's sparsity and threshold.

    Returns:
      The merged summary, a string scalar. Its parts are in the summaries
      collection too.
    """
    def build() -> Any:
      with tf.name_scope(self.spec.name + '_summaries/'):
        return summaries.scalar_summaries(
            registry.masked_weights(), self._sparsity_at(self._step())(None)(tf.float32),
            self._last_update_step)

    return self._once('summaries', build)

  def prepare_report(self) -> None:
    """Adds what sparsity_report needs to the graph, before that is finalized."""
    self._once('report', lambda: [record.kept() for record in registry.masked_weights()])

  def sparsity_report(self, session: Any) -> List[summaries.WeightSparsity]:
    """Returns asked and achieved sparsity of every masked weight, as they are in `session`."""
    self.prepare_report()
    rows = []
    for record, kept in zip(registry.masked_weights(), session.run(self._ops['report'])):
      layout, asked = record.layout, self.spec.target_for(record.name)
      pattern = self._pattern_for(record)
      units = pattern.units(layout)
      pruned = units - selection.rounded_keep_count(units, asked)
      zeros = record.size() - int(kept)
      rows.append(summaries.WeightSparsity(record.name, layout.shape, asked, zeros,
                                           short=zeros < pattern.fewest_elements(layout, pruned)))
    return rows

  def print_hparams(self) -> None:
    """Logs the spec as JSON."""
    logging.info(self.spec.to_json())

  # ---- Below, what the operations are made of. ----

  def _once(self, key: str, build: Callable[[], Any]) -> Any:
    """Builds an operation the first time, and returns the same one from then on."""
    if tf.get_default_graph() is not self._graph:
      raise errors.GraphMismatchError(
          'This Pruning object was made in another graph than the default one; make one Pruning '
          'per graph, in a `with graph.as_default()` block')
    if key not in self._ops:
      # With the slash it is the scope of that name, however often it was entered before.
      with switches_and_merges(), tf.name_scope(self.spec.name + '/'):
        self._ops[key] = build()
    return self._ops[key]

  def _find_global_step(self, global_step: Any) -> Any:
    if global_step is None:
      global_step = tf.train.get_global_step()
    if global_step is None:
      raise errors.GlobalStepError(
          'The graph has no global step to schedule pruning by: call '
          'tf.train.get_or_create_global_step() first, or pass global_step=')
    if getattr(global_step, 'graph', self._graph) is not self._graph:
      raise errors.GraphMismatchError(
          'global_step %s belongs to another graph than the default one; make the Pruning object '
          'in a `with graph.as_default()` block of the graph it is to prune' % global_step.name)
    return global_step

  def _step(self) -> Any:
    return registry.read(self._global_step, tf.int32)

  def _update_masks(self, step: Any = None) -> Any:
    """Builds the update of all weights; `step` is written as that of the last update."""
    records = registry.masked_weights()
    if not records:
      raise errors.NoMaskedWeightsError(
          'The graph has no masked weights: build the model in a masked_scope(), or call '
          'apply_mask on its weights, before asking for a mask update')
    self.spec.check_weights([record.name for record in records])
    step = self._step() if step is None else step
    sparsity_for = self._sparsity_at(step)
    updates: List[Any] = []
    for record in records:
      with tf.name_scope(record.name.replace(':', '_') + '_pruning_ops'):
        updates.extend(self._update_mask(record, sparsity_for(record.name)))
    # Last, so that a run that dies in between updates again.
    with tf.control_dependencies(updates):
      written = registry.assign(self._last_update_step, step)
    with tf.control_dependencies([written]):
      return tf.no_op('mask_update')

  def _pattern_for(self, record: registry.MaskedWeight) -> Any:
    return pattern_for(record.layout.shape, self.spec.block_dims_for(record.name),
                       self.spec.block_pooling_function)

  def _update_mask(self, record: registry.MaskedWeight, sparsity: Callable) -> Sequence[Any]:
    """Builds the assignments of one weight's masks and threshold."""
    layout, pattern = record.layout, self._pattern_for(record)
    asked = sparsity(selection.sparsity_dtype(pattern.units(layout)))
    decay = self.spec.threshold_decay

    def choose(*arguments: Any) -> Tuple[Any, ...]:
      *weights, asked, previous = arguments
      scores = [in_place(saliency.magnitude, weight) for weight in weights]
      chosen = selection.select(
          [pattern.pool(scores, layout)], asked, previous, decay, self.spec.threshold_method,
          self.spec.nbins, self.spec.use_tpu)
      return (chosen.threshold, *pattern.expand(chosen.masks[0], layout))

    # The one read of the weight: it may be written to while the passes go over the scores.
    weights = record.read_weight()
    previous = registry.read(record.threshold, tf.float32) if decay else tf.constant(0.0)
    # What lives on one device is one function; of shards, each step of each shard is. XLA, on
    # the way to a TPU, compiles a graph and not calls out of it.
    whole = len(weights) == 1 and not self.spec.use_tpu
    threshold, *masks = (outlined if whole else in_place)(choose, *weights, asked, previous)
    updates = [registry.assign(record.threshold, threshold)]
    updates.extend(registry.assign(mask, value)
                   for mask, value in zip(record.mask_shards, masks))
    return updates

  def _sparsity_at(self, step: Any) -> Callable[[Optional[str]], Callable[[Any], Any]]:
    """Returns name -> (dtype -> sparsity of that weight at `step`); None names no weight."""
    spec, external = self.spec, self._sparsity
    if callable(external):
      external = external(step)
    elif external is not None:
      external = registry.read(external)

    @functools.lru_cache(maxsize=None)
    def base(dtype: Any) -> Any:
      if external is None:
        return schedules.gradual_sparsity(step, spec, dtype=dtype)
      return tf.cast(external, dtype)

    def sparsity_for(name: Optional[str]) -> Callable[[Any], Any]:
      own = None if name is None else spec.mapped_sparsity(name)

      def compute(dtype: Any) -> Any:
        if own is None:
          return base(dtype)
        if external is None and (spec.initial_sparsity or not spec.target_sparsity):
          return schedules.gradual_sparsity(step, spec, own, dtype)
        if not spec.target_sparsity:
          return tf.constant(own, dtype)
        # From 0 this is the weight's own schedule, rounded as contrib rounded it.
        return base(dtype) * (tf.constant(own, dtype) / tf.constant(spec.target_sparsity, dtype))

      return compute

    return sparsity_for


def _warn_if_short(spec: PruningSpec) -> None:
  """Warns once if the last update of a run will miss the target sparsity."""
  reach = schedules.reach(spec)
  if reach.step is None:
    logging.warning(
        '%s: no mask update falls between begin_pruning_step=%d and end_pruning_step=%d with '
        'pruning_frequency=%d; nothing will be pruned', spec.name, spec.begin_pruning_step,
        spec.end_pruning_step, spec.pruning_frequency)
    return
  for target in (spec.target_sparsity, *(own for _, own in spec.weight_sparsity_map)):
    reached = schedules.gradual_sparsity(reach.step, spec, target)
    if abs(reached - target) > 1e-9:
      logging.warning(
          '%s: the last mask update is at step %d and reaches a sparsity of %.4f, not the target '
          'of %g; let end_pruning_step (%d) be a step with an update at or after '
          'sparsity_function_end_step (%d)', spec.name, reach.step, reached, target,
          spec.end_pruning_step, spec.sparsity_function_end_step)
      return
