# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sessions for a single run."""

from typing import Any, Dict

from model_pruning.compat import tf
from model_pruning.reading import tensors
from model_pruning.util.types import Array
from model_pruning.util.types import GraphDef

_LARGE = 1 << 14  # Bytes of a constant: the shapes that operations take as values are smaller.


def once() -> Any:
  """Returns a session config for graphs that run once.

  TensorFlow rewrites a graph before its first run, which takes seconds for large networks: longer
  than one run of the graph as it is. Rewriting may also change how the results are rounded.
  Operations placed on devices that do not exist here run elsewhere.
  """
  config = tf.ConfigProto(allow_soft_placement=True)
  config.graph_options.rewrite_options.disable_meta_optimizer = True
  config.graph_options.optimizer_options.opt_level = tf.OptimizerOptions.L0
  return config


def import_light(graph_def: GraphDef) -> Dict[str, Array]:
  """Imports a graph into the default graph, with placeholders for its large constants.

  A graph and its session hold a constant four times or more.

  Args:
    graph_def: the graph; names stay.

  Returns:
    The values of the constants, to be fed, by the names of their tensors.
  """
  light, values = tf.GraphDef(), {}
  light.versions.CopyFrom(graph_def.versions)
  light.library.CopyFrom(graph_def.library)
  for node in graph_def.node:
    if node.op != 'Const' or node.ByteSize() < _LARGE:
      light.node.add().CopyFrom(node)
      continue
    value = node.attr['value'].tensor
    values[node.name + ':0'] = tensors.to_array(value, node.name)
    copy = light.node.add(name=node.name, op='Placeholder', device=node.device, input=node.input)
    copy.attr['dtype'].type = value.dtype
    copy.attr['shape'].shape.CopyFrom(value.tensor_shape)
  tf.import_graph_def(light, name='')
  return values
