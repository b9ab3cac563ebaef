# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What holds while a pruned model is trained, whatever trains it."""

import os

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from absl import logging

from model_pruning import errors
import model_pruning.keras as sparsity
from model_pruning.keras import backend
from model_pruning.keras import variables
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.updates import MaskUpdater
from tests import forks
from tests import legs
from tests.keras import zoo

pytestmark = pytest.mark.legacy_keras

layers, Update = keras.layers, sparsity.UpdatePruningStep
BATCH = 4
# The target of 0.75 is reached at batch 6 of the 8 that two epochs of four are.
SCHEDULE = sparsity.PolynomialDecay(0.0, 0.75, begin_step=0, end_step=6, frequency=2)
AT_ONCE = sparsity.ConstantSparsity(0.5, begin_step=0, frequency=1)

needs_keras_3 = pytest.mark.skipif(not backend.IS_KERAS_3, reason='Keras 3 alone has it')
needs_keras_2 = pytest.mark.skipif(backend.IS_KERAS_3, reason='Keras 2 alone has it')


def dense_model(**arguments):
  keras.utils.set_random_seed(3)
  return keras.Sequential([keras.Input((8,)),
                           layers.Dense(6, activation='relu', name='hidden', **arguments),
                           layers.Dense(4, name='logits')])


def data(batches=4):
  random = np.random.RandomState(5)
  number = BATCH * batches
  return random.normal(size=(number, 8)).astype(np.float32), random.randint(0, 4, number)


def pruned(model=None, schedule=SCHEDULE, optimizer=None, compiling=None, **arguments):
  """Returns a compiled pruned model, that runs eagerly unless `compiling` says else."""
  model = sparsity.prune_low_magnitude(model or dense_model(), schedule, **arguments)
  return zoo.compiled(model, optimizer, **{'run_eagerly': True, **(compiling or {})})


def fit(model, callbacks=None, epochs=2, batches=4, xy=None, **arguments):
  """Fits a model, with an UpdatePruningStep unless there are callbacks."""
  x, y = xy or data(batches)
  callbacks = [Update()] if callbacks is None else callbacks
  return model.fit(x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0,
                   callbacks=callbacks, **arguments)


def records(model):
  return [record for layer in pruned_layers(model) for record in layer.pruning.weights]


def masks(model):
  return [np.asarray(record.mask) for record in records(model)]


def step_of(model):
  return {int(layer.pruning.step.numpy()) for layer in pruned_layers(model)}


def shares(model):
  """Returns the fraction of zeros in each pruned weight, having looked at the masks."""
  found = []
  for record in records(model):
    weight, mask = np.asarray(record.weight), np.asarray(record.mask)
    assert set(np.unique(mask)) <= {0, 1}
    assert not np.any(np.asarray(weight, np.float32)[mask == 0]), record.name
    found.append(1 - float(np.mean(mask.astype(np.float32))))
  return found


def assert_equal(values, others):
  assert len(values) == len(others)
  for value, other in zip(values, others):
    np.testing.assert_array_equal(value, other)


class Looks(keras.callbacks.Callback):
  """Looks at the weights after every batch, and when all is over."""

  def __init__(self):
    super().__init__()
    self.steps, self.shares, self.at_end = [], [], None

  def on_train_batch_end(self, batch, logs=None):
    self.shares.append(shares(self.model)[0])
    self.steps.append(max(step_of(self.model)))

  def on_train_end(self, logs=None):
    self.at_end = shares(self.model)


OPTIMIZERS = {
    'SGD': lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    'nesterov': lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    'Adam': lambda: keras.optimizers.Adam(0.01),
    'AdamW': lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    'averages': lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5),
    'averages_overwriting': lambda: keras.optimizers.SGD(
        0.05, momentum=0.9, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3),
    'averages_under_loss_scale': lambda: loss_scaled(
        keras.optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_momentum=0.5)),
    'clipnorm': lambda: keras.optimizers.Adam(0.01, clipnorm=0.1),
    'global_clipnorm': lambda: keras.optimizers.Adam(0.01, global_clipnorm=0.1),
    'RMSprop': lambda: keras.optimizers.RMSprop(0.01, momentum=0.9),
}


def loss_scaled(optimizer):
  module = keras.optimizers if backend.IS_KERAS_3 else keras.mixed_precision
  return module.LossScaleOptimizer(optimizer)


@pytest.mark.sampled(3)
@pytest.mark.parametrize('optimizer', legs.few(sorted(OPTIMIZERS), 4, 'newest'))
def test_hidden_weights_are_zero_after_every_batch(optimizer):
  model, before, after = pruned(optimizer=OPTIMIZERS[optimizer]()), Looks(), Looks()
  fit(model, [before, Update(), after])
  assert shares(model) == [0.75, 0.75]
  for looks in (before, after):
    assert looks.at_end == [0.75, 0.75]
    assert len(looks.shares) == 8 and looks.shares[-1] == 0.75
    assert looks.steps == list(range(1, 9))


