# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The graph to convert to TFLite: checked, with fixed shapes, and its expected outputs."""

import contextlib
import operator
import os
import re
import shutil
import sys
import tempfile
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.export.tflite import lists as tflite_lists
from model_pruning.reading import nodes as nodes_lib
from model_pruning.reading import sources
from model_pruning.reading import tensors
from model_pruning.reading import validation
from model_pruning.util.types import DType
from model_pruning.util.types import Graph
from model_pruning.util.types import GraphDef
from model_pruning.util.types import Tensor

_VARIABLE_OPS = ('VariableV2', 'Variable', 'VarHandleOp')
_PLACEHOLDERS = ('Placeholder', 'PlaceholderV2')
_OFF = 2  # RewriterConfig.OFF, which is not public.
_LARGEST = 2**31 - 1  # Bytes of an input.
_MOST_MADE = 2**28  # Bytes of a tensor that an operation in _MADE expands from a few numbers.
_MADE = ('Fill', 'Tile', 'BroadcastTo', 'Range', 'LinSpace', 'OneHot')


class Model:
  """A graph with inputs of fixed shapes, reduced to what its outputs need."""

  def __init__(self, graph_def: GraphDef, inputs: Union[str, Sequence[str]],
               outputs: Union[str, Sequence[str]], input_shapes: Mapping[str, Sequence[int]],
               select_tf_ops: bool = False) -> None:
    """Checks that the arguments fit together; see to_tflite for the arguments and errors."""
    validation.check(graph_def, 'The GraphDef')
    inputs, outputs = _names('inputs', inputs), _names('outputs', outputs)
    nodes = {node.name: node for node in graph_def.node}
    sources.check_outputs(list(nodes), [name.split(':')[0] for name in outputs])
    for name in inputs:
      if name not in nodes:
        raise errors.ConversionError('There is no input %r in the graph%s; its placeholders: %s' % (
            name, errors.nearest(name, nodes), ', '.join(_placeholders(nodes.values())) or 'none'))
    shapes = {name[:-2] if name.endswith(':0') else name: shape
              for name, shape in input_shapes.items()}
    for name in shapes:
      if name not in inputs:
        raise errors.ConversionError(
            'A shape is given (input_shapes=, --input_shape) for %r, which is no input; the inputs '
            'are: %s' % (name, ', '.join(inputs)))
    self.input_names, self.output_names = inputs, outputs
    self._select_tf_ops = select_tf_ops
    self.shapes, self.dtypes = [], []
    for name, tensor in zip(inputs, _import(graph_def, inputs)):
      self.dtypes.append(tensor.dtype.base_dtype.as_numpy_dtype)
      self.shapes.append(_shape(name, tensor.shape, shapes.get(name), self.dtypes[-1]))
    fixed = tf.GraphDef()
    fixed.CopyFrom(graph_def)
    for node in fixed.node:
      if node.name in inputs:
        index = inputs.index(node.name)
        node.Clear()
        node.name, node.op = inputs[index], 'Placeholder'
        node.attr['dtype'].type = tf.as_dtype(self.dtypes[index]).as_datatype_enum
        node.attr['shape'].shape.CopyFrom(tf.TensorShape(self.shapes[index]).as_proto())
    self.graph_def = tf.graph_util.extract_sub_graph(
        fixed, [name.split(':')[0] for name in outputs])
    remaining = {node.name: node for node in self.graph_def.node}
    _check_nodes(remaining, inputs)
    _check_tables(self.graph_def)
    self._import_graph()
    if tflite_lists.open_lists(self.graph_def):
      zeros = [np.zeros(shape, dtype) for shape, dtype in zip(self.shapes, self.dtypes)]
      self.graph_def = tflite_lists.close_lists(
          self.graph_def, lambda names: self._run(self._tensors()[0], names, [zeros])[0])
      self._import_graph()

  def _import_graph(self) -> None:
    with tf.Graph().as_default() as self.graph:
      try:
        tf.import_graph_def(self.graph_def, name='')
      except ValueError as error:
        raise errors.ConversionError(
            'The graph does not fit inputs of %s (%s); give shapes that it accepts (input_shapes=, '
            '--input_shape)' % (', '.join(map(str, self.shapes)),
                                errors.first_line(error))) from error
      except Exception as error:
        raise errors.ConversionError('TensorFlow cannot import the graph (%s)' %
                                     errors.first_line(error)) from error
    _check_sizes(self.graph, self.graph_def.ByteSize())

  def _tensors(self) -> Tuple[List[Any], List[Any]]:
    try:
      return tuple([self.graph.get_tensor_by_name(name if ':' in name else name + ':0')
                    for name in names]
                   for names in (self.input_names, self.output_names))  # type: ignore
    except (KeyError, ValueError) as error:
      raise errors.OutputNodeError('There is no such tensor in the graph: %s' % error) from error

  def run(self, feeds: Sequence[Sequence[np.ndarray]]) -> List[List[np.ndarray]]:
    """Returns the graph's outputs for each of `feeds`."""
    return self._run(*self._tensors(), feeds)

  def _run(self, inputs: Sequence[Any], outputs: Sequence[Any],
           feeds: Sequence[Sequence[np.ndarray]]) -> List[List[np.ndarray]]:
    config = tf.ConfigProto()
    # TensorFlow 2.15 fuses layer normalization of constants with a wrong epsilon, or fails.
    config.graph_options.rewrite_options.remapping = _OFF
    with tf.Session(graph=self.graph, config=config) as session:
      try:
        return [session.run(outputs, dict(zip(inputs, feed))) for feed in feeds]
      except tf.errors.OpError as error:
        raise errors.ConversionError(
            'The graph itself fails on the examples (%s); give examples that it accepts '
            '(examples=, --examples), or shapes of inputs (input_shapes=, --input_shape)' %
            errors.first_line(error)) from error

  def expected(self, feeds: Sequence[Sequence[np.ndarray]], given: bool) -> List[List[np.ndarray]]:
    """Returns the graph's outputs, after checking that they are finite."""
    results = self.run(feeds)
    for name, values in zip(self.output_names, zip(*results)):
      if not all(np.all(np.isfinite(value)) for value in values if value.dtype.kind == 'f'):
        raise errors.ConversionError(
            'The graph itself computes NaN or infinity for %r on %s examples, with which nothing '
            'can be compared: %s' % (
                name, 'the given' if given else 'generated',
                'the model may have diverged' if given else
                'give examples of real inputs (examples=, --examples)'))
    return results

  def _check_has_no_loops(self) -> None:
    """Raises errors.ConversionError for loops: measuring their ranges would end the process."""
    called = nodes_lib.needed_for(nodes_lib.flatten(self.graph_def), [
        name.split(':')[0] for name in self.output_names])
    loops = [name for name, node in called.items()
             if node.op in ('While', 'StatelessWhile', 'LoopCond')]
    if loops:
      raise errors.ConversionError(
          'TensorFlow cannot measure the ranges of values in loops (%s), which int8 needs; take '
          'quantization dynamic or float16, or unroll the loops (unroll=True of recurrent layers)' %
          ', '.join(loops[:3]))

  def convert(self, quantization: str, feeds: Sequence[Sequence[np.ndarray]]) -> bytes:
    """Returns the graph as converted by TensorFlow: a model with dense weights.

    Args:
      quantization: 'none', 'float16', 'dynamic' or 'int8'.
      feeds: inputs on which to measure ranges, for 'int8'.
    """
    inputs, outputs = self._tensors()
    if quantization == 'int8':
      self._check_has_no_loops()
    with tf.Session(graph=self.graph) as session, _path_to_converter(), _own_temporary_files():
      converter = tf.lite.TFLiteConverter.from_session(session, inputs, outputs)
      if quantization != 'none':
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
      if quantization == 'float16':
        converter.target_spec.supported_types = [tf.float16]
      if quantization == 'int8':
        converter.representative_dataset = lambda: iter([list(feed) for feed in feeds])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
      if self._select_tf_ops:
        converter.target_spec.supported_ops = [*converter.target_spec.supported_ops,
                                               tf.lite.OpsSet.SELECT_TF_OPS]
        converter._experimental_lower_tensor_list_ops = False  # No public name.
      try:
        return bytes(converter.convert())
      except Exception as error:  # Many classes, depending on the version.
        lines = [line for line in str(error).split('\n') if line.strip()] or [repr(error)]
        needs = re.search(r'(?:TF Select ops|custom implementations): ([\w, ]+)', str(error))
        half = sorted({tensor.dtype.name for op in self.graph.get_operations() if op.type != 'Cast'
                       for tensor in op.outputs if tensor.dtype in (tf.float16, tf.bfloat16)})
        if needs and half:
          raise errors.ConversionError(
              'TFLite has no kernels that compute in %s (%s), as models of mixed precision do; '
              'build the model in float32, give it the same weights, and convert that with '
              'quantization float16' % (' or '.join(half), needs.group(1))) from error
        if needs or 'tensor list ops' in str(error):
          raise errors.ConversionError(
              'TFLite has no kernels for some of the graph (%s); use the kernels of TensorFlow, '
              'with which the runtime has to be built (select_tf_ops=True, --select_tf_ops)' % (
                  needs.group(1) if needs else lines[0].strip())) from error
        raise errors.ConversionError(
            'TensorFlow %s cannot convert the graph with quantization %s: %s' %
            (tf.__version__, quantization, ' '.join(lines[:2]))) from error


