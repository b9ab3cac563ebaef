# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Masks channels by hand, removes them, and compares: with NumPy, apart from the package's own."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning import export
from model_pruning.channels import analysis
from model_pruning.compat import tf
from model_pruning.reading import flops
from model_pruning.reading import nodes
from tests.calibration import models


def values_of(graph_def):
  """Returns the values of all floating constants by name."""
  return {node.name: tf.make_ndarray(node.attr['value'].tensor) for node in graph_def.node
          if node.op == 'Const' and tf.as_dtype(node.attr['dtype'].type).is_floating}


def masked(graph_def, groups, remove):
  """Returns the graph with zeros in every slice of some channels.

  Args:
    graph_def: a frozen graph.
    groups: its groups.
    remove: numbers of channels by the names of groups.
  """
  values = values_of(graph_def)
  for group in groups:
    for member in group.members:
      for number in remove.get(group.name, ()):
        where = [slice(None)] * values[member.weight].ndim
        where[member.axis] = member.indices[number]
        values[member.weight] = values[member.weight].copy()
        values[member.weight][tuple(where)] = 0
  return with_values(graph_def, values)


def with_values(graph_def, values):
  """Returns the graph with other values of constants."""
  result = tf.GraphDef()
  result.CopyFrom(graph_def)
  for node in result.node:
    if node.name in values:
      node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(values[node.name]))
  return result


def flops_of(graph_def):
  """Returns the FLOPs of a graph, counted by the reader of files and not by the channels."""
  weights = [name for name, value in values_of(graph_def).items() if value.ndim]
  return sum(layer.flops for layer in flops.layers_of(nodes.flatten(graph_def), weights).layers)


def half(groups):
  """Returns every second channel of each group, at least one of which stays."""
  return {group.name: list(range(1, group.channels, 2)) for group in groups}


def check(graph_def, images, outputs=('outputs',), remove=None, unread=()):
  """Masks half of the channels of each group, removes them, and compares all that is promised.

  Args:
    graph_def: a frozen graph with a placeholder `images`.
    images: values of it.
    outputs: names of operations.
    remove: numbers of channels by group; by default half of each.
    unread: names of groups that nothing reads, which are removed whatever `remove` is.

  Returns:
    The analysis of the given graph, and the smaller graph.
  """
  before = analysis.analyse(graph_def, outputs)
  remove = half(before.groups) if remove is None else remove
  zeroed = masked(graph_def, before.groups, remove)
  smaller = export.remove_channels(zeroed, outputs, examples={'images': images})
  removed = {name: numbers for name, numbers in remove.items() if numbers}
  removed.update({group.name: range(group.channels) for group in before.groups
                  if group.name in unread})
  assert {name: set(numbers) for name, numbers in smaller.removed.items()} == {
      name: set(numbers) for name, numbers in removed.items()}
  for output in outputs:
    expected = models.run(zeroed, images, output)
    apart = np.abs(models.run(smaller.graph_def, images, output) - expected).max()
    assert apart <= 1e-5 * max(np.abs(expected).max(), 1e-30)
    assert np.ptp(expected), 'the test compares outputs that depend on nothing'
  units = before.removed(removed)
  assert flops_of(smaller.graph_def) == before.flops(units)
  after = {name: value.shape for name, value in values_of(smaller.graph_def).items()}
  shapes = before.shapes(units)
  assert {name: after[name] for name in shapes} == shapes
  assert {width.name: width.after for width in smaller.widths}.items() <= shapes.items()
  for group in before.groups:
    alone = before.removed({group.name: [0]})
    assert group.bytes == before.bytes(before.nothing()) - before.bytes(alone) > 0
    assert group.flops == before.flops(before.nothing()) - before.flops(alone)
  return before, smaller


def sizes(channels):
  """Returns {name of a group: number of channels}."""
  return {group.name: group.channels for group in channels.groups}


def places(channels, name):
  """Returns {(weight, axis): slices per channel} of a group."""
  group, = (group for group in channels.groups if group.name == name)
  return {(member.weight, member.axis): member.indices.shape[1] for member in group.members}


def check_removed(graph_def, zeroed, images, remove):
  """Removes all that a masked graph does not need: the masked channels, unless a tensor ends empty.

  Args:
    graph_def: a frozen graph.
    zeroed: the graph with masks.
    images: values of its placeholder `images`.
    remove: numbers of the masked channels by group.
  """
  before = analysis.analyse(graph_def, ['outputs'])
  smaller = export.remove_channels(zeroed, ['outputs'])
  for name, numbers in remove.items():
    more = {**smaller.removed, name: sorted({*numbers, *smaller.removed.get(name, ())})}
    if more != smaller.removed and numbers:  # One half of a split, for example.
      with pytest.raises(errors.ChannelError, match='it would be the last one of a tensor'):
        export.remove_channels(zeroed, ['outputs'], more)
  units = before.removed(smaller.removed)
  expected = models.run(zeroed, images)
  apart = np.abs(models.run(smaller.graph_def, images) - expected).max()
  assert apart <= 1e-5 * np.abs(expected).max()
  assert flops_of(smaller.graph_def) == before.flops(units) == smaller.flops[1]
  after = {name: value.shape for name, value in values_of(smaller.graph_def).items()}
  shapes = before.shapes(units)
  assert {name: after[name] for name in shapes} == shapes