@pytest.mark.parametrize('optimizer', ['averages', 'averages_overwriting'])
def test_averages_are_zero_where_masks_are(optimizer):
  model = pruned(optimizer=OPTIMIZERS[optimizer]())
  fit(model)
  for record in records(model):
    average = variables.average_of(model.optimizer, record.weight)
    assert np.any(np.asarray(average))
    assert not np.any(np.asarray(average)[np.asarray(record.mask) == 0])


@pytest.mark.sampled(2)
@pytest.mark.parametrize('optimizer', legs.few(
    ['Adam', 'averages', 'averages_overwriting'], 2, 'newest'))
def test_hidden_weights_are_zero_in_graphs_too(optimizer):
  graph, eager = [pruned(optimizer=OPTIMIZERS[optimizer](), compiling={'run_eagerly': how})
                  for how in (False, True)]
  looks = Looks()
  fit(graph, [Update(), looks])
  fit(eager)
  assert shares(graph) == [0.75, 0.75] and looks.at_end == [0.75, 0.75]
  assert_equal(masks(graph), masks(eager))
  for value, other in zip(zoo.values(graph), zoo.values(eager)):
    np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-5)


def test_the_constraint_of_a_user_is_kept():
  model = pruned(dense_model(kernel_constraint=keras.constraints.MaxNorm(0.3)),
                 optimizer=keras.optimizers.SGD(0.5))
  fit(model)
  kernel = np.asarray(records(model)[0].weight)
  assert np.all(np.sqrt(np.sum(kernel**2, axis=0)) <= 0.3 + 1e-4)
  assert shares(model) == [0.75, 0.75]
  plain = sparsity.strip_pruning(model)
  assert plain.layers[0].get_config()['kernel_constraint']['class_name'] == 'MaxNorm'
  assert isinstance(plain.layers[0].kernel_constraint, keras.constraints.MaxNorm)


@needs_keras_2
@pytest.mark.parametrize('name', ['SGD', 'Adam'])
def test_legacy_optimizers(name):
  model = pruned(optimizer=getattr(keras.optimizers.legacy, name)(0.05))
  fit(model)
  assert shares(model) == [0.75, 0.75]


def embedding_model():
  keras.utils.set_random_seed(3)
  return keras.Sequential([keras.Input((5,), dtype='int32'),
                           layers.Embedding(20, 4, name='table'), layers.Flatten(),
                           layers.Dense(4, name='logits')])


def word_data():
  return np.random.RandomState(1).randint(0, 20, (16, 5)), data()[1]


@pytest.mark.parametrize('run_eagerly', [True, False])
def test_sparse_gradients(run_eagerly):
  model = pruned(embedding_model(), optimizer=keras.optimizers.Adam(0.05),
                 compiling={'run_eagerly': run_eagerly})
  looks = Looks()
  fit(model, [Update(), looks], xy=word_data())
  assert looks.at_end == [0.75, 0.75]


@needs_keras_2
def test_legacy_optimizers_train_no_embeddings_and_say_so():
  model = pruned(embedding_model(), optimizer=keras.optimizers.legacy.Adam(0.05))
  with pytest.raises(errors.LayerError, match='table.*legacy.*tf.keras.optimizers.Adam'):
    fit(model, xy=word_data())
  zoo.compiled(model, keras.optimizers.Adam(0.05), run_eagerly=True)
  fit(model, xy=word_data())
  assert shares(model) == [0.75, 0.75]


@pytest.mark.parametrize('run_eagerly', [True, False])
def test_inference_changes_no_variable(run_eagerly):
  model = pruned(compiling={'run_eagerly': run_eagerly})
  fit(model, epochs=1)
  before = zoo.values(model)
  x, y = data()
  model.predict(x, verbose=0)
  model.evaluate(x, y, verbose=0)
  model.test_on_batch(x, y)
  model.predict_on_batch(x)
  model(x)
  model(x, training=True)
  assert_equal(before, zoo.values(model))


# What counts as a batch.


def test_a_layer_used_twice_counts_once():
  keras.utils.set_random_seed(3)
  x = keras.Input((8,))
  shared = layers.Dense(8, name='shared')
  model = pruned(keras.Model(x, layers.Dense(4, name='logits')(shared(shared(x)))))
  looks = Looks()
  fit(model, [Update(), looks])
  assert looks.steps == list(range(1, 9)) and step_of(model) == {8}
  assert len(records(model)) == 2


