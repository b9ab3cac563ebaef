# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.inputs, and that every public function takes paths of all types."""

import os
import pathlib

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning import one_shot
from model_pruning import strip_pruning_vars
from model_pruning.compat import tf
from model_pruning.export import checkpoint
from model_pruning.export import saved_model
from model_pruning.export.tflite import convert as tflite
from model_pruning.reading import inputs
from model_pruning.reading import models
from model_pruning.reporting import events
from model_pruning.reporting import plots
from model_pruning.reporting import report


@pytest.mark.parametrize('url', ['s3n://bucket/model', 'http://host/model.pb', 'nothing://x'])
def test_urls_without_a_file_system(url):
  for read in (inputs.check, models.load, report.of, events.read,
               lambda path: model_pruning.graph_def_from_checkpoint(path, ['y']),
               model_pruning.init_from_dense_checkpoint, saved_model.read_stripped,
               tflite.weights_of):
    with pytest.raises(errors.ModelFileError, match='no file system for .*://'):
      read(url)


def test_a_pipe_is_not_waited_for(tmp_path):
  os.mkfifo(str(tmp_path / 'pipe'))
  for read in (models.load, report.of, events.read, tflite.weights_of):
    with pytest.raises(errors.ModelFileError, match='is a pipe'):
      read(tmp_path / 'pipe')
  with pytest.raises(errors.ModelFileError, match='is a device'):
    inputs.check('/dev/zero')


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """A folder with dense/ and pruned/ checkpoints, events, and a SavedModel."""
  folder = tmp_path_factory.mktemp('run')
  for name, masks in (('dense', 'none'), ('pruned', '.*')):
    with tf.Graph().as_default(), tf.Session() as session:
      tf.train.get_or_create_global_step()
      x = tf.placeholder(tf.float32, [None, 8], 'x')
      with model_pruning.masked_scope(include=masks):
        with tf.variable_scope('fc'):
          product = tf.matmul(x, tf.get_variable('kernel', [8, 4]))
      y = tf.identity(product, 'y')
      if name == 'pruned':
        pruning = model_pruning.Pruning('initial_sparsity=0.5,target_sparsity=0.5')
        update, summaries = pruning.mask_update_op(), pruning.add_pruning_summaries()
        session.run(tf.global_variables_initializer())
        session.run(update)
        with tf.summary.FileWriter(str(folder / name)) as writer:
          writer.add_summary(session.run(summaries), 1)
        tf.saved_model.simple_save(session, str(folder / 'saved'), {'x': x}, {'y': y})
      else:
        session.run(tf.global_variables_initializer())
      tf.train.Saver().save(session, str(folder / name / 'model.ckpt'), 1)
      tf.train.write_graph(session.graph, str(folder), 'graph.pbtxt')
  return folder


def test_an_empty_path_is_an_error_that_says_so():
  for function in (report.of, models.load):
    with pytest.raises(errors.ModelFileError, match='path to read is empty'):
      function('')


def test_a_graph_with_variables_is_no_model(run):
  with pytest.raises(errors.ModelFileError, match='graph with variables, .*folder'):
    report.of(run / 'graph.pbtxt')


@pytest.mark.sampled(1)
@pytest.mark.parametrize('kind', [pathlib.Path, lambda path: str(path).encode()],
                         ids=['pathlib', 'bytes'])
def test_every_function_that_takes_a_path(run, tmp_path, kind):
  def given(name):
    return kind(run / name)

  def new(name):
    return kind(tmp_path / name)

  assert report.of(given('pruned')).path == str(run / 'pruned' / 'model.ckpt-1')
  history = events.read(given('pruned'))
  assert history.path == str(run / 'pruned')
  plots.save(plots.sparsity(history), new('x.png'))
  graph_def = model_pruning.graph_def_from_checkpoint(
      given('pruned'), ['y'], given('pruned/model.ckpt-1.meta'))
  stripped = model_pruning.strip_pruning_vars_fn(graph_def, ['y'])
  saved_model.to_saved_model(stripped, new('saved'), {'x': 'x:0'}, {'y': 'y:0'})
  result = tflite.to_tflite(stripped, new('x.tflite'), 'x', 'y')
  assert result.path == str(tmp_path / 'x.tflite') and tflite.weights_of(tmp_path / 'x.tflite', 1)
  assert report.of(new('x.tflite')).kind == report.TFLITE
  saved_model.strip_saved_model(given('saved'), new('stripped'))
  checkpoint.strip_checkpoint(given('pruned'), new('plain/model.ckpt'))
  one_shot.prune_checkpoint(given('dense'), new('masked/model.ckpt'), 'target_sparsity=0.5')
  assert strip_pruning_vars.strip_pruning_vars(given('pruned'), 'y', new('.'), 'x.pb') == str(
      tmp_path / 'x.pb')
  with tf.Graph().as_default(), tf.Session() as session:
    with model_pruning.masked_scope(), tf.variable_scope('fc'):
      kernel = tf.get_variable('kernel', [8, 4])
    model_pruning.init_from_dense_checkpoint(given('dense'))
    session.run(tf.global_variables_initializer())
    expected = tf.train.load_checkpoint(str(run / 'dense')).get_tensor('fc/kernel')
    np.testing.assert_array_equal(session.run(kernel), expected)
  made = {'masked', 'plain', 'saved', 'stripped', 'x.pb', 'x.png', 'x.tflite'}
  assert set(os.listdir(str(tmp_path))) == made
