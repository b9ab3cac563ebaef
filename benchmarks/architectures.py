# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Removes half of the channels of the architectures of keras.applications, and compares.

    python -m benchmarks.architectures --names=ResNet50,MobileNetV2

Each model has random weights. Every second channel of each group is set to zero in all its slices;
then the normalizations get the statistics of random images: without them, activations would vanish.
remove_channels(model) removes the zeros, and both models predict on other images.
Each architecture has a process of its own, because of the memory. The table has the parameters and
the FLOPs before and after, the seconds of the removal, the largest difference of the outputs
relative to the largest value, the same if only the images are rounded (also of a model that is
refused, as its outputs differ), and how much the outputs depend on the images. Deep architectures
with random weights magnify rounding: --floatx=float64.
"""

import json
import os
import subprocess
import sys
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import numpy as np
import tabulate

from benchmarks import measure
from model_pruning import errors

FLAGS = flags.FLAGS
flags.DEFINE_list('names', [], 'Architectures; all by default.')
flags.DEFINE_list('skip', [], 'Architectures to leave out.')
flags.DEFINE_string('only', None, 'Used by the benchmark itself: measures one, prints JSON.')
flags.DEFINE_enum('floatx', 'float32', ['float32', 'float64'], 'The type of the weights.')
flags.DEFINE_integer('timeout', 1800, 'Seconds for one architecture.', lower_bound=1)
flags.DEFINE_string('output', 'out/benchmarks/architectures.json', 'Where to write the numbers.')

SIZES = (32, 75, 224, 331)  # Of images; the least that an architecture takes.
CLASSES = 10


def names():
  """Returns the names of all architectures."""
  from model_pruning.keras.backend import keras
  return sorted(name for name in dir(keras.applications) if name[0].isupper())


def build(name):
  """Returns an architecture with random weights, and the size of its images."""
  from model_pruning.keras.backend import keras
  for size in SIZES:
    try:
      return getattr(keras.applications, name)(
          weights=None, input_shape=(size, size, 3), classes=CLASSES,
          classifier_activation=None), size
    except ValueError as error:  # The images are too small.
      last = error
  raise last


def randomize(model):
  """Gives biases, scales and offsets random values, as a trained model has them."""
  random = np.random.RandomState(0)
  normalizes = any('Normalization' in type(layer).__name__ for layer in model.layers)
  for weight in model.weights:
    path, shape = getattr(weight, 'path', weight.name), tuple(weight.shape)
    if len(shape) == 1:
      near = 1 if 'gamma' in path or 'variance' in path else 0
      weight.assign(near + 0.1 * np.clip(random.randn(*shape), -3, 3).astype(FLAGS.floatx))
    elif not normalizes:  # Half of the channels would give half of the activations.
      weight.assign(2 * np.asarray(weight))


def mask(variables, groups):
  """Sets every second channel of each group to zero; returns their number."""
  for group in groups:
    for member in group.members:
      variable = variables[member.weight]
      value = np.moveaxis(np.array(variable), member.axis, 0)
      value[np.asarray(member.indices)[::2][:group.channels // 2].reshape(-1)] = 0
      variable.assign(np.moveaxis(value, 0, member.axis))
  return sum(group.channels // 2 for group in groups)


def set_statistics(model, images):
  """Gives the normalizations, at any depth, the statistics of these images."""
  from model_pruning.keras import backend
  from model_pruning.keras.backend import keras
  norms = [layer for layer in backend.layers_in(model)
           if isinstance(layer, keras.layers.BatchNormalization)]
  before = [layer.momentum for layer in norms]
  for layer in norms:
    layer.momentum = 0.0
  if norms:
    model(images, training=True)
  for layer, momentum in zip(norms, before):
    layer.momentum = momentum
    # A variance near zero, of few positions, would magnify rounding.
    layer.moving_variance.assign(np.maximum(np.asarray(layer.moving_variance), 1e-2))


def measured(name):
  """Returns the row of an architecture."""
  from model_pruning.channels.choice import Target
  from model_pruning.keras import exporting
  from model_pruning.keras import removal
  from model_pruning.keras.backend import keras
  keras.backend.set_floatx(FLAGS.floatx)
  model, size = build(name)
  row = {'name': name, 'size': size, 'parameters': model.count_params()}
  randomize(model)
  random = np.random.RandomState(1)
  start = time.perf_counter()
  groups = removal.channel_groups(model)
  row['analysis_s'] = time.perf_counter() - start
  variables = exporting.freeze(model).variables
  mask(variables, groups)
  set_statistics(model, random.randn(16, size, size, 3).astype(FLAGS.floatx))
  row['masked'] = mask(variables, groups)  # The means, too.
  images = random.randn(4, size, size, 3).astype(FLAGS.floatx)
  expected = model.predict(images, verbose=0)
  signs = random.choice([-1, 1], images.shape)
  rounded = model.predict(images * (1 + signs * np.finfo(FLAGS.floatx).eps), verbose=0)
  most = float(np.abs(expected).max())
  row['rounding'] = float(np.abs(rounded - expected).max()) / most
  start = time.perf_counter()
  try:
    result = removal.removed(model, Target())
  except errors.ChannelError as error:
    return dict(row, refused='rounding: %.1e; %s' % (row['rounding'], error))
  row['removal_s'] = time.perf_counter() - start
  found = result.model.predict(images, verbose=0)
  row.update(removed=sum(map(len, result.smaller.removed.values())), parameters_after=(
      result.model.count_params()), flops=result.smaller.flops, difference=(
          float(np.abs(found - expected).max()) / most),
             spread=float(np.ptp(expected, axis=0).max()) / most)
  return row


def in_process(name):
  """Returns the row of an architecture that a new process measures."""
  try:
    result = subprocess.run(
        [sys.executable, '-m', 'benchmarks.architectures', '--only=' + name,
         '--floatx=' + FLAGS.floatx],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
        timeout=FLAGS.timeout)
  except subprocess.TimeoutExpired:
    return {'name': name, 'refused': 'not done after %d s' % FLAGS.timeout}
  lines = result.stdout.strip().splitlines()
  if result.returncode or not lines:
    wrong = result.stderr.strip().splitlines() or ['exit status %d' % result.returncode]
    return {'name': name, 'refused': wrong[-1]}
  return json.loads(lines[-1])


def main(argv):
  del argv
  if FLAGS.only:
    print(json.dumps(measured(FLAGS.only)))
    return
  rows = []
  for name in FLAGS.names or names():
    if name not in FLAGS.skip:
      rows.append(in_process(name))
      print(rows[-1], flush=True)
  print(tabulate.tabulate(
      [[row['name'], row['size'], row['parameters'] / 1e6, row['parameters_after'] / 1e6,
        *(None if row['flops'] is None else flops / 1e6 for flops in row['flops'] or (None, None)),
        row['analysis_s'], row['removal_s'], row['difference'], row['rounding'], row['spread']]
       if 'refused' not in row else [row['name'], row['refused'][:60]] for row in rows],
      headers=['architecture', 'image', 'Mparameters', 'after', 'MFLOPs', 'after', 'analysis\ns',
               'removal\ns', 'difference', 'rounding', 'spread'],
      floatfmt=('', '', '.2f', '.2f', '.1f', '.1f', '.1f', '.1f', '.1e', '.1e', '.2f')))
  works = [row for row in rows if row.get('difference', 1) <= 1e-5]
  print('%d of %d compute the same to 1e-5' % (len(works), len(rows)))
  measure.write(FLAGS.output, architectures=rows)


if __name__ == '__main__':
  app.run(main)
