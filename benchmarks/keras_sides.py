# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""tfmot and model_pruning on Keras models, each in a process of its own.

tfmot is TensorFlow Model Optimization on the legacy Keras. It needs an environment of
its own (tools/env.sh tfmot), in which model_pruning runs too, so that both have one
TensorFlow.
"""

import json
import os
import subprocess
import sys
import time

from absl import flags
import numpy as np

from model_pruning.compat import tensorflow

FLAGS = flags.FLAGS
flags.DEFINE_bool('peer', True, 'Whether to measure tfmot; its environment is made if need be.')
flags.DEFINE_enum('serve', None, ['model_pruning', 'tfmot'],
                  'Only answer what another process asks about this library.')

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEER, OURS = 'tfmot', 'model_pruning'


def seconds(function):
  start = time.perf_counter()
  function()
  return time.perf_counter() - start


class _Library:
  """What both libraries call alike; `_sparsity` is the module."""

  def prune(self, model, sparsity, frequency):
    """Returns the model pruned to a sparsity, updated at step 0 and every `frequency` steps."""
    return self._sparsity.prune_low_magnitude(
        model, self._sparsity.ConstantSparsity(sparsity, 0, frequency=frequency))

  def callback(self):
    return self._sparsity.UpdatePruningStep()


class _Tfmot(_Library):
  """Pruning and mask updates with tfmot."""

  keeps_zeros = False  # From one step to the next.

  def __init__(self):
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_wrapper
    from tensorflow_model_optimization.sparsity import keras as sparsity
    self._wrapper = pruning_wrapper
    self._sparsity = sparsity
    self.keras = tensorflow.keras

  def updater(self, model, step):
    """Returns (a function that updates at `step` and returns the seconds, a forward pass's work).
    """
    layers = self._wrapper.collect_prunable_layers(model)
    done = _last_write(model)

    def at_an_update(function):
      def call():
        for layer in layers:
          layer.pruning_step.assign(step)
        time_taken = seconds(lambda: (function(), done()))
        for layer in layers:
          layer.pruning_step.assign(1)
        return time_taken
      return call

    @tensorflow.function
    def update():
      for layer in layers:
        layer.pruning_obj.conditional_mask_update()

    @tensorflow.function
    def apply():
      for layer in layers:
        layer.pruning_obj.weight_mask_op()

    return at_an_update(update), apply


class _Ours(_Library):
  """The same of model_pruning.keras."""

  keeps_zeros = True

  def __init__(self):
    from model_pruning import keras as sparsity
    from model_pruning.keras import updates
    from model_pruning.keras.backend import keras
    self._sparsity = sparsity
    self._updates = updates
    self.keras = keras

  def updater(self, model, step):
    updater, done = self._updates.MaskUpdater(model), _last_write(model)
    return (lambda: seconds(lambda: (updater.update(step), done()))), lambda: None


def _last_write(model):
  """Returns a function that waits until what a GPU was told to do is done."""
  variable = min(model.trainable_variables, key=lambda variable: np.prod(variable.shape))
  return variable.numpy  # The value comes after all that was queued before.


def serve(library, kinds):
  """Answers lines of JSON, each a list of a command and arguments, until the input ends.

  Args:
    library: PEER or OURS.
    kinds: {command: class}; the command makes the task, of the library and the arguments. Any
      other command is a method of the task.
  """
  answers = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)  # What else is printed is not an answer.
  library = _Tfmot() if library == PEER else _Ours()
  task = None
  for line in iter(sys.stdin.readline, ''):
    command, *arguments = json.loads(line)
    if command == 'versions':
      answer = {'tensorflow': tensorflow.__version__,
                'keras': getattr(library.keras, '__version__', None) or 'tf_keras'}
    elif command in kinds:
      task = None  # Before the next takes its memory.
      task = answer = kinds[command](library, *arguments)
    else:
      answer = getattr(task, command)()
    answers.write(json.dumps(None if answer is task else answer) + '\n')
    answers.flush()


class _Side:
  """A process that measures one library on one Keras; `module` is the benchmark."""

  def __init__(self, module, name, python, library, legacy_keras=None):
    self.name = name
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([ROOT] + (
        [] if python != sys.executable else sys.path)))
    if legacy_keras is not None:
      environment['TF_USE_LEGACY_KERAS'] = str(int(legacy_keras))
    self._process = subprocess.Popen(
        [python, '-m', module, '--serve=' + library] + [
            flag.serialize() for flag in FLAGS.get_key_flags_for_module(sys.argv[0])
            if flag.present and flag.name != 'serve'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True, cwd=ROOT,
        env=environment)

  def ask(self, *command):
    self._process.stdin.write(json.dumps(command) + '\n')
    self._process.stdin.flush()
    line = self._process.stdout.readline()
    if not line:
      raise SystemExit('%s ended during the request %s: see above' % (
          self.name, ' '.join(map(str, command))))
    return json.loads(line)

  def close(self):
    self._process.stdin.close()
    self._process.wait()


def _peer_python():
  """Returns the Python of tfmot's environment; None where there cannot be one."""
  try:
    return subprocess.run([os.path.join(ROOT, 'tools', 'env.sh'), PEER], check=True,
                          stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()
  except (OSError, subprocess.CalledProcessError) as error:
    print('There is no environment with tfmot (%s). Only model_pruning is measured.\n' % error)
    return None


def sides(module):
  """Returns (the processes that measure, {name: versions}); each runs `module` with --serve."""
  python = _peer_python() if FLAGS.peer else None
  if python is None:
    found = [_Side(module, OURS, sys.executable, OURS)]
  else:
    found = [_Side(module, PEER, python, PEER, legacy_keras=True),
             _Side(module, OURS + ', tf_keras', python, OURS, legacy_keras=True),
             _Side(module, OURS + ', Keras 3', python, OURS, legacy_keras=False)]
  versions = {side.name: side.ask('versions') for side in found}
  for name, version in versions.items():
    print('%s: TensorFlow %s, Keras %s' % (name, version['tensorflow'], version['keras']))
  return found, versions
