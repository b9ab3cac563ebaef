# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs the programs of this folder, each as its user would, and checks what they leave.

    python -m tests.programs.run [--only=NAME,...]

A program is a script of its own that knows nothing of this file. It is called twice, each time in
a new process:

    python NAME.py FOLDER 40     # trains to step 40, pruning, and saves into FOLDER
    python NAME.py FOLDER 80     # goes on from there to step 80

and ends with one line of JSON on stdout:

    {"inputs": {"x": [3, 8]}, "outputs": ["y"], "sparsity": {"fc/kernel": 0.9}}

the placeholders of its model with the shape of a batch, the operations to keep, and the sparsity
that each masked weight must have. "skip" in place of these says why this TensorFlow cannot run it.
Checked are the sparsity in the last checkpoint, to the element, and that the stripped graph
computes what the masked one does.
"""

import os
import sys
import tempfile
from typing import Any, Callable, Dict, List, Optional

import numpy as np

import model_pruning
from model_pruning import export
from model_pruning.compat import tf
from model_pruning.engine import selection
from model_pruning.reporting import report
from tests.programs import runner

_STEPS = ('40', '80')


def names() -> List[str]:
  """Returns the names of the programs."""
  return runner.names(runner.HERE)


def run(name: str, folder: str, start: Callable[..., Any] = runner.start) -> Optional[str]:
  """Runs a program; returns why this TensorFlow cannot run it, or None if all is right.

  Args:
    name: of the program.
    folder: an empty one.
    start: runs a file in a process of its own, as runner.start does.

  Raises:
    AssertionError: the program fails, or what it leaves is wrong.
  """
  said: Dict[str, Any] = {}
  for steps in _STEPS:
    said = runner.call(os.path.join(runner.HERE, name + '.py'), folder, steps, start)
    if 'skip' in said:
      return said['skip']
  _check_sparsity(folder, said['sparsity'])
  _check_stripped(folder, said['inputs'], said['outputs'])
  return None


def _check_sparsity(folder: str, expected: Dict[str, float]) -> None:
  found = {row.name: row for row in report.of(folder).weights if row.masked}
  assert set(found) == set(expected), (sorted(found), sorted(expected))
  for name, sparsity in expected.items():
    kept = selection.rounded_keep_count(found[name].size, sparsity)
    assert found[name].zeros >= found[name].size - kept, (name, found[name].sparsity, sparsity)
    # A weight that happens to be zero is one more.
    assert found[name].zeros <= found[name].size - kept + 2, (name, found[name].sparsity, sparsity)


def _check_stripped(folder: str, inputs: Dict[str, List[int]], outputs: List[str]) -> None:
  masked = model_pruning.graph_def_from_checkpoint(folder, outputs)
  stripped = model_pruning.strip_pruning_vars_fn(masked, outputs)
  assert not [node.name for node in stripped.node if node.name.split('/')[-1] == 'mask']
  rng = np.random.RandomState(0)
  results = []
  fed = {name: rng.normal(size=shape).astype(np.float32) for name, shape in inputs.items()}
  for graph_def in (masked, stripped):
    with tf.Graph().as_default() as graph:
      tf.import_graph_def(graph_def, name='')
      with tf.Session(graph=graph) as session:
        results.append(session.run([graph.get_tensor_by_name(name + ':0') for name in outputs], {
            graph.get_tensor_by_name(name + ':0'): value.astype(
                graph.get_tensor_by_name(name + ':0').dtype.as_numpy_dtype)
            for name, value in fed.items()}))
  for one, other in zip(*results):
    assert np.any(np.asarray(one) != 0)
    np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)
  with tempfile.TemporaryDirectory() as dense:
    export.strip_checkpoint(folder, os.path.join(dense, 'model.ckpt'))


if __name__ == '__main__':
  sys.exit(runner.table(run, names(), tf.__version__))
