# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning channels` and `shrink`: frozen graphs, SavedModels, and mistakes."""

import json
import os
import re

import numpy as np
import pytest

from model_pruning import one_shot
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from tests.calibration import models
from tests.cli import trained
from tests.cli.trained import run

MODELS = {**trained.MODELS, 'saved_model': ['FOLDER/only_scores']}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  path = trained.write(str(tmp_path_factory.mktemp('models')))
  with tf.Graph().as_default(), tf.Session() as session:
    with open(os.path.join(path, 'frozen.pb'), 'rb') as f:
      tf.import_graph_def(tf.GraphDef.FromString(f.read()), name='')
    graph = session.graph
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(
        tf.constant([0, 1], tf.int64), tf.constant([5, 7], tf.int64)), -1)
    codes = tf.placeholder(tf.int64, [None], 'codes')
    x, y = [graph.get_tensor_by_name(name) for name in ('inputs:0', 'scores:0')]
    signatures = {'serving_default': tf.saved_model.predict_signature_def({'x': x}, {'y': y})}
    builder = tf.saved_model.Builder(os.path.join(path, 'only_scores'))
    builder.add_meta_graph_and_variables(session, ['serve'], signatures)
    builder.save()
    signatures['codes'] = tf.saved_model.predict_signature_def(
        {'code': codes}, {'name': table.lookup(codes)})
    session.run(tf.tables_initializer())
    builder = tf.saved_model.Builder(os.path.join(path, 'with_table'))
    builder.add_meta_graph_and_variables(session, ['serve'], signatures,
                                         main_op=tf.tables_initializer())
    builder.save()
  return path


def outputs(path, kind, images):
  with tf.Graph().as_default() as graph, tf.Session() as session:
    if kind == 'graph':
      with open(path, 'rb') as f:
        tf.import_graph_def(tf.GraphDef.FromString(f.read()), name='')
    else:
      meta = tf.saved_model.load(session, ['serve'], path)
      assert sorted(meta.signature_def['serving_default'].inputs) == ['x']
    return session.run('scores:0', {graph.get_tensor_by_name('inputs:0'): images})


@pytest.mark.sampled(3)
@pytest.mark.parametrize('kind', trained.KINDS)
def test_channels_are_listed(folder, capsys, kind):
  assert not run(folder, 'channels', *MODELS[kind])
  printed = capsys.readouterr().out
  assert max(map(len, printed.splitlines())) <= 80
  assert 'fc1/kernel axis 1' in printed and 'fc2/kernel axis 0' in printed
  # Keras 3 puts the name of a model from a .h5 file before the names of weights.
  words = re.sub(r'sequential(_\d+)?/', '', ' '.join(printed.split()))
  assert 'it is an input of the model: fc1/kernel axis 0' in words
  assert not run(folder, 'channels', *MODELS[kind], '--json')
  found = json.loads(capsys.readouterr().out)
  group, = found['groups']
  assert re.match(r'(sequential(_\d+)?/)?fc1/kernel', group['name'])
  assert group['channels'] == 16 and group['unneeded'] == []
  assert group['bytes'] == 4 * (16 + 1 + 4) and group['flops'] == 2 * (16 + 4)
  assert [whole['reason'] for whole in found['whole']] == [
      'it is an input of the model', 'it is an output of the model']


@pytest.mark.skipif(not hasattr(tensorflow.keras.layers, 'EinsumDense'), reason='since 2.9')
def test_channels_that_shrink_cannot_remove_are_listed_as_staying(tmp_path, capsys):
  from model_pruning.keras.backend import keras
  keras.Sequential([
      keras.Input((20,)), keras.layers.EinsumDense('ab,bc->ac', 16, name='first'),
      keras.layers.Dense(8, name='second'), keras.layers.Dense(3)]).save(str(tmp_path / 'model.h5'))
  assert not run(str(tmp_path), 'channels', 'FOLDER/model.h5', '--json')
  found = json.loads(capsys.readouterr().out)
  group, = found['groups']
  assert 'second/kernel' in group['name']
  whole, = [whole for whole in found['whole'] if 'first/kernel' in whole['op']]
  assert whole['reason'] == (
      whole['op'] + ' is of a layer whose width remove_channels cannot change')