@needs_keras_3
def test_gradient_accumulation_counts_batches():
  model, looks = pruned(optimizer=keras.optimizers.Adam(
      0.01, gradient_accumulation_steps=2)), Looks()
  fit(model, [Update(), looks])
  assert looks.steps == list(range(1, 9)) and shares(model) == [0.75, 0.75]


def generator(batches):
  x, y = data(batches)
  for i in range(0, len(x), BATCH):
    yield x[i:i + BATCH], y[i:i + BATCH]


def dataset(kind, batches):
  """Returns a dataset of known size, or of one that nobody knows."""
  if kind == 'known':
    return tensorflow.data.Dataset.from_tensor_slices(data(batches)).batch(BATCH)
  return tensorflow.data.Dataset.from_generator(
      lambda: generator(batches), output_signature=(
          tensorflow.TensorSpec((None, 8)), tensorflow.TensorSpec((None,), tensorflow.int64)))


@pytest.mark.sampled(2)
# The Kerases differ in some of its cases, so all of them run on both.
@pytest.mark.legs('default', 'newest')
@pytest.mark.parametrize('per_execution, batches, epochs, kind', legs.few([
    case + (kind,) for case, kind in legs.product(
        [(1, 4, 2), (3, 8, 1), (3, 8, 2)], ['known', 'unknown'])], 3, 'newest'))
def test_the_step_counts_batches_of_datasets(kind, per_execution, batches, epochs):
  model = pruned(compiling={'steps_per_execution': per_execution, 'run_eagerly': False})
  if kind == 'unknown' and per_execution > 1 and not backend.IS_KERAS_3:
    with pytest.raises(ValueError, match='steps_per_execution'):  # Of Keras 2.
      model.fit(dataset(kind, batches), verbose=0, callbacks=[Update()])
    return
  model.fit(dataset(kind, batches), epochs=epochs, verbose=0, callbacks=[Update()])
  assert step_of(model) == {batches * epochs}
  assert shares(model) == [0.75, 0.75]


@pytest.mark.parametrize('kind', ['known', 'unknown'])
def test_what_others_save_after_a_batch_tells_the_batch(kind):
  before, after = Looks(), Looks()
  model = pruned()
  model.fit(dataset(kind, 4), epochs=2, verbose=0, callbacks=[before, Update(), after])
  assert after.steps == list(range(1, 9)) and step_of(model) == {8}
  if kind == 'known':
    assert before.steps == list(range(1, 9))


def test_python_generators():
  model = pruned()
  model.fit(generator(8), epochs=2, steps_per_epoch=4, verbose=0, callbacks=[Update()])
  assert step_of(model) == {8} and shares(model) == [0.75, 0.75]


def test_steps_per_epoch_ends_the_last_execution_early():
  model = pruned(compiling={'steps_per_execution': 3, 'run_eagerly': False})
  model.fit(dataset('known', 8).repeat(), epochs=2, steps_per_epoch=6, verbose=0,
            callbacks=[Update()])
  assert step_of(model) == {12}


def test_several_fits_count_on():
  once, twice = pruned(), pruned()
  fit(once)
  fit(twice, epochs=1)
  assert step_of(twice) == {4}
  fit(twice, epochs=1)
  assert step_of(twice) == {8}
  assert_equal(zoo.values(once), zoo.values(twice))


def test_one_callback_serves_several_fits_and_models():
  callback, first, second = Update(), pruned(), pruned()
  fit(first, [callback], epochs=1)
  fit(second, [callback])
  fit(first, [callback], epochs=1)
  assert step_of(first) == step_of(second) == {8}
  assert_equal(zoo.values(first), zoo.values(second))


def batches_of(epochs=2):
  for _ in range(epochs):
    yield list(generator(4))


def test_train_on_batch():
  fitted, model = pruned(), pruned()
  fit(fitted)
  callback = Update()
  callback.set_model(model)
  callback.on_train_begin()
  for epoch, batches in enumerate(batches_of()):
    callback.on_epoch_begin(epoch)
    for batch, (x, y) in enumerate(batches):
      callback.on_train_batch_begin(batch)
      model.train_on_batch(x, y)
      callback.on_train_batch_end(batch)
    callback.on_epoch_end(epoch)
  callback.on_train_end()
  assert step_of(model) == {8} and shares(model) == [0.75, 0.75]
  assert_equal(zoo.values(fitted), zoo.values(model))


def train_as_tfmot_says(model, optimizer, train_step, **arguments):
  model.optimizer = optimizer
  callback = Update()
  callback.set_model(model)
  callback.on_train_begin()
  for batches in batches_of():
    for x, y in batches:
      callback.on_train_batch_begin(batch=-1)
      train_step(x, y)
    callback.on_epoch_end(batch=-1)


