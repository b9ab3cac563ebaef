# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Layers with masked weights as objects: contrib's core layers.

Plain TensorFlow, with nothing of Keras.
"""

import contextlib
import operator
from typing import Any, Callable, Iterator, List, Optional, Tuple

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph import registry

# By the rank of the inputs: channels last, channels first.
DATA_FORMATS = {3: ('NWC', 'NCW'), 4: ('NHWC', 'NCHW'), 5: ('NDHWC', 'NCDHW')}

_ZEROS = tf.zeros_initializer()


class MaskedLayer:
  """What the layers share: variables made at the first call and used again at the next.

  Attributes:
    kernel, bias: the weight and the bias; bias is None without one.
    mask, threshold: the variables that prune the kernel.
    masked_kernel: the tensor kernel * mask.
    built: whether these exist.
  """

  def __init__(self, default_name: str, outputs: int, activation: Any, use_bias: Any,
               kernel_initializer: Any, bias_initializer: Any, kernel_regularizer: Any,
               bias_regularizer: Any, activity_regularizer: Any, trainable: bool,
               name: Optional[str], dtype: Any = None, _scope: Any = None,
               _reuse: Optional[bool] = None) -> None:
    """Keeps the arguments.

    Args:
      default_name: of the variable scope, where no name is given.
      outputs: number of output channels.
      dtype: of the variables; None for that of the first inputs.
      _scope: the variable scope for the variables, in place of one called `name`.
      _reuse: whether they exist already.
      And those of the classes.
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
    self.kernel: Any = None
    self.bias: Any = None
    self.mask: Any = None
    self.threshold: Any = None
    self.masked_kernel: Any = None

  @property
  def name(self) -> str:
    """The last part of the name of the variable scope; as it was asked for until that is made."""
    return getattr(self._scope, 'name', self._default_name).split('/')[-1]

  @property
  def trainable_weights(self) -> List[Any]:
    found = [self.kernel] + ([self.bias] if self.bias is not None else [])
    return found if self.built and self.trainable else []

  @property
  def non_trainable_weights(self) -> List[Any]:
    if not self.built:
      return []
    return ([] if self.trainable else
            [self.kernel] + ([self.bias] if self.bias is not None else [])) + [
                self.mask, self.threshold]

  @property
  def weights(self) -> List[Any]:
    return self.trainable_weights + self.non_trainable_weights

  trainable_variables = trainable_weights
  non_trainable_variables = non_trainable_weights
  variables = weights

  def __call__(self, inputs: Any) -> Any:
    """Returns the outputs of the layer; makes its variables the first time.

    Raises:
      errors.LayerError: the rank or the channels of the inputs do not suit.
      errors.WeightError: weights of the inputs' dtype cannot be masked.
    """
    inputs = tf.convert_to_tensor(inputs, self.dtype)
    with self._open_scope():
      if not self.built:
        self._build(inputs)
      outputs = self._compute(inputs)
      if self.activation is not None:
        outputs = self.activation(outputs)
      if self.activity_regularizer is not None:
        loss = self.activity_regularizer(outputs)
        # Per example, as the layers of TensorFlow count it.
        tf.add_to_collection(tf.GraphKeys.REGULARIZATION_LOSSES,
                             loss / tf.cast(tf.shape(outputs)[0], loss.dtype))
    return outputs

  apply = __call__

  @contextlib.contextmanager
  def _open_scope(self) -> Iterator[None]:
    if not isinstance(self._scope, tf.VariableScope):
      # Without reuse, a name that is taken gets a suffix.
      name = self._scope or (self._default_name if self._reuse else None)
      with tf.variable_scope(name, self._default_name) as opened:
        self._scope = opened
    with tf.variable_scope(self._scope, reuse=self._reuse, auxiliary_name_scope=False) as scope:
      with tf.name_scope(scope.original_name_scope):
        yield

  def _build(self, inputs: Any) -> None:
    self.dtype = self.dtype or inputs.dtype.base_dtype
    if not self.dtype.is_floating:
      raise errors.WeightError('Layer %s: its inputs have dtype %s, and so would its weights; only '
                               'floating ones can be masked' % (self.name, self.dtype.name))
    kernel = tf.get_variable('kernel', self._kernel_shape(inputs), self.dtype,
                             initializer=self.kernel_initializer,
                             regularizer=self.kernel_regularizer, trainable=self.trainable)
    self.masked_kernel, self.mask = registry.apply_mask_and_return(
        kernel, tf.get_variable_scope())
    # Not `kernel` itself: inside a masked_scope, that is the product.
    record, = (known for known in registry.masked_weights() if known.mask.name == self.mask.name)
    self.kernel, self.threshold = record.weight, record.threshold
    if self.use_bias:
      self.bias = tf.get_variable('bias', [self._outputs], self.dtype,
                                  initializer=self.bias_initializer,
                                  regularizer=self.bias_regularizer, trainable=self.trainable)
    self.built = True

  def _channels(self, inputs: Any, axis: int) -> int:
    channels = inputs.shape.as_list()[axis]
    if channels is None:
      raise errors.LayerError(
          'Layer %s: inputs of shape %s; the size of dimension %d, the channels, must be known to '
          'make a weight for it (set_shape tells it)' % (self.name, inputs.shape, axis))
    return channels

  def _kernel_shape(self, inputs: Any) -> Tuple[int, ...]:
    """Returns the shape of the kernel; raises errors.LayerError if the inputs do not suit."""
    raise NotImplementedError

  def _compute(self, inputs: Any) -> Any:
    """Returns what goes into the activation."""
    raise NotImplementedError


