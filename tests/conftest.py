# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the tests share."""

import os

import pytest

# Read when TensorFlow is imported: leave out what it says about the processor.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')


@pytest.fixture(params=['control_flow_v1', 'control_flow_v2'])
def control_flow(request):
  """Runs a test with both kinds of tf.cond and tf.while_loop that graphs can have."""
  from model_pruning.compat import tf
  enabled = tf.control_flow_v2_enabled()
  if request.param == 'control_flow_v2':
    tf.enable_control_flow_v2()
  else:
    tf.disable_control_flow_v2()
  yield request.param
  if enabled:
    tf.enable_control_flow_v2()
  else:
    tf.disable_control_flow_v2()
