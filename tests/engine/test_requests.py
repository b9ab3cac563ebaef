# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which weights are selected together with others, on a CPU and on a GPU."""

import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.engine import gpu_batches
from model_pruning.engine import placement
from model_pruning.engine import requests as requests_lib
from model_pruning.engine.layout import Layout
from model_pruning.engine.patterns import pattern_for
from model_pruning.engine.selection import Selection
from model_pruning.hparams.spec import PruningSpec

EXACT = PruningSpec(threshold_decay=0.0)


def takes(shape, gpu, spec=EXACT, dims=(1, 1), function=requests_lib.takes):
  with tf.Graph().as_default(), placement.assumed_gpu(gpu):
    return function(Layout.whole(shape), pattern_for(shape, dims, spec), spec,
                    tf.placeholder(tf.float32, shape))


@pytest.mark.parametrize('shape, on_cpu, on_gpu', [
    ((4,), True, True), ((0,), False, False), ((requests_lib.LARGEST + 1,), False, True),
    ((gpu_batches.LARGEST,), False, True), ((gpu_batches.LARGEST + 1,), False, False)])
def test_a_gpu_takes_larger_weights(shape, on_cpu, on_gpu):
  assert takes(shape, False) == on_cpu and takes(shape, True) == on_gpu


@pytest.mark.parametrize('gpu', [False, True])
def test_estimates_and_tpus_are_for_single_weights(gpu):
  assert takes((4,), gpu, PruningSpec(threshold_decay=0.3))
  for spec in (PruningSpec(threshold_method='histogram'), PruningSpec(use_tpu=True)):
    assert not takes((4,), gpu, spec)


def test_a_gpu_takes_runs_together_unless_a_shorter_one_is_left():
  spec = PruningSpec(intra_block_sparsity=True, block_width=4)
  for shape, gpu, expected in (((8, 3), True, True), ((8, 3), False, False),
                               ((6, 3), True, False), ((3, 3, 8, 2), True, True)):
    assert takes(shape, gpu, spec, (1, 4), requests_lib.takes_runs) == expected
  assert not takes((8, 3), True, EXACT, (1, 1), requests_lib.takes_runs)


@pytest.mark.parametrize('gpu', [False, True])
def test_weights_under_one_threshold_are_joined_and_come_apart(gpu):
  shapes = [(2, 3), (4,)]
  values = [np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(6, 10, dtype=np.float32)]
  with tf.Graph().as_default(), placement.assumed_gpu(gpu), tf.Session() as session:
    layout = Layout.whole(shapes[0])
    request = requests_lib.Request(layout, pattern_for(shapes[0], (1, 1), EXACT),
                                   [[tf.constant(value)] for value in values], tf.constant(0.5),
                                   tf.constant(0.0))
    joined = requests_lib.joined(request, EXACT)
    (units,), = joined.pooled
    apart = requests_lib.apart(request, Selection(tf.constant(1.0), [[units > 4]]))
    np.testing.assert_array_equal(session.run(units), np.arange(10))
    for value, (mask,) in zip(values, session.run(apart.masks)):
      np.testing.assert_array_equal(mask, value > 4)
