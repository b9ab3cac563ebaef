# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.export.assets: files beside a SavedModel, whose paths are in its graph."""

import numpy as np
import pytest

from model_pruning import one_shot
from model_pruning.compat import tf

WORDS = ['c', 'unknown', 'a', 'b'] * 8


def _export(folder, vocabulary):
  """Writes a SavedModel with a layer behind the embedding of words that it looks up in a file."""
  vocabulary.write_text('a\nb\nc\n')
  rng = np.random.RandomState(0)

  def weight(name, *shape):
    return tf.get_variable(name, initializer=rng.randn(*shape).astype('float32'))

  with tf.Graph().as_default(), tf.Session() as session:
    words = tf.placeholder(tf.string, [None], 'words')
    table = tf.lookup.StaticVocabularyTable(tf.lookup.TextFileInitializer(
        str(vocabulary), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER), 1)
    rows = tf.reshape(tf.gather(weight('embedding', 4, 6), table.lookup(words)), [-1, 6])
    hidden = tf.nn.relu(tf.matmul(rows, weight('hidden', 6, 16)))
    outputs = tf.matmul(hidden, weight('outputs', 16, 2))
    session.run([tf.global_variables_initializer(), tf.tables_initializer()])
    tf.saved_model.simple_save(session, folder, {'words': words}, {'outputs': outputs},
                               legacy_init_op=tf.tables_initializer())


def _serve(folder):
  with tf.Graph().as_default(), tf.Session() as session:
    signature = tf.saved_model.load(session, ['serve'], folder).signature_def['serving_default']
    return session.run(signature.outputs['outputs'].name,
                       {signature.inputs['words'].name: WORDS})


@pytest.mark.parametrize('function,options', [
    (one_shot.shrink_saved_model, {'fraction': 0.5}),
    (one_shot.prune_saved_model, {'hparams': 'target_sparsity=0.5'})])
def test_the_copy_in_the_saved_model_is_read_whatever_became_of_the_file(
    function, options, tmp_path):
  vocabulary = tmp_path / 'words.txt'
  _export(str(tmp_path / 'model'), vocabulary)
  served = []
  for content in ('a\nb\nc\n', 'c\nb\na\n', None):
    if content is None:
      vocabulary.unlink()
    else:
      vocabulary.write_text(content)
    target = str(tmp_path / ('target%d' % len(served)))
    function(str(tmp_path / 'model'), target, examples={'words': np.array(WORDS)}, **options)
    served.append(_serve(target))
  for each in served[1:]:
    np.testing.assert_array_equal(each, served[0])
