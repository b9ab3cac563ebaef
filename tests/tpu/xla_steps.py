# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs conditional pruning steps compiled by XLA, beside the same steps with use_tpu=false.

    python -m tests.tpu.xla_steps FOLDER

A program of its own, since XLA reads once per process where to dump what it compiles. Per case it
writes FOLDER/<case>.npz, with the state after each step of both, and the HLO FOLDER/<case>.txt.
"""

import glob
import os
import shutil
import sys

import numpy as np

import model_pruning
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables

STEPS = 6
# Updates at the steps 2 and 4, of those from 0 to 5.
WHEN = ('begin_pruning_step=1,pruning_frequency=2,end_pruning_step=4,sparsity_function_end_step=4,'
        'initial_sparsity=0.5,target_sparsity=0.75,sparsity_function_exponent=1,')


def weight(shape, group=None, dtype='float32', cut=None, ties=False):
  """Says what a weight is; cut: (axis, parts); ties: whether it has few different values."""
  return dict(shape=shape, group=group, dtype=dtype, cut=cut, ties=ties)


# Per case: hyperparameters, and the weights.
CASES = {
    'mixed': ('group_pruning=true,block_dims_map=[block:4x4,tall:3x-1]', {
        'dense': weight([32, 24]), 'tied': weight([32, 24], ties=True), 'bias': weight([7]),
        'block': weight([32, 24]), 'tall': weight([1, 14, 10]),
        'first': weight([16, 8], 'both'), 'second': weight([8, 8], 'both', ties=True)}),
    'maximum': ('block_height=2,block_width=3,block_pooling_function=MAX,'
                'weight_sparsity_map=[dense:0.9]', {
                    'dense': weight([32, 24]), 'tied': weight([9, 10], ties=True)}),
    'n_of_m': ('intra_block_sparsity=true,block_dims_map=[short:1x4,middle:1x20,long:1x48]', {
        'short': weight([18, 6]), 'middle': weight([3, 3, 40, 2], ties=True),
        'long': weight([96, 3], ties=True), 'dense': weight([5, 4])}),
    'cut': ('group_pruning=true,block_dims_map=[block:4x4]', {
        'rows': weight([13, 10], cut=(0, 3), ties=True), 'columns': weight([13, 10], cut=(1, 3)),
        'tied': weight([13, 10], cut=(1, 2), ties=True), 'block': weight([13, 10], cut=(1, 2)),
        'first': weight([8, 6], 'both', cut=(1, 2)), 'second': weight([8, 6], 'both')}),
    'runs_cut': ('intra_block_sparsity=true,block_width=4', {
        'rows': weight([13, 10], cut=(0, 3), ties=True), 'columns': weight([13, 10], cut=(1, 3))}),
    'erk': ('sparsity_distribution=erk,weight_sparsity_map=[own:0.6]', {
        'dense': weight([32, 24]), 'rows': weight([64, 10], cut=(0, 3), ties=True),
        'small': weight([9, 10], ties=True), 'own': weight([8, 6])}),
    'global': ('sparsity_distribution=global,block_height=2,block_width=3', {
        'dense': weight([32, 24]), 'tied': weight([9, 10], ties=True)}),
    'half': ('', {'float16': weight([12, 10], dtype='float16'),
                  'bfloat16': weight([12, 10], dtype='bfloat16'),
                  'float64': weight([12, 10], dtype='float64')}),
    'histogram': ('threshold_method=histogram,nbins=100,group_pruning=true', {
        'dense': weight([32, 24]), 'first': weight([8, 6], 'both', cut=(0, 2)),
        'second': weight([8, 6], 'both', ties=True)}),
    'decay': ('threshold_decay=0.5', {
        'dense': weight([32, 24]), 'tied': weight([6, 5], ties=True)}),
    'first_order': ('prune_option=first_order_gradient', {
        'dense': weight([32, 24]), 'rows': weight([13, 10], cut=(0, 2))}),
    'second_order': ('prune_option=second_order_gradient,block_height=2,block_width=2', {
        'dense': weight([32, 24])}),
}
SCHEDULED = 'scheduled'


def value_of(name, like, step):
  """Draws the value of a weight at a step: another at each, which the mask has to follow."""
  rng = np.random.RandomState(len(name) + 10 * step)
  drawn = rng.randint(-3, 4, like['shape']) if like['ties'] else rng.standard_normal(like['shape'])
  return drawn.astype(np.float32)


def build(spec, weights, sparsity=None):
  """Builds weights as resource variables, and the Pruning of them."""
  tf.train.get_or_create_global_step()
  for name, like in sorted(weights.items()):
    partitioner = tf.fixed_size_partitioner(like['cut'][1], like['cut'][0]) if like['cut'] else None
    with tf.variable_scope(name, partitioner=partitioner):
      made = tf.get_variable('weights', like['shape'], tf.as_dtype(like['dtype']),
                             initializer=tf.zeros_initializer())
      model_pruning.apply_mask_with_group(made, tf.get_variable_scope(), group_name=like['group'])
  return model_pruning.Pruning(spec, sparsity=sparsity)


def run(spec, weights, compiled, sparsity=None):
  """Returns the values of all variables but the weights after each step, by name."""
  with tf.Graph().as_default(), tf.variable_scope('', use_resource=True):
    pruning = build(spec, weights, sparsity)
    if compiled:
      update = tf.xla.experimental.compile(pruning.conditional_mask_update_op)
    else:
      update = pruning.conditional_mask_update_op()
    step = tf.train.get_global_step()
    records = registry.masked_weights()
    given = [tf.placeholder(tf.float32, record.layout.shape) for record in records]
    to_step = tf.placeholder(tf.int64, [])
    assign = [tf.assign(step, to_step).op]
    for record, value in zip(records, given):
      assign += variables.assign_shards(
          record.weight, tf.split(value, record.layout.sizes, record.layout.axis))
    state = {variable.op.name: tf.cast(variable, tf.float32) for variable in tf.global_variables()
             if '/weights' not in variable.op.name}
    with tf.Session() as session:
      session.run(tf.global_variables_initializer())
      found = {}
      for index in range(STEPS):
        values = [value_of(record.name, weights[record.name.split('/')[0]], index)
                  for record in records]
        session.run(assign, dict(zip(given + [to_step], values + [index])))
        session.run(update)
        for name, value in session.run(state).items():
          found['%d/%s' % (index, name)] = value
  return found


def everything_forbidden():
  """Compiles one of each operation that no step may have."""
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.placeholder(tf.float32, [8])
    at = tf.placeholder(tf.int32, [2, 1])

    def step():
      taken = tf.gather(tf.sort(x), at)
      scattered = tf.tensor_scatter_add(x, at, [1.0, 2.0])
      mapped = tf.map_fn(lambda value: value + 1, x)
      return [tf.reduce_sum(taken), scattered, mapped, tf.random_uniform([3])]

    session.run(tf.xla.experimental.compile(step), {x: range(8), at: [[1], [4]]})


def main(folder, *wanted):
  """Compiles the wanted cases."""
  dumps = os.path.join(folder, 'dumps')
  flags = '--xla_dump_to=%s --xla_dump_hlo_as_text' % dumps
  if tf.version.VERSION.startswith('1.'):
    flags += ' --xla_cpu_enable_fast_math=false'  # The default there, and adds in any order.
  os.environ['XLA_FLAGS'] = flags
  seen = set()

  def keep_hlo(case):
    # Of many values XLA makes constants by a program too, which it may dump: that is the least.
    new = set(glob.glob(os.path.join(dumps, '*before_optimizations.txt'))) - seen
    shutil.copy(max(new, key=os.path.getsize), os.path.join(folder, case + '.txt'))
    seen.update(new)

  schedule = model_pruning.PolynomialDecay(0.5, 0.75, begin_step=1, end_step=3, frequency=2)
  cases = {case: (WHEN + options, weights, None) for case, (options, weights) in CASES.items()}
  cases[SCHEDULED] = 'target_sparsity=0.75', CASES['mixed'][1], schedule
  for case, (options, weights, sparsity) in sorted(cases.items()):
    if case not in wanted:
      continue
    if case == SCHEDULED:
      weights = {name: dict(like, group=None) for name, like in weights.items()}
    results = {}
    for use_tpu in (True, False):
      states = run('use_tpu=%s,%s' % (use_tpu, options), weights, use_tpu, sparsity)
      results.update({'%s/%s' % ('compiled' if use_tpu else 'plain', name): value
                      for name, value in states.items()})
    np.savez(os.path.join(folder, case + '.npz'), **results)
    keep_hlo(case)
  everything_forbidden()
  keep_hlo('forbidden')


if __name__ == '__main__':
  main(*sys.argv[1:])
