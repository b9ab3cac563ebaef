# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.export.saved_model: stripped, with signatures, tables and assets."""

import os
import shutil

import numpy as np
import pytest
import tensorflow

import model_pruning
from model_pruning import errors
from model_pruning import one_shot
from model_pruning.compat import tf
from model_pruning.export import saved_model
from tests import forks

WORDS = ['c', 'unknown', 'a']
WEIGHT = np.arange(20, dtype=np.float32).reshape(4, 5) - 7.5


def _export(folder, masked=True, tags=('serve',)):
  """Writes a SavedModel that looks up words of a file; returns what WORDS give."""
  source = os.path.join(os.path.dirname(folder), 'words.txt')
  with open(source, 'w') as f:
    f.write('a\nb\nc\n')
  with tf.Graph().as_default(), tf.Session() as session:
    words = tf.placeholder(tf.string, [None], 'words')
    lookup = tf.lookup.TextFileInitializer(
        source, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER)
    ids = tf.lookup.StaticVocabularyTable(lookup, 1).lookup(words)
    tf.train.get_or_create_global_step()
    if masked:
      with model_pruning.masked_scope(include='.*'):
        weight = tf.get_variable('embedding', initializer=WEIGHT)
      update = model_pruning.Pruning('initial_sparsity=0.5,target_sparsity=0.5').mask_update_op()
    else:
      weight, update = tf.get_variable('embedding', initializer=WEIGHT), tf.no_op()
    rows = tf.gather(weight, ids, name='rows')
    session.run([tf.global_variables_initializer(), tf.tables_initializer()])
    session.run(update)
    signature = tf.saved_model.signature_def_utils.predict_signature_def
    builder = tf.saved_model.builder.SavedModelBuilder(folder)
    builder.add_meta_graph_and_variables(
        session, list(tags), main_op=tf.tables_initializer(),
        assets_collection=tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS),
        signature_def_map={'serving_default': signature({'words': words}, {'rows': rows}),
                           'ids': signature({'words': words}, {'ids': ids})})
    builder.save()
    result = session.run(rows, {words: WORDS})
  os.remove(source)  # Only the copy among the assets is left.
  return result


def _serve(folder, key, output):
  with tf.Graph().as_default(), tf.Session() as session:
    meta = tf.saved_model.load(session, ['serve'], folder)
    signature = meta.signature_def[key]
    assert not tf.global_variables()
    return session.run(signature.outputs[output].name, {signature.inputs['words'].name: WORDS})


def test_signatures_tables_and_assets_are_kept(tmp_path):
  source, target = str(tmp_path / 'source'), str(tmp_path / 'target')
  wanted = _export(source)
  assert saved_model.strip_saved_model(source, target) == ['embedding/weights/masked_weight']
  shutil.rmtree(source)
  rows = _serve(target, 'serving_default', 'rows')
  np.testing.assert_array_equal(rows, wanted)
  assert np.count_nonzero(rows == 0)
  np.testing.assert_array_equal(_serve(target, 'ids', 'ids'), [2, 3, 0])
  assert os.listdir(os.path.join(target, 'assets')) == ['words.txt']


@pytest.mark.skipif(tensorflow.__version__ < '2', reason='TensorFlow 1 has no such loader')
def test_tensorflow_2_loads_it(tmp_path):
  source, target = str(tmp_path / 'source'), str(tmp_path / 'target')
  wanted = _export(source)
  saved_model.strip_saved_model(source, target)
  with tensorflow.Graph().as_default(), tf.Session() as session:
    function = tensorflow.saved_model.load(target).signatures['serving_default']
    rows = function(words=tf.constant(WORDS))['rows']
    session.run(tf.tables_initializer())
    np.testing.assert_array_equal(session.run(rows), wanted)


