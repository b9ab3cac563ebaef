# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.export.checkpoint: which mask is for which weight, and stripping."""

import os
import shutil

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.export import checkpoint

VALUES = np.array([[1, -2], [3, -4]], np.float32)
MASK = np.array([[0, 1], [1, 0]], np.float32)


def _train(folder, hparams='initial_sparsity=0.5,target_sparsity=0.5', use_resource=False,
           partitions=1, meta=True):
  """Trains a model with every kind of masked weight; returns what its weights are masked to."""
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.train.get_or_create_global_step()
    partitioner = tf.fixed_size_partitioner(partitions) if partitions > 1 else None
    with tf.variable_scope('', use_resource=use_resource, partitioner=partitioner):
      with model_pruning.masked_scope(include='.*(kernel|weights|embedding)$'):
        with tf.variable_scope('fc'):
          kernel = tf.get_variable('kernel', [6, 4])
        embedding = tf.get_variable('embedding', [4, 3])
      with tf.variable_scope('elsewhere'):
        other = tf.get_variable('matrix', [3, 2])
      masked = model_pruning.apply_mask(other, 'own_scope')
      bias = tf.get_variable('bias', [2])
    loss = tf.reduce_sum(tf.matmul(tf.matmul(kernel, embedding), masked)**2) + tf.reduce_sum(
        tf.square(bias))
    train = tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss, global_step=step)
    pruning = model_pruning.Pruning(hparams)
    update = pruning.mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(train)
    session.run(update)
    tf.train.Saver().save(session, os.path.join(folder, 'model.ckpt'), global_step=step,
                          write_meta_graph=meta)
    found = {name: session.run(tf.convert_to_tensor(tensor)) for name, tensor in (
        ('fc/kernel', kernel), ('embedding', embedding), ('elsewhere/matrix', masked))}
    return dict(found, bias=session.run(tf.convert_to_tensor(bias)))


@pytest.mark.sampled(1)
@pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])
@pytest.mark.parametrize('partitions', [1, 2])
@pytest.mark.parametrize('hparams', [
    'initial_sparsity=0.5,target_sparsity=0.5',
    'initial_sparsity=0.5,target_sparsity=0.5,prune_option=first_order_gradient'])
def test_weights_are_multiplied_and_masks_gone(tmp_path, use_resource, partitions, hparams):
  wanted = _train(str(tmp_path / 'train'), hparams, use_resource, partitions)
  target = str(tmp_path / 'dense' / 'model.ckpt')
  names = checkpoint.strip_checkpoint(str(tmp_path / 'train'), target)
  assert {(found.weight, found.mask) for found in names} == {
      ('fc/kernel', 'fc/mask'), ('embedding', 'embedding_mask'),
      ('elsewhere/matrix', 'own_scope/mask')}
  assert tf.train.latest_checkpoint(str(tmp_path / 'dense')) == target
  stripped = checkpoint.Checkpoint(target)
  slots = {name + '/Momentum' for name in wanted}
  assert set(stripped.shapes) == set(wanted) | slots | {'global_step'}
  for name, value in wanted.items():
    np.testing.assert_array_equal(stripped.read(name), value)
    assert name == 'bias' or np.count_nonzero(value) == value.size / 2
  assert not np.signbit(stripped.read('fc/kernel')[stripped.read('fc/kernel') == 0]).any()
  original = checkpoint.Checkpoint(str(tmp_path / 'train'))
  for name in slots | {'global_step'}:
    np.testing.assert_array_equal(stripped.read(name), original.read(name))


def test_without_a_graph_names_say_what_is_masked(tmp_path):
  values = {'a/weights': VALUES, 'a/mask': MASK, 'a/threshold': np.float32(1),
            'a/weights/Adam': VALUES, 'b/kernel': VALUES, 'b/kernel_mask': MASK,
            'b/kernel_threshold': np.float32(1), 'b/bias': VALUES[0],
            'c/mask': MASK,  # The model's own: no threshold beside it.
            'model_pruning/last_mask_update_step': np.int32(3)}
  checkpoint.write(str(tmp_path / 'in' / 'model.ckpt'), values)
  checkpoint.strip_checkpoint(str(tmp_path / 'in'), str(tmp_path / 'out' / 'model.ckpt'))
  stripped = checkpoint.Checkpoint(str(tmp_path / 'out'))
  assert set(stripped.shapes) == {'a/weights', 'a/weights/Adam', 'b/kernel', 'b/bias', 'c/mask'}
  np.testing.assert_array_equal(stripped.read('a/weights'), VALUES * MASK)
  np.testing.assert_array_equal(stripped.read('a/weights/Adam'), VALUES)
  np.testing.assert_array_equal(stripped.read('b/kernel'), VALUES * MASK)


def test_a_mask_of_unknown_weight_is_an_error_that_says_so(tmp_path):
  _train(str(tmp_path / 'train'), meta=False)
  with pytest.raises(errors.CheckpointError,
                     match='has a mask own_scope/mask without a weight .* keep its .meta file'):
    checkpoint.strip_checkpoint(str(tmp_path / 'train'), str(tmp_path / 'out' / 'model.ckpt'))
  assert not (tmp_path / 'out').exists()


