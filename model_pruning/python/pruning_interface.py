# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python import pruning_interface`, as code for the research branch has it.

Of the two things there, pruning and low-rank compression, only pruning: a spec with
prune_option=compression is refused.
"""

from typing import Any, Callable, Optional

from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.hparams.spec import PruningSpec
from model_pruning.python.pruning import Pruning

# Where the research branch collected the updates of its compression. Empty here.
UPDATE_OP_COLLECTION = 'update_op'


def get_matrix_compression_object(hparams: Any, global_step: Any = None,
                                  sparsity: Any = None) -> Pruning:
  """Returns Pruning(hparams, global_step, sparsity)."""
  return Pruning(hparams, global_step, sparsity)


def apply_matrix_compression(matrix_compression_obj: Pruning, weight: Any, scope: Any = '') -> Any:
  """Returns the masked weight; see apply_mask."""
  return matrix_compression_obj.apply_mask(weight, scope)


def apply_pruning(pruning_obj: Pruning, pruning_hparams: Any, weight_params_fn: Callable[..., Any],
                  weight_init_obj: Any, lstmobj: Any, wm_pc: Any, dtype: Any) -> Pruning:
  """Gives an LSTM cell of lingvo a mask and a threshold, and registers its weight `wm`.

  The cell multiplies them by itself.

  Args:
    pruning_obj: is returned as it is.
    pruning_hparams: HParams, which are checked.
    weight_params_fn: lingvo's constructor of parameters: (shape, init, dtype).
    weight_init_obj: lingvo's initializers; its Constant(value) is used.
    lstmobj: the cell; has CreateVariable, and the variables made in `vars`.
    wm_pc: the parameters of the weight; has its shape.
    dtype: that of the weight.
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


def get_pruning_update(pruning_obj: Pruning, pruning_hparams: Any) -> Any:
  """Returns the conditional mask update of `pruning_obj`; pruning_hparams are checked."""
  PruningSpec.create(pruning_hparams)
  return pruning_obj.conditional_mask_update_op()


def get_matrix_compression_update_op(matrix_compression_obj: Pruning) -> Any:
  """Returns the conditional mask update of a Pruning object."""
  return matrix_compression_obj.conditional_mask_update_op()


def run_update_step(matrix_compression_obj: Any, session: Any,
                    step_number: Optional[int] = None) -> None:
  """Updates the masks if they are due.

  In a finalized graph get_matrix_compression_update_op must have been called before.

  Args:
    matrix_compression_obj: a Pruning object; or any with a method
      run_update_step(session, step_number), which is then called.
    session: of the graph of the object.
    step_number: for such a method. A Pruning object goes by the global step.
  """
  if hasattr(matrix_compression_obj, 'run_update_step'):
    matrix_compression_obj.run_update_step(session, step_number)
    return
  with session.graph.as_default():
    session.run(get_matrix_compression_update_op(matrix_compression_obj))