def test_variables_that_are_initialized_on_loading_become_constants(tmp_path):
  source, target = str(tmp_path / 'source'), str(tmp_path / 'target')
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.placeholder(tf.float32, [None, 2], 'x')
    scale = tf.get_variable('scale', initializer=3., trainable=False,
                            collections=[tf.GraphKeys.LOCAL_VARIABLES])
    tf.train.get_or_create_global_step()
    with model_pruning.masked_scope(), tf.variable_scope('fc'):
      y = scale * tf.matmul(x, tf.get_variable('kernel', [2, 2]))
    update = model_pruning.Pruning('initial_sparsity=0.5,target_sparsity=0.5').mask_update_op()
    session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    session.run(update)
    wanted = session.run(y, {x: np.ones([1, 2])})
    tf.saved_model.simple_save(session, source, {'x': x}, {'y': y},
                               legacy_init_op=tf.local_variables_initializer())
  saved_model.strip_saved_model(source, target)
  with tf.Graph().as_default(), tf.Session() as session:
    signature = tf.saved_model.load(session, ['serve'], target).signature_def['serving_default']
    np.testing.assert_array_equal(session.run(
        signature.outputs['y'].name, {signature.inputs['x'].name: np.ones([1, 2])}), wanted)


@pytest.mark.legs('newest')
@pytest.mark.skipif(tensorflow.__version__ < '2', reason='of TensorFlow 2')
def test_a_model_of_tensorflow_2_with_functions_and_assets(tmp_path):
  """Saved eagerly, by a program of its own: here graphs are built."""
  program = """
import sys, numpy as np, tensorflow as tf
class Model(tf.Module):
  def __init__(self):
    self.weight = tf.Variable(np.arange(20, dtype=np.float32).reshape(4, 5) - 7.5)
    self.mask = tf.Variable(np.float32(np.arange(20).reshape(4, 5) % 3 > 0))
    self.table = tf.lookup.StaticVocabularyTable(tf.lookup.TextFileInitializer(
        sys.argv[2], tf.string, -2, tf.int64, -1), 1)
  @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
  def rows(self, words):
    return {'rows': tf.gather(self.weight * self.mask, self.table.lookup(words))}
model = Model()
tf.saved_model.save(model, sys.argv[1], signatures=model.rows)
"""
  source, words = str(tmp_path / 'source'), tmp_path / 'words.txt'
  words.write_text('a\nb\nc\n')
  forks.run_code(program, [source, str(words)])
  words.unlink()
  assert saved_model.strip_saved_model(source, str(tmp_path / 'target'))
  shutil.rmtree(source)
  weight = WEIGHT * (np.arange(20).reshape(4, 5) % 3 > 0)
  np.testing.assert_array_equal(
      _serve(str(tmp_path / 'target'), 'serving_default', 'rows'), weight[[2, 3, 0]])