@pytest.mark.parametrize('kind', ['graph', 'saved_model'])
def test_half_of_the_channels_are_removed(folder, tmp_path, capsys, kind):
  output = str(tmp_path / 'new' / 'small')
  assert not run(folder, 'shrink', *MODELS[kind], '--fraction=0.5', '--output=' + output, '--json')
  found = json.loads(capsys.readouterr().out)
  weights = {row['name'].split('/kernel')[0]: row['after'] for row in found['weights']
             if 'kernel' in row['name']}
  assert weights == {'fc1': [16, 8], 'fc2': [8, 4]}
  images = np.load(os.path.join(folder, 'images.npy'))
  path = os.path.join(folder, MODELS[kind][0].split('/')[1])
  expected = _without(os.path.join(folder, 'frozen.pb'), images, 8)
  np.testing.assert_allclose(outputs(output, kind, images), expected, rtol=1e-4, atol=1e-5)
  assert np.abs(outputs(path, kind, images) - expected).max() > 1e-3


def _without(path, images, number):
  """Returns the scores, in NumPy, without the hidden channels of the smallest norms."""
  with open(path, 'rb') as f:
    graph_def = tf.GraphDef.FromString(f.read())
  values = {node.name: tf.make_ndarray(node.attr['value'].tensor) for node in graph_def.node
            if node.op == 'Const'}
  first, second = values['fc1/kernel'], values['fc2/kernel']
  norms = (first**2).sum(0) + values['fc1/bias']**2 + (second**2).sum(1)
  kept = np.sort(np.argsort(norms)[number:])
  hidden = np.maximum(images @ first[:, kept] + values['fc1/bias'][kept], 0)
  return hidden @ second[kept] + values['fc2/bias']


def test_a_table_and_other_signatures_stay(folder, tmp_path, capsys):
  output = str(tmp_path / 'small')
  # The comparison of the outputs, too, needs the table to be filled.
  assert not run(folder, 'shrink', 'FOLDER/with_table', '--fraction=0.5', '--output=' + output)
  assert 'Written to %s' % output in capsys.readouterr().out
  with tf.Graph().as_default(), tf.Session() as session:
    meta = tf.saved_model.load(session, ['serve'], output)
    assert sorted(key for key in meta.signature_def if not key.startswith('__')) == [
        'codes', 'serving_default']
    name = meta.signature_def['codes'].outputs['name'].name
    assert session.run(name, {'codes:0': [1, 0, 3]}).tolist() == [7, 5, -1]


@pytest.mark.sampled(5)
@pytest.mark.parametrize('options, after', [
    (['--fraction=0.3'], 12), (['--fraction=0.3', '--multiple_of=8'], 16),
    (['--fraction=0.6', '--multiple_of=8'], 8), (['--fraction=0.99'], 1),
    (['--fraction=0.5', '--keep=fc1'], 16), ([], 16),
    (['--fraction=0.5', '--examples=FOLDER/images.npy'], 8)])
def test_options(folder, tmp_path, capsys, options, after):
  output = str(tmp_path / 'small.pb')
  assert not run(folder, 'shrink', *MODELS['graph'], '--output=' + output, *options)
  printed = capsys.readouterr().out
  assert '%d channels of' % (16 - after) in printed
  with open(output, 'rb') as f:
    graph_def = tf.GraphDef.FromString(f.read())
  kernel, = (node for node in graph_def.node if node.name == 'fc1/kernel')
  assert tf.make_ndarray(kernel.attr['value'].tensor).shape == (16, after)


