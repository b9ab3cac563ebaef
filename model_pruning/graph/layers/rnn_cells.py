# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""TensorFlow's LSTM cells with a masked kernel, under contrib's names.

They are the cells of tf.nn.rnn_cell, told to use the product of kernel and mask
where they would use the kernel. The projection stays as it is, as in contrib.
"""

import contextlib
from typing import Any, Callable, Iterator, Optional, Tuple
import warnings

from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables

try:
  _BasicLSTMCell, _LSTMCell = tf.nn.rnn_cell.BasicLSTMCell, tf.nn.rnn_cell.LSTMCell
except (AttributeError, ImportError) as error:
  _why = str(error)

  class _Missing:
    """In place of a cell that this TensorFlow does not have. Making one says what to install."""

    def __init__(self, *unused_args: Any, **unused_kwargs: Any) -> None:
      raise ImportError(
          '%s is built on tf.nn.rnn_cell, which TensorFlow %s lacks as it is set up (%s). Run `pip '
          'install tf_keras`, and set the environment variable TF_USE_LEGACY_KERAS=1 before '
          'TensorFlow is imported' % (type(self).__name__, tf.__version__, _why))

  _BasicLSTMCell = _LSTMCell = _Missing


class _MaskedKernel:
  """Mixed into a cell: hands out its kernel multiplied by a mask."""

  def add_weight(self, name: str, shape: Any = None, **kwargs: Any) -> Any:
    """Does what the cell's own does, which is how a cell makes its variables."""
    add: Callable[..., Any] = super().add_weight  # type: ignore[misc]
    weight = add(name, shape=shape, **kwargs)
    if name != 'kernel' or any(weight is masked for masked in registry.get_masked_weights()):
      return weight

    # The cell keeps account of what it adds, so its lists of weights hold the
    # variables, not the product, and of mask and threshold too.
    def create(leaf: str, shape: Tuple[int, ...], **options: Any) -> Any:
      return add(leaf, shape=list(shape), use_resource=variables.use_resource_of(weight),
                 partitioner=variables.partitioner_like(weight) if shape else None, **options)

    made = registry.create_variables(weight, registry.check(weight), create, 'weight')
    return registry.register(weight, made)


class MaskedBasicLSTMCell(_MaskedKernel, _BasicLSTMCell):  # type: ignore[misc, valid-type]
  """tf.nn.rnn_cell.BasicLSTMCell with a masked kernel.

  Its variables are kernel, bias, mask and threshold, in the scope
  masked_basic_lstm_cell or the one called `name`.
  """

  def __init__(self, num_units: int, forget_bias: float = 1.0, state_is_tuple: bool = True,
               activation: Any = None, reuse: Optional[bool] = None, name: Optional[str] = None,
               dtype: Any = None, **kwargs: Any) -> None:
    """Makes a cell; its variables come with the first call.

    Args:
      num_units: size of the cell's state, and of its output.
      forget_bias: what is added to the forget gate. 0 for weights from a CudnnLSTM.
      state_is_tuple: whether states are LSTMStateTuples (c, h), or c and h side by
        side in one tensor.
      activation: function of the inner states, or the name of one; None for tanh.
      reuse: whether to use variables that exist.
      name: of the variable scope.
      dtype: of the variables; None for that of the first inputs.
      **kwargs: further ones of TensorFlow's cell, such as trainable.

    Raises:
      ImportError: this TensorFlow has no such cell; the message says what to do.
    """
    with _without_advice():
      super().__init__(num_units, forget_bias=forget_bias, state_is_tuple=state_is_tuple,
                       activation=activation, reuse=reuse, name=name, dtype=dtype, **kwargs)


class MaskedLSTMCell(_MaskedKernel, _LSTMCell):  # type: ignore[misc, valid-type]
  """tf.nn.rnn_cell.LSTMCell with a masked kernel.

  Its variables are kernel, bias, mask, threshold and, where they are asked for,
  w_f_diag, w_i_diag, w_o_diag and projection/kernel, in the scope masked_lstm_cell
  or the one called `name`. The projection is not masked.
  """

  def __init__(self, num_units: int, use_peepholes: bool = False,
               cell_clip: Optional[float] = None, initializer: Any = None,
               num_proj: Optional[int] = None, proj_clip: Optional[float] = None,
               num_unit_shards: Optional[int] = None, num_proj_shards: Optional[int] = None,
               forget_bias: float = 1.0, state_is_tuple: bool = True, activation: Any = None,
               reuse: Optional[bool] = None, name: Optional[str] = None, dtype: Any = None,
               **kwargs: Any) -> None:
    """Makes a cell; its variables come with the first call.

    Args:
      num_units: size of the cell's state.
      use_peepholes: whether the gates see the state, through diagonal weights.
      cell_clip: the state is clipped to within [-cell_clip, cell_clip]; None for not.
      initializer: of the kernel and the projection.
      num_proj: size of the output, by a projection; None for num_units, without one.
      proj_clip: what is projected is clipped to within [-proj_clip, proj_clip].
      num_unit_shards, num_proj_shards: number of parts to cut kernel and projection
        into. TensorFlow prefers a partitioner of the variable scope.
      name: of the variable scope.
      For the other arguments see MaskedBasicLSTMCell.

    Raises:
      ImportError: this TensorFlow has no such cell; the message says what to do.
    """
    with _without_advice():
      super().__init__(num_units, use_peepholes=use_peepholes, cell_clip=cell_clip,
                       initializer=initializer, num_proj=num_proj, proj_clip=proj_clip,
                       num_unit_shards=num_unit_shards, num_proj_shards=num_proj_shards,
                       forget_bias=forget_bias, state_is_tuple=state_is_tuple,
                       activation=activation, reuse=reuse, name=name, dtype=dtype, **kwargs)


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
  """Leaves out TensorFlow's warning that Keras has a newer cell: that one has no mask."""
  with warnings.catch_warnings():
    warnings.filterwarnings('ignore', r'`tf\.nn\.rnn_cell\.\w+` is deprecated')
    yield