def test_a_mask_over_what_is_computed_is_refused(tmp_path):
  with tf.Graph().as_default(), tf.Session() as session:
    weight = tf.get_variable('fc/weights', [2, 2])
    model_pruning.apply_mask(tf.transpose(weight), 'fc')
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, str(tmp_path / 'in' / 'model.ckpt'))
  with pytest.raises(errors.CheckpointError,
                     match='fc/mask applies to .*transpose.*strip to a graph'):
    checkpoint.strip_checkpoint(str(tmp_path / 'in'), str(tmp_path / 'out' / 'model.ckpt'))
  assert not (tmp_path / 'out').exists()


def test_moving_averages_are_masked_too(tmp_path):
  checkpoint.write(str(tmp_path / 'in' / 'model.ckpt'), {
      'a/weights': VALUES, 'a/mask': MASK, 'a/threshold': np.float32(1),
      'a/weights/ExponentialMovingAverage': 2 * VALUES})
  checkpoint.strip_checkpoint(str(tmp_path / 'in'), str(tmp_path / 'out' / 'model.ckpt'))
  np.testing.assert_array_equal(checkpoint.Checkpoint(str(tmp_path / 'out')).read(
      'a/weights/ExponentialMovingAverage'), 2 * VALUES * MASK)


def test_a_copied_folder_is_read_where_it_is(tmp_path):
  checkpoint.write(str(tmp_path / 'run' / 'model.ckpt'), {'a': VALUES})
  shutil.copytree(str(tmp_path / 'run'), str(tmp_path / 'copy'))
  checkpoint.write(str(tmp_path / 'run' / 'model.ckpt'), {'a': 2 * VALUES})
  copy = checkpoint.Checkpoint(str(tmp_path / 'copy'))
  assert copy.path == str(tmp_path / 'copy' / 'model.ckpt')
  np.testing.assert_array_equal(copy.read('a'), VALUES)


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16', 'float64'])
def test_any_dtype(tmp_path, dtype):
  dtype = tf.as_dtype(dtype).as_numpy_dtype
  checkpoint.write(str(tmp_path / 'in' / 'model.ckpt'), {
      'a/weights': VALUES.astype(dtype), 'a/mask': MASK.astype(dtype),
      'a/threshold': np.zeros([], dtype)})
  checkpoint.strip_checkpoint(str(tmp_path / 'in'), str(tmp_path / 'out' / 'model.ckpt'))
  stripped = checkpoint.Checkpoint(str(tmp_path / 'out'))
  assert stripped.dtypes['a/weights'].as_numpy_dtype == dtype
  np.testing.assert_array_equal(stripped.read('a/weights').astype(np.float32), VALUES * MASK)


# ---- Bad input. ----


def test_a_checkpoint_without_masks(tmp_path):
  checkpoint.write(str(tmp_path / 'in' / 'model.ckpt'), {'a/weights': VALUES})
  with pytest.raises(errors.NoMaskedWeightsError, match='has no masks'):
    checkpoint.strip_checkpoint(str(tmp_path / 'in'), str(tmp_path / 'out' / 'model.ckpt'))


def test_the_folder_training_resumes_from_is_refused(tmp_path):
  _train(str(tmp_path))
  before = sorted(os.listdir(str(tmp_path)))
  with pytest.raises(errors.WriteError, match='training would resume from it; give another'):
    checkpoint.strip_checkpoint(str(tmp_path), str(tmp_path / 'stripped.ckpt'))
  assert sorted(os.listdir(str(tmp_path))) == before


@pytest.mark.parametrize('suffix', ['.index', '.data-00000-of-00001'])
def test_a_truncated_checkpoint(tmp_path, suffix):
  _train(str(tmp_path / 'in'))
  path, = [path for path in (tmp_path / 'in').iterdir() if path.name.endswith(suffix)]
  path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
  with pytest.raises(errors.CheckpointError, match='cannot be read') as caught:
    checkpoint.strip_checkpoint(str(tmp_path / 'in'), str(tmp_path / 'out' / 'model.ckpt'))
  assert len(str(caught.value).splitlines()) == 1
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('name', ['out', 'new/'])
def test_a_folder_for_a_path(tmp_path, name):
  (tmp_path / 'out').mkdir()
  with pytest.raises(errors.WriteError, match='is a folder; give the path of a checkpoint in it'):
    checkpoint.write(os.path.join(str(tmp_path), name), {'a': VALUES})


def test_the_folder_of_another_run_is_left_alone(tmp_path):
  checkpoint.write(str(tmp_path / 'model.ckpt-7'), {'a': VALUES})
  with pytest.raises(errors.WriteError, match='has checkpoints already.*instead of model.ckpt-7'):
    checkpoint.write(str(tmp_path / 'stripped'), {'a': VALUES})
  checkpoint.write(str(tmp_path / 'model.ckpt-7'), {'a': 2 * VALUES})  # The same once more.
  np.testing.assert_array_equal(checkpoint.Checkpoint(str(tmp_path)).read('a'), 2 * VALUES)
