# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Distributions in Keras models: while they are trained, frozen, saved and reported on."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning import errors
import model_pruning.keras as sparsity
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from tests import oracle

pytestmark = pytest.mark.legacy_keras

NAMES = ['erk', 'lamp', 'global']
TARGET = 0.9
SCHEDULE = sparsity.PolynomialDecay(0.0, TARGET, begin_step=0, end_step=6, frequency=2)
HPARAMS = ('target_sparsity=0.9,pruning_frequency=2,sparsity_function_end_step=6,'
           'sparsity_distribution=')
SIZES = [8 * 16, 16 * 32, 32 * 4]
SHAPES = [(8, 16), (16, 32), (32, 4)]


def made(schedule=SCHEDULE, **arguments):
  keras.utils.set_random_seed(3)
  model = keras.Sequential([
      keras.Input((8,)), keras.layers.Dense(16, activation='relu', name='first'),
      keras.layers.Dense(32, activation='relu', name='second'), keras.layers.Dense(4, name='last')])
  model = sparsity.prune_low_magnitude(model, schedule, **arguments)
  model.compile(keras.optimizers.SGD(0.01), 'mse', run_eagerly=True)
  return model


class Totals(keras.callbacks.Callback):
  """Records how many elements the masks keep after each batch."""

  def __init__(self):
    super().__init__()
    self.kept = []

  def on_train_batch_end(self, batch, logs=None):
    self.kept.append([int(mask.sum()) for mask in masks(self.model)])


def masks(model):
  return [np.asarray(record.mask) for layer in pruned_layers(model)
          for record in layer.pruning.weights]


def fit(model, batches=8):
  totals, rng = Totals(), np.random.RandomState(5)
  model.fit(rng.standard_normal((4 * batches, 8)).astype(np.float32),
            rng.standard_normal((4 * batches, 4)).astype(np.float32), batch_size=4, verbose=0,
            callbacks=[sparsity.UpdatePruningStep(), totals])
  return totals.kept


@pytest.mark.sampled(3)
@pytest.mark.parametrize('in_place_of_schedule', [False, True])
@pytest.mark.parametrize('name', NAMES)
def test_the_total_is_exact_at_every_update(name, in_place_of_schedule):
  model = (made(HPARAMS + name) if in_place_of_schedule else
           made(hparams='sparsity_distribution=' + name))
  kept = fit(model)
  at_end = oracle.keep_count(sum(SIZES), TARGET)
  assert sum(kept[-1]) == at_end
  # Steps are counted before an update: the masks of batch 3 show the update at step 2.
  halfway = oracle.keep_count(sum(SIZES), TARGET * (1 - (1 - 2 / 6) ** 3))
  assert halfway in [sum(each) for each in kept]
  if name == 'erk':
    assert kept[-1] == oracle.erk_counts(SHAPES, SIZES, at_end).tolist()
  assert len({count / size for count, size in zip(kept[-1], SIZES)}) > 1


@pytest.mark.parametrize('name', NAMES)
def test_a_layer_in_the_map_is_pruned_by_itself(name):
  model = made(hparams='weight_sparsity_map=[second:0.5],sparsity_distribution=' + name)
  first, second, last = fit(model)[-1]
  assert second == 256 and first + last == oracle.keep_count(SIZES[0] + SIZES[2], TARGET)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', NAMES)
def test_the_weights_that_are_due_share_the_sparsity(name):
  model = made(hparams='sparsity_distribution=' + name)
  model.get_layer('second').trainable = False
  model.compile(keras.optimizers.SGD(0.01), 'mse', run_eagerly=True)
  first, second, last = fit(model)[-1]
  assert second == SIZES[1] and first + last == oracle.keep_count(SIZES[0] + SIZES[2], TARGET)
  # Once it is trained, it is made up for: the total is again the target, to a unit.
  model.get_layer('second').trainable = True
  model.compile(keras.optimizers.SGD(0.01), 'mse', run_eagerly=True)
  assert abs(sum(fit(model, 2)[-1]) - oracle.keep_count(sum(SIZES), TARGET)) <= 1


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', NAMES)
def test_a_saved_model_goes_on_alike(name, tmp_path):
  whole = fit(made(HPARAMS + name))[-1]
  model = made(HPARAMS + name)
  fit(model, 3)
  path = str(tmp_path / 'model.keras')
  model.save(path)
  loaded = keras.models.load_model(path)
  spec = pruned_layers(loaded)[0].pruning.settings.spec
  assert spec.sparsity_distribution == name and spec.target_sparsity == TARGET
  assert sum(fit(loaded, 5)[-1]) == sum(whole)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', NAMES)
def test_the_report_has_the_target_of_each_layer(name):
  model = made(HPARAMS + name)
  kept = fit(model)[-1]
  rows = sparsity.report(model).weights
  assert all(row.met for row in rows)
  if name == 'erk':
    assert [row.target for row in rows] == [
        pytest.approx(1 - count / size) for count, size in zip(kept, SIZES)]
    assert {row.target_of for row in rows} == {None}
  else:
    assert [row.target for row in rows] == [TARGET] * 3
    assert {row.target_of for row in rows} == {'all_weights'}
    assert '0.9000 of all' in sparsity.report(model).table()


def test_m_by_n_leaves_nothing_to_distribute():
  with pytest.raises(errors.SpecError, match='there is nothing to distribute'):
    made(sparsity.ConstantSparsity(0.5, 0, frequency=1), sparsity_m_by_n=(2, 4),
         hparams='sparsity_distribution=erk')
