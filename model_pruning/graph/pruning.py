# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pruning: builds the operations of a graph that update the masks of its weights."""

import dataclasses
from typing import Any, List, Optional, Union

from absl import logging

from model_pruning import names
from model_pruning.compat import tf
from model_pruning.engine import selection
from model_pruning.engine.plan import plan_training
from model_pruning.engine.saliency import Saliency
from model_pruning.engine.saliency import saliency_for
from model_pruning.graph import channels
from model_pruning.graph import global_step as global_step_lib
from model_pruning.graph import records
from model_pruning.graph import registry
from model_pruning.graph import summaries
from model_pruning.graph import updates
from model_pruning.graph import variables
from model_pruning.graph.once import Once
from model_pruning.graph.once import waits
from model_pruning.graph.sparsity_function import SparsityFunction
from model_pruning.graph.training.coordination import session_around
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.reading import stored_spec
from model_pruning.schedules import gradual
from model_pruning.schedules.base import PruningSchedule
from model_pruning.util.sparsity_table import WeightSparsity
from model_pruning.util.types import Operation
from model_pruning.util.types import Scope
from model_pruning.util.types import Session
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


class Pruning:
  """Prunes the masked weights of the default graph.

      pruning = Pruning('target_sparsity=0.9,sparsity_function_end_step=1000')
      update = pruning.conditional_mask_update_op()
      ...
      session.run(train_op)
      session.run(update)

  With prune_option 'first_order_gradient' or 'second_order_gradient' an update first adds the
  change of each weight since the last update to its running average, then chooses the masks by the
  average, and then stores the weights for the next update. Separate operations do one of these
  alone, for averages over other intervals.

  Attributes:
    spec: the PruningSpec.
  """

  def __init__(self, spec: Union[HParams, str, PruningSpec, None] = None,
               global_step: Variable = None,
               sparsity: Tensor = None) -> None:
    """Checks the spec and creates the variable <spec.name>/last_mask_update_step.

    With gradient saliency it also creates <spec.name>/last_gradient_update_step.

    Args:
      spec: an HParams, a string in its grammar, or None for the defaults.
      global_step: integer scalar variable or tensor; by default the global step of the graph.
      sparsity: replaces the spec's sparsity function: a float32 scalar tensor or variable, a
        float, or a function of the int32 step that returns one of these. Or a PruningSchedule,
        which also replaces begin_pruning_step, end_pruning_step and pruning_frequency. A weight in
        weight_sparsity_map gets sparsity * its own target / target_sparsity; with a
        PolynomialDecaySchedule it reaches its own target.

    Raises:
      errors.PruningError: the spec is invalid.
      errors.ScheduleError: the schedule takes a weight with its own target outside [0, 1).
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
      # A hook may have exempted them for a session that has ended or not started yet.
      for variable in self.own_variables():
        variables.require_initialization(variable)
    self._once = Once(self.spec.name)
    self._make_history()  # Before the user creates an initializer.
    stored_spec.remember(self.spec, sparsity)
    self._function.publish(self._step())
    for warning in warnings:
      logging.warning('%s: %s', self.spec.name, warning)

  @property
  def last_mask_update_step(self) -> Variable:
    """The int32 variable with the global step of the last mask update."""
    return self._last_update_step

  @property
  def global_step(self) -> Variable:
    """The variable or tensor that drives the schedule."""
    return self._global_step

  @property
  def schedule(self) -> Optional[PruningSchedule]:
    """The schedule object that replaces the spec's schedule; None if there is none."""
    return self._function.schedule

  @property
  def stored_spec(self) -> Optional[stored_spec.StoredSpec]:
    """The spec with the final targets of training; None if they are unknown."""
    return stored_spec.StoredSpec.create(self.spec, self._given_sparsity)

  def next_update_step(self, last_update_step: int) -> Optional[int]:
    """Returns the earliest step at which an update may be due; None if no more updates follow.

    Args:
      last_update_step: the value of last_mask_update_step.
    """
    return self._function.timing().next_update(last_update_step)

  def last_update_until(self, step: int) -> int:
    """Returns the step of the schedule's latest update up to `step`; 0 if there is none."""
    return self._function.timing().last_update(step)

  @property
  def follows_spec(self) -> bool:
    """Whether the sparsity is the spec's function of the step."""
    return self._given_sparsity is None

  def own_variables(self) -> List[Variable]:
    """Returns the variables that this object created: the steps of its last updates."""
    return [variable for variable in (self._last_update_step, self._last_gradient_update_step)
            if variable is not None]

  def mask_update_op(self) -> Operation:
    """Returns an operation that updates all masks and thresholds at any step.

    In a graph without masked weights it does nothing, and a warning is logged.

    Raises:
      errors.MapError: a key of a map matches no weight or group, or two keys match the same one.
      errors.GroupError: the spec has group_pruning=true, but no weight is in a group.
      errors.ChannelError: the spec has channel_pruning=true, but masks can hide no channels.
      errors.BlockError: N of M does not fit a weight.
      errors.GraphMismatchError: this object belongs to another graph than the default one.
    """
    return self._once('mask_update', self._update_masks, of_weights=True)

  def conditional_mask_update_op(self, keeps_schedule: bool = False) -> Operation:
    """Returns an operation that updates the masks if an update is due at the current step.

    The schedule object decides this, or without one the spec. The schedule objects of this library
    also make updates whose steps training skipped. The spec does so with keeps_schedule or under
    control dependencies, because a program that builds the update under its train op sees each
    step one later than with contrib. Then a missing last update before end_pruning_step is made
    once after it, with a line on stderr. Otherwise the spec follows contrib's rule.

    The operation reads the step when it runs, after the control dependencies of the first call of
    this method. Raises the same errors as mask_update_op.

    Args:
      keeps_schedule: see above; only the first call uses it.
    """
    def build() -> Tensor:
      self._plan()  # Creates variables, which must not be created in a branch.
      records.remember_update(self.spec.name, (
          dataclasses.replace(self.spec, name='any'), repr(self.schedule)))
      step = self._step()
      due = self._function.timing(keeps_schedule or waits()).is_due(
          step, variables.read(self._last_update_step))

      def update() -> Tensor:
        late = updates.report_if_late(step, self.spec) if self.schedule is None else tf.no_op()
        with tf.control_dependencies([self._update_masks(step, True), late]):
          return tf.constant(True)

      with tf.control_dependencies([tf.cond(due, update, lambda: tf.constant(False))]):
        return tf.no_op('conditional_mask_update')

    return self._once('conditional_mask_update', build, of_weights=True)

  def gradient_update_op(self) -> Operation:
    """Returns an operation that only adds the changes of the weights to their averages.

    It does nothing if prune_option is 'weight'. Raises the same errors as mask_update_op.
    """
    if self._saliency.history:
      return self._once('gradient_update', self._update_gradients, of_weights=True)
    return self._once('gradient_update', lambda: tf.no_op('gradient_update'))

  def conditional_gradient_update_op(self) -> Operation:
    """Returns gradient_update_op() for every step from begin_pruning_step to end_pruning_step."""
    def build() -> Tensor:
      self._records()  # Creates variables, which must not be created in a branch.
      step = self._step()

      def update() -> Tensor:
        with tf.control_dependencies([self._update_gradients(step)]):
          return tf.constant(True)

      inside = gradual.is_inside(step, self.spec)
      with tf.control_dependencies([tf.cond(inside, update, lambda: tf.constant(False))]):
        return tf.no_op('conditional_gradient_update')

    if not self._saliency.history:
      return self.gradient_update_op()
    return self._once('conditional_gradient_update', build, of_weights=True)

  def old_weight_update_op(self) -> Operation:
    """Returns an operation that copies each weight to its old_weight.

    It does nothing if prune_option is 'weight'.
    """
    return self._copy(names.OLD_WEIGHT, names.WEIGHT)

  def old_old_weight_update_op(self) -> Operation:
    """Returns an operation that copies each old_weight to its old_old_weight.

    It does nothing unless prune_option is 'second_order_gradient'.
    """
    return self._copy(names.OLD_OLD_WEIGHT, names.OLD_WEIGHT)

  def apply_mask(self, x: Variable, scope: Scope = '') -> Tensor:
    """Returns registry.apply_mask(x, scope) with the prune_option of the spec."""
    return registry.apply_mask(x, scope, self.spec.prune_option)

  def get_spec(self) -> PruningSpec:
    """Returns the spec; the research branch has a method with this name."""
    return self.spec

  def use_gradient(self) -> bool:
    """Whether the saliency uses gradients; the research branch has a method with this name."""
    return bool(self._saliency.history)

  @property
  def matrix_compression_spec(self) -> PruningSpec:
    """The spec, under another name that the research branch has for it."""
    return self.spec

  def add_pruning_summaries(self) -> Tensor:
    """Adds summaries of the scheduled sparsity, and of each weight's sparsity and threshold.

    Returns:
      The merged summary, a string scalar. Its parts are also in the summaries collection.
    """
    def build() -> Tensor:
      with tf.name_scope(self.spec.name + '_summaries/'):
        return summaries.scalar_summaries(
            registry.masked_weights(), self._function.at(self._step())(dtype=tf.float32),
            self._last_update_step, self._last_gradient_update_step)

    return self._once('summaries', build)

  def prepare_report(self) -> Tensor:
    """Returns the tensors that sparsity_report needs; adds them before the graph is finalized."""
    def build() -> Tensor:
      kept = [record.kept() for record in self._records()]
      if self._function.is_final_known or self.spec.channel_pruning:
        return kept, []
      # The final sparsity of the schedule is unknown, so use its latest sparsity as the target.
      sparsity_for = self._function.at(variables.read(self._last_update_step))
      return kept, [sparsity_for(together.own_target, selection.sparsity_dtype(together.units))
                    for together in self._plan()]

    return self._once('report', build)

  def sparsity_report(self, session: Session) -> List[WeightSparsity]:
    """Returns the target and the achieved sparsity of every masked weight in `session`."""
    plans = self._plan()
    counts, latest = session.run(self.prepare_report())
    if self.spec.channel_pruning:
      return channels.achieved(plans, counts, self._function.final, self.spec)
    targets = [float(target) for target in latest] or [
        self._function.final(together.own_target) for together in plans]
    return summaries.achieved(self._records(), counts, plans, targets, self.spec)

  def print_hparams(self) -> None:
    """Logs the spec as JSON."""
    logging.info(self.spec.to_json())

  # Both use the current spec: clients of contrib may replace it (see python/pruning.py).
  @property
  def _function(self) -> SparsityFunction:
    return SparsityFunction(self.spec, self._given_sparsity)

  @property
  def _saliency(self) -> Saliency:
    return saliency_for(self.spec)

  def _step(self) -> Tensor:
    return global_step_lib.read(self._global_step)

  def _make_history(self) -> None:
    """Creates the variables that the saliency needs, for weights without them."""
    if self._saliency.history:
      for record in registry.masked_weights():
        registry.make_history(record)

  def _records(self) -> List[registry.MaskedWeight]:
    """Returns the masked weights, with the variables that the saliency needs."""
    self._make_history()
    return registry.masked_weights()

  def _plan(self) -> Any:
    """Returns the weights that are pruned together; with channel_pruning, a channels.Found."""
    find = channels.find if self.spec.channel_pruning else plan_training
    return find(self._records(), self.spec)

  def _update_masks(self, step: Tensor = None, in_branch: bool = False) -> Operation:
    """Builds the update of all weights, which also stores `step` as the last update step."""
    step = self._step() if step is None else step
    update_all = channels.update_all if self.spec.channel_pruning else updates.update_all
    written = update_all(self._plan(), self._function.at_update(step), self.spec, in_branch)
    # The step is written last, so that a run that is killed before this updates again.
    with tf.control_dependencies(written):
      with tf.control_dependencies([variables.assign(variable, step)
                                    for variable in self.own_variables()]):
        return tf.no_op('mask_update')

  def _update_gradients(self, step: Tensor = None) -> Operation:
    step = self._step() if step is None else step
    written: List[Tensor] = []
    for record in self._records():
      with tf.name_scope(record.name.replace(':', '_') + '_gradient_ops'):
        written.extend(updates.update_gradients(record, self.spec))
    with tf.control_dependencies(written):
      with tf.control_dependencies([variables.assign(self._last_gradient_update_step, step)]):
        return tf.no_op('gradient_update')

  def _copy(self, target: str, source: str) -> Operation:
    """Returns an operation that copies a variable of each weight, if the saliency keeps it."""
    name = target + '_update'

    def build() -> Tensor:
      records = self._records() if target in self._saliency.history else []
      with tf.control_dependencies([
          op for record in records for op in updates.copy(record, target, source)]):
        return tf.no_op(name)

    return self._once(name, build)