# The Kerases differ in some of its cases, so all of them run on both.
@pytest.mark.legs('default', 'newest')
@pytest.mark.parametrize('in_function', [False, True])
def test_the_loop_of_the_guide_of_tfmot(in_function):
  fitted = pruned(optimizer=keras.optimizers.SGD(0.05, momentum=0.9))
  fit(fitted)
  model = sparsity.prune_low_magnitude(dense_model(), SCHEDULE)
  loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
  optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
  if hasattr(optimizer, 'build'):
    optimizer.build(model.trainable_variables)  # As functions may make no variables later on.

  def train_step(x, y):
    with tensorflow.GradientTape() as tape:
      value = loss(y, model(x, training=True))
    grads = tape.gradient(value, model.trainable_variables)
    optimizer.apply_gradients(zip(grads, model.trainable_variables))

  train_as_tfmot_says(model, optimizer,
                      tensorflow.function(train_step) if in_function else train_step)
  assert step_of(model) == {8} and shares(model) == [0.75, 0.75]
  assert_equal(masks(fitted), masks(model))
  if not in_function:
    assert_equal(zoo.values(fitted), zoo.values(model))


@pytest.mark.parametrize('in_function', [False, True])
def test_a_loop_of_ones_own_without_the_callback_fails(in_function):
  model = sparsity.prune_low_magnitude(dense_model(), SCHEDULE)
  x, y = data(1)

  def train_step():
    with tensorflow.GradientTape() as tape:
      value = tensorflow.reduce_mean(model(x, training=True))
    return tape.gradient(value, model.trainable_variables)

  with pytest.raises(ValueError, match='(?s)hidden.*UpdatePruningStep'):
    (tensorflow.function(train_step) if in_function else train_step)()


# Precision, compilers and devices.


@pytest.fixture
def policy(request):
  set_policy = (keras.config.set_dtype_policy if backend.IS_KERAS_3
                else keras.mixed_precision.set_global_policy)
  set_policy(request.param)
  yield request.param
  set_policy('float32')


@pytest.mark.sampled(3)
@pytest.mark.parametrize('policy, run_eagerly', legs.few([
    ('mixed_float16', True), ('mixed_float16', False), ('mixed_bfloat16', True), ('float16', True),
    ('float16', False), ('bfloat16', True), ('float64', True)], 5, 'newest'), indirect=['policy'])
def test_policies(policy, run_eagerly):
  optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
  model, looks = pruned(optimizer=optimizer, compiling={'run_eagerly': run_eagerly}), Looks()
  fit(model, [looks, Update()])
  dtype = 'float32' if policy.startswith('mixed') else policy
  for record in records(model):
    assert {tensorflow.as_dtype(each.dtype).base_dtype.name
            for each in (record.weight, record.mask, record.threshold)} == {dtype}
  assert shares(model) == [0.75, 0.75]
  stripped = sparsity.strip_pruning(model)
  x, _ = data()
  np.testing.assert_array_equal(np.asarray(stripped(x), np.float32),
                                np.asarray(model(x), np.float32))


@pytest.mark.slow
def test_xla():
  model, eager = [pruned(compiling={'run_eagerly': eagerly, 'jit_compile': not eagerly})
                  for eagerly in (False, True)]
  fit(model)
  fit(eager)
  assert shares(model) == [0.75, 0.75]
  assert_equal(masks(eager), masks(model))


_MIRRORED = '''
import contextlib
import os
import tempfile
import numpy as np
from model_pruning.compat import tensorflow as tf
cpu = tf.config.list_physical_devices('CPU')[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import model_pruning.keras as sparsity
from model_pruning.keras import backend
from model_pruning.keras.backend import keras
from tests.keras import test_training as t

strategy = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])
assert strategy.num_replicas_in_sync == 2

def replicas(variable):
  variable = variable.value if backend.IS_KERAS_3 else variable
  return [np.asarray(each) for each in strategy.experimental_local_results(variable)]

class Same(t.Looks):
  def on_train_batch_end(self, batch, logs=None):
    super().on_train_batch_end(batch, logs)
    for record in t.records(self.model):
      for each in record.weight, record.mask, record.threshold:
        first, second = replicas(each)
        np.testing.assert_array_equal(first, second)

with strategy.scope():
  model = t.pruned(optimizer=keras.optimizers.Adam(0.01, **AVERAGES),
                   compiling={'run_eagerly': False})
same = Same()
t.fit(model, [t.Update(), same])
assert t.step_of(model) == {8}, t.step_of(model)
assert same.steps == list(range(1, 9)), same.steps
assert same.at_end == [0.75, 0.75], same.at_end
plain = sparsity.strip_pruning(model)
x, _ = t.data()
np.testing.assert_allclose(plain.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)
path = os.path.join(tempfile.mkdtemp(), 'model.keras')
model.save(path)
with strategy.scope():
  read = keras.models.load_model(path)
t.assert_equal([np.asarray(weight.numpy()) for weight in model.weights],
               [np.asarray(weight.numpy()) for weight in read.weights])
for scope in strategy.scope, contextlib.nullcontext:
  with scope():
    smaller = sparsity.remove_channels_in_training(model, fraction=0.5)
  assert smaller.count_params() < plain.count_params()
  assert [len(replicas(weight)) for weight in smaller.trainable_weights] == 4 * [2]
  t.fit(smaller, [])
with strategy.scope():
  trained = sparsity.prune_trained(plain, 'target_sparsity=0.9', x)
assert len(replicas(trained.trainable_weights[0])) == 2
print('done')
'''


