# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""m of n goes along the input channels of every kernel, wherever a layer has them."""

import re

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from absl import logging

import model_pruning.keras as sparsity
from model_pruning import errors
from model_pruning.keras.backend import keras
from model_pruning.keras.channels import View
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.updates import MaskUpdater
from tests import legs
from tests import oracle
from tests.keras import zoo

pytestmark = pytest.mark.legacy_keras

layers = keras.layers
HALF = sparsity.ConstantSparsity(0.5, 0, frequency=2)


@pytest.fixture(name='said')
def fixture_said(monkeypatch):
  """The warnings that are logged."""
  found = []
  monkeypatch.setattr(logging, 'warning', lambda text, *args: found.append(text % args))
  return found


def pruned_once(layer, *shapes, m_by_n=(2, 4), schedule=HALF, **kwargs):
  """Returns a layer that is pruned, called on tensors of those shapes, and updated once."""
  keras.utils.set_random_seed(4)
  layer = sparsity.prune_low_magnitude(layer, schedule, sparsity_m_by_n=m_by_n, **kwargs)
  layer(*[np.zeros(shape, np.float32) for shape in shapes])
  before = [np.asarray(record.weight) * 1 for record in layer.pruning.weights]
  MaskUpdater(layer).update_if_due()
  return layer, before


def masks(layer):
  return [np.asarray(record.mask) for record in layer.pruning.weights]


# Per case: the layer, the shapes it is called on, and how to bring its kernels to
# [before, inputs, outputs], and back, by NumPy alone.
def last_two(kernel):
  return kernel


def swapped(kernel):
  return np.swapaxes(kernel, -1, -2)


CASES = {
    'Dense': (lambda: layers.Dense(6), [(2, 8)], last_two),
    'Conv1D': (lambda: layers.Conv1D(6, 3), [(2, 8, 5)], last_two),
    'Conv1D_causal': (lambda: layers.Conv1D(6, 2, padding='causal'), [(2, 8, 9)], last_two),
    'Conv2D': (lambda: layers.Conv2D(6, 3), [(2, 5, 5, 8)], last_two),
    'Conv3D': (lambda: layers.Conv3D(4, 2), [(2, 4, 4, 4, 7)], last_two),
    'groups': (lambda: layers.Conv1D(6, 3, groups=2), [(2, 8, 16)], last_two),
    'Conv1DTranspose': (lambda: layers.Conv1DTranspose(6, 3), [(2, 8, 4)], swapped),
    'Conv2DTranspose': (lambda: layers.Conv2DTranspose(6, 3), [(2, 5, 5, 9)], swapped),
    'Conv3DTranspose': (lambda: layers.Conv3DTranspose(5, 2), [(2, 3, 3, 3, 8)], swapped),
    'SeparableConv1D': (lambda: layers.SeparableConv1D(6, 3), [(2, 8, 12)], last_two),
    'ConvLSTM1D': (lambda: layers.ConvLSTM1D(4, 2), [(2, 3, 6, 8)], last_two),
    'ConvLSTM3D': (lambda: layers.ConvLSTM3D(4, 2), [(1, 2, 4, 4, 4, 8)], last_two),
    'LSTM': (lambda: layers.LSTM(6), [(2, 5, 8)], last_two),
    'GRU': (lambda: layers.GRU(5), [(2, 5, 8)], last_two),
    'einsum': (lambda: layers.EinsumDense('abc,cd->abd', output_shape=(4, 6)), [(2, 4, 8)],
               last_two),
    'einsum_turned': (lambda: layers.EinsumDense('ab,cb->ac', output_shape=6), [(2, 8)], swapped),
    'einsum_ellipsis': (lambda: layers.EinsumDense('...x,xyz->...yz', output_shape=(3, 2)),
                        [(2, 4, 8)], lambda kernel: kernel.reshape(8, 6)),
    'einsum_of_two_inputs': (
        lambda: layers.EinsumDense('abcd,cde->abe', output_shape=(None, 6)), [(2, 5, 3, 4)],
        lambda kernel: kernel.reshape(12, 6)),
    'einsum_inputs_apart': (
        lambda: layers.EinsumDense('abcd,ced->abe', output_shape=(None, 6)), [(2, 5, 3, 4)],
        lambda kernel: np.moveaxis(kernel, 1, 2).reshape(12, 6)),
    'einsum_per_position': (
        lambda: layers.EinsumDense('abc,dbc->abd', output_shape=(3, 6)), [(2, 3, 8)],
        lambda kernel: np.moveaxis(kernel, 0, 2)),
}


