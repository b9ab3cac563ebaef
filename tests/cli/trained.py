# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""One trained net as a file of each kind, and command lines over it."""

import os

import numpy as np

from model_pruning import cli
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from tests.calibration import models

HAS_KERAS = int(tensorflow.__version__.split('.')[0]) >= 2
KINDS = ['checkpoint', 'graph', 'saved_model'] + ['keras', 'h5'] * HAS_KERAS
# The model and the options of each kind.
MODELS = {
    'checkpoint': ['FOLDER/dense', '--output_node_names=scores'],
    'graph': ['FOLDER/frozen.pb', '--output_node_names=scores'],
    'saved_model': ['FOLDER/saved'],
    'keras': ['FOLDER/model.keras'],
    'h5': ['FOLDER/model.h5'],
}
OUTPUTS = {'checkpoint': 'new/model.ckpt', 'graph': 'new/pruned.pb', 'saved_model': 'new/saved',
           'keras': 'new/pruned.keras', 'h5': 'new/pruned.h5'}


def write(folder):
  """Writes the net, and examples and labels for it, to a folder; returns the folder."""
  rng = np.random.RandomState(0)
  shapes = {'fc1/kernel': [16, 16], 'fc1/bias': [16], 'fc2/kernel': [16, 4], 'fc2/bias': [4]}
  values = {name: (rng.randn(*shape) / 3).astype(np.float32) for name, shape in shapes.items()}
  with tf.Graph().as_default(), tf.Session() as session:
    scores, hidden = net(16, values)
    x = session.graph.get_tensor_by_name('inputs:0')
    session.run(tf.global_variables_initializer())
    session.run(tf.train.get_global_step().assign(700))
    tf.train.Saver().save(session, os.path.join(folder, 'dense', 'model.ckpt'), global_step=700)
    frozen = tf.graph_util.convert_variables_to_constants(
        session, session.graph.as_graph_def(), ['scores'])
    signatures = {name: tf.saved_model.predict_signature_def({'x': x}, {'y': tensor})
                  for name, tensor in (('serving_default', scores), ('features', hidden))}
    builder = tf.saved_model.Builder(os.path.join(folder, 'saved'))
    builder.add_meta_graph_and_variables(session, ['serve'], signatures)
    builder.save()
  with open(os.path.join(folder, 'frozen.pb'), 'wb') as f:
    f.write(frozen.SerializeToString())
  if HAS_KERAS:
    _write_keras(folder, values)
  images = models.inputs((64, 16)) / 2
  np.save(os.path.join(folder, 'images.npy'), images)
  np.savez(os.path.join(folder, 'x.npz'), x=images)
  np.save(os.path.join(folder, 'few.npy'), images[:3])
  np.save(os.path.join(folder, 'narrow.npy'), images[:, :5])
  np.save(os.path.join(folder, 'nan.npy'), np.where(images > 1, np.nan, images))
  np.save(os.path.join(folder, 'labels.npy'), np.argmax(outputs(frozen, images), axis=1))
  np.save(os.path.join(folder, 'short_labels.npy'), np.zeros(5, np.int64))
  with open(os.path.join(folder, 'text'), 'w') as f:
    f.write('This is no array.\n')
  return folder


def net(width, values=None):
  """Builds the net in the default graph; returns its scores and its hidden units."""
  x = tf.placeholder(tf.float32, [None, 16], 'inputs')
  tf.train.get_or_create_global_step()
  shapes = {'fc1/kernel': [16, width], 'fc1/bias': [width], 'fc2/kernel': [width, 4],
            'fc2/bias': [4]}
  weights = {name: tf.get_variable(name, initializer=(
      np.zeros(shape, np.float32) if values is None else values[name]))
             for name, shape in shapes.items()}
  hidden = tf.nn.relu(tf.matmul(x, weights['fc1/kernel']) + weights['fc1/bias'])
  return (tf.identity(tf.matmul(hidden, weights['fc2/kernel']) + weights['fc2/bias'], 'scores'),
          hidden)


def outputs(graph_def, images, name='scores'):
  """Returns the outputs of a graph."""
  with tf.Graph().as_default(), tf.Session() as session:
    tf.import_graph_def(graph_def, name='')
    return session.run(name + ':0', {'inputs:0': images})


def _write_keras(folder, values):
  from model_pruning.keras import files
  from model_pruning.keras.backend import keras
  model = keras.Sequential([
      keras.Input((16,), name='images'), keras.layers.Dense(16, activation='relu', name='fc1'),
      keras.layers.Dense(4, name='fc2')])
  model.set_weights(list(values.values()))
  for suffix in ('keras', 'h5'):
    files.save(model, os.path.join(folder, 'model.' + suffix))


def run(folder, *arguments):
  """Runs a command line in this process; returns its exit code."""
  args = cli.parse_arguments(['model-pruning'] + [
      argument.replace('FOLDER', folder) for argument in arguments])
  return cli.guarded(args.run, args)


def check_mistake(folder, output, capsys, words, message):
  """Runs a command line that fails: with one line, writing nothing to `output`."""
  assert run(folder, *words) == 1
  printed = capsys.readouterr()
  assert len(printed.err.strip().splitlines()) == 1, printed.err
  assert printed.err.startswith('model-pruning: error: ') and message in printed.err, printed.err
  assert not os.path.exists(os.path.dirname(output)) and not printed.out
