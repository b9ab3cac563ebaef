# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Shows, without a GPU, that mask updates on a GPU keep the weights there.

    tools/with_env.sh tf2.21-cuda -m tools.gpu_kernels

Runs updates on the CPU of a TensorFlow that was built with CUDA, looks up each node that ran in
that build's table of kernels, and fails if a node has no kernel for GPUs or if it takes or gives a
tensor of about the size of a weight in host memory.
"""

import sys
from typing import Callable, List, Sequence

from absl import app
from absl import flags

from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.engine import placement
from model_pruning.util import tables
from tools import gpu_specs
from tools.gpu_trace import Fault

FLAGS = flags.FLAGS
flags.DEFINE_list('updates', [], 'Only these updates, of: %s.' % ', '.join(gpu_specs.SPECS))
flags.DEFINE_list('shapes', list(gpu_specs.SHAPES), 'Sizes of weights.')

# A tensor with more than this fraction of the elements of a weight counts as large.
FRACTION = 16
_SHOWN = 10  # Faults of an update that are printed.


def faults_of(build: Callable[..., gpu_specs.Run]) -> List[Fault]:
  """Returns the faults of an update, of weights with and without equal elements.

  Args:
    build: takes functions that draw a weight; see gpu_specs.VALUES.
  """
  with placement.assumed_gpu():
    run = build(*gpu_specs.VALUES.values())
  run.run()
  return sorted(set(run.trace.faults(run.size // FRACTION)))


def main(arguments: Sequence[str]) -> None:
  """Checks all updates, and exits with 1 if one has a fault."""
  del arguments
  if not tensorflow.test.is_built_with_cuda():
    sys.exit('TensorFlow %s was built without CUDA, so it has no table of kernels for GPUs. Run '
             'tools/with_env.sh tf2.21-cuda -m tools.gpu_kernels' % tf.__version__)
  rows = []
  for api, build in gpu_specs.APIS.items():
    for spec in gpu_specs.specs_of(api):
      if spec in (FLAGS.updates or gpu_specs.SPECS):
        counts = []
        for shape in FLAGS.shapes:
          found = faults_of(lambda *values, build=build, spec=spec, shape=shape: build(
              gpu_specs.SPECS[spec], gpu_specs.SHAPES[shape], *values))
          counts.append(len(found))
          for fault in found[:_SHOWN]:
            print('%s, %s, %s: %s (%s) %s' % (api, spec, shape, *fault), flush=True)
        rows.append((api, spec, *('stays' if not count else '%d faults' % count
                                  for count in counts)))
  print(tables.aligned(('API', 'update', *FLAGS.shapes), rows, left=2))
  bad = sum(row[2:] != ('stays',) * len(FLAGS.shapes) for row in rows)
  if bad or not rows:
    sys.exit('TensorFlow %s: %d of %d updates would not stay on a GPU' % (
        tf.__version__, bad, len(rows)))
  print('TensorFlow %s: all %d updates stay on a GPU' % (tf.__version__, len(rows)))


if __name__ == '__main__':
  app.run(main)
