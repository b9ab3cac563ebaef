# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Exports Keras models, pruned or stripped, as SavedModels, frozen graphs and TFLite files."""

import os
import re
import tempfile
from typing import Any, Container, Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.export import freeze as freeze_lib
from model_pruning.export import saved_model
from model_pruning.export.tflite import convert as tflite
from model_pruning.keras import backend
from model_pruning.keras import graphs
from model_pruning.keras import lookups
from model_pruning.keras import native_export
from model_pruning.keras import states
from model_pruning.keras import variables
from model_pruning.keras.pruned import stripped
from model_pruning.reading import running
from model_pruning.reading import tensors
from model_pruning.util import files
from model_pruning.util.types import DType
from model_pruning.util.types import GraphDef
from model_pruning.util.types import Model
from model_pruning.util.types import Variable


class FrozenModel(NamedTuple):
  """A Keras model as a graph of constants, without masks.

  Attributes:
    graph_def: the GraphDef; its placeholders have the names of the model's inputs.
    inputs, outputs: names of the input and output tensors.
    variables: the model's variables by the names of their constants.
    fills: names of the operations that fill lookup tables, to be run before the outputs.
    exported: whether Keras's own export was needed, as for resources of other kinds.
    output_names: the names of the outputs for callers: the keys of a dict, or the names of the
      layers that return them.
    states: names of variables that the outputs depend on and that each call changes, without the
      seeds of random numbers.
  """
  graph_def: Any
  inputs: List[str]
  outputs: List[str]
  variables: Mapping[str, Variable] = {}
  fills: Sequence[str] = ()
  exported: bool = False
  output_names: Sequence[str] = ()
  states: Sequence[str] = ()

  @property
  def names(self) -> Dict[str, str]:
    """Returns {output: name for callers}."""
    return dict(zip(self.outputs, self.output_names))


def to_tflite(model: Model, path: str, **options: Any) -> tflite.TFLiteExport:
  """Strips a Keras model, converts it to TFLite, compares the two, and writes the file.

      written = sparsity.to_tflite(model, 'small.tflite', quantization='dynamic')
      print(written.table())

  Args:
    model: a built Keras model, pruned or not. It does not change.
    path: the file to write.
    **options: quantization, sparse, examples, input_shapes, tolerance and the other options of
      model_pruning.export.to_tflite. If there are several inputs, an example is a dict by
      their names in the model, or a tuple in their order.

  Returns:
    A TFLiteExport; its weights have the model's names, for example fc/kernel.

  Raises:
    errors.LayerError: it is not a model, or not built.
    errors.ConversionError: its state changes with each call, as in a stateful recurrent layer.
    errors.PruningError: see model_pruning.export.to_tflite.
  """
  frozen = freeze(model, options.get('input_shapes'), 1, _first(options.get('examples')))
  if frozen.states:
    raise errors.ConversionError(
        'Model %s keeps %s from call to call, for example in a recurrent layer with stateful=True; '
        'a TFLite file written here would start each call with the present values. Convert a model '
        'that takes the state as an input and returns it (stateful=False, return_state=True)' % (
            model.name, ', '.join(frozen.states[:3])))
  options['names'] = {**frozen.names, **(options.get('names') or {})}
  return tflite.to_tflite(frozen.graph_def, path, frozen.inputs, frozen.outputs, **options)


def _first(examples: Any) -> Any:
  return examples[0] if isinstance(examples, (list, tuple, np.ndarray)) and len(examples) else None


def to_saved_model(model: Model, export_dir: str) -> None:
  """Writes a Keras model without masks as a SavedModel, with the signature serving_default.

  Args:
    model: a built Keras model, pruned or not. It does not change.
    export_dir: the folder to write; new or empty.

  Raises:
    errors.LayerError: it is not a model, or not built.
    errors.WriteError: the folder is not empty, or cannot be written.
  """
  native_export.check_built(model)
  with files.new_folder(export_dir) as temporary, stripped(model):
    native_export.export(model, temporary)


def freeze(model: Model, input_shapes: Optional[Mapping[str, Sequence[int]]] = None,
           batch_size: Optional[int] = None, example: Any = None) -> FrozenModel:
  """Returns a Keras model without masks as a graph of constants.

  Args:
    model: a built Keras model, pruned or not. It does not change.
    input_shapes: {input: shape}, for inputs whose shapes the model does not fix; for a subclass
      of Model, all inputs: by the keys of the dict that it takes, or in the order in which it
      takes them, under any names.
    batch_size: the batch size for inputs not in input_shapes; None keeps it variable.
    example: an example as of to_tflite, for the dtypes of a subclass of Model; or None.

  Raises:
    errors.LayerError: it is not a model, or not built.
    errors.ConversionError: input_shapes has a name that is no input; or tracing fails.
  """
  native_export.check_built(model)
  structure = backend.inputs_of(model)
  with stripped(model):
    if structure is not None:
      return _freeze(model, structure, graphs.specs_of(structure, input_shapes or {}, batch_size))
    return _freeze_subclassed(model, input_shapes or {}, batch_size, example)


