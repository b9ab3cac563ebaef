# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pruning: the object that ties spec, schedule, weights and selection into a graph's operations."""

import dataclasses
import sys
from typing import Any, Callable, List, Optional, Union

from absl import logging

from model_pruning import errors
from model_pruning import names
from model_pruning import records
from model_pruning import registry
from model_pruning import variables
from model_pruning import schedules
from model_pruning import selection
from model_pruning import stored_spec
from model_pruning import summaries
from model_pruning import updates
from model_pruning import weight_sparsity
from model_pruning.compat import tf
from model_pruning.coordination import session_around
from model_pruning.hparam import HParams
from model_pruning.placement import once_for_all_replicas
from model_pruning.placement import switches_and_merges
from model_pruning.schedule_base import PruningSchedule
from model_pruning.spec import LARGEST_STEP
from model_pruning.spec import PruningSpec


class Pruning:
  """Prunes the masked weights of the default graph.

      pruning = Pruning('target_sparsity=0.9,sparsity_function_end_step=1000')
      update = pruning.conditional_mask_update_op()
      ...
      session.run(train_op)
      session.run(update)

  With prune_option 'first_order_gradient' or 'second_order_gradient' an update
  first takes the change of each weight since the last update into its average,
  then chooses the masks by it, and then remembers the weights for the next time.
  The operations that do one of these alone are for averages over other intervals.

  Attributes:
    spec: the PruningSpec it follows.
  """

  def __init__(self, spec: Union[HParams, str, PruningSpec, None] = None, global_step: Any = None,
               sparsity: Any = None) -> None:
    """Validates the spec and makes the variable <spec.name>/last_mask_update_step.

    With gradient saliency also <spec.name>/last_gradient_update_step.

    Args:
      spec: an HParams, a string in its grammar, or None for the defaults.
      global_step: integer scalar variable or tensor; by default the global step
        of the graph.
      sparsity: what replaces the spec's sparsity function: a float32 scalar
        tensor or variable, a float, or a function of the int32 step that returns
        one of these; or a PruningSchedule, which then also says when, in place
        of begin_pruning_step, end_pruning_step and pruning_frequency. A weight
        in weight_sparsity_map gets sparsity * its own target / target_sparsity;
        under a PolynomialDecaySchedule it goes to its own target.

    Raises:
      errors.PruningError: the spec is invalid.
      errors.ScheduleError: the schedule takes a weight with a target of its own
        to a sparsity outside [0, 1).
      errors.GlobalStepError: no global_step is given and the graph has none.
      errors.GraphMismatchError: global_step belongs to another graph.
      errors.EagerError: TensorFlow executes eagerly.
    """
    self.spec = PruningSpec.create(spec)
    registry.check_builds_graph('A Pruning object')
    self._graph = tf.get_default_graph()
    self._global_step = self._find_global_step(global_step)
    self._given_sparsity = sparsity
    self._schedule = sparsity if isinstance(sparsity, PruningSchedule) else None
    warnings = ([schedules.shortfall(self.spec)] if sparsity is None else
                weight_sparsity.remarks(self.spec, self._schedule) if self._schedule else [])
    kind = True if self.spec.use_tpu else None
    self._last_update_step = variables.step_variable(
        self.spec.name, names.LAST_MASK_UPDATE_STEP, kind, self._global_step)
    self._last_gradient_update_step = variables.step_variable(
        self.spec.name, names.LAST_GRADIENT_UPDATE_STEP, kind,
        self._global_step) if self.spec.uses_gradients else None
    if session_around()[0] is None:
      # A hook may have exempted them for its session, which is over, or not yet begun.
      for variable in self.own_variables():
        variables.require_initialization(variable)
    self._ops: dict = {}
    self._make_history()  # Before the user makes an initializer.
    stored_spec.remember(self.spec, sparsity)
    for warning in filter(None, warnings):
      logging.warning('%s: %s', self.spec.name, warning)

  @property
  def last_mask_update_step(self) -> Any:
    """The int32 variable with the global step of the last mask update."""
    return self._last_update_step

  @property
  def global_step(self) -> Any:
    """The variable or tensor that the schedule goes by."""
    return self._global_step

  @property
  def schedule(self) -> Optional[PruningSchedule]:
    """The schedule object that takes the place of the spec's; None where there is none."""
    return self._schedule

  @property
  def stored_spec(self) -> Optional[stored_spec.StoredSpec]:
    """The spec with the targets that training ends at; None if they are unknown."""
    return stored_spec.StoredSpec.create(self.spec, self._given_sparsity)

  def next_update_step(self, last_update_step: int) -> Optional[int]:
    """Returns a step before which no update is due; None if none ever is.

    Args:
      last_update_step: what last_mask_update_step holds.
    """
    if self._schedule is not None:
      return self._schedule.next_update(last_update_step)
    return schedules.next_update_step(last_update_step, self.spec)

  def last_update_until(self, step: int) -> int:
    """Returns the step of the latest update that the schedule has up to `step`; 0 for none."""
    if self._schedule is not None:
      return self._schedule.last_update(step)
    return schedules.last_update_step(step, self.spec)

  @property
  def follows_spec(self) -> bool:
    """Whether the sparsity is the spec's own function of the step."""
    return self._given_sparsity is None

  def own_variables(self) -> List[Any]:
    """Returns the variables that this object made: the steps of its last updates."""
    return [variable for variable in (self._last_update_step, self._last_gradient_update_step)
            if variable is not None]

  def mask_update_op(self) -> Any:
    """Returns an operation that updates all masks and thresholds, whatever the step.

    In a graph without masked weights it does nothing, and a warning says so.

    Raises:
      errors.MapError: a key of a map matches no weight or group, or two match one.
      errors.GroupError: the spec asks for groups, and there are none.
      errors.BlockError: N of M cannot serve a weight.
      errors.GraphMismatchError: the default graph is not that of this object.
    """
    return self._once('mask_update', self._update_masks, of_weights=True)

  def conditional_mask_update_op(self, keeps_schedule: bool = False) -> Any:
    """Returns an operation that updates the masks if the schedule says so for the current step.

    That is the schedule object, if there is one, or else the spec. A schedule object of this
    library makes up for updates whose step was passed over. So does the spec, with keeps_schedule
    or under control dependencies: a program that builds the update under its train op sees each
    step one later than contrib did. The last update before end_pruning_step is then made after
    it, once, where it is missing, with a line on stderr. Elsewhere the spec is contrib's rule.

    It reads the step when it runs, after the control dependencies under which
    this method was first called. Raises what mask_update_op raises.

    Args:
      keeps_schedule: see above; heeded in the first call.
    """
    def build() -> Any:
      self._plan()  # Makes variables, which must not come into being in a branch.
      records.remember_update(self.spec.name, (
          dataclasses.replace(self.spec, name='any'), repr(self._schedule)))
      step = self._step()
      last = variables.read(self._last_update_step)
      if self._schedule is not None:
        due = self._schedule.is_due(step, last)
      else:
        due = (schedules.is_update_due if keeps_schedule or self._waits() else
               schedules.is_update_step)(step, last, self.spec)

      def update() -> Any:
        with tf.control_dependencies([self._update_masks(step), self._say_if_late(step)]):
          return tf.constant(True)

      with tf.control_dependencies([tf.cond(due, update, lambda: tf.constant(False))]):
        return tf.no_op('conditional_mask_update')

    return self._once('conditional_mask_update', build, of_weights=True)

  def gradient_update_op(self) -> Any:
    """Returns an operation that takes the weights' changes into their averages, and no more.

    Does nothing when prune_option is 'weight'. Raises what mask_update_op raises.
    """
    if not self.spec.uses_gradients:
      return self._once('gradient_update', lambda: tf.no_op('gradient_update'))
    return self._once('gradient_update', self._update_gradients, of_weights=True)

  def conditional_gradient_update_op(self) -> Any:
    """Returns gradient_update_op() for steps from begin_ to end_pruning_step, every one of them."""
    def build() -> Any:
      self._records()  # Makes variables, which must not come into being in a branch.
      step = self._step()

      def update() -> Any:
        with tf.control_dependencies([self._update_gradients(step)]):
          return tf.constant(True)

      inside = schedules.is_inside(step, self.spec)
      with tf.control_dependencies([tf.cond(inside, update, lambda: tf.constant(False))]):
        return tf.no_op('conditional_gradient_update')

    if not self.spec.uses_gradients:
      return self.gradient_update_op()
    return self._once('conditional_gradient_update', build, of_weights=True)

  def old_weight_update_op(self) -> Any:
    """Returns an operation that copies the weights to their old_weight.

    Does nothing when prune_option is 'weight'.
    """
    return self._once('old_weight_update', lambda: self._copy(
        'old_weight_update', self.spec.uses_gradients, lambda record: record.weight,
        lambda record: record.old_weight))

  def old_old_weight_update_op(self) -> Any:
    """Returns an operation that copies every old_weight to the old_old_weight.

    Does nothing unless prune_option is 'second_order_gradient'.
    """
    return self._once('old_old_weight_update', lambda: self._copy(
        'old_old_weight_update', self.spec.prune_option == 'second_order_gradient',
        lambda record: record.old_weight, lambda record: record.old_old_weight))

  def apply_mask(self, x: Any, scope: Any = '') -> Any:
    """Does what registry.apply_mask does, with the prune_option of the spec."""
    return registry.apply_mask(x, scope, self.spec.prune_option)

  def get_spec(self) -> PruningSpec:
    """Returns the spec, as the research branch's method of that name."""
    return self.spec

  def use_gradient(self) -> bool:
    """Returns whether saliency is by gradients, as the research branch's method of that name."""
    return self.spec.uses_gradients

  @property
  def matrix_compression_spec(self) -> PruningSpec:
    """The spec, under the research branch's other name for it."""
    return self.spec

  def add_pruning_summaries(self) -> Any:
    """Adds summaries of the sparsity asked for, and of each weight's sparsity and threshold.

    Returns:
      The merged summary, a string scalar. Its parts are in the summaries
      collection too.
    """
    def build() -> Any:
      with tf.name_scope(self.spec.name + '_summaries/'):
        return summaries.scalar_summaries(
            registry.masked_weights(), self._sparsities_at(self._step())(dtype=tf.float32),
            self._last_update_step, self._last_gradient_update_step)

    return self._once('summaries', build)

  def prepare_report(self) -> Any:
    """Adds what sparsity_report needs to the graph, before that is finalized, and returns it."""
    def build() -> Any:
      kept = [record.kept() for record in self._records()]
      if weight_sparsity.is_final_known(self.spec, self._schedule):
        return kept, []
      # Where a schedule ends is not known, its latest word is what can be asked for.
      sparsity_for = self._sparsities_at(variables.read(self._last_update_step))
      return kept, [sparsity_for(together.own_target, selection.sparsity_dtype(together.units))
                    for together in self._plan()]

    return self._once('report', build)

  def sparsity_report(self, session: Any) -> List[summaries.WeightSparsity]:
    """Returns asked and achieved sparsity of every masked weight, as they are in `session`."""
    plan = self._plan()
    # By the mask, as one weight may be masked twice.
    counts, latest = session.run(self.prepare_report())
    zeros = {record.mask.name: record.size() - int(kept)
             for record, kept in zip(self._records(), counts)}
    rows = {}
    for index, together in enumerate(plan):
      asked = float(latest[index]) if latest else self._final_sparsity(together.own_target)
      hidden = sum(zeros[record.mask.name] for record, _ in together.members)
      for record, _ in together.members:
        rows[record.mask.name] = summaries.WeightSparsity(
            record.name, record.layout.shape, asked, zeros[record.mask.name],
            short=hidden < together.fewest_zeros(asked))
    return [rows[name] for name in zeros]

  def _final_sparsity(self, own_target: Optional[float]) -> float:
    if isinstance(self._given_sparsity, (int, float)):
      return float(weight_sparsity.sparsities_at(0, self.spec, self._given_sparsity)(own_target))
    return float(weight_sparsity.final(self.spec, self._schedule, own_target))

  def print_hparams(self) -> None:
    """Logs the spec as JSON."""
    logging.info(self.spec.to_json())

  # ---- Below, what the operations are made of. ----

  def _once(self, key: str, build: Callable[[], Any], of_weights: bool = False) -> Any:
    """Builds an operation the first time, and returns the same one from then on.

    Args:
      key: the name of the operation.
      build: builds it.
      of_weights: whether it does nothing in a graph without masked weights. As there may be some
        later, that is not remembered.
    """
    if tf.get_default_graph() is not self._graph:
      raise errors.GraphMismatchError(
          'This Pruning object was made in another graph than the default one; make one Pruning '
          'per graph, in a `with graph.as_default()` block')
    if of_weights and not registry.masked_weights():
      logging.warning('%s: the graph has no masked weights, so this %s does nothing. Build the '
                      'model first, in a masked_scope() or with apply_mask on its weights',
                      self.spec.name, key)
      return tf.no_op(key)
    # What is built in a branch or a loop can be run only there.
    context = getattr(self._graph, '_get_control_flow_context', lambda: None)()
    place = (key, None if context is None else context.name)
    if place not in self._ops:
      # With the slash it is the scope of that name, however often it was entered before.
      with switches_and_merges(), tf.name_scope(self.spec.name + '/'):
        self._ops[place] = once_for_all_replicas(build)
    return self._ops[place]

  def _find_global_step(self, global_step: Any) -> Any:
    if global_step is None:
      global_step = tf.train.get_global_step()
    if isinstance(global_step, (str, bytes, bool)) or getattr(
        getattr(global_step, 'shape', None), 'rank', 0) not in (0, None):
      raise errors.GlobalStepError(
          'global_step=%r: expected an integer scalar, a variable or a tensor, such as '
          'tf.train.get_or_create_global_step() returns' % (global_step,))
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
    # Beyond the last step that an int32 holds it stands still, and no update is due any more.
    step = tf.minimum(variables.read(self._global_step, tf.int64), LARGEST_STEP)
    return tf.cast(step, tf.int32)

  def _make_history(self) -> None:
    """Makes the variables that the saliency needs, of weights that lack them."""
    if self.spec.uses_gradients:
      for record in registry.masked_weights():
        registry.make_history(record)

  def _waits(self) -> bool:
    """Whether what is built now has control dependencies; TensorFlow has no public way to ask."""
    return bool(getattr(tf.get_default_graph(), '_current_control_dependencies', lambda: ())())

  def _records(self) -> List[registry.MaskedWeight]:
    """Returns the masked weights, with the variables that the saliency needs."""
    self._make_history()
    return registry.masked_weights()

  def _plan(self) -> List[updates.PrunedTogether]:
    return updates.plan(self._records(), self.spec)

  def _update_masks(self, step: Any = None) -> Any:
    """Builds the update of all weights; `step` is written as that of the last update."""
    plan = self._plan()
    step = self._step() if step is None else step
    written = updates.update_all(plan, self._sparsities_at(step), self.spec)
    # Last, so that a run that dies in between updates again.
    with tf.control_dependencies(written):
      with tf.control_dependencies([variables.assign(variable, step)
                                    for variable in self.own_variables()]):
        return tf.no_op('mask_update')

  def _say_if_late(self, step: Any) -> Any:
    """Builds an operation that reports an update after end_pruning_step on stderr."""
    end = self.spec.end_pruning_step
    if self._schedule is not None or end < 0 or self.spec.use_tpu:  # TPUs have no stderr.
      return tf.no_op()

    def say() -> Any:
      with tf.control_dependencies([tf.print(
          '%s: the last mask update before end_pruning_step=%d was missing; it is made at step' % (
              self.spec.name, end), step, output_stream=sys.stderr)]):
        return tf.constant(True)

    return tf.cond(step > end, say, lambda: tf.constant(False))

  def _update_gradients(self, step: Any = None) -> Any:
    step = self._step() if step is None else step
    written: List[Any] = []
    for record in self._records():
      with tf.name_scope(record.name.replace(':', '_') + '_gradient_ops'):
        written.extend(updates.update_gradients(record, self.spec))
    with tf.control_dependencies(written):
      with tf.control_dependencies([variables.assign(self._last_gradient_update_step, step)]):
        return tf.no_op('gradient_update')

  def _copy(self, name: str, needed: bool, source: Callable[[registry.MaskedWeight], Any],
            target: Callable[[registry.MaskedWeight], Any]) -> Any:
    copies: List[Any] = []
    for record in self._records() if needed else []:
      copies.extend(variables.assign_shards(target(record), variables.read_shards(source(record))))
    with tf.control_dependencies(copies):
      return tf.no_op(name)

  def _sparsities_at(self, step: Any) -> Callable[..., Any]:
    """Returns (own target or None, dtype) -> the sparsity at `step`."""
    external = self._given_sparsity
    if external is not None and not callable(external):
      external = variables.read(external)
    return weight_sparsity.sparsities_at(step, self.spec, external)