@pytest.mark.parametrize('words, message', [
    (['shrink', *MODELS['graph'], '--fraction=1'], 'fraction=1.0; expected'),
    (['shrink', *MODELS['graph'], '--fraction=0.5', '--multiple_of=0'], 'multiple_of=0; expected'),
    (['shrink', *MODELS['graph'], '--fraction=0.5', '--keep=('], 'keep'),
    (['shrink', *MODELS['graph'], '--fraction=0.5', '--keep=fc2'], 'no name of a group'),
    (['shrink', 'FOLDER/frozen.pb'], '--output_node_names is missing'),
    (['shrink', 'FOLDER/frozen.pb', '--output_node_names=score'], 'did you mean scores'),
    (['shrink', 'FOLDER/dense'], '--output_node_names is missing'),
    (['shrink', *MODELS['graph'], '--examples=FOLDER/none.npy'], 'There is no file'),
    (['shrink', *MODELS['graph'], '--examples=FOLDER/narrow.npy'], 'does not run'),
    (['shrink', *MODELS['graph'], '--examples=FOLDER/narrow.npy', '--fraction=0.5'],
     'the model takes'),
    (['shrink', *MODELS['graph'], '--examples=FOLDER/few.npy', '--fraction=0.5'], 'too few'),
    (['shrink', *MODELS['graph'], '--max_loss=0.1'], '--max_loss is measured on --examples'),
    (['shrink', *MODELS['graph'], '--max_loss=0.1', '--examples=FOLDER/images.npy',
      '--labels=FOLDER/none.npy'], '--labels=FILE names'),
    (['shrink', *MODELS['graph'], '--fraction=0.5', '--joint_steps=9'], 'refits to --examples'),
    (['shrink', *MODELS['graph'], '--joint_steps=9', '--examples=FOLDER/images.npy'],
     'and a goal: one of'),
    (['shrink', *MODELS['graph'], '--joint_steps=-1'], '--joint_steps=-1; expected'),
    (['shrink', *MODELS['graph'], '--max_bytes=10'], 'max_bytes=10 cannot be met'),
    (['shrink', 'FOLDER/none.pb'], 'none.pb')])
def test_mistakes(folder, tmp_path, capsys, words, message):
  output = str(tmp_path / 'new' / 'small')
  trained.check_mistake(folder, output, capsys, [*words, '--output=' + output], message)


@pytest.mark.parametrize('name', ['small.keras', 'small.H5', 'small.tflite'])
def test_a_frozen_graph_has_no_name_of_another_kind(folder, tmp_path, capsys, name):
  output = str(tmp_path / 'new' / name)
  trained.check_mistake(folder, output, capsys, [
      'shrink', *MODELS['graph'], '--fraction=0.5', '--output=' + output],
                        'no name for a frozen graph')


@pytest.mark.skipif(not trained.HAS_KERAS, reason='needs Keras')
def test_a_keras_model_knows_its_outputs(folder, tmp_path, capsys):
  output = str(tmp_path / 'new' / 'small.keras')
  trained.check_mistake(folder, output, capsys, [
      'shrink', *MODELS['keras'], '--fraction=0.5', '--output_node_names=scores',
      '--output=' + output], 'leave it out')


@pytest.mark.parametrize('kind', ['keras', 'h5'] * trained.HAS_KERAS)
def test_keras_models_lose_half_of_their_channels(folder, tmp_path, kind):
  from model_pruning.keras import files
  output = str(tmp_path / ('small.' + kind))
  assert not run(folder, 'shrink', *MODELS[kind], '--fraction=0.5', '--output=' + output)
  images = np.load(os.path.join(folder, 'images.npy'))
  smaller = files.load(output)
  assert [layer.name for layer in smaller.layers][-2:] == ['fc1', 'fc2']
  np.testing.assert_allclose(smaller.predict(images, verbose=0), _without(
      os.path.join(folder, 'frozen.pb'), images, 8), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not trained.HAS_KERAS, reason='Keras models are pruned on TensorFlow 2')