class MaskedConvolution(MaskedLayer):
  """Convolution over any number of spatial dimensions; see MaskedConv2D."""

  def __init__(self, default_name: str, rank: int, filters: int, kernel_size: Any, strides: Any,
               padding: str, data_format: str, dilation_rate: Any, *args: Any,
               **kwargs: Any) -> None:
    super().__init__(default_name, filters, *args, **kwargs)
    self.rank = rank
    self.filters = self._outputs
    self.kernel_size = _sizes('kernel_size', kernel_size, rank)
    self.strides = _sizes('stride', strides, rank)
    self.dilation_rate = _sizes('rate', dilation_rate, rank)
    if max(self.strides) > 1 and max(self.dilation_rate) > 1:
      raise errors.LayerError('stride=%r and rate=%r: one of them must be 1 throughout' % (
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

  def _kernel_shape(self, inputs: Any) -> Tuple[int, ...]:
    if inputs.shape.rank != self.rank + 2:
      raise errors.LayerError(
          'Layer %s: inputs of shape %s; a convolution over %d dimensions takes inputs of rank %d, '
          'batch and channels included' % (self.name, inputs.shape, self.rank, self.rank + 2))
    return self.kernel_size + (self._channels(inputs, 1 if self._channels_first else -1),
                               self.filters)

  def _compute(self, inputs: Any) -> Any:
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
    # Not every version's bias_add takes channels first in other ranks.
    return outputs + tf.reshape(self.bias, [self.filters] + [1] * self.rank)


class MaskedConv2D(MaskedConvolution):
  """Convolution of images with a masked kernel, as contrib's core layer.

  Its variables are kernel, bias, mask and threshold in a variable scope of its
  own. They are made when an instance is first called, and shared by its calls.

      layer = MaskedConv2D(32, [3, 3], activation=tf.nn.relu)
      outputs = layer(images)
  """

  def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = 'valid',
               data_format: str = 'channels_last', dilation_rate: Any = (1, 1),
               activation: Optional[Callable[[Any], Any]] = None, use_bias: bool = True,
               kernel_initializer: Any = None, bias_initializer: Any = _ZEROS,
               kernel_regularizer: Any = None, bias_regularizer: Any = None,
               activity_regularizer: Any = None, trainable: bool = True,
               name: Optional[str] = None, **kwargs: Any) -> None:
    """Checks the arguments, and makes nothing yet.

    Args:
      filters: number of output channels.
      kernel_size, strides, dilation_rate: an integer, or one each for height and
        width. One of strides and dilation_rate must be 1 throughout.
      padding: 'valid' or 'same', in any case.
      data_format: 'channels_last' for inputs [batch, height, width, channels], or
        'channels_first' for [batch, channels, height, width].
      activation: function of the outputs; None for none.
      use_bias: whether to add a bias.
      kernel_initializer, bias_initializer: None for that of the variable scope, or
        the default of get_variable.
      kernel_regularizer, bias_regularizer: functions of a variable whose results go
        into the collection of regularization losses, once per variable.
      activity_regularizer: the same of the outputs, at each call; the result is
        divided by the size of the batch.
      trainable: whether kernel and bias are to be trained.
      name: of the variable scope; by default masked_conv2d, with a suffix where
        that is taken.
      **kwargs: dtype, that of the variables: by default, that of the first inputs.

    Raises:
      errors.LayerError: one of them is not what it should be; the message says which.
    """
    super().__init__(
        'masked_conv2d', 2, filters, kernel_size, strides, padding, data_format, dilation_rate,
        activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
        bias_regularizer, activity_regularizer, trainable, name, **kwargs)


class MaskedFullyConnected(MaskedLayer):
  """Multiplication by a masked matrix, as contrib's core layer.

  Its variables are kernel, bias, mask and threshold in a variable scope of its
  own. They are made when an instance is first called, and shared by its calls.
  """

  def __init__(self, units: int, activation: Optional[Callable[[Any], Any]] = None,
               use_bias: bool = True, kernel_initializer: Any = None,
               bias_initializer: Any = _ZEROS, kernel_regularizer: Any = None,
               bias_regularizer: Any = None, activity_regularizer: Any = None,
               trainable: bool = True, name: Optional[str] = None, **kwargs: Any) -> None:
    """Checks the arguments, and makes nothing yet.

    Args:
      units: size of the last dimension of the outputs. The others are those of the
        inputs, which have two or more.
      name: of the variable scope; by default masked_fully_connected, with a suffix
        where that is taken.
      For the other arguments see MaskedConv2D.

    Raises:
      errors.LayerError: one of them is not what it should be; the message says which.
    """
    super().__init__(
        'masked_fully_connected', units, activation, use_bias, kernel_initializer,
        bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer, trainable,
        name, **kwargs)
    self.units = self._outputs

  def _kernel_shape(self, inputs: Any) -> Tuple[int, ...]:
    if inputs.shape.rank is None or inputs.shape.rank < 2:
      raise errors.LayerError('Layer %s: inputs of shape %s; they must have rank 2 or more' % (
          self.name, inputs.shape))
    return self._channels(inputs, -1), self.units

  def _compute(self, inputs: Any) -> Any:
    if inputs.shape.rank == 2:
      outputs = tf.matmul(inputs, self.masked_kernel)
    else:
      outputs = tf.tensordot(inputs, self.masked_kernel, [[-1], [0]])
      outputs.set_shape(inputs.shape[:-1].concatenate(self.units))
    return outputs if self.bias is None else tf.nn.bias_add(outputs, self.bias)


def _positive(what: str, value: Any) -> int:
  try:
    number = operator.index(value)
  except TypeError:
    number = 0
  if number < 1:
    raise errors.LayerError('%s: %r; it must be an integer, 1 or more' % (what, value))
  return number


def _sizes(what: str, value: Any, rank: int) -> Tuple[int, ...]:
  """Returns a size per dimension, of one for all or one for each."""
  if not isinstance(value, (list, tuple)):
    return (_positive(what, value),) * rank
  if len(value) != rank:
    raise errors.LayerError('%s=%r: give one integer, or %d, one per spatial dimension' % (
        what, value, rank))
  return tuple(_positive(what, size) for size in value)
