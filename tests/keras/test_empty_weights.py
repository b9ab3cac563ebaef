# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Weights without elements in Keras models: trained with masks, pruned at once, planned."""

import re

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if tensorflow.__version__.startswith('1.'):
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning import keras as sparsity
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from tests.calibration import models

X = [models.inputs((64, 12)) / 2, np.zeros([64, 0], np.float32)]
HPARAMS = ['', 'block_height=4', 'intra_block_sparsity=true,block_width=4',
           'sparsity_distribution=lamp', 'sparsity_distribution=erk', 'global_pruning=true']


def _model():
  full, empty = keras.Input((12,)), keras.Input((0,))
  y = keras.layers.Add()([keras.layers.Dense(16, name='fc')(full),
                          keras.layers.Dense(16, use_bias=False, name='empty')(empty)])
  return keras.Model([full, empty], keras.layers.Dense(5, name='fc2')(y))


def _zeros(model):
  return {layer.name: int(np.sum(np.asarray(layer.pruning.weights[0].mask) == 0))
          for layer in pruned_layers(model)}


@pytest.mark.sampled(2)
@pytest.mark.parametrize('hparams', HPARAMS)
def test_pruned_at_once(hparams):
  pruned = sparsity.prune_trained(_model(), 'target_sparsity=0.5,' + hparams, X)
  zeros = _zeros(pruned)
  assert zeros.pop('empty', 0) == 0 and sum(zeros.values()) == (12 * 16 + 16 * 5) / 2
  assert np.all(np.isfinite(np.asarray(sparsity.strip_pruning(pruned)(X))))


@pytest.mark.sampled(2)
@pytest.mark.parametrize('hparams', HPARAMS[1:4])
def test_trained_with_masks(hparams, tmp_path):
  model = sparsity.prune_low_magnitude(
      _model(), 'target_sparsity=0.5,sparsity_function_end_step=2,pruning_frequency=1,' + hparams)
  model.compile('sgd', 'mse')
  model.fit(X, np.zeros([64, 5]), epochs=2, verbose=0, callbacks=[
      sparsity.UpdatePruningStep(report=str(tmp_path / 'run.html')),
      sparsity.PruningSummaries(str(tmp_path))])
  page = (tmp_path / 'run.html').read_text(encoding='utf-8')
  assert 'fc2' in page and not re.search(r'[:,\[]\s*NaN\b', page)  # As a number, in its data.
  zeros = _zeros(model)
  assert zeros.pop('empty', 0) == 0 and sum(zeros.values()) == (12 * 16 + 16 * 5) / 2


def test_planned():
  plan = sparsity.plan(_model(), X, target_sparsity=0.5)
  assert {weight.name.split('/')[0] for weight in plan.weights} == {'fc', 'fc2'}