def test_masks_of_a_keras_model_are_removed_first(folder, tmp_path, capsys):
  import model_pruning.keras as sparsity
  from model_pruning.keras import files
  model = sparsity.prune_low_magnitude(files.load(os.path.join(folder, 'model.keras')))
  kernel = np.array(model.get_layer('fc1').weights[0])
  mask = np.ones_like(kernel)
  mask[:, 3:6] = 0
  by_name = {weight.name.split(':')[0].split('/')[-1]: weight for weight in model.get_layer(
      'fc1').weights}
  by_name['mask' if 'mask' in by_name else sorted(by_name)[2]].assign(mask)
  by_name['bias'].assign(np.zeros(16))
  model.save(str(tmp_path / 'pruned.keras'))
  assert not run(folder, 'shrink', str(tmp_path / 'pruned.keras'), '--output=%s' % (
      tmp_path / 'small.keras'))
  assert '3 channels of 1 group are removed' in capsys.readouterr().out
  assert files.load(str(tmp_path / 'small.keras')).get_layer('fc1').units == 13


def test_a_checkpoint_loses_half_of_its_channels(folder, tmp_path, capsys):
  output = str(tmp_path / 'new' / 'model.ckpt')
  assert not run(folder, 'shrink', *MODELS['checkpoint'], '--fraction=0.5', '--output=' + output)
  assert 'fc1/kernel' in capsys.readouterr().out
  images = np.load(os.path.join(folder, 'images.npy'))
  with tf.Graph().as_default(), tf.Session() as session:
    scores, _ = trained.net(8)
    tf.train.Saver().restore(session, tf.train.latest_checkpoint(str(tmp_path / 'new')))
    found = session.run([scores, tf.train.get_global_step()], {'inputs:0': images})
  np.testing.assert_allclose(found[0], _without(os.path.join(folder, 'frozen.pb'), images, 8),
                             rtol=1e-4, atol=1e-5)
  assert found[1] == 700


def _error(folder, path, kind):
  """Returns the squared error of the scores, relative to their variance."""
  images = np.load(os.path.join(folder, 'images.npy'))
  expected = outputs(os.path.join(folder, 'frozen.pb'), 'graph', images)
  wrong = outputs(path, kind, images) - expected
  return np.sum(wrong**2) / np.sum((expected - expected.mean(axis=0))**2)


@pytest.mark.parametrize('kind, examples', [
    ('graph', 'images.npy'), ('saved_model', 'images.npy'), ('saved_model', 'x.npz')])
def test_the_weights_that_stay_are_refitted_to_examples(folder, tmp_path, capsys, kind, examples):
  errors = {}
  for refit in ('yes', 'no'):
    output = str(tmp_path / refit)
    assert not run(folder, 'shrink', *MODELS[kind], '--fraction=0.5', '--output=' + output,
                   '--examples=FOLDER/' + examples, '--refit=' + refit, '--regression', '--json')
    errors[refit] = _error(folder, output, kind)
    loss = json.loads(capsys.readouterr().out)['loss']
    if refit == 'yes':
      assert loss['name'] == 'relative error of the outputs'
      assert loss['after'] == pytest.approx(errors['yes'], rel=1e-2)
    else:
      assert loss is None
  assert errors['yes'] < 0.3 * errors['no']


@pytest.mark.parametrize('kind', ['graph'] + ['keras'] * trained.HAS_KERAS)
def test_all_layers_are_refitted_together(folder, tmp_path, capsys, kind):
  losses = []
  for steps in (0, 40):
    output = str(tmp_path / ('%d.%s' % (steps, kind)))
    assert not run(folder, 'shrink', *MODELS[kind], '--fraction=0.75', '--regression', '--json',
                   '--examples=FOLDER/images.npy', '--joint_steps=%d' % steps,
                   '--output=' + output)
    losses.append(json.loads(capsys.readouterr().out)['loss']['after'])
    assert os.path.exists(output)
  assert losses[1] < 0.9 * losses[0]


