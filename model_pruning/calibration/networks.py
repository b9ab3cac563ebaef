# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A model twice in one graph, dense and pruned, run side by side on examples."""

import dataclasses
import re
from typing import (Any, Container, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence,
                    Set, Tuple)

import numpy as np

from model_pruning import errors
from model_pruning.calibration import designs
from model_pruning.calibration.examples import Batch
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.examples import Input
from model_pruning.calibration.gradients import Gradients
from model_pruning.calibration.gradients import Tunable
from model_pruning.calibration.moments import Moments
from model_pruning.calibration.wiring import Layer
from model_pruning.calibration.wiring import Wiring
from model_pruning.channels.shifts import Shift
from model_pruning.channels.shifts import source
from model_pruning.compat import tf
from model_pruning.reading import nodes as nodes_lib
from model_pruning.reading import sources
from model_pruning.reading import tensors
from model_pruning.reading.inlining import FILLS
from model_pruning.reading.inlining import needed_for
from model_pruning.util.types import Array
from model_pruning.util.types import GraphDef
from model_pruning.util.types import Tensor

_PLACEHOLDERS = ('Placeholder', 'PlaceholderV2')
_DENSE, _PRUNED = 'dense', 'pruned'
# Matches the scope of one of the two models before the name of a node.
_OWN = re.compile(r'(?<![\w/.-])(%s|%s)/' % (_DENSE, _PRUNED))

# The most rows of a layer's inputs that are used. Convolutions have one for each position.
ROWS = 1 << 14
# The most memory for the second moments of one layer, and for the rows of one batch.
_MOST_MOMENTS = 2 << 30
_MOST_ROWS = 128 << 20
_MOST_AT_ONCE = 64


class _Rows(NamedTuple):
  """The inputs and outputs of a layer as tensors.

  Attributes:
    design: its first product.
    sampled: inputs and outputs of each of its products; see designs.Design.
    count: the number of their rows together.
  """
  design: designs.Design
  sampled: Sequence[Sequence[Tensor]]
  count: Tensor


