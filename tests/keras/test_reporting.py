# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""report() on models in memory."""

import re

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning.keras as sparsity
from model_pruning import errors
from model_pruning.keras.backend import keras
from model_pruning.reporting import report as reports
from tests.keras import zoo

pytestmark = pytest.mark.legacy_keras


def trained():
  layers = keras.layers
  model = zoo.compiled(sparsity.prune_low_magnitude(keras.Sequential([
      keras.Input((6, 6, 2)), layers.DepthwiseConv2D(3), layers.Conv2D(6, 3), layers.Flatten(),
      layers.Dense(4)]), sparsity.ConstantSparsity(0.75, 0)), run_eagerly=True)
  x, y = zoo.data_of('Conv2D', 16)
  model.fit(x, y, batch_size=8, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  return model


def test_pruned_and_other_weights_are_reported_and_so_is_the_stripped_model():
  model = trained()
  report = sparsity.report(model)
  rows = {weight.name.split('/', 1)[-1]: weight for weight in report.weights}
  assert [weight.masked for weight in report.weights] == [False, True, True]
  for weight in report.weights[1:]:
    assert weight.sparsity == pytest.approx(0.75, abs=1 / weight.size)
    assert weight.threshold > 0
  assert report.weights[0].zeros == 0, rows
  stripped = sparsity.report(sparsity.strip_pruning(model))
  assert [weight.zeros for weight in stripped.weights] == [
      weight.zeros for weight in report.weights]
  assert not any(weight.masked for weight in stripped.weights)
  for name in rows:
    assert name.split('/')[0] in report.table()


@pytest.mark.parametrize('model', [3, keras.layers.Dense(4)])
def test_what_has_no_weights_is_refused(model):
  with pytest.raises(errors.LayerError, match='built'):
    sparsity.report(model)


def test_half_precision_is_reported_on():
  layer = sparsity.prune_low_magnitude(keras.layers.Dense(4, dtype='bfloat16'))
  layer.build((None, 8))
  (weight,) = sparsity.report(layer).weights
  assert (weight.dtype, weight.size) == ('bfloat16', 32)
  assert np.isfinite(weight.sparsity)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('kwargs', [
    {}, {'hparams': 'global_pruning=true'}, {'sparsity_m_by_n': (2, 4)}, {'block_size': (16, 1)},
    {'hparams': 'weight_sparsity_map=[fc:0.7]'}, {'block_size': (-1, -1)}])
def test_findings_advise_what_prune_low_magnitude_takes(kwargs):
  def made(**more):
    model = keras.Sequential([
        keras.Input((64,)), keras.layers.Dense(128, name='fc1'), keras.layers.Dense(64, name='fc2'),
        keras.layers.Dense(2, name='logits')], name='net')  # Keras 3 puts it in front of names.
    return sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.9, 0, frequency=1),
                                        **more)

  model = made(**kwargs)
  model.compile('sgd', 'mse')
  model.fit(np.ones([32, 64], np.float32), np.zeros([32, 2], np.float32), verbose=0,
            callbacks=[sparsity.UpdatePruningStep()])
  found = sparsity.report(model).findings
  assert found
  for finding in found:
    for advised in re.findall(r'(?:\w+=(?:\[[^\]]*\]|\w+),?)+', finding.advice):
      more = dict(kwargs, hparams=advised)
      if 'intra_block_sparsity=false' in advised:
        del more['sparsity_m_by_n']
      if 'global_pruning' in kwargs.get('hparams', '') and 'global' not in advised:
        more['hparams'] += ',' + kwargs['hparams']
      assert sparsity.report(made(**more)).weights


class Served(tensorflow.Module):
  """A model as a part of something else that is saved."""

  def __init__(self, net):
    super().__init__()
    self.net = net

  @tensorflow.function(input_signature=[tensorflow.TensorSpec([None, 6, 6, 2])])
  def serve(self, x):
    return {'scores': self.net(x, training=False)}


def test_weights_of_a_model_within_a_module_are_found(tmp_path):
  module = Served(trained())
  path = str(tmp_path / 'saved')
  tensorflow.saved_model.save(module, path, signatures={'serving_default': module.serve})
  sparse = [weight for weight in reports.of(path).weights if weight.sparsity > 0.7]
  assert sorted(weight.shape for weight in sparse) == [(3, 3, 2, 6), (24, 4)]
