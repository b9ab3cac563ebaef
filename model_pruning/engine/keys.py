# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Compares and adds up keys, the bit patterns of scores, without taking them off a GPU.

Non-negative float32 values have the same order as their bit patterns read as integers, their
*keys*. Keys, unlike floats, also rank NaN above infinity and distinguish denormals from zero where
the processor flushes them, and they do so on every device.

TensorFlow's kernels for GPUs take most int32 tensors from host memory and leave the result there:
arithmetic, comparisons, reshapes, slices, sums, conditionals and loops, arguments of functions. So
keys travel as the float32 scores that they are, and turn into integers only where bits matter: into
int32 to shift, xor and count them, which kernels do on the GPU; into uint32 to compare them.
tools/gpu_kernels.py checks this. All functions take keys as float32 or as int32.
"""

import functools
from typing import Optional

from model_pruning.compat import has_kernel
from model_pruning.compat import tf
from model_pruning.engine.placement import on_gpu
from model_pruning.util.types import DType
from model_pruning.util.types import Tensor

INFINITY = 0x7f800000  # The key of infinity; the keys of NaN are larger.


def bits(keys: Tensor) -> Tensor:
  """Returns keys as int32, to shift, xor and count them."""
  return keys if keys.dtype == tf.int32 else tf.bitcast(keys, tf.int32)


def ordered(keys: Tensor) -> Tensor:
  """Returns keys as integers, to compare them with one another: the same type on one device."""
  if _compares_uint32():
    return tf.bitcast(keys, tf.uint32)
  return tf.cast(bits(keys), summed_dtype(keys))


def reach(keys: Tensor, key: Tensor) -> Tensor:
  """Returns whether keys are at least `key`; bool, as all comparisons.

  Args:
    keys: a tensor of keys.
    key: another one that can be broadcast, for example a scalar int32.
  """
  return ordered(keys) >= _like(keys, key)


def exceed(keys: Tensor, key: Tensor) -> Tensor:
  """Returns whether keys are greater than `key`."""
  return ordered(keys) > _like(keys, key)


def equal(keys: Tensor, key: Tensor) -> Tensor:
  """Returns whether keys are equal to `key`."""
  return tf.equal(ordered(keys), _like(keys, key))


def _like(keys: Tensor, key: Tensor) -> Tensor:
  """Returns a key as the integers into which `ordered` turns the keys."""
  if isinstance(key, int):
    return tf.constant(key, tf.uint32 if _compares_uint32() else summed_dtype(keys))
  if _compares_uint32():
    return tf.bitcast(key, tf.uint32)
  return tf.cast(bits(key), summed_dtype(keys))


def is_finite(keys: Tensor) -> Tensor:
  """Returns, for every key, whether its score is finite; bool."""
  return ordered(keys) < _like(keys, INFINITY)


def largest(keys: Tensor, axis: Optional[object] = None) -> Tensor:
  """Returns the largest keys over axes, by default all, as int32."""
  return tf.cast(tf.reduce_max(tf.cast(bits(keys), summed_dtype(keys)), axis=axis), tf.int32)


def largest_finite(keys: Tensor) -> Tensor:
  """Returns the largest of the keys of finite scores, an int32 scalar; 0 if there are none."""
  return largest(tf.where(is_finite(keys), keys, tf.zeros_like(keys)))


def summed_dtype(keys: Tensor) -> DType:
  """Returns the integers to add up, or find the maximum of, as many as `keys` where they are.

  On a GPU int64, because kernels for int32 would work on the host.
  """
  return tf.int64 if on_gpu(keys) else tf.int32


def count(flags: Tensor, axis: Optional[object] = None, keepdims: bool = False) -> Tensor:
  """Returns how many of bool tensors are true over axes, by default all; of summed_dtype."""
  return tf.reduce_sum(tf.cast(flags, summed_dtype(flags)), axis=axis, keepdims=keepdims)


@functools.lru_cache(maxsize=None)
def _compares_uint32() -> bool:
  """Whether this TensorFlow can compare uint32; 1.15 cannot."""
  return all(has_kernel(op, tf.uint32) for op in ('GreaterEqual', 'Greater', 'Less', 'Equal',
                                                  'Maximum', 'Minimum', 'Pack'))
