# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Removes whole channels from Keras models."""

import dataclasses
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.calibration import shrinking
from model_pruning.channels import compare
from model_pruning.channels.analysis import analyse
from model_pruning.channels.analysis import Channels
from model_pruning.channels.analysis import Group
from model_pruning.channels.analysis import Kept
from model_pruning.channels.choice import check_budget
from model_pruning.channels.choice import check_joint_steps
from model_pruning.channels.choice import Target
from model_pruning.export import channels as graph_channels
from model_pruning.export.smaller import Smaller
from model_pruning.export.smaller import Width
from model_pruning.hparams import maps
from model_pruning.keras import backend
from model_pruning.keras import copying
from model_pruning.keras import exporting
from model_pruning.keras import states
from model_pruning.keras import unrolling
from model_pruning.keras import widths as widths_lib
from model_pruning.keras.backend import keras
from model_pruning.keras.marks import Marks
from model_pruning.keras.pruned import pruned_layers
from model_pruning.util.types import GraphDef
from model_pruning.util.types import Model

# How often functions between layers are tried without some channels, each time without others.
_TRIALS = 2


def channel_groups(model: Model) -> List[Group]:
  """Returns the groups of channels of a model that remove_channels can make smaller.

      for group in sparsity.channel_groups(model):
        print(group.name, group.channels, group.bytes, group.flops)

  Args:
    model: a built Keras model without masks. It does not change.

  Raises:
    errors.LayerError: the model is not built, is pruned, or is neither functional nor Sequential.
  """
  _check_stripped(model)
  return Subject(model).groups


def remove_channels(model: Model, fraction: float = 0.0, keep: Optional[str] = None,
                    multiple_of: int = 1, remove: Optional[Mapping[str, Sequence[int]]] = None,
                    examples: Any = None, labels: Any = None, classes: bool = True,
                    joint_steps: int = 0, **budget: float) -> Model:
  """Returns a smaller model without some channels, which can be trained on.

      model = sparsity.remove_channels(sparsity.strip_pruning(model))
      model = sparsity.remove_channels(model, fraction=0.5, multiple_of=8)
      model = sparsity.remove_channels(model, max_flops=1e9, examples=images[:256])

  Without a goal (`fraction`, `remove` or a budget), channels are removed that do not affect the
  outputs, because weights are zero; the outputs stay the same. With examples, the channels go whose
  work the others can do best, and the weights that stay are refitted so that the smaller model
  computes nearly the same. The smaller model has layers of the same classes and names, with fewer
  units or filters. It is not compiled.

  Args:
    model: a built functional or Sequential model without masks, with nested ones or without. It
      does not change.
    fraction: the largest fraction of the channels of each group to remove, in [0, 1): without
      examples, those with the smallest norms over all their slices.
    keep: a regular expression for names of groups to keep whole, matched from their start.
    multiple_of: the number of channels that stay is rounded up to a multiple of this number.
    remove: the channels to remove instead: their numbers by the names of groups; see
      channel_groups.
    examples: examples of the inputs, without labels; see prune_trained.
    labels: for max_loss: the right class of each example, integers; None if they are unknown.
    classes: for max_loss: False if the outputs are other numbers than scores of classes.
    joint_steps: gradient steps that then refit all layers together; see shrink_graph, too.
    **budget: one of max_flops, max_bytes and max_loss; see model_pruning.one_shot.shrink_graph.

  Raises:
    errors.LayerError: the model is not built, is pruned, or is neither functional nor Sequential.
    errors.ChannelError: an argument is out of range; there is no such group or channel; a channel
      cannot be removed; a budget cannot be met; or the smaller model does not compute the same
      outputs as the model with zeros in place of the channels.
    errors.ExamplesError: the examples do not fit the model, or are too few.
    errors.MapError: keep is no regular expression, or matches no group.
    errors.CloneError: a layer cannot be recreated from its config.
  """
  check_budget('remove_channels', budget)
  target = Target(fraction, keep=keep, multiple_of=multiple_of, **budget)
  return removed(model, target, remove, examples, labels, classes, joint_steps=joint_steps).model


