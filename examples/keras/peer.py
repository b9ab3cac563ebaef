# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The same nets, trained and pruned by tfmot, in a process of its own.

TensorFlow Model Optimization works with Keras 2 alone and has an environment of its own
(tools/env.sh tfmot). `Peer` starts this file in it and asks for one net after the other; the
process answers with weights, which are then measured as ours are.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PREFIX = 'tfmot-'  # Of the names of its nets.


class Peer:
  """A process with tfmot; a context manager."""

  def __init__(self, python: str, data: Any, **settings: Any) -> None:
    """Starts the process.

    Args:
      python: the Python of an environment with tfmot.
      data: examples.digits.data.Data to train on.
      **settings: epochs, batch_size, sparsity and steps, as of our nets.
    """
    self._folder = tempfile.TemporaryDirectory()
    path = os.path.join(self._folder.name, 'data.npz')
    np.savez(path, train_images=data.train_images, train_labels=data.train_labels,
             test_images=data.test_images, test_labels=data.test_labels)
    environment = dict(os.environ, TF_USE_LEGACY_KERAS='1', PYTHONPATH=ROOT,
                       PYTHONNOUSERSITE='1')
    environment.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    self._said = open(os.path.join(self._folder.name, 'stderr'), 'w+')
    self._process = subprocess.Popen(
        [python, '-W', 'ignore', '-m', 'examples.keras.peer', path, json.dumps(settings)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
        universal_newlines=True, cwd=ROOT, env=environment)

  def train(self, name: str, seed: int) -> Tuple[List[np.ndarray], List[float]]:
    """Returns the weights of a net, stripped by tfmot, and test accuracies after its epochs.

    Raises:
      RuntimeError: the process ended; with the last line of its stderr.
    """
    path = os.path.join(self._folder.name, 'weights.npz')
    assert self._process.stdin and self._process.stdout
    try:
      self._process.stdin.write(json.dumps([name, seed, path]) + '\n')
      self._process.stdin.flush()
      answer = self._process.stdout.readline()
    except BrokenPipeError:
      answer = ''
    if not answer:
      self._process.wait()
      self._said.seek(0)
      said = self._said.read().strip().splitlines() or ['without a message']
      raise RuntimeError('the process with tfmot ended: ' + said[-1])
    with np.load(path) as arrays:
      return [arrays['w%d' % index] for index in range(len(arrays.files))], json.loads(answer)

  def __enter__(self) -> 'Peer':
    return self

  def __exit__(self, *unused: Any) -> None:
    self._process.kill()  # It may be in the middle of a training.
    self._process.wait()
    for stream in (self._process.stdin, self._process.stdout, self._said):
      if stream is not None:
        stream.close()
    self._folder.cleanup()


def python_of_tfmot() -> Optional[str]:
  """Returns the Python of tfmot's environment, which is made if need be; None if that fails."""
  try:
    return subprocess.run([os.path.join(ROOT, 'tools', 'env.sh'), 'tfmot'], check=True,
                          stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()
  except (OSError, subprocess.CalledProcessError):
    return None


def _serve(path: str, settings: Dict[str, Any]) -> None:
  """Trains nets as the lines of stdin ask for, until they end."""
  signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asks, who then ends this.
  answers = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)  # Nothing else that is printed is an answer.
  import tensorflow as tf
  from tensorflow_model_optimization.sparsity import keras as tfmot

  from examples.keras import net
  with np.load(path) as arrays:
    data = dict(arrays)
  schedules = net.schedules_of(tfmot, settings['sparsity'], settings['steps'])
  for line in iter(sys.stdin.readline, ''):
    name, seed, output = json.loads(line)
    model, callbacks = net.build(data['train_images'].shape[1:], seed), []
    if schedules[name] is not None:
      model = tfmot.prune_low_magnitude(model, schedules[name])
      callbacks.append(tfmot.UpdatePruningStep())
    net.compiled(model)
    tf.keras.utils.set_random_seed(seed)
    history = model.fit(
        data['train_images'], data['train_labels'], batch_size=settings['batch_size'],
        epochs=settings['epochs'], verbose=0, callbacks=callbacks,
        validation_data=(data['test_images'], data['test_labels']))
    if schedules[name] is not None:
      model = tfmot.strip_pruning(model)
    np.savez(output, **{'w%d' % index: weight for index, weight in enumerate(model.get_weights())})
    answers.write(json.dumps([float(value) for value in history.history['val_accuracy']]) + '\n')
    answers.flush()


if __name__ == '__main__':
  _serve(sys.argv[1], json.loads(sys.argv[2]))