def _names(argument: str, names: Union[str, Sequence[str]]) -> List[str]:
  """Returns the names without ':0'."""
  if isinstance(names, str):
    names = [names]
  names = [name[:-2] if name.endswith(':0') else name for name in names]
  if not names or '' in names or len(set(names)) < len(names):
    raise errors.ConversionError('%s is %r; expected names of operations, each once' %
                                 (argument, names))
  return names


def _import(graph_def: GraphDef, names: Sequence[str]) -> List[Tensor]:
  with tf.Graph().as_default():
    try:
      return tf.import_graph_def(graph_def, name='',
                                 return_elements=[name + ':0' for name in names])
    except MemoryError:
      raise
    except Exception as error:  # Many classes, depending on the version.
      raise errors.ConversionError('TensorFlow cannot import the graph (%s)' %
                                   errors.first_line(error)) from error


def _check_sizes(graph: Graph, present: int) -> None:
  """Raises errors.ConversionError if the graph has tensors that are too large for TFLite."""
  for op in graph.get_operations():
    # Tensors computed from constants are evaluated during conversion, and stored.
    most = max(_MOST_MADE, present) if op.type == 'Const' or op.type in _MADE else _LARGEST
    for tensor in op.outputs:
      dims = tensor.shape.as_list() if tensor.shape.rank is not None else [None]
      size = 0 if None in dims else tensors.elements(dims) * max(1, tensor.dtype.size)
      if size > most:
        raise errors.ConversionError(
            'The tensor %s of shape %s takes %.3g GB, but the limit here is %.3g; make it smaller, '
            'or make it an input' % (tensor.name, 'x'.join(map(str, dims)), size / 1e9, most / 1e9))