# The Kerases differ in some of its cases, so all of them run on both.
@pytest.mark.sampled(5)
@pytest.mark.legs('default', 'newest')
@pytest.mark.parametrize('case, m_by_n', legs.few(legs.product(
    sorted(CASES), [(2, 4), (1, 2), (5, 8)]), len(CASES)))
def test_masks_are_those_of_the_oracle_along_the_input_channels(case, m_by_n, said):
  name = case.split('_')[0]
  if name[0].isupper() and not hasattr(layers, name):
    pytest.skip('this Keras has no %s' % name)
  make, shapes, inputs_first = CASES[case]
  layer, before = pruned_once(make(), *shapes, m_by_n=m_by_n)
  assert before and not said
  for kernel, mask in zip(before, masks(layer)):
    scores = inputs_first(np.abs(kernel))
    expected = oracle.n_of_m_mask(scores, min(m_by_n[1], scores.shape[-2]), m_by_n[0] / m_by_n[1])
    np.testing.assert_array_equal(inputs_first(mask), expected)


def test_attention_is_pruned_along_what_it_sums_over(said):
  inputs = keras.Input((5, 8))
  model = keras.Model(inputs, layers.MultiHeadAttention(3, 4, name='attention')(inputs, inputs))
  model = sparsity.prune_low_magnitude(model, HALF, sparsity_m_by_n=(2, 4))
  MaskUpdater(model).update_if_due()
  found = masks(model.get_layer('attention'))
  assert [mask.shape for mask in found] == [(8, 3, 4)] * 3 + [(3, 4, 8)]
  # Three times along the 8, and then along the first two axes: 12.
  for mask, inputs in zip(found, (8, 8, 8, 12)):
    assert (mask.reshape(inputs // 4, 4, -1).sum(axis=1) == 2).all()
  assert not said


def test_grouped_query_attention(said):
  if not hasattr(layers, 'GroupQueryAttention'):
    pytest.skip('this Keras has none')
  inputs = keras.Input((5, 8))
  model = keras.Model(inputs, layers.GroupQueryAttention(4, 4, 2)(inputs, inputs))
  model = sparsity.prune_low_magnitude(model, HALF, sparsity_m_by_n=(2, 4))
  MaskUpdater(model).update_if_due()
  found = [mask for layer in pruned_layers(model) for mask in masks(layer)]
  assert [float(np.mean(mask)) for mask in found] == [0.5] * 4 and not said


@pytest.mark.sampled(1)
# The Kerases differ in some of its cases, so all of them run on both.
@pytest.mark.legs('default', 'newest')
@pytest.mark.parametrize('name', legs.few([
    'Conv1D', 'Conv3D', 'Conv1DTranspose', 'EinsumDense', 'MultiHeadAttention', 'ConvLSTM1D'],
                                          2, 'newest'))
def test_such_models_are_trained_saved_and_stripped(name, tmp_path):
  if name != 'MultiHeadAttention' and not hasattr(layers, name):
    pytest.skip('this Keras has no %s' % name)
  model = zoo.compiled(sparsity.prune_low_magnitude(zoo.model_of(name), HALF,
                                                    sparsity_m_by_n=(1, 2)))
  x, y = zoo.data_of(name)
  model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  assert all(np.all(np.asarray(record.weight)[np.asarray(record.mask) == 0] == 0)
             for layer in pruned_layers(model) for record in layer.pruning.weights)
  path = str(tmp_path / 'model.keras')
  model.save(path)
  read = keras.models.load_model(path)
  for one, other in zip(zoo.values(model), zoo.values(read)):
    np.testing.assert_array_equal(one, other)
  read.fit(x, y, batch_size=8, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  np.testing.assert_allclose(sparsity.strip_pruning(read)(x[:3]), read(x[:3]), atol=1e-5)


def test_mixed_precision_changes_nothing():
  policy = keras.mixed_precision.Policy('mixed_float16')
  half, _ = pruned_once(layers.Conv1D(6, 3, dtype=policy), (2, 8, 5))
  full, _ = pruned_once(layers.Conv1D(6, 3), (2, 8, 5))
  np.testing.assert_array_equal(masks(half)[0], masks(full)[0])


@keras.utils.register_keras_serializable('tests_channels')
class Cube(layers.Layer, sparsity.PrunableLayer):
  """Has a weight of rank 3, of which nobody knows what its axes are."""

  def build(self, input_shape):
    self.cube = self.add_weight(name='cube', shape=(input_shape[-1], 3, 4))
    self.square = self.add_weight(name='square', shape=(4, 4))

  def call(self, x):
    return tensorflow.einsum('ab,bcd,de->ace', x, tensorflow.convert_to_tensor(self.cube),
                             tensorflow.convert_to_tensor(self.square))

  def get_prunable_weights(self):
    return [self.cube, self.square]


@pytest.mark.parametrize('make, shape, m_by_n, dense, why', [
    (lambda: layers.Conv2D(4, 3), (2, 6, 6, 1), (2, 4), [True], '1 input channel'),
    (lambda: layers.Conv1D(4, 3), (2, 6, 1), (1, 2), [True], '1 input channel'),
    (lambda: layers.Conv2D(4, 3), (2, 6, 6, 3), (1, 4), [True], '3 input channels, too few'),
    (lambda: layers.EinsumDense('ab,b->ab', output_shape=8), (2, 8), (2, 4), [True],
     'not known'),
    (Cube, (2, 8), (2, 4), [True, False], 'cube .*not known'),
])
def test_what_cannot_be_done_is_left_dense_with_one_line(make, shape, m_by_n, dense, why, said):
  layer, _ = pruned_once(make(), shape, m_by_n=m_by_n)
  assert [bool(mask.all()) for mask in masks(layer)] == dense
  assert len(said) == 1 and re.search(why, said[0])
  assert layer.pruning.weights[0].name in said[0]
  MaskUpdater(layer).update(4)
  assert len(said) == 1  # Once, and not at each update or fit.


def test_a_model_of_which_a_layer_is_left_dense_is_trained(said):
  model = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(4, 3, name='first'),
                            layers.Conv2D(4, 3, name='second'), layers.Flatten(),
                            layers.Dense(2, name='last')])
  model = sparsity.prune_low_magnitude(model, HALF, sparsity_m_by_n=(2, 4),
                                       hparams='weight_sparsity_map=[first:0.5,second|last:0.5]')
  assert len(said) == 1 and 'first/kernel' in said[0] and 'second' not in said[0]
  model.compile('sgd', 'mse')
  model.fit(np.random.rand(8, 6, 6, 1), np.random.rand(8, 2), verbose=0,
            callbacks=[sparsity.UpdatePruningStep()])
  shares = [float(np.mean(np.asarray(model.get_layer(name).kernel) == 0))
            for name in ('first', 'second', 'last')]
  assert shares == [0, 0.5, 0.5] and len(said) == 1


def test_settings_that_serve_no_weight_stay_an_error():
  with pytest.raises(errors.BlockError, match='drops floor'):
    pruned_once(layers.Conv1D(4, 3), (2, 6, 8), m_by_n=None,
                schedule='target_sparsity=0.1,intra_block_sparsity=true,block_width=4')


def test_a_map_to_1x1_prunes_element_by_element(said):
  layer, (before,) = pruned_once(
      layers.Conv2D(4, 3), (2, 6, 6, 1), hparams='block_dims_map=[kernel:1x1]')
  magnitudes = np.abs(before)
  np.testing.assert_array_equal(masks(layer)[0], magnitudes >= np.median(magnitudes))
  assert not said


@pytest.mark.parametrize('shape, inputs, outputs', [
    ((3, 4, 5), [1], [2]), ((3, 4, 5), [2], [1]), ((2, 3, 4, 5), [3, 0], [1]), ((4, 5), [1], [0]),
    ((2, 3, 4), [0, 1, 2], [])])
def test_a_view_is_undone(shape, inputs, outputs):
  view, values = View.of(shape, inputs, outputs), np.arange(np.prod(shape)).reshape(shape)
  assert view.see(values).shape == view.viewed
  np.testing.assert_array_equal(view.restore(view.see(values)), values)
  assert view.inputs == np.prod([shape[axis] for axis in inputs])


def test_a_layer_that_is_pruned_again_is_told_of_again(said):
  model = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(4, 3, name='first')])
  for number in (1, 2):
    sparsity.prune_low_magnitude(model, HALF, sparsity_m_by_n=(2, 4), in_place=True)
    assert len([line for line in said if 'first/kernel' in line]) == number
    sparsity.strip_pruning(model, in_place=True)


def test_shared_layers_and_models_in_models(said):
  inputs, shared = keras.Input((6, 8)), layers.Conv1D(8, 1, name='shared')
  inner = keras.Sequential([keras.Input((6, 8)), layers.Conv1D(8, 3, padding='same', name='inner')])
  model = keras.Model(inputs, shared(inner(shared(inputs))))
  for in_place in (False, True):
    pruned = sparsity.prune_low_magnitude(model, HALF, sparsity_m_by_n=(2, 4), in_place=in_place)
    MaskUpdater(pruned).update_if_due()
    found = [mask for layer in pruned_layers(pruned) for mask in masks(layer)]
    assert len(found) == 2
    assert all((mask.reshape(-1, 4, 8).sum(axis=1) == 2).all() for mask in found) and not said
