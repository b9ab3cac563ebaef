# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Keras models as graphs of TensorFlow."""

import contextlib
import re
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.keras import backend
from model_pruning.keras import states
from model_pruning.keras import variables
from model_pruning.reading import nodes as nodes_lib
from model_pruning.util.types import Model
from model_pruning.util.types import Variable


class Traced(NamedTuple):
  """The forward pass of a model.

  Attributes:
    function: a ConcreteFunction that takes the inputs one by one.
    variables: the model's variables by the ids of their handles, which the function may capture.
  """
  function: Any
  variables: Dict[int, Variable]


class Graph(NamedTuple):
  """The nodes of a model's forward pass.

  Attributes:
    nodes: its operations by name, with the operations of the functions that they call.
    weights: names of the nodes that hold variables, by the ids of the variables.
  """
  nodes: nodes_lib.Nodes
  weights: Dict[int, str]


def traced(model: Model, structure: Any, specs: Sequence[Any]) -> Traced:
  """Returns the forward pass of a model.

  Args:
    model: a built model.
    structure: its inputs, in the structure in which it takes them.
    specs: a TensorSpec for each input, in the order of the structure.

  Raises:
    errors.ConversionError: the model cannot be traced.
  """
  def call(*inputs: Any) -> Any:
    return model(tensorflow.nest.pack_sequence_as(structure, list(inputs)), training=False)

  try:
    with backend.quietly(), _without_metrics(model):
      function = tensorflow.function(call, autograph=False).get_concrete_function(*specs)
  except (ValueError, TypeError, LookupError, AttributeError, tensorflow.errors.OpError) as error:
    raise errors.ConversionError('Model %s cannot be traced with inputs of %s (%s)' % (
        model.name, ', '.join(str(spec.shape) for spec in specs),
        errors.first_line(error))) from error
  known = {id(handle): variable
           for variable in [*model.variables, *states.recurrent_states(model)]
           for handle in variables.handles_of(variable)}
  # The state of Keras 3's global generator of random numbers belongs to no layer.
  known.update((id(variable.handle), variable) for variable in function.variables
               if states.is_random_state(variable) and id(variable.handle) not in known)
  return Traced(function, known)


@contextlib.contextmanager
def _without_metrics(model: Model) -> Iterator[None]:
  """Lets the layers of add_metric() pass their inputs on; metrics are no outputs of a model."""
  layers = [layer for layer in backend.layers_in(model)
            if type(layer).__name__ == 'AddMetric' and backend.is_keras_own(type(layer))]
  for layer in layers:
    vars(layer)['call'] = lambda inputs: inputs
  try:
    yield
  finally:
    for layer in layers:
      del vars(layer)['call']


def graph_of(model: Model) -> Optional[Graph]:
  """Returns the nodes of a model's forward pass, without the values of its weights.

  Inputs have one example, unless the model fixes another number. Returns None for a layer, and for
  a model that declares no inputs or cannot be traced.

  Args:
    model: a built Keras model or layer, pruned or not. It does not change.
  """
  structure = backend.inputs_of(model)
  if structure is None or not isinstance(model, backend.keras.Model):
    return None
  try:
    function, known = traced(model, structure, specs_of(structure, {}, batch_size=1))
  except Exception:  # Layers raise any, and some run only eagerly.
    return None
  graph_def = function.graph.as_graph_def()
  captured = function.captured_inputs
  inner = function.inputs[len(function.inputs) - len(captured):]
  held = {placeholder.op.name: known[id(handle)] for placeholder, handle in zip(inner, captured)
          if id(handle) in known}
  for node in graph_def.node:
    if node.name in held:  # The function gets its variables as inputs.
      variable = held[node.name]
      node.op = 'VarHandleOp'
      node.attr['dtype'].type = tf.as_dtype(variables.tf_variable(variable).dtype).as_datatype_enum
      node.attr['shape'].shape.CopyFrom(tf.TensorShape(variable.shape).as_proto())
  # Keras traces a step of a recurrent layer only to learn its shapes.
  return Graph(nodes_lib.needed_for(nodes_lib.flatten(graph_def),
                                    [tensor.op.name for tensor in function.outputs]),
               {id(variable): name for name, variable in held.items()})


def specs_of(structure: Any, input_shapes: Mapping[str, Sequence[int]],
             batch_size: Optional[int]) -> List[Any]:
  """Returns the TensorSpecs of a model's inputs, in the order of its structure.

  Args:
    structure: the inputs, in the structure in which the model takes them.
    input_shapes: shapes by the names of inputs.
    batch_size: the batch size for inputs not in input_shapes; None keeps it variable.

  Raises:
    errors.ConversionError: input_shapes has a name that is no input.
  """
  inputs = tensorflow.nest.flatten(structure)
  names = [op_name(tensor.name.split(':')[0]) for tensor in inputs]
  for name in input_shapes:
    if name not in names:
      raise errors.ConversionError(
          'A shape is given (input_shapes=, --input_shape) for %r, which is no input of the model; '
          'its inputs are: %s' % (name, ', '.join(names)))
  specs = []
  for name, tensor in zip(names, inputs):
    shape = list(tensor.shape)
    if name in input_shapes:
      shape = list(input_shapes[name])
    elif shape and shape[0] is None:
      shape[0] = batch_size
    specs.append(tensorflow.TensorSpec(shape, tensor.dtype, name))
  return specs


def noted_inputs(model: Model) -> Any:
  """Returns the inputs with which a model was called that declares none, as TensorSpecs.

  Keras notes their structure and shapes, and Keras 2 their dtypes as well; the dtype of the others
  is float32. Returns None if they are unknown, or if the model takes several arguments.

  Args:
    model: a subclassed model that is built.
  """
  found = getattr(model, '_saved_model_inputs_spec', None)
  if found is not None:
    positional, by_name = getattr(model, '_saved_model_arg_spec', None) or ([found], {})
    if len(positional) > 1 or any(tensorflow.nest.flatten(by_name)):
      return None
    return found
  shapes = (backend.build_config(model) or {}) if backend.IS_KERAS_3 else {}
  return _as_specs(shapes['input_shape']) if 'input_shape' in shapes else None


def _as_specs(shapes: Any) -> Any:
  """Returns a structure of shapes as one of TensorSpecs; None if a shape is unknown."""
  if isinstance(shapes, Mapping):
    made = {name: _as_specs(shape) for name, shape in shapes.items()}
    return None if None in made.values() else made
  if shapes and all(isinstance(each, (list, tuple, Mapping)) for each in shapes):
    each = [_as_specs(shape) for shape in shapes]
    return None if None in each else each
  if shapes is None or not all(dim is None or isinstance(dim, int) for dim in shapes):
    return None
  return tensorflow.TensorSpec(shapes, tf.float32)


def names_of(structure: Any) -> List[str]:
  """Returns names for the inputs of a subclassed model, in the order in which they are flattened:
  the keys of a dict, or 'inputs', or 'inputs_0', 'inputs_1' and so on.

  Args:
    structure: the inputs, in the structure in which the model takes them.
  """
  number = len(tensorflow.nest.flatten(structure))
  if isinstance(structure, Mapping) and number == len(structure):
    return [op_name(str(key)) for key in sorted(structure)]
  return ['inputs'] if number == 1 else ['inputs_%d' % index for index in range(number)]


def op_name(name: str) -> str:
  """Returns a name that an operation can have, from any name."""
  return re.sub(r'[^\w./-]', '_', name).lstrip('_/-') or 'unnamed'
