# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: deps = //tests:fuzzing
# bazel: size = enormous
# bazel: tags = manual
"""Damaged files: every command ends with one line, or none, within time and memory.

With MODEL_PRUNING_SOAK above 1 there are 500 files of each kind, each for every command. One
file again, all its commands: `python -m tests.fuzzing FOLDER KIND SEED 1 --every_command`, with
the samples that `fuzzing.make_samples(FOLDER)` writes.
"""

import json
import os

import pytest

from tests import forks
from tests.paths import ROOT

fuzzing = pytest.importorskip('tests.fuzzing', reason='needs fork, and limits on memory')

SOAK = int(os.environ.get('MODEL_PRUNING_SOAK', '1')) > 1
pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.skipif(
    not os.path.exists('/proc/self/status'), reason='reads /proc')]


@pytest.fixture(scope='module')
def samples(tmp_path_factory):
  folder = str(tmp_path_factory.mktemp('samples'))
  fuzzing.make_samples(folder)
  return folder


def _start(path, words, imports):
  return forks.run(path, words, cwd=ROOT, imports=imports, environment={
      'PYTHONPATH': ROOT, 'TF_CPP_MIN_LOG_LEVEL': '3', 'MPLBACKEND': 'Agg'})


def _run(*words):
  """Returns what the harness prints: a record for each fault, and the exit statuses."""
  done = _start(fuzzing.__file__, words, fuzzing.imports(words[1]))
  assert done.returncode == 0, done.stderr[-3000:]
  *faults, codes = map(json.loads, done.stdout.splitlines())
  return faults, codes['codes']


@pytest.mark.sampled(2)
@pytest.mark.parametrize('kind', fuzzing.KINDS)
def test_mutated_files(samples, kind):
  if not os.path.exists(os.path.join(samples, kind)):
    pytest.skip('Keras models are read on TensorFlow 2')
  count, more = (500, ['--every_command']) if SOAK else (15, [])
  faults, codes = _run(samples, kind, '0', str(count), *more)
  assert not faults, json.dumps(faults[:5], indent=2)
  assert codes.get('0'), 'no file was taken: the harness tests nothing'


def test_the_harness_sees_faults(samples, tmp_path):
  bad = {
      'os.kill(os.getpid(), 11)': 'died of signal 11',
      'raise KeyError(1)': 'Traceback',
      "open(args.model, 'ab').write(b'x')": 'changed its input',
      "open(__import__('tempfile').mkdtemp() + '/x', 'w')": 'it left',
      "print('one'); print('two', file=sys.stderr); print('three', file=sys.stderr); sys.exit(1)":
          'it printed',
      "x = b'1' * (2000 * 2**20)": 'it took',
  }
  program = tmp_path / 'program.py'
  for statement, message in bad.items():
    program.write_text('\n'.join([
        'import os, sys', 'from model_pruning.cli import report', 'def run(args):',
        '  ' + statement, 'report.run = run',
        'from tests import fuzzing', 'sys.argv[1:] = [%r, "graph", "0", "1"]' % samples,
        'fuzzing._main()']))
    done = _start(str(program), [], fuzzing.imports('graph'))
    assert done.returncode == 0, done.stderr
    assert any(part in done.stdout for part in message.split('|')), (statement, done.stdout)
