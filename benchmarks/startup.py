# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Measures what `import model_pruning` adds, and how long the first update takes.

    python -m benchmarks.startup

Each number is a median over new processes, started by turns. Writes the table as JSON too.
"""

import os
import subprocess
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import numpy as np
import tabulate

from benchmarks import measure
from model_pruning.compat import tensorflow

FLAGS = flags.FLAGS
flags.DEFINE_integer('processes', 5, 'Processes per program.', lower_bound=1)
flags.DEFINE_integer('layers', 50, 'Layers of the models of the first update.', lower_bound=1)
flags.DEFINE_string('output', 'out/benchmarks/startup.json', 'Where to write the numbers.')

_START = 'import time\nimport tensorflow\nstart = time.perf_counter()\n'
_END = 'print(time.perf_counter() - start)\n'
_GRAPH = """
import time
import model_pruning
from model_pruning.compat import tf
with tf.Graph().as_default(), tf.Session() as session:
  tf.train.get_or_create_global_step()
  for index in range(%d):
    model_pruning.apply_mask(tf.get_variable('w%%d' %% index, [64, 64]), 'layer%%d' %% index)
  update = model_pruning.Pruning('initial_sparsity=0.5').mask_update_op()
  session.run(tf.global_variables_initializer())
  start = time.perf_counter()
  session.run(update)
  print(time.perf_counter() - start)
"""
_KERAS = """
import time
import tensorflow
from model_pruning import keras as sparsity
from model_pruning.keras.updates import MaskUpdater
keras = tensorflow.keras
model = keras.Sequential([keras.Input((64,))] + [keras.layers.Dense(64) for _ in range(%d)])
model = sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.5, 0), in_place=True)
updater = MaskUpdater(model)
start = time.perf_counter()
updater.update(0)
print(time.perf_counter() - start)
"""


def _programs():
  found = {
      'import model_pruning, after tensorflow': _START + 'import model_pruning\n' + _END,
      'and use Pruning and apply_mask': (
          _START + 'import model_pruning\nmodel_pruning.Pruning, model_pruning.apply_mask\n' +
          _END),
      'first mask update, graph': _GRAPH % FLAGS.layers}
  if not tensorflow.__version__.startswith('1.'):
    found['first mask update, Keras'] = _KERAS % FLAGS.layers
  return found


def _seconds(program):
  result = subprocess.run([sys.executable, '-c', program], check=True, stdout=subprocess.PIPE,
                          universal_newlines=True)
  return float(result.stdout.split()[-1])


def main(argv):
  del argv
  times = measure.interleaved(
      {name: lambda program=program: _seconds(program) for name, program in _programs().items()},
      FLAGS.processes)
  rows = [{'program': name, 'seconds': float(np.median(values))} for name, values in times.items()]
  print(tabulate.tabulate([[row['program'], row['seconds']] for row in rows],
                          headers=['program', 'seconds'], floatfmt='.3f'))
  measure.write(FLAGS.output, programs=rows)


if __name__ == '__main__':
  app.run(main)
