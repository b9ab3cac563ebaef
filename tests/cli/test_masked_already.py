# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Models that have masks already are refused by prune, plan and sensitivity in the same words."""

import os

import numpy as np
import pytest

from model_pruning import errors
from model_pruning import one_shot
from model_pruning.compat import tf
from model_pruning.export import checkpoint
from model_pruning.graph.scope import masked_scope
from tests.cli import trained

COMMANDS = {'prune': ['target_sparsity=0.5'], 'plan': ['--target_sparsity=0.5'], 'sensitivity': []}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """The models of trained.py, and a checkpoint, graph, SavedModel and Keras model with masks."""
  folder = trained.write(str(tmp_path_factory.mktemp('models')))
  masked = os.path.join(folder, 'masked')
  os.makedirs(os.path.join(masked, 'run'))
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.placeholder(tf.float32, [None, 16], 'inputs')
    with masked_scope(include='fc1'):
      hidden = tf.matmul(x, tf.get_variable('fc1/kernel', [16, 16]))
      scores = tf.identity(tf.matmul(hidden, tf.get_variable('fc2/kernel', [16, 4])), 'scores')
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, os.path.join(masked, 'run', 'model.ckpt'))
    frozen = tf.graph_util.convert_variables_to_constants(
        session, session.graph.as_graph_def(), ['scores'])
    with open(os.path.join(masked, 'frozen.pb'), 'wb') as f:
      f.write(frozen.SerializeToString())
    builder = tf.saved_model.Builder(os.path.join(masked, 'saved'))
    builder.add_meta_graph_and_variables(session, ['serve'], {
        'serving_default': tf.saved_model.predict_signature_def({'x': x}, {'y': scores})})
    builder.save()
  if trained.HAS_KERAS:
    from model_pruning.keras import files
    from model_pruning.keras import prune_trained
    files.save(prune_trained(files.load(os.path.join(folder, 'model.keras')),
                             'target_sparsity=0.5'), os.path.join(masked, 'model.keras'))
  return folder


@pytest.mark.sampled(5)
@pytest.mark.parametrize('command', sorted(COMMANDS))
@pytest.mark.parametrize('model, message', [
    ('run --output_node_names=scores', '/run/model.ckpt has masks already (fc1/mask); strip it'),
    ('frozen.pb --output_node_names=scores', 'The graph has masks already (fc1/'),
    ('saved', '/saved has masks already (fc1/'),
    ('model.keras', 'is pruned already; strip')])
def test_every_command_refuses_a_model_with_masks(folder, tmp_path, capsys, command, model,
                                                  message):
  if 'keras' in model and not trained.HAS_KERAS:
    pytest.skip('Keras models need TensorFlow 2')
  output = str(tmp_path / 'new' / ('x.keras' if 'keras' in model else 'x'))
  words = [command, *('FOLDER/masked/' + model).split(), *COMMANDS[command],
           '--examples=FOLDER/images.npy']
  if command != 'plan':
    words.append('--output=' + output)
  trained.check_mistake(folder, output, capsys, words, message)


def test_a_checkpoint_with_masks_is_refused_even_with_the_graph_of_a_dense_one(
    folder, tmp_path, capsys):
  meta = checkpoint.Checkpoint(os.path.join(folder, 'dense')).path + '.meta'
  trained.check_mistake(folder, str(tmp_path / 'new' / 'x'), capsys, [
      'plan', 'FOLDER/masked/run', '--output_node_names=scores', '--meta_graph=' + meta,
      '--examples=FOLDER/images.npy', '--target_sparsity=0.5'], 'has masks already')


@pytest.mark.parametrize('function, options', [
    (one_shot.prune_graph, {'hparams': 'target_sparsity=0.5'}),
    (one_shot.plan_graph, {'target_sparsity': 0.5}), (one_shot.sensitivity_of_graph, {})])
def test_every_function_refuses_a_graph_with_masks(folder, function, options):
  graph_def = tf.GraphDef()
  with open(os.path.join(folder, 'masked', 'frozen.pb'), 'rb') as f:
    graph_def.ParseFromString(f.read())
  images = np.load(os.path.join(folder, 'images.npy'))
  with pytest.raises(errors.ModelFileError, match='has masks already .*; strip it first'):
    function(graph_def, examples=images, outputs=['scores:0'], **options)
