# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Functions of all benchmarks: interleaved rounds, and the file with the numbers."""

import json
import os
import sys
import time
import warnings

from model_pruning.compat import tf


def interleaved(functions, rounds, skip=lambda name, index: False):
  """Calls every function once in each round, so that the drift of a machine hits all alike.

  Args:
    functions: {name: function of no arguments}.
    rounds: how many rounds.
    skip: takes a name and the index of a round, and says whether to leave that call out.

  Returns:
    {name: what the calls returned, in order}.
  """
  results = {name: [] for name in functions}
  for index in range(rounds):
    names = list(functions)
    # Who comes first changes: the one before leaves caches and heap as they are.
    for name in names[index % len(names):] + names[:index % len(names)]:
      if not skip(name, index):
        results[name].append(functions[name]())
  return results


def seconds(session, operation):
  start = time.perf_counter()
  session.run(operation)
  return time.perf_counter() - start


def write(path, **tables):
  """Writes tables of numbers as JSON, with a description of the machine and software."""
  os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
  with open(path, 'w') as handle:
    json.dump(dict(tensorflow=tf.__version__, python=sys.version.split()[0], **tables), handle,
              indent=2)
  print('Written to %s' % path)


def contrib():
  """Returns tf.contrib.model_pruning, or None where TensorFlow has none."""
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')
      from tensorflow.contrib import model_pruning as library
  except ImportError:
    return None
  # What is printed of deprecations is neither's to pay for.
  tf.logging.set_verbosity(tf.logging.ERROR)
  return library
