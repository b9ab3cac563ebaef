# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.util.quiet: Ctrl-C at any moment of a command is one line.

The moment is set by a module that stands in front of the real one, and interrupts the
process that imports it.
"""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from model_pruning.util import quiet
from tests.paths import ROOT

LINE = 'model-pruning: interrupted; nothing was written\n'
INTERRUPT = textwrap.dedent('''
    import os, signal, sys, time
    print('interrupting', flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
''')
WITHIN_TRY = textwrap.dedent('''
    import importlib
    try:
      importlib.import_module('%s.inner')
    except BaseException as error:
      raise ImportError('This module is broken') from error
''')


def _run(folder, *words, level=None):
  environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(folder), ROOT]))
  environment.pop('TF_CPP_MIN_LOG_LEVEL', None)
  if level is not None:
    environment['TF_CPP_MIN_LOG_LEVEL'] = level
  return subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                        cwd=str(folder), universal_newlines=True, timeout=120, env=environment,
                        # A shell hands down that its programs in the background ignore Ctrl-C.
                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


@pytest.mark.sampled(5)
@pytest.mark.parametrize('module, content', [
    ('tensorflow', INTERRUPT), ('numpy', INTERRUPT), ('absl', INTERRUPT),
    ('tensorflow', WITHIN_TRY % 'tensorflow')])
@pytest.mark.parametrize('level', [None, '2'])
def test_ctrl_c_while_a_module_is_imported(tmp_path, module, content, level):
  package = tmp_path / module
  package.mkdir()
  (package / '__init__.py').write_text(content)
  (package / 'inner.py').write_text(INTERRUPT)
  (tmp_path / 'x.pb').write_bytes(b'')
  for words in (['model_pruning', 'report', 'x.pb'],
                ['model_pruning.strip_pruning_vars', '--output_node_names=x']):
    done = _run(tmp_path, '-m', *words, level=level)
    assert (done.returncode, done.stdout) == (130, 'interrupting\n')
    # Who sets a level hears TensorFlow.
    assert done.stderr == LINE or level and done.stderr.endswith(LINE), done.stderr
    assert 'Traceback' not in done.stderr


def test_ctrl_c_at_the_console_script(tmp_path):
  (tmp_path / 'tensorflow.py').write_text(INTERRUPT)
  (tmp_path / 'model-pruning').write_text('from model_pruning.cli import run\nrun()\n')
  (tmp_path / 'x.pb').write_bytes(b'')
  done = _run(tmp_path, 'model-pruning', 'report', 'x.pb')
  assert (done.returncode, done.stdout, done.stderr) == (130, 'interrupting\n', LINE)


def test_ctrl_c_in_the_middle_of_a_command(tmp_path):
  (tmp_path / 'matplotlib.py').write_text(INTERRUPT)
  done = _run(tmp_path, '-m', 'model_pruning', 'schedule', 'target_sparsity=0.5',
              '--output=%s' % (tmp_path / 'new' / 'x.png'))
  assert (done.returncode, done.stderr) == (130, LINE)
  assert not os.path.exists(str(tmp_path / 'new')) or not os.listdir(str(tmp_path / 'new'))


def test_programs_that_import_the_package_keep_their_ctrl_c(tmp_path):
  (tmp_path / 'program.py').write_text(textwrap.dedent('''
      import os, signal
      import model_pruning
      try:
        os.kill(os.getpid(), signal.SIGINT)
        import time; time.sleep(60)
      except KeyboardInterrupt:
        print('caught')
  '''))
  for words in (['program.py'], ['-m', 'program']):
    done = _run(tmp_path, *words)
    assert done.returncode == 0 and done.stdout == 'caught\n', done.stderr


def test_a_handler_of_somebody_else_stays(monkeypatch):
  before = signal.signal(signal.SIGINT, signal.SIG_IGN)
  try:
    quiet.exit_on_interrupt()
    with quiet.interruptible():
      assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
  finally:
    signal.signal(signal.SIGINT, before)
