# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The tool that checks that mask updates stay on a GPU: what it finds in a table of kernels.

The table here is a part of a real one. `make gpu-kernels` runs the tool itself.
"""

from unittest import mock

import numpy as np
import pytest

from model_pruning.compat import Defun
from model_pruning.compat import tf
from model_pruning.engine import placement
from tools import gpu_specs
from tools import gpu_trace
from tools import kernel_table

# As in TensorFlow 2.15.1: (dtypes of T, arguments in host memory) of the kernels for GPUs.
INT32, OTHERS = [tf.int32], [tf.float32, tf.uint32, tf.int64, tf.bool]
TABLE = {
    'GreaterEqual': [(INT32, ['x', 'y', 'z']), (OTHERS, [])],
    'Reshape': [(INT32, ['tensor', 'shape', 'output']), (OTHERS, ['shape'])],
    'Identity': [(INT32, ['input', 'output']), (OTHERS, [])],
    'Switch': [(INT32, ['data', 'pred', 'output_false', 'output_true']), (OTHERS, ['pred'])],
    'Merge': [(INT32, ['inputs', 'output', 'value_index']), (OTHERS, ['value_index'])],
    'AddN': [([tf.float32, tf.int64], [])],
    'Bitcast': [(None, [])], 'Cast': [(None, [])], 'Const': [(None, [])],
    'Fill': [(None, ['dims'])],
    'Add': [(None, [])], 'AddV2': [(None, [])],
    'Abs': [(OTHERS, [])], '_Arg': [(None, [])], '_Retval': [(None, [])],
}


class Kernel:
  """Has the attributes of a KernelDef."""

  def __init__(self, dtypes, host_memory_arg):
    self.host_memory_arg = host_memory_arg
    self.constraint = [] if dtypes is None else [mock.Mock()]
    for constraint in self.constraint:
      constraint.name = 'T'
      constraint.allowed_values.list.type = [dtype.as_datatype_enum for dtype in dtypes]


def kernels(op):
  return {'GPU': [Kernel(*each) for each in TABLE[op]]} if op in TABLE else {}


def faults(build, runs=1):
  """Returns (op, reason) of each fault of what `build` makes of 1,000 floats."""
  with tf.Graph().as_default() as graph:
    with tf.control_dependencies([build(tf.fill([1000], tf.constant(1.0)))]):
      operation = tf.no_op('all')
    run = gpu_specs.Run(graph, tf.no_op('nothing').name, [operation.name] * runs, 1000)
  with mock.patch.object(kernel_table, '_kernels', kernels):
    run.run()
    return {(fault.op, fault.reason) for fault in run.trace.faults(100)}


def test_a_comparison_of_int32_is_a_fault():
  assert faults(lambda x: tf.bitcast(x, tf.int32) >= 3) == {
      ('GreaterEqual', 'takes 1000 elements of int32 in host memory'),
      ('GreaterEqual', 'gives 1000 elements of bool in host memory')}


def test_a_comparison_of_few_int32_and_one_of_many_floats_are_none():
  assert not faults(lambda x: tf.group(
      x >= 3, tf.constant([2, 3]) >= tf.cast(tf.ones([2]), tf.int32)))


@pytest.mark.parametrize('dtype', [tf.int8, tf.float32])
def test_sums_that_the_optimizer_may_join_need_a_kernel_for_that(dtype):
  def three(x):
    x = tf.cast(x, dtype)
    return x + x + x

  reasons = {reason for _, reason in faults(three)}
  assert any('into an AddN' in reason for reason in reasons) == (dtype == tf.int8)
  assert not faults(lambda x: tf.cast(x, dtype) + tf.cast(x, dtype))


def test_an_operation_without_a_kernel_is_a_fault_in_a_function_and_if_it_is_large():
  assert faults(lambda x: tf.atan(x)) == {('Atan', 'runs on the CPU with a large tensor')}
  assert not faults(lambda x: tf.atan(tf.constant(1.0)))

  @Defun(tf.float32)
  def body(x):
    with tf.control_dependencies([tf.atan(tf.constant([1.0]))]):
      return tf.abs(x)

  assert faults(body) == {('Atan', 'no kernel for GPUs with float32, float32')}


def test_arguments_of_functions_are_on_the_host_if_they_are_int32():
  @Defun(tf.int32, noinline=True, func_name='named')
  def body(x):
    return tf.bitcast(x, tf.float32)

  assert ('named', 'takes 1000 elements of int32 in host memory') in faults(
      lambda x: body(tf.bitcast(x, tf.int32)))
  floats = Defun(tf.float32, noinline=True, func_name='floats')(lambda x: tf.abs(x))
  assert not faults(floats)


def test_what_runs_in_a_function_is_found_there():
  @Defun(tf.float32, noinline=True)
  def body(x):
    return tf.reshape(tf.bitcast(x, tf.int32), [10, 100]) >= 1

  found = faults(body)
  assert ('Reshape', 'gives 1000 elements of int32 in host memory') in found
  assert ('GreaterEqual', 'gives 1000 elements of bool in host memory') in found


@pytest.mark.parametrize('dtype', [tf.int32, tf.float32])
def test_conditionals_move_int32_to_the_host(dtype):
  def build(x):
    value = tf.bitcast(x, dtype) if dtype != tf.float32 else x
    return tf.cond(tf.placeholder_with_default(True, []), lambda: tf.identity(value),
                   lambda: value)

  found = {op for op, _ in faults(build)}
  assert ({'Switch', 'Merge'} <= found) if dtype == tf.int32 else not found


def test_all_updates_run_and_are_named():
  assert len(gpu_specs.SPECS) >= 8 and len(gpu_specs.KERAS_SPECS) >= 8
  with placement.assumed_gpu():
    run = gpu_specs.graph_update('', [(40, 30)], gpu_specs.tied)
  run.run()
  assert {'TopKV2', 'GatherV2', 'GreaterEqual'} <= run.trace.ops()
  assert run.size == 1200 and np.prod(gpu_specs.SHAPES['large'][0]) > 2 << 20


def test_the_names_of_nodes_in_functions_become_unique():
  with tf.Graph().as_default() as graph:
    for name in ('first', 'second'):
      Defun(tf.float32, func_name=name)(lambda x: tf.abs(x, name='same'))(tf.ones([3]))
  library = gpu_trace.Trace(graph.as_graph_def()).graph_def.library
  names = [node.name for function in library.function for node in function.node_def]
  assert len(names) == len(set(names)) and sum('.same' in name for name in names) == 2
