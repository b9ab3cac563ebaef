# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The operations that are chosen for weights on a GPU choose the same masks as those for a CPU.

They run on the GPU of the machine if it has one, and otherwise on the CPU. tools/gpu_kernels.py
shows that they stay on a GPU.
"""

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tf
from model_pruning.engine import counting
from model_pruning.engine import keys
from model_pruning.engine import magnitude
from model_pruning.engine import placement
from tests import legs

SPECS = {
    'elementwise': '',
    'few': 'initial_sparsity=0.98,target_sparsity=0.98',
    'mean': 'block_height=4,block_width=3',
    'maximum': 'block_height=3,block_width=2,block_pooling_function=MAX',
    '2 of 4': 'intra_block_sparsity=true,block_width=4',
    '8 of 16': 'intra_block_sparsity=true,block_width=16',
    '20 of 40': 'intra_block_sparsity=true,block_width=40',
    'first order': 'prune_option=first_order_gradient',
    'second order': 'prune_option=second_order_gradient',
    'decay': 'threshold_decay=0.5',
    'histogram': 'threshold_method=histogram',
    'histogram, decay': 'threshold_method=histogram,threshold_decay=0.3',
    'global': 'sparsity_distribution=global',
    'lamp': 'sparsity_distribution=lamp',
    'erk': 'sparsity_distribution=erk',
}
SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, -1e-40, 1.1754944e-38, 3.4e38, 0.5, -0.5]


def values(kind, shape, seed):
  random = np.random.RandomState(seed)
  normal = random.standard_normal(shape).astype(np.float32)
  if kind == 'tied':
    return np.round(normal)
  if kind == 'special':
    return np.where(random.uniform(size=shape) < 0.4,
                    random.choice(np.array(SPECIAL, np.float32), shape), normal)
  if kind == 'denormal':
    return (normal * np.float32(1e-39)).astype(np.float32)
  return normal


def update(hparams, weights, gpu, parts=1):
  """Returns the masks and thresholds after two updates of weights that are pruned together."""
  option = hparams.partition('prune_option=')[2] or 'weight'
  device = None if gpu else '/CPU:0'
  with tf.Graph().as_default(), tf.device(device), placement.assumed_gpu(gpu):
    tf.train.get_or_create_global_step()
    partitioner = tf.fixed_size_partitioner(parts, axis=1) if parts > 1 else None
    variables, values_of = [], []
    for index, value in enumerate(weights):
      with tf.variable_scope('layer%d' % index, partitioner=partitioner):
        weight = tf.get_variable('weights', value.shape)
        variables.append(weight)
        model_pruning.apply_mask(weight, prune_option=option)
    if 'target_sparsity' not in hparams:
      hparams = 'initial_sparsity=0.6,target_sparsity=0.6,' + hparams
    update_masks = model_pruning.Pruning(hparams).mask_update_op()
    for variable, value in zip(variables, weights):
      shards = list(variable) if parts > 1 else [variable]
      cuts = np.cumsum([shard.shape.as_list()[-1] for shard in shards])[:-1]
      values_of.extend(zip(shards, np.split(value, cuts, axis=-1)))
    inputs = [tf.placeholder(tf.float32, value.shape) for _, value in values_of]
    assign = [tf.assign(shard, each) for (shard, _), each in zip(values_of, inputs)]
    with tf.Session() as session:
      session.run(tf.global_variables_initializer())
      session.run(assign, dict(zip(inputs, (value for _, value in values_of))))
      session.run(update_masks)
      session.run(assign, dict(zip(inputs, (-value for _, value in values_of))))
      session.run(update_masks)
      return session.run([tf.convert_to_tensor(each) for each in (
          *model_pruning.get_masks(), *model_pruning.get_thresholds())])


def check_same(hparams, weights, **options):
  for one, other in zip(*(update(hparams, weights, gpu, **options) for gpu in (False, True))):
    np.testing.assert_array_equal(one.view(np.int32), other.view(np.int32))


@pytest.mark.sampled(4)
@pytest.mark.parametrize('name, kind', legs.few(
    [(name, kind) for name in sorted(SPECS) for kind in ('normal', 'tied', 'special', 'denormal')],
    16))
def test_a_gpu_chooses_the_same_masks(name, kind):
  check_same(SPECS[name], [values(kind, (61, 83), 0), values(kind, (50, 100), 1)])


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name, kind', legs.few(
    [(name, kind) for name in ('elementwise', 'mean', '2 of 4', 'decay', 'lamp')
     for kind in ('tied', 'special')], 5))
def test_a_gpu_chooses_the_same_masks_of_parts(name, kind):
  check_same(SPECS[name], [values(kind, (61, 83), 0), values(kind, (50, 100), 1)], parts=3)


@pytest.mark.sampled(3)
@pytest.mark.parametrize('name', ['2 of 4', '8 of 16'])
@pytest.mark.parametrize('kind', ['normal', 'tied', 'special'])
def test_a_gpu_takes_whole_runs_of_many_weights_together(name, kind):
  shapes = [(64, 3), (16, 1), (3, 2, 32, 5), (50, 4)]  # The last has shorter runs.
  check_same(SPECS[name], [values(kind, shape, seed) for seed, shape in enumerate(shapes)])


@pytest.mark.sampled(2)
@pytest.mark.slow
@pytest.mark.parametrize('name, kind', legs.few(
    [(name, kind) for name in ('elementwise', 'histogram', 'lamp') for kind in ('normal', 'tied')],
    3))
def test_weights_that_a_cpu_counts_in_pieces_get_the_same_masks(name, kind):
  shape = (3, counting.CHUNK - 1000)
  check_same(SPECS[name], [values(kind, shape, 0), values(kind, (70, 80), 1)])


def test_only_a_cpu_counts_in_pieces():
  default = 0 if tf.config.experimental.list_physical_devices('GPU') else 2
  with tf.Graph().as_default():
    for device, pieces in (('/cpu:0', 2), ('/job:worker/task:1/gpu:0', 0), ('', default)):
      with tf.device(device):
        assert counting.chunks_of(tf.zeros([2 * counting.CHUNK])) == pieces
    with placement.assumed_gpu():
      assert not counting.chunks_of(tf.zeros([2 * counting.CHUNK]))


@pytest.mark.parametrize('gpu', [False, True])
def test_magnitudes_on_a_gpu_are_bits_because_abs_takes_denormals_for_zero_there(gpu):
  with tf.Graph().as_default() as graph, tf.Session() as session, placement.assumed_gpu(gpu):
    scores = magnitude.magnitude(tf.constant(SPECIAL, tf.float32))
    assert ('Abs' in {op.type for op in graph.get_operations()}) != gpu
    expected = np.abs(np.array(SPECIAL, np.float32)).view(np.int32)
    np.testing.assert_array_equal(session.run(scores).view(np.int32), expected)


def _dtype(x):
  return tf.cast(keys.count(x > 0), tf.float32) + (1.0 if placement.on_gpu(x) else 0.0)


def test_the_body_of_a_function_is_built_for_the_device_of_its_caller():
  with tf.Graph().as_default(), tf.Session(
      config=tf.ConfigProto(allow_soft_placement=True)) as session:
    results = []
    for device in ('/cpu:0', '/gpu:0', '/cpu:0'):
      with tf.device(device):
        results.append(placement.outlined(_dtype, tf.constant([1.0, -1.0])))
    assert results[0].op.type == results[2].op.type != results[1].op.type
    with tf.device('/cpu:0'):
      assert session.run(results[0]) == 1


def test_assumptions_end():
  with tf.Graph().as_default():
    x = tf.constant(1.0)
    before = placement.on_gpu(x)
    with placement.assumed_gpu(True):
      with placement.assumed_gpu(False):
        assert not placement.on_gpu(x)
      assert placement.on_gpu(x)
    assert placement.on_gpu(x) == before


@pytest.mark.parametrize('gpu', [False, True])
@pytest.mark.parametrize('form', [tf.float32, tf.int32])
def test_keys_are_in_the_order_of_their_bits(gpu, form):
  scores = np.array([0, 1e-45, 3e-45, 1e-38, 1, np.inf, np.nan], np.float32)
  with tf.Graph().as_default(), tf.Session() as session, placement.assumed_gpu(gpu):
    x = tf.bitcast(tf.constant(scores), form)
    for index, bits in enumerate(scores.view(np.int32).tolist()):
      found = session.run([keys.reach(x, bits), keys.exceed(x, tf.constant(bits)),
                           keys.equal(x, x[index])])
      np.testing.assert_array_equal(found[0], np.arange(7) >= index)
      np.testing.assert_array_equal(found[1], np.arange(7) > index)
      np.testing.assert_array_equal(found[2], np.arange(7) == index)
    assert session.run(keys.largest(x)) == scores.view(np.int32)[-1]
    np.testing.assert_array_equal(session.run(keys.is_finite(x)), np.isfinite(scores))