@pytest.mark.parametrize('kind', ['keras'] * trained.HAS_KERAS)
def test_keras_models_are_refitted(folder, tmp_path, capsys, kind):
  losses = {}
  for refit in ('yes', 'no'):
    assert not run(folder, 'shrink', *MODELS[kind], '--max_flops=300', '--regression', '--json',
                   '--examples=FOLDER/images.npy', '--refit=' + refit,
                   '--output=%s.keras' % (tmp_path / refit))
    found = json.loads(capsys.readouterr().out)
    assert found['flops'] == [640, 280]
    from model_pruning.keras import files
    images = np.load(os.path.join(folder, 'images.npy'))
    expected = outputs(os.path.join(folder, 'frozen.pb'), 'graph', images)
    scores = files.load('%s.keras' % (tmp_path / refit)).predict(images, verbose=0)
    losses[refit] = np.sum((scores - expected)**2)
  assert losses['yes'] < 0.5 * losses['no']


def test_the_refitted_weights_of_a_checkpoint_are_written(folder, tmp_path):
  output = str(tmp_path / 'new' / 'model.ckpt')
  assert not run(folder, 'shrink', *MODELS['checkpoint'], '--fraction=0.5', '--output=' + output,
                 '--examples=FOLDER/images.npy')
  images = np.load(os.path.join(folder, 'images.npy'))
  with tf.Graph().as_default(), tf.Session() as session:
    scores, _ = trained.net(8)
    tf.train.Saver().restore(session, tf.train.latest_checkpoint(str(tmp_path / 'new')))
    found = session.run(scores, {'inputs:0': images})
  path = os.path.join(folder, 'frozen.pb')
  expected = outputs(path, 'graph', images)
  assert np.sum((found - expected)**2) < 0.3 * np.sum((_without(path, images, 8) - expected)**2)


def test_constants_go_into_the_bias_of_the_reader(tmp_path, capsys):
  def build(x, weight):
    x = tf.sigmoid(tf.matmul(x[:, 0, 0], tf.constant(np.eye(2, 5, dtype=np.float32), name='a')))
    return tf.matmul(x, weight('b', 5, 3)) + weight('bias', 3)
  graph_def = models.graph_of(build)
  (tmp_path / 'dense.pb').write_bytes(graph_def.SerializeToString())
  assert not run(str(tmp_path), 'shrink', 'FOLDER/dense.pb', '--output_node_names=outputs',
                 '--output=FOLDER/small.pb')
  assert 'values of constant channels went into: bias\n' in capsys.readouterr().out
  smaller = tf.GraphDef.FromString((tmp_path / 'small.pb').read_bytes())
  assert models.value(smaller, 'a').shape == (2, 2)
  images = models.inputs()
  np.testing.assert_allclose(models.run(smaller, images), models.run(graph_def, images), atol=1e-5)


def test_python_shrinks_a_saved_model_as_the_command_does(folder, tmp_path, capsys):
  paths = [str(tmp_path / name) for name in ('command', 'python')]
  assert not run(folder, 'shrink', *MODELS['saved_model'], '--max_flops=300',
                 '--output=' + paths[0], '--examples=FOLDER/x.npz')
  printed = capsys.readouterr().out
  assert 'FLOPs per example: 640 -> 280' in printed and 'changed answers' in printed
  smaller = one_shot.shrink_saved_model(
      os.path.join(folder, 'only_scores'), paths[1], os.path.join(folder, 'x.npz'), max_flops=300)
  assert smaller.flops == (640, 280)
  images = np.load(os.path.join(folder, 'images.npy'))
  np.testing.assert_array_equal(*(outputs(path, 'saved_model', images) for path in paths))


@pytest.mark.parametrize('options', [[], ['--labels=FOLDER/labels.npy'], ['--regression']])
def test_a_loss_is_kept(folder, tmp_path, capsys, options):
  output = str(tmp_path / 'small.pb')
  assert not run(folder, 'shrink', *MODELS['graph'], '--max_loss=0.05', '--output=' + output,
                 '--examples=FOLDER/images.npy', '--json', *options)
  found = json.loads(capsys.readouterr().out)
  assert found['removed'] and found['loss']['after'] <= 0.05
  assert found['loss']['name'] == {
      '': 'changed answers', '--labels': 'lost accuracy',
      '--regression': 'relative error of the outputs'}[''.join(options).split('=')[0]]
