# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Strip: from a trained graph with masks to a plain one with zeros in its weights."""

import os
from typing import Any, Dict, List, Sequence

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf

# Operations that a masked product may lie behind or in front of once the
# variables are constants: partitions are concatenated, loops entered.
_CONSTANT_OPS = ('Const', 'Identity', 'ConcatV2', 'Enter', 'Cast', 'Mul')


def strip_pruning_vars_fn(input_graph_def: Any, output_node_names: Sequence[str]) -> Any:
  """Folds masks into weights, and drops everything the outputs do not need.

  A masked product is a Mul of two constants of one shape, one of them of zeros
  and ones. Each becomes a constant of the same name. The default graph is left
  alone.

  Args:
    input_graph_def: a GraphDef whose variables are constants, as from
      graph_def_from_checkpoint or tf.graph_util.convert_variables_to_constants.
      It is not changed.
    output_node_names: names of the operations to keep, with all they need.

  Returns:
    A GraphDef that computes the same outputs.

  Raises:
    errors.OutputNodeError: an output is not in the graph.
  """
  check_outputs([node.name for node in input_graph_def.node], output_node_names)
  graph_def = tf.graph_util.extract_sub_graph(input_graph_def, list(output_node_names))
  nodes = {node.name: node for node in graph_def.node}
  folded = _masked_products(nodes)
  result = tf.GraphDef()
  result.CopyFrom(graph_def)
  del result.node[:]
  for node in graph_def.node:
    if node.name in folded:
      result.node.extend(_constant_in_place_of(node, folded[node.name], nodes))
    else:
      result.node.add().CopyFrom(node)
  return tf.graph_util.extract_sub_graph(result, list(output_node_names))


def graph_def_from_checkpoint(checkpoint_dir: str, output_node_names: Sequence[str]) -> Any:
  """Reads the latest checkpoint, with its meta graph, as a GraphDef of constants.

  Args:
    checkpoint_dir: a directory of checkpoints, or the path of one checkpoint.
    output_node_names: names of the operations to keep, with all they need.

  Raises:
    errors.CheckpointError: there is no checkpoint, or it cannot be read.
    errors.OutputNodeError: an output is not in the graph.
  """
  path = (checkpoint_dir if os.path.exists(checkpoint_dir + '.index')
          else tf.train.latest_checkpoint(checkpoint_dir))
  if path is None:
    raise errors.CheckpointError('Could not find a checkpoint at: %s; expected a directory that '
                                 'training wrote checkpoints to, or the path of one' %
                                 checkpoint_dir)
  with tf.Graph().as_default(), tf.Session() as session:
    try:
      saver = tf.train.import_meta_graph(path + '.meta', clear_devices=True)
      if saver is None:
        raise ValueError('its meta graph has no variables')
      saver.restore(session, path)
    except (tf.errors.OpError, OSError, ValueError) as error:
      raise errors.CheckpointError(
          'Checkpoint %s cannot be read (%s); it may be truncated, or written without its meta '
          'graph: use an earlier one, or save again' % (path, str(error).split('\n')[0])) from error
    return graph_def_from_session(session, output_node_names)


def graph_def_from_session(session: Any, output_node_names: Sequence[str]) -> Any:
  """Returns the graph of a session as a GraphDef whose variables are constants.

  Args:
    session: a tf.Session whose variables have their values.
    output_node_names: names of the operations to keep, with all they need.

  Raises:
    errors.OutputNodeError: an output is not in the graph.
  """
  check_outputs([op.name for op in session.graph.get_operations()], output_node_names)
  with session.graph.as_default():
    return tf.graph_util.convert_variables_to_constants(
        session, session.graph.as_graph_def(), list(output_node_names))


