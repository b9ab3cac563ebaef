# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""FLOPs of Keras models, which their reports take from their graphs."""

import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning.keras as sparsity
from model_pruning import errors
from model_pruning.keras.backend import keras
from model_pruning.reporting import report as reports

pytestmark = pytest.mark.legacy_keras

layers = keras.layers


def flops_of(report):
  return [weight.flops for weight in report.weights]


def convolutional(size=8):
  return keras.Sequential([
      keras.Input((size, size, 3), name='images'), layers.SeparableConv2D(8, 3, name='first'),
      layers.GlobalAveragePooling2D(), layers.Dense(5, name='scores')])


SEPARABLE = [2 * 6 * 6 * 3 * 9, 2 * 6 * 6 * 3 * 8]
COUNTED = [*SEPARABLE, 2 * 8 * 5]


def test_multiplications_by_each_weight_are_counted_for_one_example():
  assert flops_of(sparsity.report(convolutional())) == COUNTED


def test_a_model_with_masks_has_the_same_flops_and_zeros_save_some():
  model = sparsity.prune_low_magnitude(
      convolutional(), sparsity.ConstantSparsity(0.5, 0, frequency=1))
  model.compile('sgd', 'mse')
  model.fit(tensorflow.ones([2, 8, 8, 3]), tensorflow.ones([2, 5]), verbose=0,
            callbacks=[sparsity.UpdatePruningStep()])
  found = sparsity.report(model)
  assert flops_of(found) == COUNTED
  assert found.weights[-1].flops_effective == COUNTED[-1] // 2
  assert flops_of(sparsity.report(sparsity.strip_pruning(model))) == COUNTED


def test_a_fixed_batch_counts_as_so_many_examples():
  model = keras.Sequential([keras.Input(batch_shape=(4, 6)) if hasattr(keras, 'ops') else
                            keras.Input(batch_size=4, shape=(6,)), layers.Dense(5)])
  assert flops_of(sparsity.report(model)) == [2 * 6 * 5]


def test_a_shared_layer_counts_each_time_and_nested_models_are_followed():
  inner = keras.Sequential([keras.Input((6,)), layers.Dense(6)])
  inputs = keras.Input((6,))
  model = keras.Model(inputs, layers.Dense(2)(inner(inner(inputs))))
  assert sorted(flops_of(sparsity.report(model))) == [2 * 6 * 2, 2 * 2 * 6 * 6]


def test_a_recurrent_layer_counts_one_step_and_says_so():
  model = keras.Sequential([keras.Input((7, 6)), layers.LSTM(4), layers.Dense(3)])
  found = sparsity.report(model)
  assert flops_of(found) == [2 * 6 * 16, 2 * 4 * 16, 2 * 4 * 3]
  assert found.notes == ('FLOPs of layers in a loop count one iteration.',)


def test_a_size_that_the_model_leaves_open_is_asked_for_and_taken():
  found = sparsity.report(convolutional(size=None))
  assert flops_of(found) == [None, None, COUNTED[-1]]
  (note,) = found.notes
  assert 'give input_shapes of images' in note
  assert flops_of(sparsity.report(convolutional(None), input_shapes={'images': (1, 8, 8, 3)})
                  ) == COUNTED
  with pytest.raises(errors.ModelFileError, match='no input .*its inputs are: images'):
    sparsity.report(convolutional(None), input_shapes={'pictures': (1, 8, 8, 3)})


class Subclassed(keras.Model):
  """A model that declares no inputs."""

  def __init__(self):
    super().__init__()
    self.dense = layers.Dense(3)

  def call(self, inputs):
    return self.dense(inputs)


@keras.utils.register_keras_serializable('test')
class Refusing(layers.Layer):
  """Cannot be called again after the model is made."""

  called = 0

  def call(self, inputs):
    if self.called > 1:
      raise ValueError('once only')
    return inputs


def refusing():
  layer = Refusing()
  model = keras.Sequential([keras.Input((6,)), layers.Dense(3), layer])
  layer.called = 2
  return model


@pytest.mark.parametrize('make', [lambda: layers.Dense(3), Subclassed, refusing])
def test_a_report_on_what_has_no_graph_lacks_flops(make):
  model = make()
  if not model.built:
    model(tensorflow.ones([2, 6]))
  found = sparsity.report(model)
  assert flops_of(found) == [None] and not found.notes
  assert found.weights[0].shape == (6, 3)


@pytest.mark.parametrize('name', ['model.keras', 'model.h5'])
def test_files_of_models_have_them_too(tmp_path, name):
  path = str(tmp_path / name)
  try:
    convolutional().save(path)
  except (ValueError, NotImplementedError, ImportError) as error:  # Before Keras 2.12: no .keras.
    pytest.skip(str(error))
  if not (tmp_path / name).is_file():
    pytest.skip('This Keras writes another format.')
  assert flops_of(reports.of(path)) == COUNTED
  open_size = str(tmp_path / ('open_' + name))
  convolutional(None).save(open_size)
  assert flops_of(reports.of(open_size, input_shapes={'images': (1, 8, 8, 3)})) == COUNTED
