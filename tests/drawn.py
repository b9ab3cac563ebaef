# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Arrays that hypothesis draws."""

from hypothesis import strategies as st
import numpy as np


def numbers(values, size, signed=True):
  """Returns a strategy of float32 arrays of that size: of few values, of many, and of both.

  Hypothesis draws a few of the values, and a seed that says where they stand. Drawn one by one,
  as many as a weight has are too many for it: it throws most attempts away, and takes seconds.

  Args:
    values: a strategy of floats.
    size: the number of elements.
    signed: whether the other elements, which are normally distributed, may be negative.
  """
  def array(pool, seed, share):
    random = np.random.RandomState(seed)
    many = random.standard_normal(size)
    return np.where(random.uniform(size=size) < share,
                    random.choice(np.array(pool, np.float32), size),
                    many if signed else np.abs(many)).astype(np.float32)

  return st.builds(array, st.lists(values, min_size=1, max_size=16), st.integers(0, 2**32 - 1),
                   st.sampled_from([1.0, 0.5, 0.9, 0.0]))
