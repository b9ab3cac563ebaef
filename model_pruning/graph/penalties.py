# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Applies the regularizer of a layer with a masked kernel once, to the weight.

A tf.layers layer adds a penalty for each result of get_variable that is not among the variables
known before the call. A masked product never is, so a reused layer would add a penalty on the
product at every use. get_variable itself adds the penalty once, on the weight.
"""

import functools
import sys
from typing import Dict

from model_pruning.compat import tf
from model_pruning.graph.products import whole
from model_pruning.util.types import Layer
from model_pruning.util.types import Regularizer
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


def remember_product(product: Tensor, weight: Variable) -> None:
  """Stores the product that a layer gets in place of a weight.

  Args:
    product: the tensor weight * mask.
    weight: the variable, if it was created for this layer; None if it existed before.
  """
  _products()[product.name] = weight


def _products() -> Dict[str, Variable]:
  """Returns the weights of the products of the default graph, by the products' names."""
  graph = tf.get_default_graph()
  if not hasattr(graph, '_model_pruning_products'):
    graph._model_pruning_products = {}  # Stored on the graph, to be deleted with it.
  return graph._model_pruning_products


def penalize_weights_once() -> None:
  """Patches the layers of tf.layers to penalize the weight behind a masked product, once."""
  for name, module in list(sys.modules.items()):
    # TensorFlow and Keras both have a copy of the class; slim and tf.layers use different ones.
    if name == 'tensorflow.python.layers.base' or name.endswith('.legacy_tf_layers.base'):
      layer = getattr(module, 'Layer', None)
      if hasattr(layer, '_handle_weight_regularization'):
        _penalize_weights_of(layer)


def _penalize_weights_of(layer: Layer) -> None:
  """Patches one layer class, unless it is patched already."""
  original = layer._handle_weight_regularization
  if getattr(original, '_of_weights', False):
    return

  @functools.wraps(original)
  def penalize(self: Layer, name: str, variable: Variable, regularizer: Regularizer) -> Tensor:
    product = whole(variable)
    if tf.is_tensor(product) and not tf.executing_eagerly():
      known = _products()
      tensor_name = getattr(product, 'name', None)
      if tensor_name in known:
        if known[tensor_name] is None:
          return None
        variable = known[tensor_name]
    return original(self, name, variable, regularizer)

  penalize._of_weights = True  # type: ignore[attr-defined]
  layer._handle_weight_regularization = penalize