def freeze_like(model: Model, inputs: Any) -> FrozenModel:
  """Returns a Keras model as `freeze` does; `inputs` are some for a model that declares none.

  Args:
    model: a built Keras model, pruned or not. It does not change.
    inputs: arrays in the structure in which the model takes them, one example per row.

  Raises:
    errors.LayerError, errors.ConversionError: see `freeze`.
  """
  if backend.inputs_of(model) is not None:
    return freeze(model)
  native_export.check_built(model)
  arrays = [np.asarray(each) for each in tensorflow.nest.flatten(inputs)]
  specs = [tensorflow.TensorSpec(
      [None, *array.shape[1:]], tf.float32 if array.dtype.kind == 'f' else array.dtype, name)
           for name, array in zip(graphs.names_of(inputs), arrays)]
  with stripped(model):
    return _freeze(model, inputs, specs)


def _freeze_subclassed(model: Model, input_shapes: Mapping[str, Sequence[int]],
                       batch_size: Optional[int], example: Any) -> FrozenModel:
  """Does what `freeze` does, for a model that declares no inputs and has no masks."""
  structure = graphs.noted_inputs(model)
  flat = tensorflow.nest.flatten(structure)
  if input_shapes and (structure is None or len(flat) != len(input_shapes)):
    flat = [tensorflow.TensorSpec(None, tf.float32) for _ in input_shapes]
    structure = flat if len(flat) > 1 else flat[0]
  elif structure is None:
    return _freeze_exported(model)
  names = graphs.names_of(structure)
  shapes = {graphs.op_name(name): shape for name, shape in input_shapes.items()}
  if shapes and set(shapes) != set(names):  # In the order of the inputs, under the caller's names.
    names = names if isinstance(structure, Mapping) else list(shapes)
    shapes = dict(zip(names, shapes.values()))
  failure: Optional[errors.ConversionError] = None
  for dtypes in _dtypes_tried(names, [spec.dtype for spec in flat], example):
    specs = [tensorflow.TensorSpec(shapes.get(name, [batch_size, *spec.shape[1:]]), dtype, name)
             for name, spec, dtype in zip(names, flat, dtypes)]
    try:
      return _freeze(model, structure, specs)
    except errors.ConversionError as error:
      failure = failure or error
  assert failure is not None
  raise failure


def _dtypes_tried(names: Sequence[str], noted: Sequence[DType], example: Any) -> List[List[DType]]:
  """Returns two lists of dtypes: the first as in an example, the second with all integers.

  A model is traced with the second if it cannot be traced with the first.

  Args:
    names: the inputs.
    noted: their dtypes, as far as Keras notes them; Keras 3 has float32 for all.
    example: see `freeze`.
  """
  is_several = isinstance(example, tuple) or len(names) > 1 and isinstance(example, list)
  given = example if isinstance(example, Mapping) else dict(
      zip(names, example if is_several else [example]))
  integers = {name for name, value in given.items() if np.asarray(value).dtype.kind in 'iu'}
  return [[tf.int32 if dtype == tf.float32 and name in chosen else dtype
           for name, dtype in zip(names, noted)] for chosen in (integers, set(names))]


