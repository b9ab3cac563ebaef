# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What Keras says of masks that threshold_decay keeps from their target, or that were averaged."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning.keras as sparsity
from model_pruning.keras.backend import keras

pytestmark = pytest.mark.legacy_keras

_HPARAMS = 'target_sparsity=0.75,sparsity_function_end_step=4,pruning_frequency=1,'


def _trained(hparams, batches, trainable=True):
  keras.utils.set_random_seed(1)
  model = sparsity.prune_low_magnitude(keras.Sequential([
      keras.Input((8,)), keras.layers.Dense(16, name='first'),
      keras.layers.Dense(4, name='last')]), _HPARAMS + hparams)
  model.get_layer('last').trainable = trainable
  model.compile('sgd', 'mse')
  x = np.random.RandomState(0).normal(size=(batches, 8)).astype(np.float32)
  model.fit(x, x[:, :4], batch_size=1, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  return model


def _said(caplog):
  messages = [message for message in (record.getMessage() for record in caplog.records)
              if 'and a target of' in message]
  caplog.clear()
  return messages


def test_fit_and_strip_say_that_decay_keeps_masks_from_their_target(caplog):
  model = _trained('threshold_decay=0.9', 8)
  said, = _said(caplog)
  assert 'with threshold_decay=0.9 each mask update moves the threshold only a part' in said
  for layer in model.layers:
    zeros = np.mean(np.asarray(layer.kernel) == 0)
    assert zeros < 0.75 and '%.4f and a target of 0.7500' % zeros in said
  assert said.endswith('; train on, or lower threshold_decay')
  sparsity.strip_pruning(model)
  assert _said(caplog) == [said]
  finding = next(each for each in sparsity.report(model).findings if each.kind == 'short')
  assert finding.advice.startswith('With threshold_decay=0.9 ')


def test_a_frozen_layer_is_not_named(caplog):
  _trained('threshold_decay=0.9', 8, trainable=False)
  said, = _said(caplog)
  assert 'first/kernel has' in said and 'last/kernel' not in said


@pytest.mark.parametrize('hparams, batches', [('threshold_decay=0.2', 60), ('', 8)])
def test_nothing_is_said_once_the_target_is_reached(hparams, batches, caplog):
  sparsity.strip_pruning(_trained(hparams, batches))
  assert not _said(caplog)


def test_a_schedule_that_is_too_long_is_named_alone(caplog):
  model = _trained('threshold_decay=0.9', 2)
  assert 'reaches a sparsity of' in caplog.text and not _said(caplog)
  sparsity.strip_pruning(model)
  assert 'reaches a sparsity of' in caplog.text and not _said(caplog)


def test_masked_weights_stay_masked_when_the_smoothed_threshold_comes_down_to_zero():
  # More than 60 times 0.2 of a threshold are 0 in float32.
  model = _trained('threshold_decay=0.2', 60)
  for layer in model.layers:
    record, = layer.pruning.weights
    mask = np.asarray(record.mask)
    assert 0.75 <= np.mean(mask == 0) < 0.85
    np.testing.assert_array_equal(np.asarray(layer.kernel) == 0, mask == 0)


def _averaged():
  """Returns a model with the mean of the weights of two, masks included."""
  model, other = _trained('', 8), _trained('', 2)
  model.set_weights([(one + two) / 2 for one, two in zip(model.get_weights(), other.get_weights())])
  return model


def test_averaged_masks_change_no_outputs_when_they_are_stripped(caplog):
  model = _averaged()
  x = np.random.RandomState(1).normal(size=(5, 8)).astype(np.float32)
  stripped = sparsity.strip_pruning(model)
  np.testing.assert_array_equal(stripped.predict(x, verbose=0), model.predict(x, verbose=0))
  assert 'averaged together with the weights' in caplog.text
  assert 'first/kernel and 1 more' in caplog.text


def test_averaged_masks_are_0_or_1_in_further_training(caplog):
  model = _averaged()
  x = np.random.RandomState(1).normal(size=(4, 8)).astype(np.float32)
  update = sparsity.UpdatePruningStep()
  update.set_model(model)
  update.on_train_begin()
  assert 'averaged together with the weights' in caplog.text
  model.fit(x, x[:, :4], batch_size=4, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  for layer in model.layers[-2:]:
    mask = next(each for each in layer.weights if each.name.split('/')[-1].startswith('mask'))
    assert set(np.unique(mask.numpy())) <= {0, 1}
