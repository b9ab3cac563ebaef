# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Looks at the installed package from outside: the second half of wheel_test.sh."""

import glob
import os
import re
import subprocess
import sys


def with_tensorflow(site: str) -> None:
  import model_pruning
  from model_pruning.python import pruning as legacy

  home = os.path.dirname(os.path.abspath(model_pruning.__file__))
  expected = os.path.join(os.path.abspath(site), 'model_pruning')
  assert os.path.realpath(home) == os.path.realpath(expected), home
  assert os.path.exists(os.path.join(home, 'py.typed')), 'the wheel lacks py.typed'
  for name in ('page.html.j2', 'page.css', 'page.js'):
    assert os.path.getsize(os.path.join(home, 'reporting', name)), 'the wheel lacks %s' % name
  assert sorted(n for n in os.listdir(site) if '.dist-info' not in n) == [
      'bin', 'model_pruning'], 'the wheel installs more than the package: %s' % os.listdir(site)
  _check_description(site)
  _check_command(site)
  for module in (model_pruning, legacy):
    for name in ('get_pruning_hparams', 'Pruning', 'apply_mask', 'get_masks'):
      assert hasattr(module, name), '%s has no %s' % (module.__name__, name)

  import tensorflow.compat.v1 as tf
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.create_global_step()
    weight = tf.get_variable('weights', initializer=[[1.0, -2.0], [3.0, -4.0]])
    masked = model_pruning.apply_mask(weight)
    update = model_pruning.Pruning('target_sparsity=0.5', sparsity=0.5).mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    got = session.run(masked).tolist()
    assert got == [[0.0, 0.0], [3.0, -4.0]], got
  if not tf.__version__.startswith('1.'):
    import tensorflow
    layer = model_pruning.keras.prune_low_magnitude(tensorflow.keras.layers.Dense(2))
    layer.build((None, 3))
    assert len(layer.pruning.weights) == 1, layer.weights
  print('with TensorFlow %s: %s %s prunes' % (
      tf.__version__, model_pruning.__name__, model_pruning.__version__))


def without_tensorflow(site: str) -> None:
  import model_pruning
  try:
    model_pruning.Pruning  # noqa: B018  (asking for it loads TensorFlow)
  except ImportError as e:
    assert 'tensorflow' in str(e).lower() and 'pip install' in str(e), (
        'the ImportError does not say what to install: %s' % e)
    print('without TensorFlow: ImportError: %s' % e)
  else:
    raise AssertionError('loaded without TensorFlow: %s' % model_pruning.__file__)
  _check_command(site)


def _check_description(site: str) -> None:
  metadata, = glob.glob(os.path.join(site, 'model_pruning-*.dist-info', 'METADATA'))
  with open(metadata, encoding='utf-8') as f:
    content = f.read()
  links = re.findall(r'\]\(([^)]*)\)', content)
  assert len(links) > 5 and all(link.startswith('https://') for link in links), links
  assert content.count('Project-URL: ') >= 3, content[:1500]


def _check_command(site: str) -> None:
  command = [os.path.join(site, 'bin', 'model-pruning'), 'schedule', 'target_sparsity=0.9']
  printed = subprocess.check_output(command, universal_newlines=True)
  assert '0.9000' in printed, printed


if __name__ == '__main__':
  {'with_tensorflow': with_tensorflow, 'without_tensorflow': without_tensorflow}[
      sys.argv[1]](sys.argv[2])
