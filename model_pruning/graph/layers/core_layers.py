# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Layers with masked weights as objects: contrib's core layers, written without Keras."""

import contextlib
import operator
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple, Union

from model_pruning import errors
from model_pruning import names
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph.products import masked_product
from model_pruning.graph.recurrence import before_recurrent_loop
from model_pruning.graph.recurrence import body
from model_pruning.util.types import DType
from model_pruning.util.types import Initializer
from model_pruning.util.types import Regularizer
from model_pruning.util.types import Scope
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable

# A function of a layer's outputs, and a size for all spatial dimensions or one for each.
Activation = Optional[Callable[[Tensor], Tensor]]
Sizes = Union[int, Sequence[int]]

# By the rank of the inputs: channels last, channels first.
DATA_FORMATS = {3: ('NWC', 'NCW'), 4: ('NHWC', 'NCHW'), 5: ('NDHWC', 'NCDHW')}

_ZEROS = tf.zeros_initializer()


class MaskedLayer:
  """The base class of the layers: creates variables at the first call and reuses them later.

  Attributes:
    kernel, bias: the weight and the bias; bias is None if there is none.
    mask, threshold: the variables that prune the kernel.
    masked_kernel: the tensor kernel * mask.
    built: whether these exist.
  """

  def __init__(self, default_name: str, outputs: int, activation: Activation, use_bias: bool,
               kernel_initializer: Initializer, bias_initializer: Initializer,
               kernel_regularizer: Regularizer,
               bias_regularizer: Regularizer, activity_regularizer: Regularizer, trainable: bool,
               name: Optional[str], dtype: DType = None, _scope: Scope = None,
               _reuse: Optional[bool] = None) -> None:
    """Stores the arguments.

    Args:
      default_name: the name of the variable scope if `name` is None.
      outputs: number of output channels.
      dtype: the dtype of the variables; None for the dtype of the first inputs.
      _scope: the variable scope for the variables, instead of a scope with the name `name`.
      _reuse: whether the variables exist already.
      For the other arguments see the subclasses.
    """
    self._default_name = name or default_name
    self._outputs = _positive('number of outputs', outputs)
    self.activation = activation
    self.use_bias = bool(use_bias)
    self.kernel_initializer = kernel_initializer
    self.bias_initializer = bias_initializer
    self.kernel_regularizer = kernel_regularizer
    self.bias_regularizer = bias_regularizer
    self.activity_regularizer = activity_regularizer
    self.trainable = trainable
    self.dtype = tf.as_dtype(dtype).base_dtype if dtype is not None else None
    self._scope, self._reuse = _scope, _reuse
    self.built = False
    self.kernel: Variable = None
    self.bias: Variable = None
    self.mask: Variable = None
    self.threshold: Variable = None
    self.masked_kernel: Tensor = None
    self._body: Any = None  # Where masked_kernel was computed.

  @property
  def name(self) -> str:
    """The last part of the scope's name; before the scope is opened, the requested name."""
    return getattr(self._scope, 'name', self._default_name).split('/')[-1]

  @property
  def trainable_weights(self) -> List[Variable]:
    """The kernel and the bias if they are trained; [] before the first call."""
    found = [self.kernel] + ([self.bias] if self.bias is not None else [])
    return found if self.built and self.trainable else []

  @property
  def non_trainable_weights(self) -> List[Variable]:
    """The variables that are not trained, including mask and threshold; [] before the first call.
    """
    if not self.built:
      return []
    return ([] if self.trainable else
            [self.kernel] + ([self.bias] if self.bias is not None else [])) + [
                self.mask, self.threshold]

  @property
  def weights(self) -> List[Variable]:
    """All variables; [] before the first call."""
    return self.trainable_weights + self.non_trainable_weights

  trainable_variables = trainable_weights
  non_trainable_variables = non_trainable_weights
  variables = weights

  def __call__(self, inputs: Tensor) -> Tensor:
    """Returns the outputs of the layer; the first call creates its variables.

    Raises:
      errors.LayerError: the rank or the channels of the inputs are not allowed.
      errors.WeightError: weights of the inputs' dtype cannot be masked.
    """
    inputs = tf.convert_to_tensor(inputs, self.dtype)
    with self._open_scope():
      if not self.built:
        self._build(inputs)
        self._body = body()
      elif self._body != body():  # A loop may train: each iteration needs its own product.
        self._body = body()
        with before_recurrent_loop():
          self.masked_kernel = masked_product(self.kernel, self.mask, names.MASKED_WEIGHT_NAME)
      outputs = self._compute(inputs)
      if self.activation is not None:
        outputs = self.activation(outputs)
      if self.activity_regularizer is not None:
        loss = self.activity_regularizer(outputs)
        # Divided by the batch size, as in the layers of TensorFlow.
        tf.add_to_collection(tf.GraphKeys.REGULARIZATION_LOSSES,
                             loss / tf.cast(tf.shape(outputs)[0], loss.dtype))
    return outputs

  apply = __call__

  @contextlib.contextmanager
  def _open_scope(self) -> Iterator[None]:
    if not isinstance(self._scope, tf.VariableScope):
      # Without reuse, a name that is in use gets a suffix.
      name = self._scope or (self._default_name if self._reuse else None)
      with tf.variable_scope(name, self._default_name) as opened:
        self._scope = opened
    with tf.variable_scope(self._scope, reuse=self._reuse, auxiliary_name_scope=False) as scope:
      with tf.name_scope(scope.original_name_scope):
        yield

  def _build(self, inputs: Tensor) -> None:
    """Creates the variables."""
    self.dtype = self.dtype or inputs.dtype.base_dtype
    if not self.dtype.is_floating:
      raise errors.WeightError('Layer %s: its inputs, and therefore its weights, have dtype %s; '
                               'only floating weights can be masked' % (self.name, self.dtype.name))
    kernel = tf.get_variable('kernel', self._kernel_shape(inputs), self.dtype,
                             initializer=self.kernel_initializer,
                             regularizer=self.kernel_regularizer, trainable=self.trainable)
    self.masked_kernel, self.mask = registry.apply_mask_and_return(
        kernel, tf.get_variable_scope())
    # Not `kernel` itself, which is the product inside a masked_scope.
    record, = (known for known in registry.masked_weights() if known.mask.name == self.mask.name)
    self.kernel, self.threshold = record.weight, record.threshold
    if self.use_bias:
      self.bias = tf.get_variable('bias', [self._outputs], self.dtype,
                                  initializer=self.bias_initializer,
                                  regularizer=self.bias_regularizer, trainable=self.trainable)
    self.built = True

  def _channels(self, inputs: Tensor, axis: int) -> int:
    """Returns the number of input channels; raises errors.LayerError if it is unknown."""
    channels = inputs.shape.as_list()[axis]
    if channels is None:
      raise errors.LayerError(
          'Layer %s: inputs of shape %s; the size of dimension %d, the channels, must be known to '
          'create a weight (set it with set_shape)' % (self.name, inputs.shape, axis))
    return channels

  def _kernel_shape(self, inputs: Tensor) -> Tuple[int, ...]:
    """Returns the shape of the kernel; raises errors.LayerError for inputs that do not fit."""
    raise NotImplementedError

  def _compute(self, inputs: Tensor) -> Tensor:
    """Returns the outputs before the activation."""
    raise NotImplementedError


