# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The mask updates that tools/gpu_kernels.py traces: of both APIs, as graphs to run."""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

import model_pruning
from model_pruning.compat import tf
from tools.gpu_trace import Trace

_BASE = 'initial_sparsity=0.5,target_sparsity=0.5,'
# More hyperparameters, by name.
SPECS: Dict[str, str] = {
    'elementwise': '',
    'blocks by mean': 'block_height=4,block_width=2',
    'blocks by maximum': 'block_height=3,block_width=4,block_pooling_function=MAX',
    '2 of 4': 'intra_block_sparsity=true,block_height=1,block_width=4',
    '8 of 16': 'intra_block_sparsity=true,block_height=1,block_width=16',
    '20 of 40': 'intra_block_sparsity=true,block_height=1,block_width=40',
    'first-order gradient': 'prune_option=first_order_gradient',
    'second-order gradient': 'prune_option=second_order_gradient',
    'decay': 'threshold_decay=0.5',
    'histogram': 'threshold_method=histogram',
    'histogram and decay': 'threshold_method=histogram,threshold_decay=0.5',
    'global': 'sparsity_distribution=global',
    'lamp': 'sparsity_distribution=lamp',
    'erk': 'sparsity_distribution=erk',
}
# The Keras API has no gradient options.
KERAS_SPECS = [name for name in SPECS if 'gradient' not in name]

# Rows and columns of the two weights of an update. Small weights are counted in short lists. A CPU
# counts one of the large ones in several pieces. All lists are much shorter than the weights.
SHAPES: Dict[str, Sequence[Tuple[int, int]]] = {
    'small': [(210, 203), (220, 200)],
    'large': [(1203, 1801), (1200, 1100)],
}


class Drawn:
  """Which of several kinds of values the weights of a run have, as its graph is built once.

  Attributes:
    kind: the index of the kind that initializers take.
    kinds: how many there are.
  """

  def __init__(self, kinds: int = 1) -> None:
    self.kind, self.kinds = 0, kinds


class Run:
  """Operations to run in a session.

  Attributes:
    trace: their graph.
    size: the number of elements of the smallest weight.
  """

  def __init__(self, graph: Any, initializer: str, operations: Sequence[str], size: int,
               drawn: Optional[Drawn] = None) -> None:
    """Takes a graph, and the names of the operations in the order in which they run."""
    self.trace = Trace(graph.as_graph_def())
    self.size = size
    self._drawn = drawn or Drawn()
    self._graph = graph  # It owns the Python functions of initializers.
    self._initializer, self._operations = initializer, operations

  def run(self) -> None:
    """Runs each operation once for each kind of values."""
    options = tf.ConfigProto()
    options.graph_options.rewrite_options.disable_meta_optimizer = True
    options.graph_options.optimizer_options.opt_level = -1
    with tf.Graph().as_default() as graph:
      tf.import_graph_def(self.trace.graph_def, name='')
      with tf.Session(graph=graph, config=options) as session:
        for kind in range(self._drawn.kinds):
          self._drawn.kind = kind
          session.run(graph.get_operation_by_name(self._initializer))
          for name in self._operations:
            self.trace.run(session, graph.get_operation_by_name(name))


def normal(shape: Sequence[int], seed: int) -> Any:
  """Returns normally distributed weights."""
  return np.random.RandomState(seed).standard_normal(shape).astype(np.float32)


def tied(shape: Sequence[int], seed: int) -> Any:
  """Returns weights of which many are equal."""
  return np.round(normal(shape, seed) * 2) / 2


VALUES: Dict[str, Callable[..., Any]] = {'normal': normal, 'tied': tied}


def graph_update(hparams: str, shapes: Sequence[Tuple[int, int]], *values: Callable[..., Any],
                 use_resource: bool = True, parts: int = 1) -> Run:
  """Returns the updates, conditional or not, and the summaries of a Pruning.

  Args:
    hparams: hyperparameters.
    shapes: of the weights.
    *values: functions that take a shape and a seed and return the values of a weight: the
      operations run with each.
    use_resource: whether the weights are resource variables.
    parts: into how many parts a variable is cut.
  """
  drawn = Drawn(len(values))
  with tf.Graph().as_default() as graph:
    tf.train.get_or_create_global_step()
    partitioner = tf.fixed_size_partitioner(parts, axis=1) if parts > 1 else None
    with tf.variable_scope('net', use_resource=use_resource, partitioner=partitioner):
      for index, shape in enumerate(shapes):
        with tf.variable_scope('layer%d' % index):
          weight = tf.get_variable('weights', shape, initializer=_Initializer(values, drawn, index))
          model_pruning.apply_mask(weight, prune_option=_option_of(hparams))
    pruning = model_pruning.Pruning((_BASE + hparams).rstrip(','))
    reports = tf.group(pruning.add_pruning_summaries(), *model_pruning.get_weight_sparsity())
    operations = [pruning.conditional_mask_update_op(), pruning.mask_update_op(), reports]
    initializer = tf.global_variables_initializer()
    return Run(graph, initializer.name, [operation.name for operation in operations],
               min(map(np.prod, shapes)) // parts, drawn)


def _option_of(hparams: str) -> str:
  return hparams.partition('prune_option=')[2].partition(',')[0] or 'weight'


class _Initializer:
  """An initializer by some of VALUES."""

  def __init__(self, values: Sequence[Callable[..., Any]], drawn: Drawn, seed: int) -> None:
    self._values, self._drawn, self._seed = values, drawn, seed

  def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None, **_: Any) -> Any:
    del dtype, partition_info  # Parts are drawn one by one, and need not differ.
    value = tf.numpy_function(
        lambda: self._values[self._drawn.kind](shape, self._seed), [], tf.float32)
    value.set_shape(shape)
    return value


