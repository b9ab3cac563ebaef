# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""How much each weight matters: weight -> score.

A score is a non-negative float32; the lowest are pruned first.
"""

from typing import Any

from model_pruning.compat import tf


def magnitude(weight: Any) -> Any:
  """Returns |weight|, the saliency of Han et al. (2015), as float32 of the same shape.

  float16 and bfloat16 widen exactly. float64 is rounded, so weights that agree
  to 24 bits tie, and ties are kept in index order.

  Args:
    weight: a real floating tensor: one read of a weight, or of a shard of one.
  """
  return tf.abs(tf.cast(weight, tf.float32))
