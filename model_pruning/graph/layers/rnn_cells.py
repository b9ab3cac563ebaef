# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""TensorFlow's LSTM cells with a masked kernel, under contrib's names.

They are the cells of tf.nn.rnn_cell, but use the product of kernel and mask instead of the kernel.
The projection is not masked, as in contrib.
"""

import contextlib
from typing import Any, Callable, Iterator, Optional, Tuple, Union
import warnings

from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables
from model_pruning.graph.layers import core_layers
from model_pruning.util.types import DType
from model_pruning.util.types import Initializer
from model_pruning.util.types import Shape
from model_pruning.util.types import Tensor

try:
  _BasicLSTMCell, _LSTMCell = tf.nn.rnn_cell.BasicLSTMCell, tf.nn.rnn_cell.LSTMCell
except (AttributeError, ImportError) as error:
  _why = str(error)

  class _Missing:
    """Replaces a cell that this TensorFlow lacks; creating one raises ImportError with advice."""

    def __init__(self, *unused_args: Any, **unused_kwargs: Any) -> None:
      raise ImportError(
          '%s needs tf.nn.rnn_cell, which this installation of TensorFlow %s lacks (%s). Run `pip '
          'install tf_keras`, and set the environment variable TF_USE_LEGACY_KERAS=1 before '
          'TensorFlow is imported' % (type(self).__name__, tf.__version__, _why))

  _BasicLSTMCell = _LSTMCell = _Missing


class _MaskedKernel:
  """Mixin for a cell: makes it use its kernel multiplied by a mask."""

  def add_weight(self, name: str, shape: Shape = None, **kwargs: Any) -> Tensor:
    """Creates a variable of the cell; for the kernel, returns its product with a new mask."""
    add: Callable[..., Tensor] = super().add_weight  # type: ignore[misc]
    weight = add(name, shape=shape, **kwargs)
    if name != 'kernel' or registry.is_product(weight):
      return weight

    # add_weight records every variable, so the cell's lists of weights contain the kernel and not
    # the product, and also mask and threshold.
    def create(leaf: str, shape: Tuple[int, ...], **options: Any) -> Tensor:
      return add(leaf, shape=list(shape), use_resource=variables.use_resource_of(weight),
                 partitioner=variables.partitioner_like(weight) if shape else None, **options)

    made = registry.create_variables(weight, registry.check(weight), create, 'weight')
    return registry.register(weight, made)


class MaskedBasicLSTMCell(_MaskedKernel, _BasicLSTMCell):  # type: ignore[misc, valid-type]
  """tf.nn.rnn_cell.BasicLSTMCell with a masked kernel.

  Its variables are kernel, bias, mask and threshold, in the scope masked_basic_lstm_cell or `name`.
  """

  def __init__(self, num_units: int, forget_bias: float = 1.0, state_is_tuple: bool = True,
               activation: Union[core_layers.Activation, str] = None, reuse: Optional[bool] = None,
               name: Optional[str] = None,
               dtype: DType = None, **kwargs: Any) -> None:
    """Creates the cell; the first call creates its variables.

    Args:
      num_units: size of the cell's state and of its output.
      forget_bias: added to the forget gate. Use 0 for weights from a CudnnLSTM.
      state_is_tuple: whether states are LSTMStateTuples (c, h); if not, c and h are concatenated in
        one tensor.
      activation: function of the inner states, or its name; None for tanh.
      reuse: whether to use existing variables.
      name: the name of the variable scope.
      dtype: the dtype of the variables; None for the dtype of the first inputs.
      **kwargs: other arguments of TensorFlow's cell, for example trainable.

    Raises:
      ImportError: this TensorFlow lacks the cell; the message says how to install it.
    """
    with _without_advice():
      super().__init__(num_units, forget_bias=forget_bias, state_is_tuple=state_is_tuple,
                       activation=activation, reuse=reuse, name=name, dtype=dtype, **kwargs)


class MaskedLSTMCell(_MaskedKernel, _LSTMCell):  # type: ignore[misc, valid-type]
  """tf.nn.rnn_cell.LSTMCell with a masked kernel.

  Its variables are kernel, bias, mask, threshold and, if requested, w_f_diag, w_i_diag, w_o_diag
  and projection/kernel, in the scope masked_lstm_cell or `name`. The projection is not masked.
  """

  def __init__(self, num_units: int, use_peepholes: bool = False,
               cell_clip: Optional[float] = None, initializer: Initializer = None,
               num_proj: Optional[int] = None, proj_clip: Optional[float] = None,
               num_unit_shards: Optional[int] = None, num_proj_shards: Optional[int] = None,
               forget_bias: float = 1.0, state_is_tuple: bool = True,
               activation: Union[core_layers.Activation, str] = None,
               reuse: Optional[bool] = None, name: Optional[str] = None, dtype: DType = None,
               **kwargs: Any) -> None:
    """Creates the cell; the first call creates its variables.

    Args:
      num_units: size of the cell's state.
      use_peepholes: whether the gates read the state, through diagonal weights.
      cell_clip: clips the state to [-cell_clip, cell_clip]; None for no clipping.
      initializer: initializer of the kernel and the projection.
      num_proj: size of the output after a projection; None for num_units without a projection.
      proj_clip: clips the projection to [-proj_clip, proj_clip]; None for no clipping.
      num_unit_shards, num_proj_shards: number of parts of kernel and projection. TensorFlow
        recommends a partitioner of the variable scope instead.
      name: the name of the variable scope.
      For the other arguments see MaskedBasicLSTMCell.

    Raises:
      ImportError: this TensorFlow lacks the cell; the message says how to install it.
    """
    with _without_advice():
      super().__init__(num_units, use_peepholes=use_peepholes, cell_clip=cell_clip,
                       initializer=initializer, num_proj=num_proj, proj_clip=proj_clip,
                       num_unit_shards=num_unit_shards, num_proj_shards=num_proj_shards,
                       forget_bias=forget_bias, state_is_tuple=state_is_tuple,
                       activation=activation, reuse=reuse, name=name, dtype=dtype, **kwargs)


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
  """Suppresses TensorFlow's advice to use the newer cell of Keras, which has no mask."""
  with warnings.catch_warnings():
    warnings.filterwarnings('ignore', r'`tf\.nn\.rnn_cell\.\w+` is deprecated')
    yield
