# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Several processes over the loopback: workers have the same masks, and servers whole weights."""

import contextlib
import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning.keras import backend
from tests import forks

pytestmark = [pytest.mark.legacy_keras, pytest.mark.slow]

# What each worker runs. It keeps, after every batch, all masks, thresholds and weights.
_WORKER = '''
import sys
import numpy as np
from model_pruning.compat import tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()  # Before anything makes the runtime.
import model_pruning.keras as sparsity
from model_pruning.keras.backend import keras

assert strategy.num_replicas_in_sync == 2
kept = []

class Keep(keras.callbacks.Callback):
  def on_train_batch_end(self, batch, logs=None):
    kept.append({weight.path if hasattr(weight, 'path') else weight.name: np.asarray(weight.numpy())
                 for weight in self.model.weights})

with strategy.scope():
  keras.utils.set_random_seed(1)
  model = keras.Sequential([keras.layers.Dense(12, activation='relu', name='hidden'),
                            keras.layers.Dense(3, name='logits')])
  model.build((None, 8))
  model = sparsity.prune_low_magnitude(
      model, sparsity.PolynomialDecay(0.0, 0.75, 0, 6, frequency=1))
  model.compile(keras.optimizers.SGD(0.1, momentum=0.5), 'mse')
generator = np.random.RandomState(3)
data = tf.data.Dataset.from_tensor_slices(
    (generator.normal(size=[32, 8]).astype('float32'),
     generator.normal(size=[32, 3]).astype('float32'))).batch(4).repeat()
options = tf.data.Options()
options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
data = data.with_options(options)
callbacks = [sparsity.UpdatePruningStep(), Keep()]
if IN_A_LOOP:
  optimizer = model.optimizer
  with strategy.scope():
    optimizer.build(model.trainable_variables)

  @tf.function
  def train(x, y):
    with tf.GradientTape() as tape:
      loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables),
                                  model.trainable_variables))

  for callback in callbacks:
    callback.set_model(model)
    callback.on_train_begin()
  with strategy.scope():
    for batch, (x, y) in zip(range(8), strategy.experimental_distribute_dataset(data)):
      for callback in callbacks:
        callback.on_train_batch_begin(batch)
      strategy.run(train, args=(x, y))
      for callback in callbacks:
        callback.on_train_batch_end(batch)
  for callback in callbacks:
    callback.on_epoch_end(0)
    callback.on_train_end()
else:
  model.fit(data, steps_per_epoch=4, epochs=2, verbose=0, callbacks=callbacks)
np.savez(sys.argv[1], **{'%d/%s' % (step, name): value
                         for step, values in enumerate(kept) for name, value in values.items()})
'''


def _addresses(number):
  with contextlib.ExitStack() as stack:
    sockets = [stack.enter_context(contextlib.closing(socket.socket())) for _ in range(number)]
    for each in sockets:
      each.bind(('127.0.0.1', 0))
    return ['127.0.0.1:%d' % each.getsockname()[1] for each in sockets]


# A model on two parameter servers, which cut weights of more than 1 KB, and how it is pruned.
_SERVERS = '''
import os
import sys
from model_pruning.compat import tensorflow as tf
import model_pruning.keras as sparsity
from model_pruning import errors
from model_pruning.keras.backend import keras

class OnlyWhole(sparsity.PruningPolicy):
  def allow_pruning(self, layer):
    return layer.name == 'logits'

  def ensure_model_supports_pruning(self, model):
    pass

addresses = sys.argv[1:]
spec = tf.train.ClusterSpec({'worker': addresses[:1], 'ps': addresses[1:3], 'chief': addresses[3:]})
servers = [tf.distribute.Server(spec, job, index, protocol='grpc')
           for job, index in (('worker', 0), ('ps', 0), ('ps', 1))]
strategy = tf.distribute.ParameterServerStrategy(
    tf.distribute.cluster_resolver.SimpleClusterResolver(
        spec, rpc_layer='grpc', task_type='chief', task_id=0),
    variable_partitioner=tf.distribute.experimental.partitioners.MinSizePartitioner(1024, 2))
with strategy.scope():
  model = keras.Sequential([keras.layers.Dense(32, name='hidden', input_shape=(20,)),
                            keras.layers.Dense(2, name='logits')])
  try:
    sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.5, 0))
  except errors.LayerError as error:
    print(error)
  print(sparsity.report(sparsity.prune_low_magnitude(
      model, sparsity.ConstantSparsity(0.5, 0), pruning_policy=OnlyWhole())))
sys.stdout.flush()
os._exit(0)  # The servers never end.
'''


@pytest.mark.skipif(backend.IS_KERAS_3, reason='Keras 3 has no parameter servers')
def test_weights_that_servers_have_in_parts_are_refused_and_whole_ones_are_pruned():
  said = forks.run_code(_SERVERS, _addresses(4))
  assert 'The kernel of layer hidden is in 2 parts' in said and 'variable_partitioner' in said
  assert 'logits/kernel' in said.split('\n', 1)[1]


# On several workers fit() of Keras 3 fails, of any model: it takes what is on one for a tensor.
@pytest.mark.parametrize('in_a_loop', [True] if backend.IS_KERAS_3 else [
    False, pytest.param(True, marks=pytest.mark.legs('newest'))])
def test_two_workers_have_the_same_masks_after_every_update(in_a_loop, tmp_path):
  cluster = {'worker': _addresses(2)}
  paths = [str(tmp_path / ('worker%d.npz' % index)) for index in range(2)]
  logs = [tmp_path / ('worker%d.log' % index) for index in range(2)]
  workers = []
  for index, (path, log) in enumerate(zip(paths, logs)):
    config = json.dumps({'cluster': cluster, 'task': {'type': 'worker', 'index': index}})
    with open(str(log), 'w') as handle:
      workers.append(subprocess.Popen(
          [sys.executable, '-c', _WORKER.replace('IN_A_LOOP', str(in_a_loop)), path],
          stdout=handle, stderr=subprocess.STDOUT,
          env={**os.environ, 'TF_CONFIG': config, 'CUDA_VISIBLE_DEVICES': '',
               'PYTHONPATH': os.pathsep.join([os.getcwd()] + sys.path)}))
  try:
    codes = [worker.wait(300) for worker in workers]
  finally:
    for worker in workers:
      worker.kill()
  assert codes == [0, 0], '\n'.join(log.read_text()[-3000:] for log in logs)
  first, second = [dict(np.load(path)) for path in paths]
  assert first.keys() == second.keys()
  masks = [key for key in first if 'mask' in key.rpartition('/')[2] and first[key].ndim == 2]
  assert len(masks) == 8 * 2
  for key in first:
    np.testing.assert_array_equal(first[key], second[key], err_msg=key)
  zeros = [int(sum((first[key] == 0).sum() for key in masks if key.startswith('%d/' % step)))
           for step in range(8)]
  assert zeros == sorted(zeros) and len(set(zeros)) > 3 and zeros[-1] == round(0.75 * (96 + 36))
