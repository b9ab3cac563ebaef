# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pruning: the object that ties spec, schedule, weights and selection into a graph's operations."""

import dataclasses
from typing import Any, List, Optional, Union

from absl import logging

from model_pruning import names
from model_pruning.compat import tf
from model_pruning.engine import selection
from model_pruning.engine.plan import plan
from model_pruning.engine.plan import PrunedTogether
from model_pruning.engine.saliency import Saliency
from model_pruning.engine.saliency import saliency_for
from model_pruning.graph import global_step as global_step_lib
from model_pruning.graph import records
from model_pruning.graph import registry
from model_pruning.graph import summaries
from model_pruning.graph import updates
from model_pruning.graph import variables
from model_pruning.graph.once import Once
from model_pruning.graph.sparsity_function import SparsityFunction
from model_pruning.graph.training.coordination import session_around
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.reading import stored_spec
from model_pruning.schedules import gradual
from model_pruning.schedules.base import PruningSchedule
from model_pruning.util.sparsity_table import WeightSparsity


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
    self._global_step = global_step_lib.find(global_step)
    self._given_sparsity = sparsity
    warnings = self._function.warnings(bool(self._saliency.history))
    kind = True if self.spec.use_tpu else None
    self._last_update_step = variables.step_variable(
        self.spec.name, names.LAST_MASK_UPDATE_STEP, kind, self._global_step)
    self._last_gradient_update_step = variables.step_variable(
        self.spec.name, names.LAST_GRADIENT_UPDATE_STEP, kind,
        self._global_step) if self._saliency.history else None
    if session_around()[0] is None:
      # A hook may have exempted them for its session, which is over, or not yet begun.
      for variable in self.own_variables():
        variables.require_initialization(variable)
    self._once = Once(self.spec.name)
    self._make_history()  # Before the user makes an initializer.
    stored_spec.remember(self.spec, sparsity)
    for warning in warnings:
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
    return self._function.schedule

  @property
  def stored_spec(self) -> Optional[stored_spec.StoredSpec]:
    """The spec with the targets that training ends at; None if they are unknown."""
    return stored_spec.StoredSpec.create(self.spec, self._given_sparsity)

  def next_update_step(self, last_update_step: int) -> Optional[int]:
    """Returns a step before which no update is due; None if none ever is.

    Args:
      last_update_step: what last_mask_update_step holds.
    """
    return self._function.timing().next_update(last_update_step)

  def last_update_until(self, step: int) -> int:
    """Returns the step of the latest update that the schedule has up to `step`; 0 for none."""
    return self._function.timing().last_update(step)

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
          dataclasses.replace(self.spec, name='any'), repr(self.schedule)))
      step = self._step()
      due = self._function.timing(keeps_schedule or self._waits()).is_due(
          step, variables.read(self._last_update_step))

      def update() -> Any:
        late = updates.report_if_late(step, self.spec) if self.schedule is None else tf.no_op()
        with tf.control_dependencies([self._update_masks(step), late]):
          return tf.constant(True)

      with tf.control_dependencies([tf.cond(due, update, lambda: tf.constant(False))]):
        return tf.no_op('conditional_mask_update')

    return self._once('conditional_mask_update', build, of_weights=True)

  def gradient_update_op(self) -> Any:
    """Returns an operation that takes the weights' changes into their averages, and no more.

    Does nothing when prune_option is 'weight'. Raises what mask_update_op raises.
    """
    if not self._saliency.history:
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

      inside = gradual.is_inside(step, self.spec)
      with tf.control_dependencies([tf.cond(inside, update, lambda: tf.constant(False))]):
        return tf.no_op('conditional_gradient_update')

    if not self._saliency.history:
      return self.gradient_update_op()
    return self._once('conditional_gradient_update', build, of_weights=True)

  def old_weight_update_op(self) -> Any:
    """Returns an operation that copies the weights to their old_weight.

    Does nothing when prune_option is 'weight'.
    """
    return self._copy(names.OLD_WEIGHT, names.WEIGHT)

  def old_old_weight_update_op(self) -> Any:
    """Returns an operation that copies every old_weight to the old_old_weight.

    Does nothing unless prune_option is 'second_order_gradient'.
    """
    return self._copy(names.OLD_OLD_WEIGHT, names.OLD_WEIGHT)

  def apply_mask(self, x: Any, scope: Any = '') -> Any:
    """Does what registry.apply_mask does, with the prune_option of the spec."""
    return registry.apply_mask(x, scope, self.spec.prune_option)

  def get_spec(self) -> PruningSpec:
    """Returns the spec, as the research branch's method of that name."""
    return self.spec

  def use_gradient(self) -> bool:
    """Returns whether saliency is by gradients, as the research branch's method of that name."""
    return bool(self._saliency.history)

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
            registry.masked_weights(), self._function.at(self._step())(dtype=tf.float32),
            self._last_update_step, self._last_gradient_update_step)

    return self._once('summaries', build)

  def prepare_report(self) -> Any:
    """Adds what sparsity_report needs to the graph, before that is finalized, and returns it."""
    def build() -> Any:
      kept = [record.kept() for record in self._records()]
      if self._function.is_final_known:
        return kept, []
      # Where a schedule ends is not known, its latest word is what can be asked for.
      sparsity_for = self._function.at(variables.read(self._last_update_step))
      return kept, [sparsity_for(together.own_target, selection.sparsity_dtype(together.units))
                    for together in self._plan()]

    return self._once('report', build)

  def sparsity_report(self, session: Any) -> List[WeightSparsity]:
    """Returns target and achieved sparsity of every masked weight, as they are in `session`."""
    plans = self._plan()
    counts, latest = session.run(self.prepare_report())
    targets = [float(target) for target in latest] or [
        self._function.final(together.own_target) for together in plans]
    return summaries.achieved(self._records(), counts, plans, targets)

  def print_hparams(self) -> None:
    """Logs the spec as JSON."""
    logging.info(self.spec.to_json())

  # ---- Below, what the operations are made of. ----

  # Both by the spec of now: contrib's clients may replace it (see python/pruning.py).
  @property
  def _function(self) -> SparsityFunction:
    return SparsityFunction(self.spec, self._given_sparsity)

  @property
  def _saliency(self) -> Saliency:
    return saliency_for(self.spec)

  def _step(self) -> Any:
    return global_step_lib.read(self._global_step)

  def _make_history(self) -> None:
    """Makes the variables that the saliency needs, of weights that lack them."""
    if self._saliency.history:
      for record in registry.masked_weights():
        registry.make_history(record)

  def _waits(self) -> bool:
    """Whether what is built now has control dependencies; TensorFlow has no public way to ask."""
    return bool(getattr(tf.get_default_graph(), '_current_control_dependencies', lambda: ())())

  def _records(self) -> List[registry.MaskedWeight]:
    """Returns the masked weights, with the variables that the saliency needs."""
    self._make_history()
    return registry.masked_weights()

  def _plan(self) -> List[PrunedTogether]:
    return plan(self._records(), self.spec)

  def _update_masks(self, step: Any = None) -> Any:
    """Builds the update of all weights; `step` is written as that of the last update."""
    plans = self._plan()
    step = self._step() if step is None else step
    written = updates.update_all(plans, self._function.at(step), self.spec)
    # Last, so that a run that dies in between updates again.
    with tf.control_dependencies(written):
      with tf.control_dependencies([variables.assign(variable, step)
                                    for variable in self.own_variables()]):
        return tf.no_op('mask_update')

  def _update_gradients(self, step: Any = None) -> Any:
    step = self._step() if step is None else step
    written: List[Any] = []
    for record in self._records():
      with tf.name_scope(record.name.replace(':', '_') + '_gradient_ops'):
        written.extend(updates.update_gradients(record, self.spec))
    with tf.control_dependencies(written):
      with tf.control_dependencies([variables.assign(self._last_gradient_update_step, step)]):
        return tf.no_op('gradient_update')

  def _copy(self, target: str, source: str) -> Any:
    """Returns an operation that copies a variable of each weight, if the saliency keeps it."""
    name = target + '_update'

    def build() -> Any:
      copies: List[Any] = []
      for record in self._records() if target in self._saliency.history else []:
        copies.extend(updates.copy(record, target, source))
      with tf.control_dependencies(copies):
        return tf.no_op(name)

    return self._once(name, build)
