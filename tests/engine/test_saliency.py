# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Saliency: scores are non-negative float32, exact where they can be."""

import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.engine import placement
from model_pruning.engine.change import gradient_magnitude
from model_pruning.engine.magnitude import magnitude


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16', 'float32', 'float64'])
def test_magnitude_is_the_absolute_value_as_float32(dtype):
  values = np.array([-2.5, -0.0, 0.0, 0.125, 3.0])
  with tf.Graph().as_default(), tf.Session() as session:
    score = session.run(magnitude(tf.constant(values, dtype=dtype)))
  assert score.dtype == np.float32
  np.testing.assert_array_equal(score, np.abs(values))
  assert not np.signbit(score).any()


def test_magnitude_keeps_denormals_and_what_is_not_finite():
  values = np.array([-1e-45, 1e-39, -np.inf, np.nan], np.float32)
  with tf.Graph().as_default(), tf.Session() as session:
    score = session.run(magnitude(tf.constant(values)))
  np.testing.assert_array_equal(score.view(np.int32) & 0x7fffffff, score.view(np.int32))
  np.testing.assert_array_equal(score.view(np.int32), np.abs(values).view(np.int32))


def test_all_nan_of_a_gpu_is_the_nan_of_a_cpu():
  of_a_gpu, others = np.array([0x7fffffff, -1], np.int64), [0x7fc00000, 0x3f800000]
  bits = np.concatenate([of_a_gpu, others]).astype(np.uint32)
  with tf.Graph().as_default(), tf.Session() as session, placement.assumed_gpu():
    score = session.run(gradient_magnitude(tf.constant(bits.view(np.float32)), tf.ones([4])))
  np.testing.assert_array_equal(score.view(np.uint32), 3 * [0x7fc00000] + [0x3f800000])
