# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Many small weights chosen at once: the masks and thresholds of each weight alone."""

import functools

import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.engine import batches
from model_pruning.engine import requests as requests_lib
from model_pruning.engine import selection
from model_pruning.engine.layout import Layout
from model_pruning.engine.patterns import pattern_for
from model_pruning.hparams.spec import PruningSpec
from tests import oracle

# Rows that are sorted, rows that are counted, and sizes on both sides of each border.
SIZES = [(1,), (7,), (64,), (64,), (3, 5), (33, 31), (2048,), (2049,), (64, 64), (64, 64), (90, 91),
         (1 << 16,), ((1 << 16) + 1,)]
KINDS = ['normal', 'ties', 'zeros', 'close', 'strange']
STRANGE = np.array([0, np.nan, np.inf, 1e-45, 1e-40, 1, np.float32(1) + np.float32(2e-7)],
                   np.float32)


def weight(shape, kind, seed):
  rng = np.random.RandomState(seed)
  if kind == 'strange':
    return (rng.choice(STRANGE, shape) * rng.choice([-1, 1], shape)).astype(np.float32)
  if kind == 'close':  # They differ in the last bits.
    return (1 + rng.randint(5000, size=shape) * np.float32(2) ** -23).astype(np.float32)
  values = rng.standard_normal(shape)
  if kind == 'ties':
    values = np.round(values)
  if kind == 'zeros':
    values *= rng.uniform(size=shape) < 0.1
  return values.astype(np.float32)


def requests_for(weights, sparsities, spec, previous=0.0, dims=(1, 1)):
  """Returns a request per weight; the weights are arrays or tensors of known shapes."""
  shared = {value: tf.constant(value, tf.float32) for value in set(sparsities)}
  requests = []
  for index, values in enumerate(map(tf.convert_to_tensor, weights)):
    layout = Layout.whole(tuple(values.shape.as_list()))
    pattern = pattern_for(layout.shape, dims, spec)
    signs_matter = dims != (1, 1) or not requests_lib.takes(layout, pattern, spec, values)
    requests.append(requests_lib.Request(
        layout, pattern, [pattern.pool([tf.abs(values) if signs_matter else values], layout)],
        shared[sparsities[index % len(sparsities)]], tf.constant(previous * (1 + index))))
  return requests


def each(weights, sparsities, spec, **options):
  """Returns [(threshold, mask over the units)] as batches choose them."""
  run = selecting_each(tuple(values.shape for values in weights), sparsities, spec,
                       **options)
  return run(*weights)


# Building graphs takes longer than all else here.
@functools.lru_cache(maxsize=None)
def selecting_each(shapes, sparsities, spec, **options):
  """Returns a function of weights that gives the thresholds and masks of batches, in one graph."""
  with tf.Graph().as_default() as graph:
    fed = [tf.placeholder(tf.float32, shape) for shape in shapes]
    chosen = batches.select_each(requests_for(fed, sparsities, spec, **options), spec)
  return tf.Session(graph=graph).make_callable(
      [(one.threshold, one.masks[0][0]) for one in chosen], fed)


def alone(weights, sparsities, spec, previous=0.0):
  """Returns the same of selection.select, weight after weight."""
  found = []
  for index, values in enumerate(weights):
    run = selecting(values.size, spec.threshold_decay)
    threshold, mask = run(np.abs(values).reshape(1, -1), sparsities[index % len(sparsities)],
                          previous * (1 + index))
    found.append((threshold, mask.reshape(values.shape)))
  return found


@functools.lru_cache(maxsize=None)
def selecting(size, decay):
  """Returns a function of scores, sparsity and previous threshold: selection.select in a graph."""
  with tf.Graph().as_default() as graph:
    fed = [tf.placeholder(tf.float32, shape) for shape in ([1, size], [], [])]
    chosen = selection.select([[fed[0]]], fed[1], fed[2], decay)
  return tf.Session(graph=graph).make_callable((chosen.threshold, chosen.masks[0][0]), fed)


@pytest.mark.sampled(1)
@pytest.mark.parametrize('sparsities', [(0.9,), (0.0, 0.5, 0.99)], ids=['one', 'several'])
@pytest.mark.parametrize('kind', KINDS)
def test_each_weight_has_the_mask_and_the_threshold_it_has_alone(kind, sparsities):
  weights = [weight(shape, kind, seed) for seed, shape in enumerate(SIZES)]
  spec = PruningSpec(threshold_decay=0.0)
  for values, (threshold, mask), (expected, kept) in zip(
      weights, each(weights, sparsities, spec), alone(weights, sparsities, spec)):
    assert threshold.tobytes() == expected.tobytes()
    np.testing.assert_array_equal(np.reshape(mask, values.shape), kept)


@pytest.mark.parametrize('kind', ['normal', 'ties', 'zeros', 'close'])
def test_exactly_k_are_kept_and_the_first_of_equal_ones(kind):
  weights = [weight(shape, kind, seed) for seed, shape in enumerate(SIZES)]
  sparsities = (0.9, 0.75)
  for index, (_, mask) in enumerate(each(weights, sparsities, PruningSpec(threshold_decay=0.0))):
    values = weights[index]
    keep = oracle.keep_count(values.size, sparsities[index % 2])
    expected = oracle.unit_mask(np.abs(values).reshape(1, -1), keep)
    np.testing.assert_array_equal(mask.ravel(), expected.ravel())


