# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs the Keras programs of this folder, each as its user would, and checks what they leave.

    python -m tests.programs.keras.run [--only=NAME,...]

A program is a script of its own that knows nothing of this file. It is called twice, each time in
a new process:

    python NAME.py FOLDER 2     # trains for two epochs, pruning, and saves into FOLDER
    python NAME.py FOLDER 4     # goes on from there to the end of epoch 4, and strips

Each time it writes its pruned weights, by any names, into FOLDER/weights.npz. The second time it
also writes FOLDER/outputs.npz, with the outputs of the model for the same inputs before and after
strip_pruning(): `pruned` and `stripped`, or `pruned_a`, `stripped_a`, `pruned_b` and so on. It
ends with one line of JSON on stdout:

    {"sparsity": {"hidden": 0.9}, "unpruned": [[8, 4], [4]], "stripped": [[8, 4], [4]]}

the sparsity that each weight in weights.npz must have, and the shapes of all weights of the model
before it is pruned and after it is stripped. "skip" in place of these says why this Keras cannot
run it. Files in FOLDER whose names begin with `stripped` must hold nothing of this library.
"""

import os
import sys
from typing import Any, Callable, Dict, List, Optional
import zipfile

import numpy as np

from model_pruning.compat import tensorflow
from model_pruning.engine import selection
from tests.programs import runner

HERE = os.path.dirname(os.path.abspath(__file__))
_EPOCHS = ('2', '4')
_OURS = (b'model_pruning', b'PruneLowMagnitude', b'last_mask_update_step')


def names() -> List[str]:
  """Returns the names of the programs."""
  return runner.names(HERE)


def run(name: str, folder: str, start: Callable[..., Any] = runner.start) -> Optional[str]:
  """Runs a program; returns why this Keras cannot run it, or None if all is right.

  Args:
    name: of the program.
    folder: an empty one.
    start: runs a file in a process of its own, as runner.start does.

  Raises:
    AssertionError: the program fails, or what it leaves is wrong.
  """
  said: Dict[str, Any] = {}
  left: List[Dict[str, np.ndarray]] = []
  for epochs in _EPOCHS:
    said = runner.call(os.path.join(HERE, name + '.py'), folder, epochs, start)
    if 'skip' in said:
      return said['skip']
    left.append(_arrays(os.path.join(folder, 'weights.npz')))
  _check_sparsity(said['sparsity'], *left)
  _check_outputs(_arrays(os.path.join(folder, 'outputs.npz')))
  assert said['stripped'] == said['unpruned'], (said['stripped'], said['unpruned'])
  _check_files(folder)
  return None


def _arrays(path: str) -> Dict[str, np.ndarray]:
  with np.load(path) as file:
    return {name: file[name] for name in file.files}


def _check_sparsity(expected: Dict[str, float], halfway: Dict[str, np.ndarray],
                    end: Dict[str, np.ndarray]) -> None:
  assert expected and set(end) == set(halfway) == set(expected), (
      sorted(halfway), sorted(end), sorted(expected))
  for name, sparsity in expected.items():
    hidden = end[name].size - selection.rounded_keep_count(end[name].size, sparsity)
    zeros, before = np.sum(end[name] == 0), np.sum(halfway[name] == 0)
    assert zeros == hidden, '%s has %d zeros of %d at the end, and not %d' % (
        name, zeros, end[name].size, hidden)
    # That the second process goes on with the masks of the first shows in this.
    assert 0 < before <= hidden, '%s has %d zeros of %d halfway' % (name, before, end[name].size)
    assert np.all(end[name][halfway[name] == 0] == 0), '%s: masks were lost halfway' % name


def _check_outputs(outputs: Dict[str, np.ndarray]) -> None:
  pruned = sorted(name for name in outputs if name.startswith('pruned'))
  stripped = sorted(name for name in outputs if name.startswith('stripped'))
  assert pruned and [name[len('pruned'):] for name in pruned] == [
      name[len('stripped'):] for name in stripped], sorted(outputs)
  for one, other in zip(pruned, stripped):
    assert np.any(outputs[one] != 0), one
    np.testing.assert_allclose(outputs[other], outputs[one], rtol=1e-5, atol=1e-6, err_msg=other)


def _check_files(folder: str) -> None:
  for where, _, files in os.walk(folder):
    for file in files:
      path = os.path.join(where, file)
      if not os.path.relpath(path, folder).startswith('stripped'):
        continue
      for name, content in _contents(path):
        found = [each for each in _OURS if each in content]
        assert not found, '%s: %s has %s in it' % (path, name, found)


def _contents(path: str) -> Any:
  if zipfile.is_zipfile(path):
    with zipfile.ZipFile(path) as archive:
      for name in archive.namelist():
        yield name, archive.read(name)
  else:
    with open(path, 'rb') as file:
      yield os.path.basename(path), file.read()


def version() -> str:
  """Returns the versions of TensorFlow and of tf.keras, as 2.21.0/3.12.4."""
  found = tensorflow.keras
  # Keras 2 and tf_keras have their version in another module than tf.keras.
  return '%s/%s' % (tensorflow.__version__, getattr(found, '__version__', None) or sys.modules[
      found.Model.__module__.split('.')[0]].__version__)


if __name__ == '__main__':
  sys.exit(runner.table(run, names(), version()))
