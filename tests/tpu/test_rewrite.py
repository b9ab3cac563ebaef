# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What tf.tpu.rewrite makes of a conditional pruning step, as far as it goes without a TPU."""

import pytest

from model_pruning.compat import tf
from tests.tpu import xla_steps

# Those that XLA could take, but that are not for TPUs; and calls, which it would not look into.
FORBIDDEN = ('Gather', 'Scatter', 'TopK', 'Sort', 'Unique', 'Where', 'Bincount', 'TensorArray',
             'TensorList', 'pruning_body', 'PyFunc', 'DynamicStitch')
REPLICATED = '_tpu_replicate'


def computation(graph):
  """Returns the operations of what a TPU would run."""
  return [operation for operation in graph.get_operations()
          if REPLICATED in operation.node_def.attr]


@pytest.mark.sampled(2)
@pytest.mark.parametrize('case', sorted(xla_steps.CASES))
def test_the_step_is_one_computation_of_static_shapes_on_resource_variables(control_flow, case):
  options, weights = xla_steps.CASES[case]
  with tf.Graph().as_default() as graph, tf.variable_scope('', use_resource=True):
    pruning = xla_steps.build('use_tpu=true,' + xla_steps.WHEN + options, weights)
    tf.tpu.rewrite(lambda: pruning.conditional_mask_update_op())
  replicated = computation(graph)
  written = {_origin(operation.inputs[0]).name for operation in replicated
             if operation.type == 'AssignVariableOp'}
  variables = {variable.op.name for kind in ('masks', 'thresholds')
               for variable in _parts(graph.get_collection(kind))}
  assert written >= variables | {'model_pruning/last_mask_update_step'}
  for operation in replicated:
    tensors = list(operation.inputs) + list(operation.outputs)
    assert not any(tensor.dtype._is_ref_dtype for tensor in tensors), operation.name
    assert all(tensor.shape.is_fully_defined() for tensor in operation.outputs
               if tensor.dtype != tf.resource), operation.name
    assert not operation.type.startswith(FORBIDDEN), operation.name


def _origin(handle):
  """Returns the operation that makes the handle that conditionals pass on."""
  while handle.op.type != 'VarHandleOp':
    handle = handle.op.inputs[0]
  return handle.op


def _parts(variables):
  for variable in variables:
    yield from variable if hasattr(variable, '_get_variable_list') else [variable]


def test_what_is_not_for_tpus_is_found():
  with tf.Graph().as_default() as graph, tf.variable_scope('', use_resource=True):
    pruning = xla_steps.build(xla_steps.WHEN, xla_steps.CASES['decay'][1])
    tf.tpu.rewrite(lambda: pruning.conditional_mask_update_op())
  assert any(operation.type.startswith(FORBIDDEN) for operation in computation(graph))
