# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The architectures of keras.applications as frozen graphs: half of the channels are removed."""

import gc

import numpy as np
import pytest

from model_pruning import export
from model_pruning.channels import analysis
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from tests import legs
from tests.calibration import models
from tests.channels import checking

if tensorflow.__version__.startswith('1.'):
  pytest.skip('Keras models are pruned on TensorFlow 2', allow_module_level=True)

# The size of the images; and the fraction of the bytes that may stay, if not less than 0.32.
_FAST = {'MobileNet': (32, 0.32), 'MobileNetV2': (32, 0.32)}
_SLOW = {
    'ConvNeXtTiny': (32, 0.6), 'DenseNet121': (32, 0.32),
    'EfficientNetV2B0': (32, 0.32), 'InceptionV3': (75, 0.32),
    'MobileNetV3Small': (32, 0.32), 'MobileNetV3Large': (32, 0.32), 'NASNetMobile': (224, 0.32),
    'ResNet50': (32, 0.32), 'ResNet50V2': (32, 0.32), 'VGG16': (32, 0.32), 'Xception': (71, 0.32)}
# With scales beside depthwise convolutions. CI leaves the others, which take up to 3 GB, to
# `make test-all`: nets of their operations are in test_nets.py and test_removal.py.
_SLOW_IN_CI = ('MobileNetV3Large',)


def images_for(name, size, number):
  """Returns random images, in the range of bytes if the model rescales them."""
  images = np.random.RandomState(1).randn(number, size, size, 3).astype(np.float32)
  return 128 + 64 * images if name.startswith(('EfficientNet', 'MobileNetV3')) else images


def frozen(name, size):
  """Returns a model with random weights as a frozen graph, and the name of its output."""
  from tensorflow.python.framework import convert_to_constants
  keras = tensorflow.keras
  model = getattr(keras.applications, name)(
      weights=None, input_shape=(size, size, 3), classes=10, classifier_activation=None)
  random = np.random.RandomState(0)
  for weight in model.weights:
    shape, path = tuple(weight.shape), getattr(weight, 'path', weight.name)
    if len(shape) == 1:
      at = 1 if 'gamma' in path or 'variance' in path else 0
      weight.assign(at + 0.1 * np.clip(random.randn(*shape), -3, 3).astype(np.float32))
    elif name.startswith('VGG'):  # It has no normalizations.
      weight.assign(2 * np.asarray(weight))
  if hasattr(keras, 'version'):  # Keras 3 normalizes by plain operations; see with_statistics.
    norms = [layer for layer in model.layers
             if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
      norm.momentum = 0.0
    model(images_for(name, size, 16), training=True)
    for norm in norms:  # Masks remove half of the inputs.
      norm.moving_variance.assign(np.maximum(0.5 * np.asarray(norm.moving_variance), 1e-2))
  function = tensorflow.function(lambda images: model(images, training=False))
  spec = tensorflow.TensorSpec([None, size, size, 3], tensorflow.float32, name='images')
  constant = convert_to_constants.convert_variables_to_constants_v2(
      function.get_concrete_function(spec))
  output, = constant.outputs
  return constant.graph.as_graph_def(), output.op.name


def with_statistics(graph_def, images):
  """Returns a graph whose normalizations have the means and variances of these images.

  With the statistics of another model, a deep net with masks forgets its inputs: its activations
  get smaller in every layer, until biases are all there is.
  """
  training = tf.GraphDef()
  training.CopyFrom(graph_def)
  empty = training.node.add(name='no_statistics', op='Const')
  empty.attr['dtype'].type = tf.float32.as_datatype_enum
  empty.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(np.zeros([0], np.float32)))
  norms = [node for node in training.node if node.op == 'FusedBatchNormV3']
  origins = {node.name: node for node in graph_def.node}
  means = {}
  for node in norms:
    for operand in (3, 4):
      name = node.input[operand].split(':')[0]
      while origins[name].op == 'Identity':
        name = origins[name].input[0]
      means[name] = '%s:%d' % (node.name, operand - 2)
      node.input[operand] = empty.name
    node.attr['is_training'].b = True
  if not norms:
    return graph_def
  with tf.Graph().as_default(), tf.Session() as session:
    tf.import_graph_def(training, name='')
    found = session.run(means, {'images:0': images})
  # A variance near zero, of few positions, would magnify rounding.
  return checking.with_values(graph_def, {
      name: np.maximum(value, 1e-2) if means[name].endswith(':2') else value
      for name, value in found.items()})


def shrunk(name, size):
  """Returns the analysis, the masked graph, the smaller graph, and the name of the output."""
  graph_def, output = frozen(name, size)
  images = images_for(name, size, 4)
  found = analysis.analyse(graph_def, [output])
  remove = checking.half(found.groups)
  zeroed = with_statistics(checking.masked(graph_def, found.groups, remove), images)
  smaller = export.remove_channels(zeroed, [output], examples={'images': images})
  assert all(set(numbers) <= set(smaller.removed.get(group, ()))
             for group, numbers in remove.items())
  scores = models.run(smaller.graph_def, images, output)
  expected = models.run(zeroed, images, output)
  apart = np.abs(scores - expected).max() / np.abs(expected).max()
  spread = np.ptp(expected, axis=0).max() / np.abs(expected).max()
  return found, smaller, apart, spread


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', [*legs.few(list(_FAST), 1, 'newest'), *[
    pytest.param(name, marks=[pytest.mark.slow] if name in _SLOW_IN_CI else [
        pytest.mark.slow, pytest.mark.legs()]) for name in _SLOW]])
def test_an_architecture_loses_half_of_its_channels(name):
  size, most = {**_FAST, **_SLOW}[name]
  _, smaller, apart, spread = shrunk(name, size)
  assert apart <= 1e-5 and spread > 1e-3, 'the outputs hardly depend on the images'
  assert smaller.bytes[1] < most * smaller.bytes[0]
  assert checking.flops_of(smaller.graph_def) == smaller.flops[1] < smaller.flops[0]
  tensorflow.keras.backend.clear_session()
  gc.collect()
