# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python import pruning_interface`, for code written for the research branch.

The research branch's module does pruning and low-rank compression. This one does only pruning, and
rejects a spec with prune_option=compression.
"""

from typing import Any, Callable, Optional, Union

from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.python.pruning import Pruning
from model_pruning.util.types import DType
from model_pruning.util.types import Operation
from model_pruning.util.types import Scope
from model_pruning.util.types import Session
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable

# The research branch's collection for the updates of its compression. Empty here.
UPDATE_OP_COLLECTION = 'update_op'


def get_matrix_compression_object(hparams: Union[HParams, str, PruningSpec, None],
                                  global_step: Variable = None,
                                  sparsity: Tensor = None) -> Pruning:
  """Returns Pruning(hparams, global_step, sparsity)."""
  return Pruning(hparams, global_step, sparsity)


def apply_matrix_compression(matrix_compression_obj: Pruning, weight: Variable,
                             scope: Scope = '') -> Tensor:
  """Returns the masked weight; see apply_mask."""
  return matrix_compression_obj.apply_mask(weight, scope)


def apply_pruning(pruning_obj: Pruning, pruning_hparams: Union[HParams, str, PruningSpec, None],
                  weight_params_fn: Callable[..., Any],
                  weight_init_obj: Any, lstmobj: Any, wm_pc: Any, dtype: DType) -> Pruning:
  """Creates a mask and a threshold in an LSTM cell of lingvo, and registers its weight `wm`.

  The cell itself multiplies weight and mask.

  Args:
    pruning_obj: returned unchanged.
    pruning_hparams: HParams, which are only checked.
    weight_params_fn: lingvo's constructor of parameters: (shape, init, dtype).
    weight_init_obj: lingvo's initializers; only Constant(value) is used.
    lstmobj: the cell; it has CreateVariable, and its variables in `vars`.
    wm_pc: the parameters of the weight, which have its shape.
    dtype: the dtype of the weight.
  """
  PruningSpec.create(pruning_hparams)
  for name, shape, value, own_dtype in (('mask', wm_pc.shape, 1.0, dtype),
                                        ('threshold', [], 0.0, tf.float32)):
    lstmobj.CreateVariable(
        name, weight_params_fn(shape, weight_init_obj.Constant(value), own_dtype),
        theta_fn=None, trainable=False)
  variables = lstmobj.vars
  if variables.wm is not None:  # Without a weight there is nothing to prune.
    registry.register(variables.wm, registry.PruningVariables(variables.mask, variables.threshold))
  return pruning_obj


def get_pruning_update(pruning_obj: Pruning,
                       pruning_hparams: Union[HParams, str, PruningSpec, None]) -> Operation:
  """Returns the conditional mask update of `pruning_obj`; pruning_hparams are checked."""
  PruningSpec.create(pruning_hparams)
  return pruning_obj.conditional_mask_update_op()


def get_matrix_compression_update_op(matrix_compression_obj: Pruning) -> Operation:
  """Returns the conditional mask update of a Pruning object."""
  return matrix_compression_obj.conditional_mask_update_op()


def run_update_step(matrix_compression_obj: Any, session: Session,
                    step_number: Optional[int] = None) -> None:
  """Updates the masks if they are due.

  Call get_matrix_compression_update_op before the graph is finalized.

  Args:
    matrix_compression_obj: a Pruning object; or any object with a method
      run_update_step(session, step_number), which is then called.
    session: a session of the object's graph.
    step_number: argument of this method. A Pruning object uses the global step instead.
  """
  if hasattr(matrix_compression_obj, 'run_update_step'):
    matrix_compression_obj.run_update_step(session, step_number)
    return
  with session.graph.as_default():
    session.run(get_matrix_compression_update_op(matrix_compression_obj))