def check_outputs(known: Sequence[str], output_node_names: Sequence[str]) -> None:
  """Raises errors.OutputNodeError unless all outputs are names of operations."""
  if isinstance(output_node_names, str) or not output_node_names:
    raise errors.OutputNodeError('output_node_names is %r; expected a list of operation names' %
                                 (output_node_names,))
  for name in output_node_names:
    if name not in set(known):
      raise errors.OutputNodeError(
          'There is no operation %r in the graph%s; it ends with: %s' %
          (name, errors.nearest(name, known), ', '.join(list(known)[-5:])))


def _inputs(node: Any) -> List[str]:
  """Returns the names of the operations a node takes data from."""
  return [name.split(':')[0] for name in node.input if not name.startswith('^')]


def _masked_products(nodes: Dict[str, Any]) -> Dict[str, np.ndarray]:
  """Returns the values of all masked products among `nodes`, by name."""
  constant: Dict[str, bool] = {}
  for name in nodes:  # Depth first, without recursion: graphs are deep.
    stack = [name]
    while stack:
      node = nodes[stack[-1]]
      if node.name in constant or node.op not in _CONSTANT_OPS:
        constant.setdefault(stack.pop(), False)
        continue
      pending = [other for other in _inputs(node) if other not in constant]
      if pending:
        stack.extend(pending)
      else:
        constant[stack.pop()] = all(constant[other] for other in _inputs(node))
  products = [node for node in nodes.values() if node.op == 'Mul' and constant[node.name]]
  if not products:
    return {}
  values = _evaluate(nodes, constant, products)
  result = {}
  for node in products:
    left, right = (values[name] for name in _inputs(node))
    if left.shape == right.shape and (_is_mask(left) or _is_mask(right)):
      result[node.name] = values[node.name]
  return result


def _evaluate(nodes: Dict[str, Any], constant: Dict[str, bool],
              products: Sequence[Any]) -> Dict[str, np.ndarray]:
  """Returns the values of all `products` and their operands, computed in one session run."""
  graph_def = tf.GraphDef()
  for node in nodes.values():
    if constant[node.name]:
      copy = graph_def.node.add()
      copy.CopyFrom(node)
      copy.ClearField('device')
      if node.op == 'Enter':  # There is no loop here to enter.
        copy.op = 'Identity'
        for attr in [key for key in copy.attr if key != 'T']:
          del copy.attr[attr]
      kept = [name for name in copy.input if not name.startswith('^')]
      del copy.input[:]
      copy.input.extend(kept)
      if '_class' in copy.attr:
        del copy.attr['_class']
  with tf.Graph().as_default() as graph:
    tf.import_graph_def(graph_def, name='')
    with tf.Session(graph=graph) as session:
      names = sorted({name for node in products for name in [node.name] + _inputs(node)})
      return dict(zip(names, session.run([name + ':0' for name in names])))


def _is_mask(value: np.ndarray) -> bool:
  return bool(np.all((value == 0) | (value == 1)))


def _constant_in_place_of(node: Any, value: np.ndarray, nodes: Dict[str, Any]) -> List[Any]:
  """Returns the nodes that stand for `value` where `node` stood."""
  constant = tf.NodeDef(name=node.name, op='Const')
  constant.attr['dtype'].type = node.attr['T'].type
  constant.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(value))
  enter = _enter_of(node, nodes)
  if enter is None:
    return [constant]
  # Inside a loop a constant must be brought in the way the operands were.
  constant.name = node.name + '/outside'
  inside = tf.NodeDef()
  inside.CopyFrom(enter)
  inside.name = node.name
  del inside.input[:]
  inside.input.append(constant.name)
  if '_class' in inside.attr:
    del inside.attr['_class']
  return [constant, inside]


def _enter_of(node: Any, nodes: Dict[str, Any]) -> Any:
  """Returns the Enter through which a constant comes into the frame of `node`, or None."""
  pending = list(_inputs(node))
  while pending:
    found = nodes[pending.pop()]
    if found.op == 'Enter':
      return found
    pending.extend(_inputs(found))
  return None
