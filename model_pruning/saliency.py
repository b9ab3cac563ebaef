# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""How much each weight matters: weight -> score.

A score is a non-negative float32; the lowest are pruned first.

Gradient saliency is that of Google's research branch of model_pruning, which
took the change of a weight between two updates for its gradient:

    score = |weight| * gradient
    gradient <- decay * gradient + (1 - decay) * change / (l2 norm of change)

with change = |w - old_w| (first order) or |w + old_old_w - 2 old_w| (second).
"""

from typing import Any, Sequence

import numpy as np

from model_pruning.compat import tf


def magnitude(weight: Any) -> Any:
  """Returns |weight|, the saliency of Han et al. (2015), as float32 of the same shape.

  float16 and bfloat16 widen exactly. float64 is rounded, so weights that agree
  to 24 bits tie, and ties are kept in index order.

  Args:
    weight: a real floating tensor: one read of a weight, or of a shard of one.
  """
  return tf.abs(tf.cast(weight, tf.float32))


def gradient_magnitude(weight: Any, gradient: Any) -> Any:
  """Returns |weight| * gradient as float32: of two weights alike, the one that moves matters more.

  Args:
    weight: as in magnitude.
    gradient: non-negative float32 of the same shape, what average_change keeps.
  """
  # abs is for the sign of NaN, which a product of infinity and zero may have.
  return tf.abs(magnitude(weight) * gradient)


def first_order_change(weight: Any, old_weight: Any) -> Any:
  """Returns |weight - old_weight|, what stands in for the gradient, all float32."""
  return tf.abs(weight - old_weight)


def second_order_change(weight: Any, old_weight: Any, old_old_weight: Any) -> Any:
  """Returns |weight + old_old_weight - 2 old_weight|, the second difference, all float32."""
  return tf.abs(weight + old_old_weight - 2 * old_weight)


def sum_of_squares(change: Any) -> Any:
  """Returns the float64 sum of the squares of one shard's changes.

  In float64 squares of float32 are exact, and sums in any order, and over any
  shards, agree to far more digits than are kept in the end.
  """
  return tf.reduce_sum(tf.square(tf.cast(change, tf.float64)))


def inverse_norm(sums_of_squares: Sequence[Any]) -> Any:
  """Returns 1 / (l2 norm) as a float32 scalar, from sum_of_squares of every shard.

  As in tf.nn.l2_normalize, a norm is taken to be 1e-6 at least.
  """
  total = tf.maximum(tf.add_n(list(sums_of_squares)), tf.constant(1e-12, tf.float64))
  return tf.cast(1 / tf.sqrt(total), tf.float32)


def average_change(gradient: Any, change: Any, inverse_norm_of_change: Any, decay: float) -> Any:
  """Returns decay * gradient + (1 - decay) * change / (its l2 norm over the whole weight)."""
  return gradient * np.float32(decay) + change * inverse_norm_of_change * np.float32(1 - decay)
