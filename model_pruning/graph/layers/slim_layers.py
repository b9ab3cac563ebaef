# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Layers with masked weights, with the interface of slim and contrib.

They are slim's conv2d and fully_connected with a mask: they have the same arguments and take
defaults from an arg_scope. slim itself need not be installed.
"""

from typing import Any, Callable, Dict, Optional

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph.layers import core_layers
from model_pruning.graph.layers import slim
from model_pruning.util.types import Initializer
from model_pruning.util.types import Regularizer
from model_pruning.util.types import Scope
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable

# Slim's names for the variables of the layers in core_layers.py.
_SLIM_NAMES = {'kernel': 'weights', 'bias': 'biases'}

_GLOROT_UNIFORM, _ZEROS = tf.glorot_uniform_initializer(), tf.zeros_initializer()


@slim.add_arg_scope
def masked_convolution(inputs: Tensor, num_outputs: int, kernel_size: core_layers.Sizes,
                       stride: core_layers.Sizes = 1,
                       padding: str = 'SAME', data_format: Optional[str] = None,
                       rate: core_layers.Sizes = 1,
                       activation_fn: core_layers.Activation = tf.nn.relu,
                       normalizer_fn: Optional[Callable[..., Tensor]] = None,
                       normalizer_params: Optional[Dict[str, Any]] = None,
                       weights_initializer: Initializer = _GLOROT_UNIFORM,
                       weights_regularizer: Regularizer = None,
                       biases_initializer: Initializer = _ZEROS,
                       biases_regularizer: Regularizer = None, reuse: Any = None,
                       variables_collections: slim.Collections = None,
                       outputs_collections: slim.Collections = None,
                       trainable: bool = True, scope: Scope = None) -> Tensor:
  """Returns the convolution of inputs with masked weights: slim's conv2d with a mask.

  Creates <scope>/weights, <scope>/mask, <scope>/threshold and, with a biases_initializer and
  without a normalizer, <scope>/biases. All are model variables. An arg_scope of tf_slim or
  tf.contrib.slim can set the arguments.

  Args:
    inputs: tensor of floating dtype, [batch] + N spatial dimensions + [channels], or [batch,
      channels] + N spatial dimensions; N is 1, 2 or 3.
    num_outputs: number of output channels.
    kernel_size, stride, rate: an integer, or one per spatial dimension. Stride or rate must be 1
      in all dimensions.
    padding: 'SAME' or 'VALID'.
    data_format: 'NWC', 'NCW', 'NHWC', 'NCHW', 'NDHWC' or 'NCDHW', depending on the rank of the
      inputs; None for channels last.
    activation_fn: function of the outputs; None for none.
    normalizer_fn: function of the result of the convolution, used instead of biases.
    normalizer_params: keyword arguments of normalizer_fn.
    weights_initializer, biases_initializer: initializers; None for biases means no biases.
    weights_regularizer, biases_regularizer: functions of a variable whose results are added to the
      collection of regularization losses, once per variable.
    reuse: whether to use existing variables, which requires a scope.
    variables_collections: collections for weights and biases, or a dictionary with collections for
      'weights' and for 'biases'.
    outputs_collections: collections for the outputs, whose `aliases` include the name of the scope.
    trainable: whether weights and biases are trained.
    scope: a variable scope, or its name; by default Conv, with a suffix if the name is in use.

  Returns:
    The outputs, a tensor.

  Raises:
    errors.LayerError: an argument, or the rank or the channels of the inputs, is not allowed; the
      message says which.
    errors.WeightError: weights of the inputs' dtype cannot be masked.
  """
  def make(opened: Scope, inputs: Tensor, use_bias: bool) -> core_layers.MaskedLayer:
    rank = inputs.shape.rank
    if rank not in core_layers.DATA_FORMATS:
      raise errors.LayerError('Layer %s: inputs of shape %s; a convolution takes inputs of rank 3, '
                              '4 or 5, including batch and channels' % (opened.name, inputs.shape))
    if data_format not in (None,) + core_layers.DATA_FORMATS[rank]:
      raise errors.LayerError('Layer %s: data_format=%r; for inputs of rank %d give %s or None' % (
          opened.name, data_format, rank, ', '.join(map(repr, core_layers.DATA_FORMATS[rank]))))
    order = ('channels_first' if data_format == core_layers.DATA_FORMATS[rank][1] else
             'channels_last')
    return core_layers.MaskedConvolution(
        opened.name, rank - 2, num_outputs, kernel_size, stride, padding, order, rate, None,
        use_bias, weights_initializer, biases_initializer, weights_regularizer, biases_regularizer,
        None, trainable, None, _scope=opened, _reuse=reuse)

  return _slim_layer(make, inputs, scope, 'Conv', reuse, biases_initializer, normalizer_fn,
                     normalizer_params, activation_fn, variables_collections, outputs_collections)


masked_conv2d = masked_convolution


@slim.add_arg_scope
def masked_fully_connected(inputs: Tensor, num_outputs: int,
                           activation_fn: core_layers.Activation = tf.nn.relu,
                           normalizer_fn: Optional[Callable[..., Tensor]] = None,
                           normalizer_params: Optional[Dict[str, Any]] = None,
                           weights_initializer: Initializer = _GLOROT_UNIFORM,
                           weights_regularizer: Regularizer = None,
                           biases_initializer: Initializer = _ZEROS,
                           biases_regularizer: Regularizer = None, reuse: Any = None,
                           variables_collections: slim.Collections = None,
                           outputs_collections: slim.Collections = None,
                           trainable: bool = True, scope: Scope = None) -> Tensor:
  """Returns the product of inputs and masked weights: slim's fully_connected with a mask.

  Args:
    inputs: tensor of floating dtype and of rank 2 or more, with channels last.
    num_outputs: number of output channels.
    scope: a variable scope, or its name; by default fully_connected, with a suffix if the name is
      in use.

  For the other arguments, and the variables, see masked_convolution.

  Returns:
    The outputs, a tensor of the inputs' shape except for the last dimension.

  Raises:
    errors.PruningError: see masked_convolution.
  """
  def make(opened: Scope, inputs: Tensor, use_bias: bool) -> core_layers.MaskedLayer:
    del inputs
    return core_layers.MaskedFullyConnected(
        num_outputs, None, use_bias, weights_initializer, biases_initializer, weights_regularizer,
        biases_regularizer, None, trainable, None, _scope=opened, _reuse=reuse)

  return _slim_layer(make, inputs, scope, 'fully_connected', reuse, biases_initializer,
                     normalizer_fn, normalizer_params, activation_fn, variables_collections,
                     outputs_collections)


def _slim_layer(make: Callable[[Tensor, Tensor, bool], core_layers.MaskedLayer], inputs: Tensor,
                scope: Scope,
                default_name: str, reuse: Any, biases_initializer: Initializer,
                normalizer_fn: Optional[Callable[..., Tensor]],
                normalizer_params: Optional[Dict[str, Any]], activation_fn: core_layers.Activation,
                variables_collections: slim.Collections,
                outputs_collections: slim.Collections) -> Tensor:
  """Returns the outputs of a layer, built as slim builds its layers.

  Args:
    make: creates the layer from its scope, its inputs, and whether it has biases.
    default_name: the name of the scope if `scope` is None.
    For the other arguments see masked_convolution.
  """
  with tf.variable_scope(scope, default_name, [inputs], reuse=reuse,
                         custom_getter=_slim_getter) as opened:
    inputs = tf.convert_to_tensor(inputs)
    layer = make(opened, inputs, not normalizer_fn and biases_initializer is not None)
    outputs = layer(inputs)
    for name, variable in (('weights', layer.kernel), ('biases', layer.bias)):
      _collect_variable(variables_collections, name, variable)
    if normalizer_fn is not None:
      outputs = normalizer_fn(outputs, **(normalizer_params or {}))
    if activation_fn is not None:
      outputs = activation_fn(outputs)
    return slim.collect_output(outputs_collections, opened.original_name_scope, outputs)


def _slim_getter(getter: Callable[..., Variable], name: str, *args: Any, **kwargs: Any) -> Variable:
  """Returns a variable with slim's name. TensorFlow passes all arguments but `name` by keyword."""
  scope, slash, leaf = name.rpartition('/')
  return slim.model_variable(getter, scope + slash + _SLIM_NAMES.get(leaf, leaf), *args, **kwargs)


def _collect_variable(collections: slim.Collections, name: str, variable: Variable) -> None:
  """Adds a variable, or its parts, to the collections for its name, once."""
  if isinstance(collections, dict):
    collections = collections.get(name)
  if variable is None or not collections:
    return
  for key in [collections] if isinstance(collections, str) else collections:
    known = tf.get_collection(key)
    # Only a partitioned variable has the method, under one name in every TensorFlow.
    for part in getattr(variable, '_get_variable_list', lambda: [variable])():
      if not any(part is other for other in known):
        tf.add_to_collection(key, part)
