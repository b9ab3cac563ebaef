# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
"""Distributions in a graph: exact totals on the schedule, shards, resumed runs, reports."""

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tf
from model_pruning.graph import registry
from tests import oracle

SHAPES = [(3, 3, 1, 8), (60, 40), (40, 10)]
NAMES = ['erk', 'lamp', 'global']
CLOCK = 'target_sparsity=0.97,pruning_frequency=10,sparsity_function_end_step=100,'


def part_of(value):
  """Returns an initializer of a variable, or of a part of it, with a value."""
  def initial(shape, dtype=None, partition_info=None):
    offset = partition_info.var_offset if partition_info else [0] * len(shape)
    return tf.constant(value[tuple(slice(begin, begin + int(size))
                                   for begin, size in zip(offset, shape))], dtype)
  return initial


class Run:
  """Masked weights that change a little at every step, and their updates."""

  def __init__(self, spec, partitions=None, save=None):
    rng = np.random.RandomState(4)
    self.graph = tf.Graph()
    with self.graph.as_default():
      self.step = tf.train.get_or_create_global_step()
      changes = []
      for index, shape in enumerate(SHAPES):
        value = (rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)
        partitioner = partitions and tf.fixed_size_partitioner(partitions, len(shape) - 1)
        with tf.variable_scope('w%d' % index, partitioner=partitioner):
          weight = tf.get_variable('weights', shape, initializer=part_of(value))
          model_pruning.apply_mask(weight, tf.get_variable_scope())
        changes += [tf.assign(part, part * 0.99 + 0.001).op for part in (
            weight if partitions else [weight])]
      with tf.control_dependencies(changes):
        self.train = tf.assign_add(self.step, 1).op
      self.pruning = model_pruning.Pruning(spec)
      self.update = self.pruning.conditional_mask_update_op()
      self.pruning.prepare_report()
      self.kept = [tf.concat([tf.identity(part) for part in record.mask_shards], axis=-1)
                   for record in registry.masked_weights()]
      self.saver = tf.train.Saver()
      initialize = tf.global_variables_initializer()
    self.session = tf.Session(graph=self.graph)
    self.session.run(initialize)
    if save:
      with self.graph.as_default():
        self.saver.restore(self.session, save)

  def advance(self, steps):
    """Returns the masks after each step."""
    found = []
    for _ in range(steps):
      self.session.run(self.train)
      self.session.run(self.update)
      found.append(self.session.run(self.kept))
    return found

  def report(self):
    with self.graph.as_default():
      return self.pruning.sparsity_report(self.session)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('own', ['', 'weight_sparsity_map=[w2:0.5],'])
@pytest.mark.parametrize('name', NAMES)
def test_the_total_is_exact_at_every_update(name, own):
  run = Run(CLOCK + own + 'sparsity_distribution=' + name)
  shared = [np.prod(shape) for shape in SHAPES][:2 if own else 3]
  for step, masks in enumerate(run.advance(110), 1):
    at = min(step // 10 * 10, 100)
    sparsity = 0.97 * (1 - (1 - at / 100) ** 3)
    kept = oracle.keep_count(sum(shared), sparsity) if at else sum(shared)
    assert sum(mask.sum() for mask in masks[:len(shared)]) == kept
    if own and at == 100:
      assert masks[2].mean() == 0.5
  assert len({mask.mean() for mask in masks}) == len(masks)  # And not the same everywhere.


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', NAMES)
def test_partitioned_weights_get_the_masks_of_whole_ones(name):
  spec = CLOCK + 'sparsity_distribution=' + name
  for whole, parts in zip(Run(spec).advance(40)[9::10], Run(spec, 2).advance(40)[9::10]):
    for mask, other in zip(whole, parts):
      np.testing.assert_array_equal(mask, other)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', NAMES)
def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(name, tmp_path):
  spec = CLOCK + 'threshold_decay=0.2,sparsity_distribution=' + name
  whole = Run(spec).advance(60)[-1]
  first = Run(spec)
  first.advance(25)
  with first.graph.as_default():
    path = first.saver.save(first.session, str(tmp_path / 'model.ckpt'))
  for mask, other in zip(whole, Run(spec, save=path).advance(35)[-1]):
    np.testing.assert_array_equal(mask, other)


def test_erk_smooths_the_threshold_of_each_weight():
  run = Run(CLOCK + 'threshold_decay=0.5,sparsity_distribution=erk')
  run.advance(100)
  with run.graph.as_default():
    thresholds = run.session.run(registry.get_thresholds())
  assert len(set(thresholds)) == len(SHAPES) and all(np.isfinite(thresholds))


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', NAMES)
def test_the_report_has_a_target_for_every_weight(name):
  run = Run(CLOCK + 'weight_sparsity_map=[w2:0.5],sparsity_distribution=' + name)
  run.advance(100)
  rows = run.report()
  assert not any(row.short for row in rows) and rows[2].target == 0.5
  if name == 'erk':
    sizes = [np.prod(shape) for shape in SHAPES[:2]]
    counts = oracle.erk_counts(SHAPES[:2], sizes, oracle.keep_count(sum(sizes), 0.97))
    assert [row.target for row in rows[:2]] == [
        pytest.approx(1 - count / size) for count, size in zip(counts, sizes)]
    assert [row.zeros for row in rows[:2]] == [
        size - count for count, size in zip(counts, sizes)]
  else:
    assert [row.target for row in rows[:2]] == [0.97, 0.97]
  early = Run(CLOCK + 'sparsity_distribution=' + name)
  early.advance(50)
  assert any(row.short for row in early.report())


def test_erk_in_runs_may_leave_a_weight_dense():
  run = Run('target_sparsity=0.5,pruning_frequency=1,sparsity_function_end_step=1,'
            'intra_block_sparsity=true,block_width=4,block_dims_map=[w0:1x1],'
            'sparsity_distribution=erk')
  masks = run.advance(1)[-1]
  assert masks[0].mean() == 1.0 and masks[1].mean() == 0.5
  assert not any(row.short for row in run.report())


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', NAMES)
def test_gradient_saliency_is_distributed_too(name):
  run = Run(CLOCK + 'prune_option=first_order_gradient,sparsity_distribution=' + name)
  masks = run.advance(100)[-1]
  assert sum(mask.sum() for mask in masks) == oracle.keep_count(
      sum(np.prod(shape) for shape in SHAPES), 0.97)
