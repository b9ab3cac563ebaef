# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
# bazel: deps = //benchmarks:scaling
"""An update of large weights takes at most three times their bytes of memory besides them."""

import os
import subprocess
import sys

import pytest

from tests import legs

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.skipif(
    not os.path.exists('/proc/self/status'), reason='needs /proc of Linux')]

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Per case, the scale of benchmarks/scaling.py and the number of weights at that scale.
CASES = {'one': (0.2, 20 * 10**6), 'group': (0.2, 80 * 10**6), 'blocks': (0.2, 20 * 10**6),
         '2_of_4': (0.2, 20 * 10**6), 'first_order': (0.5, 15 * 10**6),
         'second_order': (0.5, 15 * 10**6)}


@pytest.mark.sampled(2)
@pytest.mark.parametrize('case, use_resource', legs.few(
    legs.product(sorted(CASES), [False, True]), len(CASES)))  # `make soak` has all.
def test_an_update_takes_three_times_the_weights_at_most(case, use_resource):
  scale, weights = CASES[case]
  # Smaller than in docs/scaling.md. All that is freed goes back to the system at once:
  # a pool of TensorFlow's would keep it.
  result = subprocess.run(
      [sys.executable, '-m', 'benchmarks.scaling', '--peak_of=' + case, '--memory_scale=%g' % scale,
       '--resource=%s' % use_resource],
      cwd=ROOT, check=True, stdout=subprocess.PIPE, universal_newlines=True,
      env=dict(os.environ, PYTHONPATH=os.pathsep.join([ROOT] + sys.path),
               TF_ENABLE_ONEDNN_OPTS='0', MALLOC_MMAP_THRESHOLD_='65536',
               MALLOC_TRIM_THRESHOLD_='0'))
  extra, _ = result.stdout.split()[-2:]
  assert 0.25 * 4 * weights < int(extra) < 3 * 4 * weights
