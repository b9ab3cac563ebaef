# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Shows, without a GPU, that mask updates on a GPU keep the weights there.

    tools/with_env.sh tf2.21-cuda -m tools.gpu_kernels

Runs updates on the CPU of a TensorFlow that was built with CUDA, looks up each node that ran in
that build's table of kernels, and fails if a node has no kernel for GPUs or if it takes or gives a
tensor of about the size of a weight in host memory.
"""

import collections
import sys
from typing import List

from absl import app
from absl import flags

from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.engine import placement
from tools import gpu_specs
from tools.gpu_trace import Fault

FLAGS = flags.FLAGS
flags.DEFINE_list('apis', ['graph', 'keras'], 'Which APIs.')
flags.DEFINE_list('specs', list(gpu_specs.SPECS), 'Which updates.')
flags.DEFINE_list('shapes', list(gpu_specs.SHAPES), 'Which sizes of weights.')

# A tensor with more than this fraction of the elements of a weight counts as large.
FRACTION = 16


def faults_of(build) -> List[Fault]:
  """Returns the faults of an update, of weights with and without equal elements."""
  found = []
  for values in gpu_specs.VALUES.values():
    run = build(values)
    run.run(times=2)
    found.extend(run.trace.faults(run.size // FRACTION))
  return found


def main(_) -> None:
  if not tensorflow.test.is_built_with_cuda():
    sys.exit('TensorFlow %s was built without CUDA, so it has no table of kernels for GPUs; '
             'run tools/with_env.sh tf2.21-cuda -m tools.gpu_kernels' % tf.__version__)
  rows, reasons = [], collections.Counter()
  with placement.assumed_gpu():
    for api, spec, shape, build in gpu_specs.all_runs(FLAGS.apis, FLAGS.specs, FLAGS.shapes):
      found = faults_of(build)
      rows.append((api, spec, shape, 'stays' if not found else '%d faults' % len(set(found))))
      print(*rows[-1], sep=', ', flush=True)
      for fault in sorted(set(found))[:40]:
        print('  %s (%s): %s' % fault)
      reasons.update({(fault.op, fault.reason) for fault in found})
  if reasons:
    sys.exit('TensorFlow %s: %d of %d updates would not stay on a GPU' % (
        tf.__version__, sum(row[-1] != 'stays' for row in rows), len(rows)))
  print('TensorFlow %s: all %d updates stay on a GPU' % (tf.__version__, len(rows)))


if __name__ == '__main__':
  app.run(main)