def _freeze(model: Model, structure: Any, specs: Sequence[Any]) -> FrozenModel:
  """Returns a model as a graph of constants.

  Args:
    model: a built model without masks.
    structure: its inputs, in the structure in which it takes them.
    specs: a TensorSpec for each input, in the order of the structure.
  """
  function, known = graphs.traced(model, structure, specs)
  captured = list(function.captured_inputs)
  inner = function.inputs[len(function.inputs) - len(captured):]
  tables = {id(each): lookups.table_of(each, placeholder)
            for each, placeholder in zip(captured, inner)
            if each.dtype == tf.resource and id(each) not in known}
  if None in tables.values():
    return _freeze_exported(model)
  values: List[Any] = [
      None if id(each) in tables else variables.to_array(known.get(id(each), each))
      for each in captured]
  outputs = ['output_%d' % i for i in range(len(function.outputs))]
  traced = function.graph.as_graph_def()
  assigning = [node for node in traced.node if node.op.startswith('Assign')]
  assignments = {'^' + node.name for node in assigning}
  changed = {node.input[0] for node in assigning}
  kept: List[str] = []
  with tf.Graph().as_default(), tf.Session(config=running.once()) as session:
    bound, loads, found = {}, {}, {}  # type: ignore[var-annotated]
    fills: List[str] = []
    for placeholder, each, value in zip(inner, captured, values):
      table = tables.get(id(each))
      if table is not None:
        bound[placeholder.name], fill = table.made()
        fills.append(fill)
        continue
      if id(each) in known:
        # In Keras 2 the weights of two layers with cells may have the same name.
        name = _free(graphs.op_name(variables.variable_name(known[id(each)])), found)
        found[name] = known[id(each)]
        if placeholder.op.name in changed and not states.is_random_state(found[name]):
          kept.append(name)
        # Below the name of the weight: an input of the model may have any other.
        given = tf.placeholder(tf.as_dtype(value.dtype), value.shape, name + '/initial_value')
        made = tf.get_variable(name, initializer=given, use_resource=True)
        bound[placeholder.name] = made.handle
        loads[made.initializer] = (given, value)
      else:
        bound[placeholder.name] = tf.constant(value)
    for node in traced.node:
      node.attr.pop('_class', None)  # It may name placeholders that the import replaces.
      # The outputs wait for counters and states to change, which are constants now.
      inputs = [each for each in node.input if each not in assignments]
      if len(inputs) < len(node.input):
        node.input[:] = inputs
    returned = tf.import_graph_def(
        traced, bound, [tensor.name for tensor in function.outputs], name='')
    for name, tensor in zip(outputs, returned):
      tf.identity(tensor, name)
    # In one run: the first run of each operation takes a tenth of a second in a large graph.
    session.run(list(loads), dict(loads.values()))
    graph_def = freeze_lib.graph_def_from_session(session, outputs + fills)
  placeholders = {node.name for node in graph_def.node if node.op == 'Placeholder'}
  needed = {node.name for node in graph_def.node}
  inputs = [tensor.name.split(':')[0] for tensor in function.inputs[:len(specs)]]
  return FrozenModel(graph_def, [name for name in inputs if name in placeholders], outputs, found,
                     fills, output_names=_output_names(model, function.structured_outputs),
                     states=[name for name in kept if name in needed])


def _output_names(model: Model, structure: Any) -> List[str]:
  """Returns a name for each output: its key, the name of its layer, or its number.

  Args:
    model: the model.
    structure: what it returns.
  """
  number = len(tensorflow.nest.flatten(structure))
  keys = sorted(structure) if isinstance(structure, Mapping) else list(
      getattr(model, 'output_names', None) or ())
  if len(set(keys)) == len(keys) == number:
    return list(map(str, keys))
  return ['output_%d' % index for index in range(number)]


def _free(name: str, taken: Container[str]) -> str:
  """Returns a name that is not taken, 'a/kernel' or 'a/kernel_1'."""
  free, number = name, 0
  while free in taken:
    number += 1
    free = '%s_%d' % (name, number)
  return free


def _freeze_exported(model: Model) -> FrozenModel:
  """Returns the graph that Keras exports; for models with unknown inputs or unknown resources."""
  with tempfile.TemporaryDirectory() as folder:
    native_export.export(model, os.path.join(folder, 'model'))
    graph_def, signatures, _, _ = saved_model.read_stripped(os.path.join(folder, 'model'))
  signature = saved_model.default_signature(signatures)
  return FrozenModel(graph_def, [info.name for _, info in sorted(signature.inputs.items())],
                     [info.name for _, info in sorted(signature.outputs.items())],
                     _variables_in(graph_def, model), exported=True,
                     output_names=sorted(signature.outputs))


def _variables_in(graph_def: GraphDef, model: Model) -> Dict[str, Variable]:
  """Returns the variables of a model by the names of their constants in an exported graph.

  Keras may add a number to a name; so the values decide.
  """
  constants: Dict[str, List[Any]] = {}
  for node in graph_def.node:
    if node.op == 'Const':
      constants.setdefault(re.sub(r'_\d+$', '', node.name), []).append(node)
      constants.setdefault(node.name, []).append(node)
  found = {}
  for variable in filter(variables.is_variable, model.variables):
    value = variables.to_array(variable)
    equal = {node.name for node in constants.get(
        graphs.op_name(variables.variable_name(variable)), ()) if np.array_equal(
            tensors.to_array(node.attr['value'].tensor, node.name), value)}
    if len(equal) == 1:
      found[equal.pop()] = variable
  return found
