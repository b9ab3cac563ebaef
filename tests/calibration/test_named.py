# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The inputs of a SavedModel have names, by which the examples are given, and no order."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning import one_shot
from model_pruning.compat import tensorflow
from model_pruning.compat import tf

HALF = 'target_sparsity=0.5'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  path = str(tmp_path_factory.mktemp('named') / 'model')
  random = np.random.RandomState(0)
  with tf.Graph().as_default(), tf.Session() as session:
    # By their names, the placeholders are in another order than the inputs of the signature.
    width, height = (tf.placeholder(tf.float32, [None, 6], name)
                     for name in ('z_first', 'a_second'))
    hidden = tf.nn.relu(tf.matmul(tf.concat([width, height], 1), tf.get_variable(
        'hidden', initializer=random.normal(size=(12, 16)).astype(np.float32))))
    scores = tf.matmul(hidden, tf.get_variable(
        'scores', initializer=random.normal(size=(16, 3)).astype(np.float32)))
    session.run(tf.global_variables_initializer())
    tf.saved_model.simple_save(session, path, {'width': width, 'height': height},
                               {'scores': scores})
  return path


def _examples():
  random = np.random.RandomState(1)
  return {name: (shift + random.normal(size=(64, 2)) @ random.normal(size=(2, 6))).astype(
      np.float32) for name, shift in (('width', 0), ('height', 5))}


def _outputs(path, examples):
  with tf.Graph().as_default() as graph, tf.Session() as session:
    signature = tf.saved_model.load(session, ['serve'], path).signature_def['serving_default']
    return session.run(signature.outputs['scores'].name, {
        graph.get_tensor_by_name(signature.inputs[name].name): value
        for name, value in examples.items()})


@pytest.mark.sampled(3)
@pytest.mark.parametrize('way', ['dict', 'file', 'batches', 'dataset', 'with labels'])
def test_examples_are_given_by_the_names_of_the_inputs(folder, tmp_path, way):
  examples = _examples()
  batches = [{name: value[begin:begin + 16] for name, value in examples.items()}
             for begin in range(0, 64, 16)]
  file = str(tmp_path / 'examples.npz')
  np.savez(file, **examples)
  given = {'dict': examples, 'file': file, 'batches': batches,
           'dataset': tensorflow.data.Dataset.from_tensor_slices(examples).batch(16)
           if int(tf.__version__.split('.')[0]) > 1 else iter(batches),
           'with labels': [(batch, np.zeros(16)) for batch in batches]}[way]
  refitted, masked = (str(tmp_path / name) for name in ('refitted', 'masked'))
  one_shot.prune_saved_model(folder, refitted, HALF, given)
  one_shot.prune_saved_model(folder, masked, HALF)
  dense, *others = (_outputs(path, examples) for path in (folder, refitted, masked))
  errors_of = [np.std(other - dense) for other in others]
  assert errors_of[0] < 0.4 * errors_of[1]


@pytest.mark.parametrize('function, goal', [
    (one_shot.prune_saved_model, {'hparams': HALF}),
    (one_shot.shrink_saved_model, {'fraction': 0.5})])
def test_examples_without_names_are_refused(folder, tmp_path, function, goal):
  arrays = list(_examples().values())
  for examples in (arrays, tuple(arrays), [arrays, arrays, arrays]):
    with pytest.raises(errors.ExamplesError,
                       match='names, but no order; .*by name, .* for: height, width$'):
      function(folder, str(tmp_path / 'output'), examples=examples, **goal)
  with pytest.raises(errors.ExamplesError, match=(
      r"'with' \(did you mean width\?\), which is no input .* are: height, width$")):
    function(folder, str(tmp_path / 'output'), examples={'with': arrays[0]}, **goal)
  with pytest.raises(errors.ExamplesError, match='no examples for the input height; '):
    function(folder, str(tmp_path / 'output'), examples={'width': arrays[0]}, **goal)
  with pytest.raises(errors.ExamplesError, match='examples of width have shape'):
    function(folder, str(tmp_path / 'output'), examples={
        'width': arrays[0][:, :5], 'height': arrays[1]}, **goal)