@pytest.mark.legs('newest')
@pytest.mark.sampled(1)
@pytest.mark.parametrize('averages', legs.few(
    [{'use_ema': True, 'ema_momentum': 0.5}, {}], 1, 'newest'), ids=['averages', 'plain'])
def test_replicas_are_pruned_alike(averages):
  said = forks.run_code(_MIRRORED.replace('AVERAGES', repr(averages)),
                        imports=['model_pruning.keras'], environment={'CUDA_VISIBLE_DEVICES': ''})
  assert said.endswith('done\n'), said


_CENTRAL = '''
import pytest
from model_pruning import errors
from model_pruning.compat import tensorflow as tf
cpu = tf.config.list_physical_devices('CPU')[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.keras import test_training as t
with tf.distribute.experimental.CentralStorageStrategy(['CPU:0', 'CPU:1']).scope():
  model = t.pruned(compiling={'run_eagerly': False})
with pytest.raises(errors.LayerError, match='hidden.*CentralStorageStrategy.*MirroredStrategy'):
  t.fit(model, [t.Update()])
print('done')
'''


def test_a_strategy_without_constraints_is_named():
  assert forks.run_code(_CENTRAL, imports=['model_pruning.keras']).endswith('done\n')


# A second CPU stands for a GPU.
_ON_A_DEVICE = '''
import os
import tempfile
import numpy as np
from model_pruning.compat import tensorflow as tf
cpu = tf.config.list_physical_devices('CPU')[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from model_pruning.keras import backend
from model_pruning.keras.backend import keras
from tests.keras import test_training as t

def device(variable):
  return (variable.value if backend.IS_KERAS_3 else variable).device.split(':')[-1]

with tf.device('/CPU:1'):
  model = t.pruned(compiling=COMPILING)
  t.fit(model, [t.Update()])
  assert t.step_of(model) == {8} and t.shares(model) == [0.75, 0.75]
  path = os.path.join(tempfile.mkdtemp(), 'model.keras')
  model.save(path)
  assert t.step_of(keras.models.load_model(path)) == {8}
for layer in model.layers:
  if hasattr(layer, 'pruning'):
    assert device(layer.pruning.step) == device(layer.pruning.last_update_step) == '0'
    assert {device(each.mask) for each in layer.pruning.weights} == {'1'}
print('done')
'''


@pytest.mark.parametrize('xla', [False, pytest.param(True, marks=pytest.mark.slow)])
def test_steps_are_in_host_memory(xla):
  compiling = {'run_eagerly': False, 'jit_compile': xla}
  said = forks.run_code(_ON_A_DEVICE.replace('COMPILING', repr(compiling)),
                        imports=['model_pruning.keras'], environment={'CUDA_VISIBLE_DEVICES': ''})
  assert said.endswith('done\n'), said


# What goes wrong, and what is said of it.


@pytest.mark.parametrize('run_eagerly', [True, False])
def test_forgetting_the_callback(run_eagerly):
  model, other = [pruned(compiling={'run_eagerly': run_eagerly}) for _ in range(2)]
  before = zoo.values(model)
  with pytest.raises(ValueError, match='(?s)hidden.*UpdatePruningStep'):
    fit(model, [])
  assert_equal(before, zoo.values(model))
  fit(model, epochs=1)  # The same model.
  with pytest.raises((ValueError, tensorflow.errors.InvalidArgumentError),
                     match='(?s)hidden.*UpdatePruningStep'):
    fit(model, [], epochs=1)
  fit(model, epochs=1)
  assert shares(model) == [0.75, 0.75]
  fit(other)
  assert_equal(masks(other), masks(model))
  fit(model, [], epochs=1)  # The target is reached.
  assert shares(model) == [0.75, 0.75]