class MaskedConvolution(MaskedLayer):
  """Convolution over any number of spatial dimensions; see MaskedConv2D."""

  def __init__(self, default_name: str, rank: int, filters: int, kernel_size: Sizes, strides: Sizes,
               padding: str, data_format: str, dilation_rate: Sizes, *args: Any,
               **kwargs: Any) -> None:
    super().__init__(default_name, filters, *args, **kwargs)
    self.rank = rank
    self.filters = self._outputs
    self.kernel_size = _sizes('kernel_size', kernel_size, rank)
    self.strides = _sizes('stride', strides, rank)
    self.dilation_rate = _sizes('rate', dilation_rate, rank)
    if max(self.strides) > 1 and max(self.dilation_rate) > 1:
      raise errors.LayerError('stride=%r and rate=%r: one of them must be 1 in all dimensions' % (
          strides, dilation_rate))
    self.padding = str(padding).upper()
    if self.padding not in ('SAME', 'VALID'):
      raise errors.LayerError("padding=%r: give 'SAME' or 'VALID'" % (padding,))
    if data_format not in ('channels_last', 'channels_first'):
      raise errors.LayerError("data_format=%r: give 'channels_last' or 'channels_first'" % (
          data_format,))
    self.data_format = data_format

  @property
  def _channels_first(self) -> bool:
    return self.data_format == 'channels_first'

  def _kernel_shape(self, inputs: Tensor) -> Tuple[int, ...]:
    if inputs.shape.rank != self.rank + 2:
      raise errors.LayerError(
          'Layer %s: inputs of shape %s; a convolution over %d dimensions takes inputs of rank %d, '
          'including batch and channels' % (self.name, inputs.shape, self.rank, self.rank + 2))
    return self.kernel_size + (self._channels(inputs, 1 if self._channels_first else -1),
                               self.filters)

  def _compute(self, inputs: Tensor) -> Tensor:
    outputs = tf.nn.convolution(
        inputs, self.masked_kernel, self.padding, strides=self.strides,
        dilation_rate=self.dilation_rate,
        data_format=DATA_FORMATS[self.rank + 2][self._channels_first])
    if self.bias is None:
      return outputs
    if not self._channels_first:
      return tf.nn.bias_add(outputs, self.bias)
    if self.rank == 2:
      return tf.nn.bias_add(outputs, self.bias, data_format='NCHW')
    # Some versions of bias_add do not support channels first for other ranks.
    return outputs + tf.reshape(self.bias, [self.filters] + [1] * self.rank)