class Removed(NamedTuple):
  """A smaller model.

  Attributes:
    model: the model.
    smaller: its graph.
    widths: the weights of the original that got smaller, by their ids.
  """
  model: Any
  smaller: Smaller
  widths: Dict[int, Width]


def removed(model: Model, target: Target, remove: Optional[Mapping[str, Sequence[int]]] = None,
            examples: Any = None, labels: Any = None, classes: bool = True,
            absorb: bool = True, joint_steps: int = 0) -> Removed:
  """Does the same as remove_channels, with a goal as one object, and returns more.

  Args:
    model, remove, examples, labels, classes, joint_steps: see remove_channels.
    target: the goal.
    absorb: whether the biases of readers take the values of constant channels.
  """
  _check_stripped(model)
  check_joint_steps(joint_steps, examples is not None and not target.removes_nothing_needed)
  subject = Subject(model, examples)
  target.check_keep(subject.channels)
  target = dataclasses.replace(target, keep=subject.keeping(target.keep))
  values: Mapping[str, Any] = {}
  changeable = subject.frozen.variables if absorb else ()
  if remove is not None:
    if examples is not None or not target.removes_nothing_needed:
      raise errors.ChannelError('remove names the channels; it goes without a fraction, a budget '
                                'and examples')
    subject.check(remove)
    smaller = graph_channels.without(subject.channels, remove, variables=changeable)
  elif examples is None or target.removes_nothing_needed:
    if target.max_loss is not None:
      raise errors.ChannelError('max_loss=%s is measured on examples; give some' % target.max_loss)
    smaller = graph_channels.without_smallest(subject.channels, target, variables=changeable)
  else:
    frozen = subject.frozen
    shrunk = shrinking.shrink(subject.channels, target, examples, frozen.outputs, frozen.inputs,
                              labels, classes, frozen.variables, joint_steps)
    smaller, values = shrunk, shrunk.values
  widths = {id(subject.frozen.variables[width.name]): width for width in smaller.widths
            if width.name in subject.frozen.variables}
  refitted = {id(subject.frozen.variables[name]): value for name, value in {
      **smaller.absorbed, **values}.items() if name in subject.frozen.variables}
  copy = copying.Copy(model, changes=widths_lib.Narrower(
      widths, refitted, *subject.changes(smaller.removed))).layer
  apart = compare.difference(smaller.graph_def, _with_inputs(exporting.freeze(copy),
                                                             subject.frozen.inputs),
                             subject.frozen.outputs, setup=subject.frozen.fills)
  allowed = compare.allowed(apart, smaller.graph_def, subject.frozen.outputs,
                            setup=subject.frozen.fills)
  if not apart <= allowed:
    raise errors.ChannelError(
        'The outputs of the smaller model %s differ by %.2g of their largest value; %g is '
        'allowed. %s' % (model.name, apart, allowed, compare.advice(
            smaller.graph_def, 'Keep groups whole (keep=REGEX)')))
  return Removed(copy, smaller, widths)


def _check_stripped(model: Model) -> None:
  if isinstance(model, keras.Model) and pruned_layers(model):
    raise errors.LayerError('Model %s has masks; strip_pruning() it first' % model.name)


def _with_inputs(frozen: exporting.FrozenModel, names: Sequence[str]) -> GraphDef:
  """Returns the graph with its inputs renamed, because Keras 3 renames the inputs of a copy."""
  renamed = dict(zip(frozen.inputs, names))
  for node in frozen.graph_def.node:
    node.name = renamed.get(node.name, node.name)
    for number, text in enumerate(node.input):
      node.input[number] = renamed.get(text.split(':')[0], text)
  return frozen.graph_def


def _analysed(model: Model, frozen: exporting.FrozenModel) -> Channels:
  """Returns the channels of a model, given its graph; its inputs and outputs stay as they are."""
  names = {id(variable): name for name, variable in frozen.variables.items()}
  return analyse(frozen.graph_def, [*frozen.outputs, *frozen.inputs, *frozen.fills],
                 alike=widths_lib.alike(model, names))