@pytest.fixture
def warnings(monkeypatch):
  said = []
  monkeypatch.setattr(logging, 'warning', lambda text, *args: said.append(text % args))
  return said


def test_a_run_that_ends_too_early_is_told_of_once(warnings):
  model = pruned()
  fit(model, epochs=1)
  assert len(warnings) == 1
  for part in ('4 batches', 'at batch 4', '0.7222', '0.75', model.name):
    assert part in warnings[0]
  fit(model, epochs=1)
  assert len(warnings) == 1


def test_a_run_without_any_update_is_told_of(warnings):
  model = pruned(schedule=sparsity.ConstantSparsity(0.5, begin_step=100))
  fit(model)
  assert len(warnings) == 1
  assert 'after 8 batches, before the first mask update' in warnings[0]


@pytest.mark.parametrize('schedule, hparams', [
    (AT_ONCE, None),
    ('target_sparsity=0.5,pruning_frequency=1,begin_pruning_step=0,end_pruning_step=4,'
     'sparsity_function_end_step=4', None),
    (sparsity.PolynomialDecaySchedule(total_iters=4),
     'target_sparsity=0.75,weight_sparsity_map=[logits:0.5]'),
])
def test_a_run_that_reaches_its_target_is_not(schedule, hparams, warnings):
  fit(pruned(schedule=schedule, hparams=hparams))
  assert warnings == []


@pytest.mark.parametrize('schedule, hparams', [
    ('target_sparsity=0.5,pruning_frequency=1,sparsity_function_end_step=100', None),
    (sparsity.PolynomialDecaySchedule(total_iters=40),
     'target_sparsity=0.75,weight_sparsity_map=[logits:0.5]'),
    (sparsity.PolynomialDecaySchedule(total_iters=40, target_sparsity=0.75), None),
])
def test_other_runs_that_end_too_early(schedule, hparams, warnings):
  fit(pruned(schedule=schedule, hparams=hparams))
  assert len(warnings) == 1, warnings


def test_nothing_to_update():
  with pytest.raises(errors.LayerError, match='no pruned layers'):
    fit(zoo.compiled(dense_model(), run_eagerly=True))


def test_a_callback_that_has_not_begun():
  callback = Update()
  callback.set_model(pruned())
  with pytest.raises(errors.MissingCallbackError, match='on_train_begin'):
    callback.on_train_batch_begin(-1)


# Frozen layers.


@pytest.mark.parametrize('when', ['before', 'after'])
def test_frozen_layers_are_left_alone_until_they_are_not(when):
  plain = dense_model()
  plain.layers[0].trainable = when != 'before'
  model = sparsity.prune_low_magnitude(plain, SCHEDULE)
  model.layers[0].trainable = False
  zoo.compiled(model, run_eagerly=True)
  before = np.asarray(records(model)[0].weight)
  fit(model)
  assert_equal([before], [np.asarray(records(model)[0].weight)])
  assert shares(model) == [0, 0.75]
  model.layers[0].trainable = True
  zoo.compiled(model, run_eagerly=True)
  fit(model, epochs=1)
  assert shares(model) == [0.75, 0.75]


def test_a_frozen_model_may_be_called_in_training():
  inner = sparsity.prune_low_magnitude(dense_model(), SCHEDULE)
  inner.trainable = False
  model = keras.Sequential([keras.Input((8,)), inner, layers.Dense(4)])
  zoo.compiled(model, run_eagerly=True)
  fit(model, [], epochs=1)
  fit(model, epochs=1)
  assert shares(inner) == [0, 0]


# Other callbacks.


class SavesEveryBatch(keras.callbacks.Callback):

  def __init__(self, folder):
    super().__init__()
    self.folder, self.saved = str(folder), 0

  def on_train_batch_end(self, batch, logs=None):
    self.saved += 1
    self.model.save(os.path.join(self.folder, '%d.keras' % self.saved))

  def on_train_end(self, logs=None):
    self.model.save(os.path.join(self.folder, 'end.keras'))


