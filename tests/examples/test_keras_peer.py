# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""The process that trains a peer's nets, with a stand-in for the peer; sizes of signed zeros."""

import os
import sys

import numpy as np
import pytest

from model_pruning.compat import tensorflow as tf

if tf.__version__.startswith('1.'):
  pytest.skip('Keras models are pruned on TensorFlow 2', allow_module_level=True)

from examples.digits import data as data_lib
from examples.keras import net
from examples.keras import peer
from examples.keras import report

_DATA = data_lib.Data('data', np.ones([3, 2, 2, 1], np.float32), np.arange(3),
                      np.zeros([1, 2, 2, 1]), np.ones(1), 'mnist')
_ANSWERS = '''
data, settings = np.load(sys.argv[-2]), json.loads(sys.argv[-1])
for line in iter(sys.stdin.readline, ''):
  name, seed, path = json.loads(line)
  np.savez(path, w0=np.full([2, 3], seed), w1=data['train_images'])
  print(json.dumps([settings['epochs'], len(name)]), flush=True)
'''


def _python(tmp_path, program):
  """Returns the path of what is started in place of a Python."""
  path = tmp_path / 'python'
  path.write_text('#!%s\nimport json, sys\nimport numpy as np\n%s' % (sys.executable, program))
  path.chmod(0o755)
  return str(path)


def test_nets_are_trained_one_after_the_other(tmp_path):
  with peer.Peer(_python(tmp_path, _ANSWERS), _DATA, epochs=4) as process:
    for name, seed in (('constant', 7), ('polynomial', 8)):
      weights, accuracies = process.train(name, seed)
      np.testing.assert_array_equal(weights[0], np.full([2, 3], seed))
      np.testing.assert_array_equal(weights[1], _DATA.train_images)
      assert accuracies == [4, len(name)]
    folder = process._folder.name
    assert os.path.isdir(folder)
  assert process._process.poll() is not None and not os.path.exists(folder)


@pytest.mark.parametrize('program', ['raise ValueError("no such module")',
                                     'sys.stdin.readline()\nsys.exit("no such module")'])
def test_a_process_that_ends_says_why(tmp_path, program):
  with peer.Peer(_python(tmp_path, program), _DATA) as process:
    with pytest.raises(RuntimeError, match='tfmot ended: .*no such module'):
      process.train('constant', 0)


def test_the_schedules_are_the_same_in_both_libraries():
  class Library:
    """Notes what it is called with."""
    ConstantSparsity = staticmethod(lambda *arguments: ('constant', arguments))
    PolynomialDecay = staticmethod(
        lambda *arguments, power, frequency: ('polynomial', arguments, power, frequency))

  assert net.schedules_of(Library, 0.875, 400) == {
      'baseline': None, 'constant': ('constant', (0.875, 80, 400, 10)),
      'polynomial': ('polynomial', (0.0, 0.875, 80, 400), 3, 10)}


def test_negative_zeros_are_counted_and_cost_bytes():
  def result(sign):
    model = net.build((28, 28, 1), 0)
    weights = model.get_weights()
    random = np.random.RandomState(0)
    for weight in weights:
      if weight.ndim > 1:
        hidden = random.uniform(size=weight.shape) < 0.875
        weight[hidden] = sign * np.copysign(0, weight[hidden])
        if not sign:
          weight[hidden] = 0
    model.set_weights(weights)
    return report.Result.of(model, 0.5, 1.0, [], [])

  plain, signed = result(0), result(1)
  assert plain.negative_zeros == 0
  assert plain.sparsity == signed.sparsity == pytest.approx(0.875, abs=0.01)
  zeros = sum(kernel['zeros'] for kernel in signed.kernels)
  assert 0.45 * zeros < signed.negative_zeros < 0.55 * zeros
  assert 1.2 * plain.gzipped_bytes < signed.gzipped_bytes < 1.35 * plain.gzipped_bytes
  assert plain.line('one-shot') == (
      'one-shot  test loss 1.000, test accuracy 0.500, sparsity %.3f' % plain.sparsity)