@pytest.mark.skipif(tensorflow.__version__ < '2', reason='of TensorFlow 2')
@pytest.mark.parametrize('raw', [False, True])
def test_a_weight_that_functions_share_is_stored_once(tmp_path, raw):
  """Each signature multiplies for itself. One may also return the weight without its mask."""
  program = """
import sys, numpy as np, tensorflow as tf
class Model(tf.Module):
  def __init__(self):
    random = np.random.RandomState(0)
    self.weight = tf.Variable(random.randn(100, 100).astype(np.float32))
    self.mask = tf.Variable(np.float32(random.rand(100, 100) > 0.5))
  @tf.function(input_signature=[tf.TensorSpec([None, 100], name='x')])
  def first(self, x):
    return {'y': x @ (self.weight * self.mask)}
  @tf.function(input_signature=[tf.TensorSpec([None, 100], name='x')])
  def second(self, x):
    y = tf.cond(tf.reduce_sum(x) > 0, lambda: -x @ (self.mask * self.weight), lambda: x)
    return {'y': y, **({'w': tf.identity(self.weight)} if sys.argv[2] == 'True' else {})}
model = Model()
tf.saved_model.save(model, sys.argv[1], signatures={
    'serving_default': model.first, 'second': model.second})
"""
  source, target = str(tmp_path / 'source'), str(tmp_path / 'target')
  forks.run_code(program, [source, str(raw)])
  assert saved_model.strip_saved_model(source, target)
  size = os.path.getsize(os.path.join(target, 'saved_model.pb'))
  assert 40000 * (3 if raw else 1) < size < 40000 * (3 if raw else 1) + 10000
  random = np.random.RandomState(0)
  weight = random.randn(100, 100).astype(np.float32)
  masked = weight * (random.rand(100, 100) > 0.5)
  x = random.rand(2, 100).astype(np.float32)
  with tf.Graph().as_default(), tf.Session() as session:
    meta = tf.saved_model.load(session, ['serve'], target)

    def run(key, output):
      signature = meta.signature_def[key]
      return session.run(signature.outputs[output].name, {signature.inputs['x'].name: x})

    np.testing.assert_allclose(run('serving_default', 'y'), x @ masked, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(run('second', 'y'), -x @ masked, rtol=1e-3, atol=1e-3)
    if raw:
      np.testing.assert_array_equal(run('second', 'w'), weight)


SIGNATURES = """
import sys, numpy as np, tensorflow as tf
class Model(tf.Module):
  def __init__(self):
    self.first, self.second, self.other = [
        tf.Variable(np.random.RandomState(i).randn(8, 8), dtype=tf.float32, name='w%d' % i)
        for i in range(3)]
  @tf.function(input_signature=[tf.TensorSpec([None, 8], name='x')])
  def serve(self, x):
    x = tf.concat([x[:, :4], x[:, 4:]], 1)  # Its axis is a constant, too, of each signature.
    return {'y': tf.nn.relu(x @ self.first) @ self.second}
  @tf.function(input_signature=[tf.TensorSpec([None, 8], name='x')])
  def features(self, x):
    return {'y': x @ self.other @ self.second}
  @tf.function(input_signature=[tf.TensorSpec([None, 8], name='x')])
  def same(self, x):
    return {name: 2 * y for name, y in self.serve(x).items()}
  @tf.function(input_signature=[tf.TensorSpec([None, 8], name='x')])
  def train(self, x):
    self.first.assign_sub(0.1 * tf.matmul(x, x, transpose_a=True))
    return {'loss': tf.reduce_sum(x @ self.first)}
model = Model()
tf.saved_model.save(model, sys.argv[1], signatures={
    'serving_default': model.serve, sys.argv[2]: getattr(model, sys.argv[2])})
"""


@pytest.mark.skipif(tensorflow.__version__ < '2', reason='of TensorFlow 2')
def test_a_signature_that_assigns_is_named(tmp_path):
  source = str(tmp_path / 'source')
  forks.run_code(SIGNATURES, [source, 'train'])
  with pytest.raises(errors.ModelFileError, match=(
      r'Signature train of .* assigns to its variables \(AssignSubVariableOp\)')):
    saved_model.strip_saved_model(source, str(tmp_path / 'target'))
  with pytest.raises(errors.ModelFileError, match='Signature train of .* assigns'):
    one_shot.shrink_saved_model(source, str(tmp_path / 'target'), fraction=0.5)


@pytest.mark.skipif(tensorflow.__version__ < '2', reason='of TensorFlow 2')
def test_layers_of_other_signatures_are_named_in_a_warning(tmp_path, caplog):
  source = str(tmp_path / 'source')
  forks.run_code(SIGNATURES, [source, 'features'])
  x = np.random.RandomState(0).randn(64, 8).astype(np.float32)
  with caplog.at_level('WARNING'):
    one_shot.prune_saved_model(source, str(tmp_path / 'pruned'), 'target_sparsity=0.5', {'x': x})
    one_shot.shrink_saved_model(source, str(tmp_path / 'small'), {'x': x}, fraction=0.5)
    one_shot.shrink_saved_model(source, str(tmp_path / 'without'), fraction=0.5)  # No refit.
  messages = [record.getMessage() for record in caplog.records]
  assert [message for message in messages if 'ignature' in message] == [
      'Signature features has layers of its own: only the layers of signature serving_default are '
      + done for done in ('pruned and refitted', 'refitted to the examples')]


@pytest.mark.skipif(tensorflow.__version__ < '2', reason='of TensorFlow 2')
def test_another_signature_of_the_same_layers_needs_no_warning(tmp_path, caplog):
  source, target = str(tmp_path / 'source'), str(tmp_path / 'pruned')
  forks.run_code(SIGNATURES, [source, 'same'])
  x = np.random.RandomState(0).randn(64, 8).astype(np.float32)
  with caplog.at_level('WARNING'):
    one_shot.prune_saved_model(source, target, 'target_sparsity=0.5', {'x': x})
  assert 'ignature' not in caplog.text
  signatures = tensorflow.saved_model.load(target).signatures
  once, twice = (signatures[key](x=tensorflow.constant(x)) for key in ('serving_default', 'same'))
  for name, value in once.items():
    np.testing.assert_allclose(twice[name], 2 * value, rtol=1e-6)


def test_the_tags_of_its_graph(tmp_path):
  source = str(tmp_path / 'source')
  _export(source, tags=('serve', 'tpu'))
  with pytest.raises(errors.ModelFileError, match=r"tags \['serve', 'tpu'\], none with"):
    saved_model.strip_saved_model(source, str(tmp_path / 'target'), tags=['serve'])
  saved_model.strip_saved_model(source, str(tmp_path / 'target'))  # There is only one.


def test_a_model_without_masks_is_refused(tmp_path):
  source = str(tmp_path / 'source')
  _export(source, masked=False)
  with pytest.raises(errors.NoMaskedWeightsError, match='no masked weights'):
    saved_model.strip_saved_model(source, str(tmp_path / 'target'))
  assert sorted(os.listdir(str(tmp_path))) == ['source']


@pytest.mark.parametrize('damage,message', [
    ('missing', 'There is no SavedModel in .*nowhere'),
    ('truncated', 'is not a SavedModel, or is damaged'),
    ('variables', 'cannot be read'),
])
def test_a_damaged_model_is_refused_and_nothing_is_written(tmp_path, damage, message):
  source = tmp_path / ('nowhere' if damage == 'missing' else 'source')
  if damage != 'missing':
    _export(str(source))
  if damage == 'truncated':
    content = (source / 'saved_model.pb').read_bytes()
    (source / 'saved_model.pb').write_bytes(content[:len(content) // 2])
  if damage == 'variables':
    shutil.rmtree(str(source / 'variables'))
  before = sorted(os.listdir(str(tmp_path)))
  with pytest.raises(errors.ModelFileError, match=message) as caught:
    saved_model.strip_saved_model(str(source), str(tmp_path / 'target'))
  assert len(str(caught.value).splitlines()) == 1
  assert sorted(os.listdir(str(tmp_path))) == before


def test_a_folder_with_something_in_it_is_kept(tmp_path):
  source = str(tmp_path / 'source')
  _export(source)
  (tmp_path / 'target').mkdir()
  (tmp_path / 'target' / 'kept').write_text('kept')
  with pytest.raises(errors.WriteError, match='exists; give a new folder'):
    saved_model.strip_saved_model(source, str(tmp_path / 'target'))
  assert (tmp_path / 'target' / 'kept').read_text() == 'kept'


def test_a_graph_becomes_a_model_with_the_signature_asked_for(tmp_path):
  with tf.Graph().as_default() as graph:
    x = tf.placeholder(tf.float32, [None], 'scope/x')
    tf.add(x, 1, name='y')
  folder = str(tmp_path / 'model')
  saved_model.to_saved_model(graph.as_graph_def(), folder, {'in': 'scope/x'}, {'out': 'y:0'})
  with tf.Graph().as_default(), tf.Session() as session:
    signature = tf.saved_model.load(session, ['serve'], folder).signature_def['serving_default']
    assert session.run(signature.outputs['out'].name, {signature.inputs['in'].name: [1]}) == [2]
  with pytest.raises(errors.OutputNodeError, match='scope/x'):
    saved_model.to_saved_model(graph.as_graph_def(), str(tmp_path / 'other'), {'in': 'scope/z'},
                               {'out': 'y'})
  assert not (tmp_path / 'other').exists()
