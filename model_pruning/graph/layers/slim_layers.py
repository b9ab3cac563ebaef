# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Layers with masked weights, under the names that slim and contrib gave them.

They are slim's conv2d and fully_connected with a mask: they take the same
arguments, and the defaults of an arg_scope. slim itself need not be there.
"""

from typing import Any, Callable, Optional

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph.layers import core_layers
from model_pruning.graph.layers import slim

# What slim calls the variables of the layers in core_layers.py.
_SLIM_NAMES = {'kernel': 'weights', 'bias': 'biases'}

_GLOROT_UNIFORM, _ZEROS = tf.glorot_uniform_initializer(), tf.zeros_initializer()


@slim.add_arg_scope
def masked_convolution(inputs: Any, num_outputs: int, kernel_size: Any, stride: Any = 1,
                       padding: str = 'SAME', data_format: Optional[str] = None, rate: Any = 1,
                       activation_fn: Optional[Callable[[Any], Any]] = tf.nn.relu,
                       normalizer_fn: Optional[Callable[..., Any]] = None,
                       normalizer_params: Optional[dict] = None,
                       weights_initializer: Any = _GLOROT_UNIFORM,
                       weights_regularizer: Any = None,
                       biases_initializer: Any = _ZEROS,
                       biases_regularizer: Any = None, reuse: Any = None,
                       variables_collections: Any = None, outputs_collections: Any = None,
                       trainable: bool = True, scope: Any = None) -> Any:
  """Convolves inputs with masked weights: slim's conv2d with a mask.

  Makes <scope>/weights, <scope>/mask, <scope>/threshold and, unless there is a
  normalizer or no initializer for them, <scope>/biases. All are model variables.
  An arg_scope of tf_slim, or of tf.contrib.slim, can set the arguments.

  Args:
    inputs: tensor of floating dtype, [batch] + N spatial dimensions + [channels],
      or [batch, channels] + N spatial dimensions; N is 1, 2 or 3.
    num_outputs: number of output channels.
    kernel_size, stride, rate: an integer, or one per spatial dimension. One of
      stride and rate must be 1 throughout.
    padding: 'SAME' or 'VALID'.
    data_format: 'NWC', 'NCW', 'NHWC', 'NCHW', 'NDHWC' or 'NCDHW', as the rank of
      the inputs says; None for channels last.
    activation_fn: function of the outputs; None for none.
    normalizer_fn: function of what the convolution gives, in place of biases.
    normalizer_params: keyword arguments for it.
    weights_initializer, biases_initializer: as named; without one of biases there
      are none.
    weights_regularizer, biases_regularizer: functions of a variable whose results
      go into the collection of regularization losses, once per variable.
    reuse: whether to use variables that exist, for which there must be a scope.
    variables_collections: collections for weights and biases, or a dictionary
      with those for 'weights' and those for 'biases'.
    outputs_collections: collections for the outputs, which get the name of the
      scope among their `aliases`.
    trainable: whether weights and biases are to be trained.
    scope: a variable scope, or its name; by default Conv, with a suffix where that
      is taken.

  Returns:
    The outputs, a tensor.

  Raises:
    errors.LayerError: an argument, or the rank or the channels of the inputs, do
      not suit; the message says which.
    errors.WeightError: weights of the inputs' dtype cannot be masked.
  """
  def make(opened: Any, inputs: Any, use_bias: bool) -> core_layers.MaskedLayer:
    rank = inputs.shape.rank
    if rank not in core_layers.DATA_FORMATS:
      raise errors.LayerError('Layer %s: inputs of shape %s; a convolution takes inputs of rank 3, '
                              '4 or 5, batch and channels included' % (opened.name, inputs.shape))
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
def masked_fully_connected(inputs: Any, num_outputs: int,
                           activation_fn: Optional[Callable[[Any], Any]] = tf.nn.relu,
                           normalizer_fn: Optional[Callable[..., Any]] = None,
                           normalizer_params: Optional[dict] = None,
                           weights_initializer: Any = _GLOROT_UNIFORM,
                           weights_regularizer: Any = None,
                           biases_initializer: Any = _ZEROS,
                           biases_regularizer: Any = None, reuse: Any = None,
                           variables_collections: Any = None, outputs_collections: Any = None,
                           trainable: bool = True, scope: Any = None) -> Any:
  """Multiplies inputs by masked weights: slim's fully_connected with a mask.

  Args:
    inputs: tensor of floating dtype and of rank 2 or more, with channels last.
    num_outputs: number of output channels.
    scope: a variable scope, or its name; by default fully_connected, with a suffix
      where that is taken.
    For the other arguments, and the variables, see masked_convolution.

  Returns:
    The outputs, a tensor of the inputs' shape but for the last dimension.

  Raises:
    What masked_convolution raises.
  """
  def make(opened: Any, inputs: Any, use_bias: bool) -> core_layers.MaskedLayer:
    del inputs
    return core_layers.MaskedFullyConnected(
        num_outputs, None, use_bias, weights_initializer, biases_initializer, weights_regularizer,
        biases_regularizer, None, trainable, None, _scope=opened, _reuse=reuse)

  return _slim_layer(make, inputs, scope, 'fully_connected', reuse, biases_initializer,
                     normalizer_fn, normalizer_params, activation_fn, variables_collections,
                     outputs_collections)


def _slim_layer(make: Callable[[Any, Any, bool], core_layers.MaskedLayer], inputs: Any, scope: Any,
                default_name: str, reuse: Any, biases_initializer: Any, normalizer_fn: Any,
                normalizer_params: Any, activation_fn: Any, variables_collections: Any,
                outputs_collections: Any) -> Any:
  """Runs a layer as slim runs one; `make` makes it of its scope, inputs, and whether to add biases.
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


def _slim_getter(getter: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
  """Gets a variable by slim's name for it. TensorFlow passes all but the name by keyword."""
  scope, slash, leaf = name.rpartition('/')
  return slim.model_variable(getter, scope + slash + _SLIM_NAMES.get(leaf, leaf), *args, **kwargs)


def _collect_variable(collections: Any, name: str, variable: Any) -> None:
  """Enters a variable, or its parts, into the collections for those of that name, once."""
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
