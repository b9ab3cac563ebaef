# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the families of programs share: finding them, running them, and the table of results."""

import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile
from typing import Any, Callable, Dict, List, Optional

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
_NO_PROGRAMS = ('run', 'runner', '__init__')


def names(folder: str) -> List[str]:
  """Returns the names of the programs in a folder."""
  found = sorted(os.path.splitext(os.path.basename(path))[0]
                 for path in glob.glob(os.path.join(folder, '*.py')))
  return [name for name in found if name not in _NO_PROGRAMS and not name.startswith('test_')]


def start(path: str, words: List[str], cwd: str, environment: Dict[str, str],
          timeout: float) -> 'subprocess.CompletedProcess[str]':
  """Runs a program as a user does. The tests put forks.run in its place, which is faster."""
  return subprocess.run([sys.executable, path, *words], cwd=cwd, timeout=timeout,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                        env=dict(os.environ, **environment))


def call(path: str, folder: str, until: str,
         start: Callable[..., 'subprocess.CompletedProcess[str]'] = start) -> Dict[str, Any]:
  """Runs a program in a process of its own, inside `folder`; returns its last line of JSON.

  Raises:
    AssertionError: it fails, or prints no JSON.
  """
  done = start(path, [folder, until], cwd=folder, timeout=600, environment={
      'TF_CPP_MIN_LOG_LEVEL': '3',
      'PYTHONPATH': os.pathsep.join([ROOT, os.environ.get('PYTHONPATH', '')])})
  lines = [line for line in done.stdout.splitlines() if line.startswith('{')]
  assert done.returncode == 0 and lines, '%s %s ended with %d:\n%s' % (
      os.path.basename(path), until, done.returncode, done.stderr[-3000:])
  said: Dict[str, Any] = json.loads(lines[-1])
  return said


def table(run: Callable[[str, str], Optional[str]], programs: List[str], version: str) -> int:
  """Runs the programs that the command line names, all of them by default, and prints a table.

  Args:
    run: takes a program's name and an empty folder; returns why the program cannot run here, or
      None if all is right; raises an exception if anything is wrong.
    programs: the names.
    version: the text of the second column.

  Returns:
    The exit status: 1 if a program fails.
  """
  parser = argparse.ArgumentParser()
  parser.add_argument('--only', default='', help='names of programs, with commas between them')
  args = parser.parse_args()
  failed = 0
  width = max(map(len, programs))
  for name in args.only.split(',') if args.only else programs:
    with tempfile.TemporaryDirectory() as folder:
      try:
        skipped = run(name, folder)
        result = 'skipped: ' + skipped if skipped else 'ok'
      except Exception as error:  # pylint: disable=broad-except  # Of any kind: on to the next.
        failed += 1
        result = 'FAILED: %s' % (str(error).strip().splitlines() or [repr(error)])[-1]
    print('%-*s  %-8s  %s' % (width, name, version, result), flush=True)
  return 1 if failed else 0