OTHERS = {
    'EarlyStopping': lambda folder: keras.callbacks.EarlyStopping(
        'loss', patience=5, restore_best_weights=False),
    'LearningRateScheduler': lambda folder: keras.callbacks.LearningRateScheduler(
        lambda epoch: 0.05 / (epoch + 1)),
    'ModelCheckpoint': lambda folder: keras.callbacks.ModelCheckpoint(
        os.path.join(str(folder), '{epoch}.keras')),
    'SavesEveryBatch': lambda folder: SavesEveryBatch(folder),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize('other, optimizer', legs.few([
    ('EarlyStopping', 'SGD'), ('LearningRateScheduler', 'SGD'), ('ModelCheckpoint', 'SGD'),
    ('ModelCheckpoint', 'averages'), ('SavesEveryBatch', 'averages')], 4, 'newest'))
def test_the_place_among_callbacks_makes_no_difference(other, optimizer, tmp_path):
  ends = []
  for name in ('first', 'last'):
    model, folder = pruned(optimizer=OPTIMIZERS[optimizer]()), tmp_path / name
    folder.mkdir()
    callbacks = [Update(), OTHERS[other](folder)]
    fit(model, callbacks if name == 'first' else callbacks[::-1])
    ends.append(zoo.values(model))
    for saved in ('1.keras', '2.keras', 'end.keras'):
      if (folder / saved).exists():
        shares(keras.models.load_model(str(folder / saved)))
  assert_equal(*ends)


def continued(path, done, total=8):
  """Returns a model that is read from a file and trained on from the batch it was saved at."""
  model = keras.models.load_model(str(path))
  model.run_eagerly = True
  x, y = data()
  at = [batch % 4 for batch in range(done, total)]
  rows = np.concatenate([np.arange(BATCH) + BATCH * batch for batch in at])
  fit(model, epochs=1, xy=(x[rows], y[rows]))
  return model


@pytest.mark.sampled(1)
@pytest.mark.parametrize('place, optimizer', [('first', 'Adam'), ('last', 'SGD')])
def test_what_is_saved_after_any_batch_goes_on_bit_for_bit(place, optimizer, tmp_path):
  model = pruned(optimizer=OPTIMIZERS[optimizer]())
  callbacks = [Update(), SavesEveryBatch(tmp_path)]
  fit(model, callbacks if place == 'first' else callbacks[::-1])
  assert_equal(zoo.values(model),
               zoo.values(keras.models.load_model(str(tmp_path / 'end.keras'))))
  for done in (1, 2, 5):
    assert_equal(zoo.values(model), zoo.values(continued(tmp_path / ('%d.keras' % done), done)))


# How sparse, and in which pattern.


@pytest.mark.parametrize('final', [0.3, 0.5, 0.9])
@pytest.mark.parametrize('m, n', [(1, 4), (2, 4), (3, 4)])
def test_what_a_schedule_ends_at_is_m_of_n(m, n, final):
  layer = sparsity.prune_low_magnitude(
      layers.Dense(6), sparsity.ConstantSparsity(final, 0), sparsity_m_by_n=(m, n))
  layer.build((None, 8))
  MaskUpdater(layer).update_if_due()
  zeros = np.sum(np.asarray(layer.kernel).reshape(2, 4, 6) == 0, axis=1)
  assert np.all(zeros == m)


def test_n_of_m_follows_the_schedule():
  model = pruned(schedule=sparsity.PolynomialDecay(0.0, 0.5, 0, 4, power=1, frequency=2),
                 sparsity_m_by_n=(2, 4))
  seen = []

  class Counts(keras.callbacks.Callback):

    def on_train_batch_begin(self, batch, logs=None):
      mask = masks(self.model)[0]
      seen.append(set(np.sum(mask.reshape(2, 4, -1) == 0, axis=1).ravel().tolist()))

  fit(model, [Update(), Counts()])
  assert seen == [{0}, {0}, {1}, {1}, {2}, {2}, {2}, {2}]


@pytest.mark.parametrize('pooling', ['AVG', 'MAX'])
def test_blocks(pooling):
  model = dense_model()
  kernel = np.full((8, 6), 0.1, np.float32)
  kernel[:2, :3] = 0.2  # The most on average.
  kernel[2, 3] = 0.9  # The largest.
  kernel[2:4, 3:] -= 0.099
  model.layers[0].kernel.assign(kernel)
  # One of eight blocks is left.
  model = pruned(model, sparsity.ConstantSparsity(0.875, 0), block_size=(2, 3),
                 block_pooling_type=pooling, optimizer=keras.optimizers.SGD(0.0),
                 hparams='weight_sparsity_map=[hidden:0.875,logits:0.5]')
  fit(model, epochs=1, batches=1)
  left = np.argwhere(masks(model)[0].reshape(4, 2, 2, 3).all(axis=(1, 3)))
  assert left.tolist() == ([[0, 0]] if pooling == 'AVG' else [[1, 1]])
  assert np.sum(masks(model)[0]) == 6


def test_whole_columns_as_blocks():
  model = pruned(schedule=AT_ONCE, block_size=(-1, 1))
  fit(model, epochs=1)
  for mask in masks(model):
    assert set(mask.mean(axis=0)) == {0, 1} and mask.mean() == 0.5


_HPARAMS = 'begin_pruning_step=0,end_pruning_step=6,sparsity_function_end_step=6,'\
           'pruning_frequency=2,target_sparsity=0.75'


@pytest.mark.sampled(3)
@pytest.mark.parametrize('more, expected', [
    ('', [0.75, 0.75]),
    (',weight_sparsity_map=[logits:0.5]', [0.75, 0.5]),
    (',weight_sparsity_map=[hidden/kernel:0.25,.*logits.*:0.5]', [0.25, 0.5]),
    (',threshold_decay=0.5', None),
    (',threshold_method=histogram', None),
    (',block_dims_map=[hidden:2x3],pruning_frequency=1', [0.75, 0.75]),
    (',intra_block_sparsity=true,block_width=4', [0.75, pytest.approx(2 / 3)]),  # Of 6 rows, 4.
    (',global_pruning=true', None),
])
def test_hparams_in_the_place_of_a_schedule(more, expected):
  text = _HPARAMS + more
  if 'pruning_frequency=1' in more:
    text = text.replace('pruning_frequency=2,', '')
  model = pruned(schedule=text)
  fit(model)
  if expected:
    assert shares(model) == expected
  elif 'global' in more:
    sizes = [mask.size for mask in masks(model)]
    assert sum(np.multiply(shares(model), sizes)) == 0.75 * sum(sizes)
    low = max(np.max(np.asarray(record.threshold)) for record in records(model))
    assert len({float(np.asarray(record.threshold)) for record in records(model)}) == 1 and low > 0
  else:
    assert all(0.2 < share < 0.9 for share in shares(model))
  # Options that only change thresholds, but do.
  if 'threshold' in more:
    other = pruned(schedule=_HPARAMS)
    fit(other)
    assert [float(np.asarray(record.threshold)) for record in records(model)] != [
        float(np.asarray(record.threshold)) for record in records(other)]


def test_targets_per_layer_by_a_schedule_that_leaves_them_open():
  model = pruned(schedule=sparsity.PolynomialDecaySchedule(total_iters=6, update_frequency=2),
                 hparams='target_sparsity=0.75,weight_sparsity_map=[logits:0.5]')
  fit(model)
  assert shares(model) == [0.75, 0.5]


class Steps(sparsity.PruningSchedule):
  """A quarter at batch 1, half at batch 3."""

  def __call__(self, step):
    return step in (1, 3), 0.25 if step < 3 else 0.5

  def get_config(self):
    return {'class_name': 'Steps', 'config': {}}


class AsForTfmot(sparsity.PruningSchedule):
  """Written as for tfmot: with tensors, whatever it is called with."""

  def __init__(self, target, begin_step=1, end_step=-1, frequency=2):
    self.target, self.begin_step, self.end_step = target, begin_step, end_step
    self.frequency = frequency
    self._validate_step(begin_step, end_step, frequency, True)
    self._validate_sparsity(target, 'target')

  def __call__(self, step):
    share = tensorflow.constant(self.target) * tensorflow.minimum(
        1.0, tensorflow.cast(step, tensorflow.float32) / 3.0)
    return (self._should_prune_in_step(step, self.begin_step, self.end_step, self.frequency),
            share)

  def get_config(self):
    return {'class_name': self.__class__.__name__,
            'config': {'target': self.target, 'begin_step': self.begin_step,
                       'end_step': self.end_step, 'frequency': self.frequency}}


@pytest.mark.parametrize('schedule, expected', [
    (Steps(), [0.25, 0.25, 0.5, 0.5]),
    (AsForTfmot(0.75), [0.25, 0.25, 0.75, 0.75]),
])
def test_schedules_of_ones_own(schedule, expected, warnings):
  model, looks = pruned(schedule=schedule), Looks()
  fit(model, [Update(), looks], epochs=1)
  assert looks.shares == expected
  with pytest.raises((ValueError, tensorflow.errors.InvalidArgumentError)):
    fit(model, [], epochs=1)  # Nobody knows whether it is over.


def test_masks_only_change_when_the_schedule_says_so():
  model = pruned(schedule=sparsity.ConstantSparsity(0.5, 2, end_step=6, frequency=4))
  looks, changed = Looks(), []

  class Watches(keras.callbacks.Callback):

    def on_train_batch_end(self, batch, logs=None):
      changed.append(b''.join(mask.tobytes() for mask in masks(self.model)))

  fit(model, [Update(), looks, Watches()], epochs=3)
  assert looks.shares == [0] + [0.5] * 11
  assert [i + 1 for i in range(1, 12) if changed[i] != changed[i - 1]][0] == 2
  assert set(i + 1 for i in range(1, 12) if changed[i] != changed[i - 1]) <= {2, 6}
