# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What channels cost in training: hidden by masks, and removed in the middle of it.

    python -m benchmarks.channel_training

Three models take turns, step by step in one process: the dense one, the one with masks that hide
channels, and the one that remove_channels_in_training() makes of it. Medians of the steps. Writes
the table as JSON too.
"""

import os
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import numpy as np
import tabulate

from benchmarks import measure
import model_pruning.keras as sparsity
from model_pruning.keras.backend import keras
from model_pruning.keras.updates import MaskUpdater

FLAGS = flags.FLAGS
flags.DEFINE_list('filters', ['64', '128', '128', '256'], 'Filters of the convolutions.')
flags.DEFINE_integer('image', 32, 'Height and width of the images.', lower_bound=8)
flags.DEFINE_integer('batch', 32, 'Batch size.', lower_bound=1)
flags.DEFINE_float('sparsity', 0.5, 'Fraction of the channels to hide.', lower_bound=0)
flags.DEFINE_integer('rounds', 21, 'Steps of each model.', lower_bound=1)
flags.DEFINE_integer('updates', 11, 'Updates of the masks.', lower_bound=1)
flags.DEFINE_string('output', 'out/benchmarks/channel_training.json', 'Where to write the numbers.')


def _model():
  """Returns a convolutional network with normalizations and a dense layer."""
  layers = keras.layers
  inputs = x = keras.Input((FLAGS.image, FLAGS.image, 3))
  for index, filters in enumerate(map(int, FLAGS.filters)):
    x = layers.Conv2D(filters, 3, padding='same', use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D()(x) if index % 2 else x
  x = layers.Dense(256, activation='relu')(layers.GlobalAveragePooling2D()(x))
  return keras.Model(inputs, layers.Dense(10)(x))


def main(_):
  random = np.random.RandomState(1)
  images = random.standard_normal((FLAGS.batch, FLAGS.image, FLAGS.image, 3)).astype(np.float32)
  labels = random.randint(0, 10, FLAGS.batch)
  loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
  models = {'dense': _model()}
  models['masked'] = sparsity.prune_low_magnitude(
      models['dense'], 'channel_pruning=true,target_sparsity=%r,sparsity_function_end_step=1,'
      'pruning_frequency=1000000' % FLAGS.sparsity)
  for model in models.values():
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
  callback = sparsity.UpdatePruningStep()
  callback.set_model(models['masked'])
  callback.on_train_begin()
  updater = MaskUpdater(models['masked'])

  def update():
    start = time.perf_counter()
    updater.update(1)
    return time.perf_counter() - start

  def step(name):
    if name == 'masked':
      callback.on_train_batch_begin(-1)
    models[name].train_on_batch(images, labels)

  updates = [update() for _ in range(FLAGS.updates + 1)][1:]
  for name in list(models):
    step(name)
  start = time.perf_counter()
  models['smaller'] = sparsity.remove_channels_in_training(models['masked'])
  removal = time.perf_counter() - start
  step('smaller')

  def timed(name):
    def run():
      start = time.perf_counter()
      step(name)
      return time.perf_counter() - start
    return run

  found = measure.interleaved({name: timed(name) for name in models}, FLAGS.rounds)
  rows = [{'model': name, 'weights': sum(int(np.prod(weight.shape)) for weight in
                                         model.trainable_weights),
           'step': float(np.median(found[name]))} for name, model in models.items()]
  print(tabulate.tabulate([[row['model'], '{:,}'.format(row['weights']), 1e3 * row['step']]
                           for row in rows], ['model', 'weights', 'ms per step'], floatfmt='.1f'))
  print('Update of all masks: %.1f ms; removal: %.1f s' % (1e3 * np.median(updates), removal))
  measure.write(FLAGS.output, steps=rows, update=float(np.median(updates)), removal=removal)


if __name__ == '__main__':
  app.run(main)