@pytest.mark.parametrize('previous', [0.01, 100.0])
def test_decay_mixes_in_the_threshold_of_each_weight(previous):
  weights = [weight(shape, 'normal', seed) for seed, shape in enumerate(SIZES)]
  spec = PruningSpec(threshold_decay=0.3)
  for (threshold, mask), (expected, kept) in zip(
      each(weights, (0.9, 0.5), spec, previous=previous),
      alone(weights, (0.9, 0.5), spec, previous=previous)):
    assert threshold.tobytes() == expected.tobytes()
    np.testing.assert_array_equal(mask.ravel(), kept.ravel())
    assert mask.any()


@pytest.mark.parametrize('pooling', ['AVG', 'MAX'])
def test_blocks_of_small_weights(pooling):
  weights = [weight(shape, 'normal', seed) for seed, shape in enumerate([(8, 8), (9, 7), (64, 64)])]
  spec = PruningSpec(threshold_decay=0.0, block_height=2, block_width=3,
                     block_pooling_function=pooling)
  for values, (_, mask) in zip(weights, each(weights, (0.5,), spec, dims=(2, 3))):
    scores, _ = oracle.unit_scores(np.abs(values), (2, 3), pooling)
    np.testing.assert_array_equal(
        mask, oracle.unit_mask(scores, oracle.keep_count(scores.size, 0.5)))


def test_masks_have_the_requested_dtype():
  spec = PruningSpec(threshold_decay=0.0)
  with tf.Graph().as_default():
    small, large = batches.select_each(requests_for(
        [weight((4,), 'normal', 0), weight((requests_lib.LARGEST + 1,), 'normal', 1)], (0.5,),
        spec),
        spec, tf.float16)
    assert small.masks[0][0].dtype == tf.float16
    assert large.masks[0][0].dtype == tf.bool


def test_an_update_of_many_small_weights_has_few_operations_per_weight():
  def operations(number):
    with tf.Graph().as_default() as graph:
      weights = [weight((8, 8), 'normal', seed) for seed in range(number)]
      requests = requests_for(weights, (0.5,), PruningSpec(threshold_decay=0.0))
      before = len(graph.get_operations())
      batches.select_each(requests, PruningSpec(threshold_decay=0.0))
      return len(graph.get_operations()) - before

  assert operations(100) - operations(10) < 90


GROUPS = [[(7,), (3, 5), (64,)], [(33, 31), (1,)], [(90, 91), (64, 64)], [(1 << 16,), (2,)]]


@functools.lru_cache(maxsize=None)
def selecting_groups(decay):
  """Returns a function from weights for GROUPS to the results of batches and of selection."""
  spec = PruningSpec.create('threshold_decay=%g' % decay)
  with tf.Graph().as_default() as graph:
    fed = [[tf.placeholder(tf.float32, shape) for shape in shapes] for shapes in GROUPS]
    requests = []
    for members in fed:
      layout = Layout.whole(tuple(members[0].shape.as_list()))
      requests.append(requests_lib.Request(
          layout, pattern_for(layout.shape, (1, 1), spec), [[member] for member in members],
          tf.constant(0.6), tf.constant(0.1)))
    together = batches.select_each(requests, spec)  # The last is too large for a row.
    alone = [selection.select(request.pooled, request.sparsity, request.previous_threshold, decay)
             for request in requests]
  return tf.Session(graph=graph).make_callable(list(zip(together, alone)), sum(fed, []))


@pytest.mark.sampled(1)
@pytest.mark.parametrize('decay', [0.0, 0.3])
@pytest.mark.parametrize('kind', KINDS)
def test_small_weights_under_one_threshold_are_selected_as_one_row(kind, decay):
  values = [np.abs(weight(shape, kind, seed)) for shapes in GROUPS
            for seed, shape in enumerate(shapes)]
  for ours, theirs in selecting_groups(decay)(*values):
    np.testing.assert_array_equal(np.float32(ours.threshold).view(np.int32).ravel(),
                                  np.float32(theirs.threshold).view(np.int32).ravel())
    for mask, expected in zip(ours.masks, theirs.masks):
      np.testing.assert_array_equal(mask[0], expected[0])


def test_only_few_units_on_one_device_are_joined():
  def joins(shapes, devices=('', ''), spec=''):
    with tf.Graph().as_default() as graph:
      pooled = []
      for shape, device in zip(shapes, devices):
        with tf.device(device):
          pooled.append([tf.zeros(shape)])
      spec = PruningSpec.create(spec)
      layout = Layout.whole(shapes[0])
      batches.select_each([requests_lib.Request(
          layout, pattern_for(shapes[0], (1, 1), spec), pooled, tf.constant(0.5),
          tf.constant(0.0))], spec)
      units = sum(int(np.prod(shape)) for shape in shapes)
      return any(op.type == 'ConcatV2' and op.outputs[0].shape.as_list() == [units]
                 for op in graph.get_operations())

  assert joins([(8, 8), (4, 4)])
  assert not joins([(8, 8), (256, 256)])
  assert not joins([(8, 8), (4, 4)], ('/job:ps/task:0', '/job:ps/task:1'))
  assert not joins([(8, 8), (4, 4)], spec='threshold_method=histogram')
  assert not joins([(8, 8), (4, 4)], spec='use_tpu=true')