class MaskedConv2D(MaskedConvolution):
  """Convolution of images with a masked kernel: contrib's core layer.

  Its variables kernel, bias, mask and threshold are in its own variable scope. The first call of an
  instance creates them, and later calls reuse them.

      layer = MaskedConv2D(32, [3, 3], activation=tf.nn.relu)
      outputs = layer(images)
  """

  def __init__(self, filters: int, kernel_size: Sizes, strides: Sizes = (1, 1),
               padding: str = 'valid', data_format: str = 'channels_last',
               dilation_rate: Sizes = (1, 1),
               activation: Activation = None, use_bias: bool = True,
               kernel_initializer: Initializer = None, bias_initializer: Initializer = _ZEROS,
               kernel_regularizer: Regularizer = None, bias_regularizer: Regularizer = None,
               activity_regularizer: Regularizer = None, trainable: bool = True,
               name: Optional[str] = None, **kwargs: Any) -> None:
    """Checks the arguments; the first call creates the variables.

    Args:
      filters: number of output channels.
      kernel_size, strides, dilation_rate: an integer, or two, for height and width. strides or
        dilation_rate must be 1 in both dimensions.
      padding: 'valid' or 'same', in lower or upper case.
      data_format: 'channels_last' for inputs [batch, height, width, channels], or
        'channels_first' for [batch, channels, height, width].
      activation: function of the outputs; None for none.
      use_bias: whether to add a bias.
      kernel_initializer, bias_initializer: initializers; None for the initializer of the variable
        scope or the default of get_variable.
      kernel_regularizer, bias_regularizer: functions of a variable whose results are added to the
        collection of regularization losses, once per variable.
      activity_regularizer: function of the outputs whose result, divided by the batch size, is
        added to the same collection at every call.
      trainable: whether kernel and bias are trained.
      name: the name of the variable scope; by default masked_conv2d, with a suffix if the name is
        in use.
      **kwargs: dtype: the dtype of the variables, by default the dtype of the first inputs.

    Raises:
      errors.LayerError: an argument is invalid; the message says which.
    """
    super().__init__(
        'masked_conv2d', 2, filters, kernel_size, strides, padding, data_format, dilation_rate,
        activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
        bias_regularizer, activity_regularizer, trainable, name, **kwargs)


class MaskedFullyConnected(MaskedLayer):
  """Multiplication by a masked matrix: contrib's core layer.

  Its variables kernel, bias, mask and threshold are in its own variable scope. The first call of an
  instance creates them, and later calls reuse them.
  """

  def __init__(self, units: int, activation: Activation = None,
               use_bias: bool = True, kernel_initializer: Initializer = None,
               bias_initializer: Initializer = _ZEROS, kernel_regularizer: Regularizer = None,
               bias_regularizer: Regularizer = None, activity_regularizer: Regularizer = None,
               trainable: bool = True, name: Optional[str] = None, **kwargs: Any) -> None:
    """Checks the arguments; the first call creates the variables.

    Args:
      units: size of the last dimension of the outputs. The other dimensions are the same as in the
        inputs, which have rank 2 or more.
      name: the name of the variable scope; by default masked_fully_connected, with a suffix if the
        name is in use.
      For the other arguments see MaskedConv2D.

    Raises:
      errors.LayerError: an argument is invalid; the message says which.
    """
    super().__init__(
        'masked_fully_connected', units, activation, use_bias, kernel_initializer,
        bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer, trainable,
        name, **kwargs)
    self.units = self._outputs

  def _kernel_shape(self, inputs: Tensor) -> Tuple[int, ...]:
    if inputs.shape.rank is None or inputs.shape.rank < 2:
      raise errors.LayerError('Layer %s: inputs of shape %s; they must have rank 2 or more' % (
          self.name, inputs.shape))
    return self._channels(inputs, -1), self.units

  def _compute(self, inputs: Tensor) -> Tensor:
    if inputs.shape.rank == 2:
      outputs = tf.matmul(inputs, self.masked_kernel)
    else:
      outputs = tf.tensordot(inputs, self.masked_kernel, [[-1], [0]])
      outputs.set_shape(inputs.shape[:-1].concatenate(self.units))
    return outputs if self.bias is None else tf.nn.bias_add(outputs, self.bias)


def _positive(argument: str, value: Tensor) -> int:
  """Returns an argument as an int; raises errors.LayerError if it is not a positive integer."""
  try:
    number = operator.index(value)
  except TypeError:
    number = 0
  if number < 1:
    raise errors.LayerError('%s: %r; it must be an integer, 1 or more' % (argument, value))
  return number


def _sizes(argument: str, value: Tensor, rank: int) -> Tuple[int, ...]:
  """Returns one size per dimension, from one size for all dimensions or one for each."""
  if not isinstance(value, (list, tuple)):
    return (_positive(argument, value),) * rank
  if len(value) != rank:
    raise errors.LayerError('%s=%r: give one integer, or %d, one per spatial dimension' % (
        argument, value, rank))
  return tuple(_positive(argument, size) for size in value)