def _placeholders(nodes: Any) -> List[str]:
  return [node.name for node in nodes if node.op in _PLACEHOLDERS]


def _shape(name: str, known: Any, given: Optional[Sequence[int]], dtype: DType) -> List[int]:
  """Returns the fixed shape of an input, from its shape in the graph and the given one."""
  if given is not None:
    dims = _whole(given)
    if dims is None or not _fits(dims, known):
      raise errors.ConversionError(
          'The shape given for input %r (input_shapes=, --input_shape) is %s; the graph has %s, '
          'and dimensions must be whole numbers of at least 1' % (name, given, known))
  else:
    setting = 'input_shapes={%r: [...]}, --input_shape %s=...' % (name, name)
    if known.rank is None:
      raise errors.ConversionError('The shape of input %r is unknown; give it (%s)' %
                                   (name, setting))
    dims = known.as_list()
    if dims and dims[0] is None:
      dims[0] = 1
    if None in dims:
      raise errors.ConversionError('The shape of input %r is %s; give the whole shape (%s)' %
                                   (name, known, setting))
    if 0 in dims:
      raise errors.ConversionError('Input %r of shape %s has no elements; make the graph with '
                                   'another dimension, or an unknown one' % (name, known))
  size = np.dtype(dtype).itemsize
  for dim in dims:
    size *= dim
  if size > _LARGEST:
    raise errors.ConversionError('Input %r of shape %s takes %.3g GB; inputs of up to 2 GB can be '
                                 'converted' % (name, dims, size / 1e9))
  return dims


def _whole(numbers: Any) -> Optional[List[int]]:
  """Returns numbers as integers; None if they are not whole numbers."""
  try:
    return [operator.index(number) for number in numbers]
  except TypeError:
    return None


def _fits(dims: List[int], known: Any) -> bool:
  return all(dim >= 1 for dim in dims) and (known.rank is None or len(dims) == known.rank and all(
      one in (None, dim) for one, dim in zip(known.as_list(), dims)))


def _check_nodes(nodes: Dict[str, Any], inputs: Sequence[str]) -> None:
  variables = [name for name, node in nodes.items() if node.op in _VARIABLE_OPS]
  if variables:
    raise errors.ConversionError(
        'The graph has variables (%s), not constants; freeze it first: graph_def_from_checkpoint '
        'and strip_pruning_vars_fn do, and so does the command line, given a checkpoint' %
        ', '.join(variables[:3]))
  unused = [name for name in inputs if name not in nodes]
  if unused:
    raise errors.ConversionError('The outputs do not depend on inputs: %s; leave them out' %
                                 ', '.join(unused))
  missing = [name for name in _placeholders(nodes.values()) if name not in inputs]
  if missing:
    raise errors.ConversionError('The outputs need placeholders that are not among the inputs: %s' %
                                 ', '.join(missing))


def _check_tables(graph_def: GraphDef) -> None:
  lookups = [name for name, node in nodes_lib.flatten(graph_def).items()
             if node.op.startswith('LookupTableFind')]
  if lookups:
    raise errors.ConversionError(
        'The graph looks up its inputs in tables, which a TFLite file written here cannot contain: '
        'look them up in your program, and convert the model behind that, with the results as '
        'inputs (inputs=, --inputs): %s' % ', '.join(lookups[:3]))


@contextlib.contextmanager
def _path_to_converter() -> Iterator[None]:
  """Lets TensorFlow 1.15 find its converter, a program in the folder of the Python interpreter."""
  before = os.environ.get('PATH', '')
  if shutil.which('toco_from_protos') is None:
    os.environ['PATH'] = os.path.dirname(sys.executable) + os.pathsep + before
  try:
    yield
  finally:
    os.environ['PATH'] = before


@contextlib.contextmanager
def _own_temporary_files() -> Iterator[None]:
  """Removes the temporary files that TensorFlow's converter leaves behind."""
  before = tempfile.tempdir
  with tempfile.TemporaryDirectory() as folder:
    tempfile.tempdir = folder
    try:
      yield
    finally:
      tempfile.tempdir = before