def keras_update(hparams: str, shapes: Sequence[Tuple[int, int]], *values: Callable[..., Any]
                 ) -> Run:
  """Returns the update of a MaskUpdater; see graph_update."""
  from model_pruning.keras import prune_low_magnitude
  from model_pruning.keras.backend import keras
  from model_pruning.keras.pruned import pruned_layers
  from model_pruning.keras.updates import MaskUpdater
  layers = [keras.layers.Dense(columns, use_bias=False) for _, columns in shapes]
  inputs = [keras.Input((rows,)) for rows, _ in shapes]
  model = keras.Model(inputs, [layer(each) for layer, each in zip(layers, inputs)])
  pruned = prune_low_magnitude(model, (_BASE + hparams).rstrip(','))
  weights = [each.weight for layer in pruned_layers(pruned) for each in layer.pruning.weights]
  updater = MaskUpdater(pruned)
  captures = []
  for each in values:
    for index, (weight, shape) in enumerate(zip(weights, shapes)):
      weight.assign(each(shape, index))
    updater.update(0)
    function = updater._functions.values()[-1]
    captures.append({tensor.name: _value_of(value) for tensor, value in zip(
        function.inputs[-len(function.captured_inputs):], function.captured_inputs)})
  drawn = Drawn(len(values))
  return Run(*_as_graph(function, 0.7, captures, drawn), size=min(map(np.prod, shapes)),
             drawn=drawn)


def _as_graph(function: Any, sparsity: float, captures: Sequence[Dict[str, Any]], drawn: Drawn
              ) -> Any:
  """Returns the graph of a concrete function of sparsities, with variables for its captures.

  Args:
    function: the function.
    sparsity: to call it with.
    captures: for each kind of values, the value of each captured tensor or variable by name.
    drawn: says which of these the variables are initialized to.

  Returns:
    The graph, the name of the operation that initializes the variables, and the names of those
    that update the masks.
  """
  with tf.Graph().as_default() as graph:
    inputs, initializers = {}, []
    for tensor in function.inputs:
      value = captures[0].get(tensor.name, np.full(tensor.shape.as_list(), sparsity))
      if tensor.dtype == tf.resource:
        dtype = tf.as_dtype(value.dtype)
        handle = tf.raw_ops.VarHandleOp(dtype=dtype, shape=value.shape,
                                        shared_name='variable%d' % len(inputs))
        initializers.append(tf.raw_ops.AssignVariableOp(
            resource=handle, value=tf.numpy_function(
                lambda name=tensor.name: captures[drawn.kind][name], [], dtype)))
        inputs[tensor.name] = handle
      else:
        inputs[tensor.name] = tf.constant(value, tensor.dtype)
    tf.import_graph_def(function.graph.as_graph_def(), inputs, name='update')
    assigned = [operation for operation in graph.get_operations()
                if operation.name.startswith('update/') and operation.type == 'AssignVariableOp']
    initialize, update = (tf.group(*initializers, name='initialize'),
                          tf.group(*assigned, name='all_assigned'))
    return graph, initialize.name, [update.name, update.name]


def _value_of(captured: Any) -> Any:
  """Returns the value of a tensor, or of the variable of a resource, that a function captured."""
  if captured.dtype != tf.resource:
    return captured.numpy()
  data, = captured._handle_data.shape_and_type
  return tf.raw_ops.ReadVariableOp(resource=captured, dtype=tf.as_dtype(data.dtype)).numpy()


def _refs(hparams: str, shapes: Sequence[Tuple[int, int]], *values: Callable[..., Any]) -> Run:
  return graph_update(hparams, shapes, *values, use_resource=False)


def _parts(hparams: str, shapes: Sequence[Tuple[int, int]], *values: Callable[..., Any]) -> Run:
  return graph_update(hparams, shapes, *values, parts=2)


APIS: Dict[str, Callable[..., Run]] = {
    'graph': graph_update, 'graph, ref variables': _refs, 'graph, two parts': _parts,
    'keras': keras_update}
# With ref variables and parts only some updates differ.
_FEW = ('elementwise', 'blocks by mean', 'second-order gradient', 'decay')


def specs_of(api: str) -> List[str]:
  """Returns the names of the updates that one of APIS has."""
  if api == 'keras':
    return KERAS_SPECS
  return list(SPECS if api == 'graph' else _FEW)
