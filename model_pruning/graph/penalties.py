# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Regularizers of layers whose kernel is a masked product: once, on the weight.

A tf.layers layer adds a penalty wherever what get_variable gave it was not a variable before.
Of a product that is never the case, so a layer that is reused would be penalized at every use,
and on the product, while get_variable itself penalizes the weight, and once.
"""

import functools
import sys
from typing import Any, Dict

from model_pruning.compat import tf


def remember_product(product: Any, weight: Any) -> None:
  """Remembers what a layer was given in place of a weight.

  Args:
    product: the tensor weight * mask.
    weight: the variable, if it was made for this layer; None if it was there before.
  """
  _products()[product.name] = weight


def _products() -> Dict[str, Any]:
  """Returns the weights of the products of the default graph, by the products' names."""
  graph = tf.get_default_graph()
  if not hasattr(graph, '_model_pruning_products'):
    graph._model_pruning_products = {}  # On the graph, with which it goes.
  return graph._model_pruning_products


def penalize_weights_once() -> None:
  """Makes the layers of tf.layers penalize the weights behind masked products, once each."""
  for name, module in list(sys.modules.items()):
    # TensorFlow and Keras have copies of the class, and slim takes another than tf.layers.
    if name == 'tensorflow.python.layers.base' or name.endswith('.legacy_tf_layers.base'):
      layer = getattr(module, 'Layer', None)
      if hasattr(layer, '_handle_weight_regularization'):
        _penalize_weights_of(layer)


def _penalize_weights_of(layer: Any) -> None:
  original = layer._handle_weight_regularization
  if getattr(original, '_of_weights', False):
    return

  @functools.wraps(original)
  def penalize(self: Any, name: str, variable: Any, regularizer: Any) -> Any:
    if tf.is_tensor(variable) and not tf.executing_eagerly():
      known = _products()
      tensor_name = getattr(variable, 'name', None)
      if tensor_name in known:
        if known[tensor_name] is None:
          return None
        variable = known[tensor_name]
    return original(self, name, variable, regularizer)

  penalize._of_weights = True  # type: ignore[attr-defined]
  layer._handle_weight_regularization = penalize
