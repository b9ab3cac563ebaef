# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Strips a trained graph with masks: the result has plain weights with zeros in them."""

from typing import Any, List, Sequence, Tuple

from model_pruning import names
from model_pruning.compat import tf
from model_pruning.export import references
from model_pruning.export.folding import dead
from model_pruning.export.folding import fold
from model_pruning.reading import sources
from model_pruning.reading import validation
from model_pruning.util.types import GraphDef


def strip_pruning_vars_fn(input_graph_def: GraphDef, output_node_names: Sequence[str]) -> GraphDef:
  """Folds masks into weights, and removes everything that the outputs do not need.

  A masked product is found by its structure, whatever its name: a Mul of a constant of zeros
  and ones and of a tensor of the same shape that is a constant, or computed from constants.
  It may be in the graph, in a loop, a branch or a function. A constant of the same name
  replaces it. The default graph does not change.

  Args:
    input_graph_def: a GraphDef whose variables are constants, as returned by
      graph_def_from_checkpoint or tf.graph_util.convert_variables_to_constants.
      It is not changed.
    output_node_names: names of the operations to keep, with all they need.

  Returns:
    A GraphDef that computes the same outputs.

  Raises:
    errors.OutputNodeError: an output is not in the graph.
    errors.ModelFileError: the graph is damaged.
  """
  return strip(input_graph_def, output_node_names)[0]


def strip(graph_def: GraphDef, output_node_names: Sequence[str]) -> Tuple[Any, List[str]]:
  """Strips a graph like strip_pruning_vars_fn, and returns the names of masked products, too.

  Args:
    graph_def: a GraphDef of constants. It is not changed.
    output_node_names: names of the operations to keep, with all they need.

  Returns:
    A GraphDef, and the names of its masked products.

  Raises:
    errors.OutputNodeError: an output is not in the graph.
    errors.ModelFileError: the graph is damaged.
  """
  validation.check(graph_def, 'The GraphDef')
  sources.check_outputs([node.name for node in graph_def.node], output_node_names)
  needed = tf.graph_util.extract_sub_graph(graph_def, list(output_node_names))
  references.use_values(needed)
  needed = fold.fold_reads(needed, output_node_names)  # TensorFlow 1 leaves reads in functions.
  stripped, folded = fold.fold_masks(dead.drop_dead_results(needed, output_node_names),
                                     output_node_names)
  return stripped, names.whole_products(folded)
