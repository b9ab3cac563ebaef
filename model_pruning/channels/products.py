# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rules for matrix products and convolutions: where channels are produced and read."""

from typing import Dict, List, Sequence, Tuple

import numpy as np

from model_pruning.channels.elementwise import channel_axis
from model_pruning.channels.elementwise import Rule
from model_pruning.channels.step import Axes
from model_pruning.channels.step import Contraction
from model_pruning.channels.step import Product
from model_pruning.channels.step import Step
from model_pruning.channels.units import Axis

_UNKNOWN = 'the rank of an input is unknown'


def contract(step: Step, terms: List[List[str]], result: List[str]) -> List[Axes]:
  """Sums products of the inputs: one label per axis, as in tf.einsum.

  Args:
    step: the operation, with one or two inputs.
    terms: the labels of the axes of each input.
    result: the labels of the axes of the output.
  """
  places: Dict[str, List[Tuple[int, int]]] = {}
  for operand, labels in enumerate(terms):
    for place, label in enumerate(labels):
      places.setdefault(label, []).append((operand, place))
  axes: Dict[str, Axis] = {}
  outputs: Axes = []
  for label, found in places.items():
    members = [(step.axes[operand][place], (step.shape(operand) or ())[place])
               for operand, place in found]
    if len({operand for operand, _ in found}) < len(found):
      for axis, _ in members:
        step.fix(axis, 'it takes a diagonal')
      axes[label] = None
      continue
    if label not in result and len(found) == 1:
      step.fix(members[0][0], 'it sums over this axis')
    axes[label] = step.meet(members)
    if label not in result and len(found) == 2 and axes[label] is not None:
      (left, left_axis), (right, right_axis) = found
      step.records.contractions.append(Contraction(
          step.op.name, step.op.inputs[left].name, left_axis,
          step.op.inputs[right].name, right_axis))
    if label in result and len(found) == 1:
      outputs.append(members[0][0])
  step.records.products.append(Product(step.op.name, list(axes.values()), outputs))
  return [[axes.get(label) for label in result]]


def _mat_mul(step: Step) -> List[Axes]:
  shapes = [step.shape(0), step.shape(1)]
  flags = [step.attr(names[0], step.attr(names[1], False)) for names in (
      ('transpose_a', 'adj_x'), ('transpose_b', 'adj_y'))]
  if shapes[0] is None or shapes[1] is None:
    if step.op.type == 'MatMul' and (shapes[0] or shapes[1]):
      return _one_known(step, int(shapes[0] is None), flags)
    return step.fix_all(_UNKNOWN)
  batches = [['b%d' % (len(shape) - 2 - place) for place in range(len(shape) - 2)]
             for shape in shapes if shape is not None]
  terms = [batches[0] + (['k', 'm'] if flags[0] else ['m', 'k']),
           batches[1] + (['n', 'k'] if flags[1] else ['k', 'n'])]
  return contract(step, terms, max(batches, key=len) + ['m', 'n'])


def _one_known(step: Step, operand: int, flags: Sequence[bool]) -> List[Axes]:
  """Returns the axes of a product of two matrices, of which the shape of only one is known."""
  summed = int(bool(flags[operand]) == bool(operand))
  step.fix(step.axes[operand][summed], _UNKNOWN)
  kept = step.axes[operand][1 - summed]
  step.records.products.append(Product(step.op.name, [kept], [kept]))
  return [[None, kept] if operand else [kept, None]]


def _einsum(step: Step) -> List[Axes]:
  equation = (step.attr('equation') or '').replace(' ', '')
  left, _, right = equation.partition('->')
  parts = left.split(',')
  shapes = [step.shape(index) for index in range(len(step.axes))]
  if any(shape is None for shape in shapes) or len(parts) != len(shapes) or len(parts) > 2:
    return step.fix_all('it is an einsum of unknown ranks, or of more than two tensors')
  terms = [_labels(part, len(shape or ())) for part, shape in zip(parts, shapes)]
  most = max(sum(label.startswith('...') for label in term) for term in terms)
  result = _labels(right, len(right.replace('...', '')) + (most if '...' in right else 0))
  if len(set(result)) < len(result):
    return step.fix_all('it writes a diagonal')
  return contract(step, terms, result)


def _labels(part: str, rank: int) -> List[str]:
  """Returns a label for each axis. The axes of an ellipsis are numbered from the last one."""
  head, dots, tail = part.partition('...')
  number = rank - len(head) - len(tail) if dots else 0
  return list(head) + ['...%d' % (number - place) for place in range(number)] + list(tail)


