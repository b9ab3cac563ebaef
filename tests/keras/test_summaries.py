# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""PruningSummaries writes what TensorBoard, and this library, read."""

import glob
import os

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning.keras as sparsity
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.keras.pruned import pruned_layers
from model_pruning.reporting import events
from tests.keras import zoo

pytestmark = pytest.mark.legacy_keras


def scalars(folder):
  """Returns {tag: [(step, value)]} of the event files in a folder."""
  found = {}
  for path in sorted(glob.glob(os.path.join(folder, 'events.*'))):
    for event in tf.train.summary_iterator(path):
      for value in event.summary.value:
        assert value.metadata.plugin_data.plugin_name in ('scalars', '')
        found.setdefault(value.tag, []).append((event.step, float(tf.make_ndarray(value.tensor))))
  return found


def pruned():
  schedule = sparsity.PolynomialDecay(0.0, 0.75, begin_step=0, end_step=8, frequency=4)
  return zoo.compiled(sparsity.prune_low_magnitude(zoo.model_of('Dense'), schedule),
                      run_eagerly=True)


def test_sparsity_and_threshold_of_every_weight_are_written_each_epoch_and_at_the_end(tmp_path):
  model = pruned()
  x, y = zoo.data_of('Dense', 32)
  model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[
      sparsity.PruningSummaries(tmp_path), sparsity.UpdatePruningStep()])
  found = scalars(os.path.join(tmp_path, 'metrics'))
  weights = [weight for layer in pruned_layers(model) for weight in layer.pruning.weights]
  assert sorted(found) == sorted(weight.name + leaf for weight in weights
                                 for leaf in ('/mask/sparsity', '/threshold/threshold'))
  for weight in weights:
    steps, values = zip(*found[weight.name + '/mask/sparsity'])
    assert steps == (0, 4, 8)
    np.testing.assert_allclose(values, [0, 0.65625, 0.75], atol=0.02)
    assert found[weight.name + '/threshold/threshold'][-1][1] == pytest.approx(
        float(np.asarray(weight.threshold)))


def test_the_history_of_a_run_is_read_back(tmp_path):
  model = pruned()
  x, y = zoo.data_of('Dense', 32)
  model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[
      sparsity.UpdatePruningStep(), sparsity.PruningSummaries(tmp_path)])
  history = events.read(str(tmp_path))
  assert [weight.name.split('/')[-1] for weight in history.weights] == ['kernel', 'kernel']
  assert [weight.sparsity.last for weight in history.weights] == pytest.approx([0.75] * 2, abs=0.02)


def test_a_loop_of_ones_own_needs_to_call_on_epoch_begin_alone(tmp_path):
  model = pruned()
  summaries = sparsity.PruningSummaries(log_dir=str(tmp_path))
  summaries.set_model(model)
  summaries.on_epoch_begin(epoch=-1)
  assert scalars(os.path.join(tmp_path, 'metrics'))


@pytest.mark.parametrize('log_dir', ['', None, 3])
def test_what_is_no_folder_is_refused(log_dir):
  with pytest.raises(errors.WriteError, match='log_dir'):
    sparsity.PruningSummaries(log_dir)
