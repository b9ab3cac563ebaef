# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the tests need on older versions of TensorFlow 2."""

import random

import numpy as np

from model_pruning.compat import tensorflow

if tensorflow.__version__.startswith('2') and not hasattr(
    tensorflow.keras.utils, 'set_random_seed'):  # Before TensorFlow 2.7.

  def _set_random_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    tensorflow.random.set_seed(seed)

  tensorflow.keras.utils.set_random_seed = _set_random_seed