def _fix_spatial(step: Step, operand: int, others: Tuple[int, ...]) -> None:
  """Fixes the axes of an operand, except `others`, which a convolution slides over."""
  for place, axis in enumerate(step.axes[operand]):
    if place not in others:
      # Positions of a kernel have never been channels.
      step.fix(axis, '' if operand == 1 else 'it slides over this axis')


def _conv(step: Step) -> List[Axes]:
  dims, kernel = step.shape(0), step.shape(1)
  if dims is None or kernel is None:
    return step.fix_all(_UNKNOWN)
  rank = len(dims)
  channels = channel_axis(step, rank)
  inputs, weights = step.axes[0][channels], step.axes[1]
  _fix_spatial(step, 0, (channels,))
  _fix_spatial(step, 1, (rank - 2, rank - 1))
  result = step.plain()
  size, own = dims[channels], kernel[rank - 2]
  if size is None or own is None:
    return step.fix_all('the number of its channels is unknown')
  if size == own:
    step.meet([(inputs, size), (weights[rank - 2], own)])
    _contraction(step, (0, channels), (1, rank - 2))
    outputs = weights[rank - 1]
    step.records.products.append(Product(
        step.op.name, [weights[rank - 2], outputs], [outputs]))
  else:
    outputs = _grouped(step, inputs, size // own)
  result[0][channels] = outputs
  return result


def _grouped(step: Step, inputs: Axis, groups: int) -> Axis:
  """Joins the inputs and outputs of each group of a convolution: groups stay or go as a whole."""
  weights = step.axes[1]
  outputs = weights[-1]
  step.fix(weights[-2])
  if inputs is None or outputs is None:
    step.fix(inputs)
    step.fix(outputs)
  else:
    joined = np.concatenate([np.reshape(inputs, [groups, -1]), np.reshape(outputs, [groups, -1])],
                            axis=1)
    for place in range(1, joined.shape[1]):
      step.units.join(joined[:, 0], joined[:, place])
  step.records.products.append(Product(step.op.name, [outputs], [outputs]))
  return outputs


def _contraction(step: Step, left: Tuple[int, int], right: Tuple[int, int]) -> None:
  if step.axes[left[0]][left[1]] is not None:
    step.records.contractions.append(Contraction(
        step.op.name, step.op.inputs[left[0]].name, left[1],
        step.op.inputs[right[0]].name, right[1]))


def _depthwise(step: Step) -> List[Axes]:
  dims, kernel = step.shape(0), step.shape(1)
  if dims is None or kernel is None or kernel[3] is None:
    return step.fix_all(_UNKNOWN)
  channels = channel_axis(step, 4)
  _fix_spatial(step, 0, (channels,))
  _fix_spatial(step, 1, (2,))
  axis = step.meet([(step.axes[0][channels], dims[channels]), (step.axes[1][2], kernel[2])])
  outputs = None if axis is None else np.repeat(axis, kernel[3])
  step.records.products.append(Product(step.op.name, [axis], [outputs]))
  result = step.plain()
  result[0][channels] = outputs
  return result


def _transposed_conv(step: Step) -> List[Axes]:
  """Its inputs: the shape of its result, a kernel [..., outputs, inputs], and the data."""
  dims, kernel = step.shape(2), step.shape(1)
  if dims is None or kernel is None:
    return step.fix_all(_UNKNOWN)
  rank = len(dims)
  channels = channel_axis(step, rank)
  weights, result = step.axes[1], step.plain()
  _fix_spatial(step, 2, (channels,))
  _fix_spatial(step, 1, (rank - 2, rank - 1))
  if dims[channels] != kernel[rank - 1] or len(result[0]) != rank:
    return step.fix_all('it has groups, or a result of unknown rank')
  step.meet([(step.axes[2][channels], dims[channels]), (weights[rank - 1], kernel[rank - 1])])
  _contraction(step, (2, channels), (1, rank - 1))
  outputs = weights[rank - 2]
  if step.length(0, channels, outputs):
    result[0][channels] = outputs
  step.records.products.append(Product(
      step.op.name, [weights[rank - 1], outputs], [outputs]))
  return result


RULES: Dict[str, Rule] = {
    **{op: _mat_mul for op in ('MatMul', 'BatchMatMul', 'BatchMatMulV2', 'BatchMatMulV3')},
    'Einsum': _einsum, 'Conv2D': _conv, 'Conv3D': _conv, 'DepthwiseConv2dNative': _depthwise,
    'Conv2DBackpropInput': _transposed_conv, 'Conv3DBackpropInputV2': _transposed_conv,
}