class Networks:
  """A graph of constants, and a copy of it whose weights can be changed.

  Attributes:
    inputs: the inputs of the model.
    layers: the layers, in the order of the data. Those that cannot be refitted say why.
  """

  def __init__(self, graph_def: GraphDef, weights: Sequence[str], inputs: Sequence[str],
               outputs: Sequence[str], variables: Optional[Container[str]] = None) -> None:
    """Builds both.

    Args:
      graph_def: a GraphDef of constants, without masks.
      weights: names of the constants to prune.
      inputs: names of the placeholders for examples; [] for all that the outputs need.
      outputs: names of the outputs, of operations or tensors.
      variables: names of the constants that may change besides weights, for example biases;
        None for all.

    Raises:
      errors.OutputNodeError: an input or output is not in the graph.
      errors.ExamplesError: the outputs need a placeholder that is not among the inputs.
      errors.ModelFileError: TensorFlow cannot use the graph.
    """
    sources.check_list(inputs, 'inputs')
    graph_def = needed_for(graph_def, outputs)
    self._wiring = Wiring(graph_def)
    given = [source(name) for name in inputs] or [
        node.name for node in graph_def.node if node.op in _PLACEHOLDERS]
    if given:
      sources.check_outputs(list(self._wiring.nodes), given)
    computed = self._computed(given, outputs)
    self.layers = [
        layer if layer.shift is None or variables is None or layer.shift.constant in variables
        else dataclasses.replace(layer, shift=None) for layer in self._wiring.layers(weights)]
    self.layers = [layer if layer.reason or computed.issuperset(layer.ops) else dataclasses.replace(
        layer, reason='it comes before the inputs') for layer in self.layers]
    self._graph = tf.Graph()
    with self._graph.as_default(), sources.by_tensorflow('the graph'):
      tf.import_graph_def(graph_def, name=_DENSE)
      self.inputs = [Input(name, tensor.dtype, tensor.shape) for name, tensor in (
          (name, self._tensor(_DENSE, name)) for name in given)]
      self._loads: Dict[str, Tuple[Any, Tensor]] = {}
      self._values: Dict[str, Tensor] = {}
      self._import_pruned(graph_def)
      self._outputs = [[self._tensor(prefix, name) for name in outputs]
                       for prefix in (_DENSE, _PRUNED)]
      self._most = tf.placeholder(tf.int64, [])
      self._offset = tf.placeholder(tf.float64, [])
      self._rows: Dict[str, _Rows] = {}
      self.layers = [self._with_rows(layer) for layer in self.layers]
    self._session = tf.Session(graph=self._graph)
    with sources.by_tensorflow('the graph'):
      self._session.run([op for op in self._graph.get_operations() if op.type in FILLS])

  def close(self) -> None:
    """Ends the session."""
    self._session.close()

  def __enter__(self) -> 'Networks':
    return self

  def __exit__(self, *unused: Any) -> None:
    self.close()

  def dense(self, constant: str) -> Array:
    """Returns the value of a constant in the dense model."""
    tensor = self._wiring.nodes[constant].attr['value'].tensor
    return np.asarray(tensors.to_array(tensor, constant))

  def shift_of(self, layer: Layer) -> Optional[Shift]:
    """Returns the constant that can absorb a change of the mean of a layer's outputs, if any."""
    if layer.shift is None or layer.weight not in self._rows:
      return None
    design = self._rows[layer.weight].design
    size = int(np.prod(self._wiring.shape_of(layer.shift.constant) or (1,), dtype=np.int64))
    fits = size == design.groups * design.outputs.shape.as_list()[2]
    return layer.shift if fits and design.outputs_last else None

  def design_of(self, layer: Layer) -> designs.Design:
    """Returns a layer that can be refitted as matrix products."""
    return self._rows[layer.weight].design

  def set(self, values: Mapping[str, Array]) -> None:
    """Changes constants of the pruned model."""
    for name, value in values.items():
      load, placeholder = self._loads[name]
      value = np.asarray(value, placeholder.dtype.as_numpy_dtype)
      self._session.run(load, {placeholder: value.reshape(placeholder.shape.as_list())})

  def reset(self) -> None:
    """Makes the pruned model equal to the dense one."""
    self.set({name: self.dense(name) for name in self._loads})

  def moments(self, layer: Layer, examples: Examples, rows: int = ROWS,
              kept: Optional[Tuple[Array, Array]] = None) -> Moments:
    """Returns the moments of a layer's inputs as pruned so far, and of its dense outputs.

    Args:
      layer: a layer that can be refitted.
      examples: the examples.
      rows: the most rows to use; of larger layers, rows spread evenly over all batches.
      kept: the numbers of the inputs and of the outputs to use; None for all.
    """
    made = self._rows[layer.weight]
    groups, inputs, outputs = _dims(made.design)
    if kept is not None:
      inputs, outputs = map(len, kept)
    total = Moments.zeros(groups, inputs, outputs)
    size = self._batch_size(made, examples)
    for number, batch in enumerate(examples.batches(size)):
      here = _length(batch)
      feed = self._feed(batch)
      feed[self._most] = max(1, rows * here // (examples.count * len(made.sampled)))
      feed[self._offset] = number * 0.7548776662466927 % 1.0
      for x, y in self._run(made.sampled, feed):
        total.add(*((x, y) if kept is None else (x[:, :, kept[0]], y[:, :, kept[1]])))
    return total

  def outputs(self, examples: Examples, pruned: bool = True) -> Iterator[List[Array]]:
    """Yields, batch by batch, the outputs of the pruned or the dense model."""
    for batch in examples.batches(_MOST_AT_ONCE):
      yield self._run(self._outputs[int(pruned)], self._feed(batch))

  def random_operations(self) -> List[str]:
    """Returns the names of the operations that may give other numbers in each run."""
    return [op.name[len(_DENSE) + 1:] for op in self._graph.get_operations()
            if op.name.startswith(_DENSE + '/') and nodes_lib.draws_random_numbers(op.type)]

  def gradients(self) -> Gradients:
    """Returns the gradients of the distance of the outputs; adds them to the graph.

    Raises:
      errors.ChannelError: TensorFlow cannot differentiate the outputs.
    """
    def run(fetches: Any, batch: Batch, feed: Mapping[Any, Any]) -> Any:
      return self._run(fetches, {**self._feed(batch), **feed})

    with self._graph.as_default():
      layers = []
      for layer in self.layers:
        if layer.reason:
          continue
        pruned, dense = (self._tensor(prefix, layer.ops[0]) for prefix in (_PRUNED, _DENSE))
        value, shift = self._values[layer.weight], self.shift_of(layer)
        layers.append(Tunable(layer.weight, value, (pruned, dense)) if shift is None else Tunable(
            layer.weight, value, (pruned, dense), shift.constant, shift.sign,
            self._wiring.shape_of(shift.constant) or ()))
      dense_outputs, pruned_outputs = self._outputs
      return Gradients(layers, list(zip(pruned_outputs, dense_outputs)), run)

  # ---- Building. ----

  def _computed(self, given: Sequence[str], outputs: Sequence[str]) -> Set[str]:
    """Returns the names of the nodes that are computed from the inputs for the outputs.

    Raises:
      errors.ExamplesError: a placeholder would not be fed.
    """
    found: Set[str] = set()
    pending = [source(name) for name in outputs]
    while pending:
      name = pending.pop()
      if name in found or name in given:
        continue
      if self._wiring.nodes[name].op in _PLACEHOLDERS:
        raise errors.ExamplesError(
            'The outputs need the input %s, which is not among the named inputs (%s); name it too, '
            'and give the examples by name, in a dict or a .npz file (one number for an input such '
            'as keep_prob)' % (name, ', '.join(given)))
      found.add(name)
      pending.extend(map(source, self._wiring.nodes[name].input))
    return found

  def _tensor(self, prefix: str, name: str) -> Tensor:
    return self._graph.get_tensor_by_name('%s/%s' % (prefix, name if ':' in name else name + ':0'))

  def _tunable(self) -> List[str]:
    shifts = [layer.shift.constant for layer in self.layers if layer.shift is not None]
    return list(dict.fromkeys([layer.weight for layer in self.layers if layer.shape] + shifts))

  def _import_pruned(self, graph_def: GraphDef) -> None:
    copy = tf.GraphDef()
    copy.CopyFrom(graph_def)
    tunable = set(self._tunable())
    replaced = {each.name: self._tensor(_DENSE, each.name) for each in self.inputs}
    for node in copy.node:
      kept = [text for text in node.input if not (
          text.startswith('^') and source(text) in tunable)]
      del node.input[:]
      node.input.extend(kept)
      # It names a gradient in the process that built the graph. The usual one of the operation, an
      # IdentityN beside the operations of the function, gives the derivative of the function.
      node.attr.pop('_gradient_op_type', None)
      if 'frame_name' in node.attr:  # A graph has one loop of TensorFlow 1 with a name.
        node.attr['frame_name'].s += b'/' + _PRUNED.encode()
      if node.name not in tunable:
        continue
      shape, dtype = self._wiring.shape_of(node.name), tf.as_dtype(node.attr['dtype'].type)
      node.op = 'Placeholder'
      del node.attr['value']
      variable = tf.get_variable(node.name.strip('/_.') or 'weight', shape, dtype,
                                 initializer=tf.zeros_initializer(), use_resource=True)
      value = tf.placeholder(dtype, shape)
      self._loads[node.name] = (variable.assign(value).op, value)
      self._values[node.name] = replaced[node.name] = variable.read_value()
    used = {source(text) for node in copy.node for text in node.input}
    tf.import_graph_def(copy, {name + ':0': tensor for name, tensor in replaced.items()
                               if name in used}, name=_PRUNED)

  def _with_rows(self, layer: Layer) -> Layer:
    """Returns the layer; adds its rows to the graph, or says why it has none."""
    if layer.reason:
      return layer
    try:
      pruned, dense = ([designs.design_of(self._graph.get_operation_by_name(
          '%s/%s' % (prefix, op)), layer.operand) for op in layer.ops]
                       for prefix in (_PRUNED, _DENSE))
    except designs.UnsupportedLayerError as error:
      return dataclasses.replace(layer, reason=str(error))
    if len({(design.groups, design.order, design.split) for design in pruned}) > 1:
      return dataclasses.replace(layer, reason='it is used %d times' % len(pruned))
    groups, inputs, outputs = _dims(pruned[0])
    if Moments.bytes(groups, inputs, outputs) > _MOST_MOMENTS:
      return dataclasses.replace(
          layer, reason='it has %s inputs, whose second moments would take %.1f GB' % (
              '{:,}'.format(inputs), Moments.bytes(groups, inputs, outputs) / 2**30))
    self._rows[layer.weight] = _Rows(
        pruned[0], [[tf.cast(each, tf.float32) for each in designs.sampled(
            [one.inputs, other.outputs], self._most, self._offset)]
                    for one, other in zip(pruned, dense)],
        tf.add_n([tf.shape(design.inputs)[0] for design in pruned]))
    return layer

  # ---- Running. ----

  def _run(self, fetches: Any, feed: Mapping[Any, Any]) -> Any:
    """Runs the graph; errors have the names of the model's own graph."""
    try:
      return self._session.run(fetches, feed)
    except tf.errors.OpError as error:
      raise errors.ModelFileError(
          'TensorFlow %s cannot compute the model on the examples (%s)' % (
              tf.__version__, _OWN.sub('', errors.first_line(error)))) from error

  def _feed(self, batch: Mapping[str, Array]) -> Dict[Any, Any]:
    return {self._tensor(_DENSE, name): array for name, array in batch.items()}

  def _batch_size(self, made: _Rows, examples: Examples) -> int:
    """Returns how many examples at a time keep the rows of a layer in the allowed memory."""
    groups, inputs, outputs = _dims(made.design)
    first = next(examples.batches(1))
    here = _length(first)
    count = int(self._run(made.count, self._feed(first)))
    row = 4 * groups * (inputs + outputs)
    return int(np.clip(_MOST_ROWS * here // max(count * row, 1), 1, _MOST_AT_ONCE))


def _length(batch: Mapping[str, Array]) -> int:
  """Returns the number of examples in a batch; some inputs may be single numbers."""
  return next(len(array) for array in batch.values() if array.ndim)


def _dims(design: designs.Design) -> Tuple[int, int, int]:
  """Returns the numbers of groups, inputs and outputs of a layer."""
  inputs, outputs = (int(each.shape.as_list()[2]) for each in (design.inputs, design.outputs))
  return design.groups, inputs, outputs

