# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rules for operations that work element by element, or along the channels alone."""

from typing import Callable, Dict, List

from model_pruning.channels.step import Axes
from model_pruning.channels.step import Step

UNARY = (
    'Abs', 'Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'Cast', 'Ceil', 'CheckNumerics',
    'Cos', 'Cosh', 'DeepCopy', 'Digamma', 'Elu', 'Erf', 'Erfc', 'Exp', 'Expm1', 'Floor', 'Identity',
    'Inv', 'IsFinite', 'IsInf', 'IsNan', 'LeakyRelu', 'Lgamma', 'Log', 'Log1p', 'LogicalNot', 'Neg',
    'OnesLike', 'PreventGradient', 'Reciprocal', 'ReadVariableOp', 'Relu',
    'Relu6', 'Rint', 'Round', 'Rsqrt', 'Selu', 'Sigmoid', 'Sign', 'Sin', 'Sinh', 'Snapshot',
    'Softplus', 'Softsign', 'Sqrt', 'Square', 'StopGradient', 'Tan', 'Tanh', 'ZerosLike')
BINARY = (
    'Add', 'AddV2', 'Atan2', 'BitwiseAnd', 'Div', 'DivNoNan', 'Equal', 'FloorDiv', 'FloorMod',
    'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalOr', 'Maximum', 'Minimum',
    'Mod', 'Mul', 'MulNoNan', 'NotEqual', 'Pow', 'RealDiv', 'SquaredDifference', 'Sub',
    'TruncateDiv', 'Xdivy', 'Xlogy')
_LIKE_FIRST = ('FakeQuantWithMinMaxVars', 'FakeQuantWithMinMaxArgs', 'QuantizeAndDequantizeV2')

Rule = Callable[[Step], List[Axes]]


def elementwise(step: Step) -> List[Axes]:
  """All inputs are broadcast to one shape."""
  dims = step.result()
  shapes = [step.shape(index) for index in range(len(step.axes))]
  if dims is None or any(shape is None for shape in shapes):
    return step.fix_all('the rank of an input is unknown')
  result: Axes = []
  for place in range(-len(dims), 0):
    members = [(axes[place], shape[place]) for axes, shape in zip(step.axes, shapes)
               if shape is not None and -place <= len(shape)]
    result.append(step.meet(members))
  return [result]


def _like_first(step: Step) -> List[Axes]:
  return [list(step.axes[0])]


def _select(step: Step) -> List[Axes]:
  """The condition of the first Select may be a vector over the first axis."""
  if len(step.shape(0) or ()) != len(step.shape(1) or ()):
    return step.fix_all('its condition has another rank than its values')
  return elementwise(step)


def _identities(step: Step) -> List[Axes]:
  return [list(axes) for axes in step.axes]


def channel_axis(step: Step, rank: int) -> int:
  """Returns the number of the axis of channels, by the attribute data_format."""
  order = step.attr('data_format', '') or ''
  return order.index('C') if 'C' in order and len(order) == rank else (
      1 if order.startswith('NC') else rank - 1)


def _bias_add(step: Step) -> List[Axes]:
  dims = step.shape(0)
  if dims is None:
    return step.fix_all('the rank of an input is unknown')
  axes = list(step.axes[0])
  axis = channel_axis(step, len(dims)) if step.op.type == 'BiasAdd' else len(dims) - 1
  axes[axis] = step.meet([(axes[axis], dims[axis]), (step.axes_of(1, 1)[0], dims[axis])])
  return [axes]


def _fused_batch_norm(step: Step) -> List[Axes]:
  dims = step.shape(0)
  if dims is None:
    return step.fix_all('the rank of an input is unknown')
  axes = list(step.axes[0])
  axis = channel_axis(step, len(dims))
  for place, other in enumerate(axes):
    if place != axis and step.attr('is_training', True):
      step.fix(other, 'it normalizes over this axis')
  # In training, the moving mean and variance are empty.
  vectors = [step.axes_of(index, 1) for index in range(1, len(step.axes))
             if step.shape(index) != (0,)]
  axes[axis] = step.meet([(axes[axis], dims[axis])] + [(each[0], dims[axis]) for each in vectors])
  results = step.plain()
  for index, output in enumerate(results):
    if len(output) == 1 and step.result(index) == (dims[axis],):
      output[0] = axes[axis]
  return [axes] + results[1:]


def _pool(step: Step) -> List[Axes]:
  dims = step.shape(0)
  if dims is None:
    return step.fix_all('the rank of an input is unknown')
  axis = channel_axis(step, len(dims))
  window = step.attr('ksize', None)
  if window is None and len(step.axes) > 1:
    window = step.constant(1)
  if window is None or window[axis] != 1:
    return step.fix_all('it pools over channels')
  return [keep(step, axis)]


def keep(step: Step, axis: int) -> Axes:
  """Returns the axes of a result that has one axis of the first input; others stay whole."""
  for index, other in enumerate(step.axes[0]):
    if index != axis:
      step.fix(other, 'it works along this axis')
  return [other if index == axis else None for index, other in enumerate(step.axes[0])]


def _keep_last(step: Step) -> List[Axes]:
  return [keep(step, len(step.axes[0]) - 1)]


def _last_axis(reason: str) -> Rule:
  def rule(step: Step) -> List[Axes]:
    axes = list(step.axes[0])
    if axes:
      step.fix(axes[-1], reason)
      axes[-1] = None
    return [axes if len(axes) == len(dims or ()) else [None] * len(dims or ())
            for dims in map(step.result, range(len(step.op.outputs)))]
  return rule


RULES: Dict[str, Rule] = {
    **{op: elementwise for op in UNARY + BINARY + ('AddN', 'SelectV2', 'ClipByValue')},
    **{op: _like_first for op in _LIKE_FIRST},
    'Select': _select, 'IdentityN': _identities,
    'BiasAdd': _bias_add, 'BiasAddV1': _bias_add,
    **{'FusedBatchNorm' + version: _fused_batch_norm for version in ('', 'V2', 'V3')},
    **{op: _pool for op in ('MaxPool', 'AvgPool', 'MaxPool3D', 'AvgPool3D', 'MaxPoolV2')},
    **{op: _keep_last for op in ('ResizeBilinear', 'ResizeNearestNeighbor', 'ResizeBicubic',
                                 'ResizeArea', 'CropAndResize')},
    **{op: _last_axis('it normalizes over this axis') for op in ('Softmax', 'LogSoftmax')},
    'LRN': _last_axis('it normalizes over neighbouring channels'),
}
