# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: deps = //model_pruning:keras/__init__
"""The Keras API follows the Keras that TensorFlow uses, and its error if there is none."""

import os
import subprocess
import sys

import pytest

from model_pruning.compat import tensorflow

IS_TF1 = int(tensorflow.__version__.split('.')[0]) < 2
HAS_KERAS_3 = not IS_TF1 and not hasattr(tensorflow.compat.v1, 'estimator') and (
    os.environ.get('TF_USE_LEGACY_KERAS', '') != '1')


def importing(**environment):
  """Returns the last line that `import model_pruning.keras` says, with exit status."""
  done = subprocess.run(
      [sys.executable, '-c', 'import model_pruning.keras as k; print(k.backend.IS_KERAS_3)'],
      env=dict(os.environ, **environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
      universal_newlines=True)
  return done.returncode, (done.stdout if done.returncode == 0 else done.stderr).splitlines()[-1]


@pytest.mark.skipif(not IS_TF1, reason='TensorFlow 2 has a Keras that can be pruned')
def test_tensorflow_1_gets_the_advice_to_use_the_graph_api():
  status, line = importing()
  assert status == 1
  assert line.startswith('ImportError: model_pruning.keras needs TensorFlow 2.4 or a newer one, ')
  assert 'this is 1.15' in line and 'masked_scope' in line


@pytest.mark.sampled(1)
@pytest.mark.skipif(not HAS_KERAS_3, reason='Keras 2 runs on TensorFlow alone')
@pytest.mark.parametrize('name', ['jax', 'numpy', 'torch'])
def test_another_backend_is_refused_at_import(name):
  status, line = importing(KERAS_BACKEND=name)
  assert status == 1
  assert line.startswith('ImportError: model_pruning.keras prunes Keras models that run on '
                         'TensorFlow, but Keras is set to run on %r' % name)


@pytest.mark.skipif(not HAS_KERAS_3, reason='there is one Keras only')
def test_the_legacy_keras_is_meant_where_tensorflow_says_so():
  assert importing() == (0, 'True')
  assert importing(TF_USE_LEGACY_KERAS='1') == (0, 'False')


@pytest.mark.skipif(IS_TF1, reason='needs Keras')
@pytest.mark.parametrize('compiles', [False, True])
def test_functions_for_xla_are_known_while_they_are_built(compiles):
  from model_pruning.keras import backend
  found = []

  def look(x):
    found.append(backend.compiles_with_xla())
    return x + 1

  @tensorflow.function(jit_compile=compiles)
  def outer(x):
    inner = tensorflow.function(look)(x)
    return tensorflow.cond(x > 0, lambda: look(inner), lambda: look(x))

  outer.get_concrete_function(tensorflow.TensorSpec([], tensorflow.float32))
  outer(tensorflow.constant(1.0))
  assert found and set(found) == {compiles}
  assert not backend.compiles_with_xla()
