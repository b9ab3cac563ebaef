# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The graph API and the Keras API choose the same masks, to the bit."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning
import model_pruning.keras as sparsity
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.updates import MaskUpdater
from tests import legs

pytestmark = pytest.mark.legacy_keras

SHAPES = [(20, 30), (3, 3, 8, 12), (1, 1, 24, 16), (257, 5)]
PATTERNS = {
    'elementwise': '', 'blocks': 'block_height=4,block_width=2,',
    'max_blocks': 'block_height=3,block_width=-1,block_pooling_function=MAX,',
    'n_of_m': 'intra_block_sparsity=true,block_width=4,',
    'histogram': 'threshold_method=histogram,nbins=64,',
    'decay': 'threshold_decay=0.3,', 'global': 'global_pruning=true,',
    'own_targets': 'weight_sparsity_map=[w0:0.3],',
    'erk': 'sparsity_distribution=erk,', 'lamp': 'sparsity_distribution=lamp,',
    'erk_n_of_m': 'sparsity_distribution=erk,intra_block_sparsity=true,block_width=4,',
    'lamp_blocks': 'sparsity_distribution=lamp,block_height=4,block_width=2,',
    'lamp_own_targets': 'sparsity_distribution=lamp,weight_sparsity_map=[w0:0.3],'}


@keras.utils.register_keras_serializable('tests')
class Holder(keras.layers.Layer):
  """A layer with weights of any shape and dtype."""

  def __init__(self, shapes, **kwargs):
    super().__init__(**kwargs)
    self.shapes = [tuple(shape) for shape in shapes]

  def build(self, input_shape):
    self.tables = [self.add_weight(name='w%d' % number, shape=shape, dtype=self.dtype)
                   for number, shape in enumerate(self.shapes)]
    self.built = True

  def call(self, x):
    return x

  def get_prunable_weights(self):
    return list(self.tables)

  def get_config(self):
    return {**super().get_config(), 'shapes': self.shapes}


def values_of(dtype):
  random = np.random.RandomState(2)
  values = [random.standard_normal(shape) for shape in SHAPES]
  values[0][::2] = np.round(values[0][::2], 1)  # Ties.
  return [value.astype(tf.as_dtype(dtype).as_numpy_dtype) for value in values]


def masks_of_the_graph_door(spec, dtype, steps):
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.train.get_or_create_global_step()
    for number, value in enumerate(values_of(dtype)):
      weight = tf.get_variable('w%d' % number, initializer=tf.constant(value), use_resource=True)
      model_pruning.apply_mask(weight, 'scope_%d' % number)
    pruning = model_pruning.Pruning(spec)
    update = pruning.mask_update_op()
    session.run(tf.global_variables_initializer())
    for number in steps:
      session.run(step.assign(number))
      session.run(update)
    records = registry.masked_weights()
    return session.run([(record.mask, record.threshold) for record in records])


def masks_of_the_keras_door(spec, dtype, steps):
  layer = sparsity.prune_low_magnitude(Holder(SHAPES, dtype=dtype), spec)
  layer.build((1,))
  updater = MaskUpdater(layer)
  for step in steps:
    for variable, value in zip(layer.tables, values_of(dtype)):
      variable.assign(value)  # The graph API keeps it.
    updater.update(step)
  return [(np.asarray(record.mask), np.asarray(record.threshold))
          for record in pruned_layers(layer)[0].pruning.weights]


CASES = [(pattern, 'float32') for pattern in sorted(PATTERNS)] + [
    (pattern, dtype) for pattern in ('elementwise', 'blocks', 'n_of_m')
    for dtype in ('float16', 'bfloat16', 'float64')]


@pytest.mark.sampled(1)
@pytest.mark.parametrize('pattern, dtype', legs.few(CASES, len(PATTERNS) + 3))
def test_masks_and_thresholds_are_equal(pattern, dtype):
  spec = PATTERNS[pattern] + 'target_sparsity=0.77,sparsity_function_end_step=100'
  expected = masks_of_the_graph_door(spec, dtype, [30, 70])
  actual = masks_of_the_keras_door(spec, dtype, [30, 70])
  for (mask, threshold), (keras_mask, keras_threshold) in zip(expected, actual):
    assert 0 < np.mean(np.asarray(mask, np.float64)) < 1
    np.testing.assert_array_equal(np.asarray(mask, np.float64), np.asarray(keras_mask, np.float64))
    assert float(threshold) == float(keras_threshold)