class Subject:
  """A model, its graph and its channels.

  Attributes:
    frozen: the model as a graph of constants.
    channels: the channels of the graph; its inputs stay as they are, as its outputs do.
    groups: the groups whose layers can get other widths.
    whole: why the other groups stay whole, by their names.
  """

  def __init__(self, model: Model, examples: Any = None) -> None:
    self._marks = Marks(model)
    with self._marks.made():
      self.frozen = unrolling.freeze(model, examples)
    if not backend.is_functional(model) or self.frozen.exported or not self.frozen.variables:
      reason = ('has no weights, or resources of its own' if backend.is_functional(model) else 'is '
                'neither functional nor Sequential, so its own code sets the widths of its layers')
      raise errors.LayerError(
          'Model %s (%s) %s; export it, and remove channels from the graph: '
          'model_pruning.export.remove_channels' % (model.name, type(model).__name__, reason))
    self.channels: Channels = _analysed(model, self.frozen)
    self._marks.find(self.channels.trace.axes)
    free, known = widths_lib.weights_of_free_layers(model), self.frozen.variables
    # What is no variable is made by layers, for example the scale of a BatchNormalization without.
    fixed = {group.name: member.weight for group in self.channels.groups
             for member in group.members
             if member.weight in known and id(known[member.weight]) not in free}
    with states.unchanged(model):  # Some layers are called again, to compare what they compute.
      self.groups = self._without_fixed([
          group for group in self.channels.groups if group.name not in fixed])
    able = {group.name for group in self.groups}
    self.whole = {
        group.name: '%s is of a layer whose width remove_channels cannot change' % fixed[group.name]
        if group.name in fixed else 'their number is an argument of an operation between layers'
        for group in self.channels.groups if group.name not in able}

  @property
  def kept(self) -> List[Kept]:
    """What stays whole, and why."""
    return self.channels.kept + [
        Kept(group.name, 'group', self.whole[group.name],
             tuple((member.weight, member.axis) for member in group.members))
        for group in self.channels.groups if group.name in self.whole]

  def keeping(self, keep: Optional[str]) -> Optional[str]:
    """Returns an expression for groups to keep: by `keep`, and those that cannot be smaller."""
    if keep:
      maps.expression('keep', keep)
    free = {group.name for group in self.groups}
    patterns = ['(?:%s)$' % re.escape(group.name) for group in self.channels.groups
                if group.name not in free]
    return '|'.join(['(?:%s)' % keep] * bool(keep) + patterns) or None

  def changes(self, remove: Mapping[str, Sequence[int]]
              ) -> Tuple[Dict[int, List[List[Optional[int]]]], Dict[int, Tuple[int, ...]]]:
    """Returns the results of Marks.inputs and Marks.targets without some channels."""
    units = self.channels.removed(remove)
    return self._marks.inputs(units), self._marks.targets(units)

  def _without_fixed(self, groups: List[Group]) -> List[Group]:
    """Returns the groups of which no layer has a size as an argument that cannot change."""
    rng, fixed = np.random.RandomState(0), []
    for _ in range(_TRIALS):
      fixed += self._marks.fixed(self.channels.removed({
          group.name: rng.permutation(group.channels)[:rng.randint(1, group.channels)].tolist()
          for group in groups if group.channels > 1}))
    if not fixed:
      return groups
    units = np.concatenate(fixed)
    return [group for group in groups
            if not self.channels.removed({group.name: range(group.channels)})[units].any()]

  def check(self, remove: Mapping[str, Sequence[int]]) -> None:
    """Raises errors.ChannelError if a group does not exist or has a layer of a fixed width."""
    graph_channels.check_names(self.channels, remove)
    names = {group.name for group in self.groups}
    for name in remove:
      if name not in names:
        raise errors.ChannelError(
            'Group %s has layers whose widths remove_channels cannot change; groups that can be '
            'made smaller: %s' % (name, ', '.join(sorted(names)) or 'none'))
