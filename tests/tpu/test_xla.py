# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
# bazel: deps = :tpu/xla_steps
"""With use_tpu=true a step compiles under XLA, of static shapes, and chooses the same masks."""

import collections
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from tests import legs
from tests.tpu import xla_steps

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CASES = legs.few(sorted(xla_steps.CASES) + [xla_steps.SCHEDULED], 6)
GRADIENTS = 'first_order', 'second_order'

# What has no place in a step for TPUs: what moves along indices that are data, what is as long
# as data says, what puts in order, and what calls out of the program.
FORBIDDEN = {'scatter', 'gather', 'dynamic-slice', 'dynamic-update-slice', 'dynamic-reshape',
             'sort', 'topk', 'custom-call', 'infeed', 'outfeed', 'rng', 'set-dimension-size',
             'get-dimension-size'}

# One line per instruction: its shape, or that of each element of a tuple, and its operation.
_INSTRUCTION = re.compile(r'^ +(?:ROOT )?%?[\w.-]+ = (\(.*?\)|\S+) ([\w-]+)\(')

# All of them are compiled by one process, which every worker would start for itself.
pytestmark = pytest.mark.xdist_group('xla')


def instructions(path):
  """Returns how often an HLO uses each operation, and those of the shapes that are not static."""
  operations, shapes = collections.Counter(), []
  with open(path) as f:
    for line in f:
      found = _INSTRUCTION.match(line)
      assert found or ' = ' not in line, line
      if found:
        operations[found.group(2)] += 1
        if re.search(r'\[[^\]]*(<=|\?)', found.group(1)):
          shapes.append(line)
  return operations, shapes


@pytest.fixture(scope='module')
def folder(request, tmp_path_factory):
  made = str(tmp_path_factory.mktemp('xla'))
  wanted = {item.callspec.params['case'] for item in request.session.items
            if item.module is request.module and hasattr(item, 'callspec')}
  done = subprocess.run([sys.executable, '-m', 'tests.tpu.xla_steps', made, *sorted(wanted)],
                        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                        universal_newlines=True, env=dict(os.environ, PYTHONPATH=ROOT))
  assert not done.returncode, done.stdout
  return made


@pytest.mark.sampled(1)
@pytest.mark.parametrize('case', CASES)
def test_the_program_is_static(folder, case):
  operations, shapes = instructions(os.path.join(folder, case + '.txt'))
  assert operations['conditional']
  assert not FORBIDDEN & set(operations)
  assert not shapes


def test_what_is_forbidden_is_found(folder):
  operations, _ = instructions(os.path.join(folder, 'forbidden.txt'))
  assert FORBIDDEN & set(operations) >= {'scatter', 'gather', 'dynamic-slice',
                                         'dynamic-update-slice', 'sort', 'rng'}


@pytest.mark.parametrize('case', CASES)
def test_masks_thresholds_and_steps_are_those_without_xla(folder, case):
  with np.load(os.path.join(folder, case + '.npz')) as saved:
    compiled, plain = ({name.partition('/')[2]: saved[name] for name in saved.files
                        if name.startswith(kind)} for kind in ('compiled/', 'plain/'))
  assert sorted(compiled) == sorted(plain)
  for name, expected in plain.items():
    if case in GRADIENTS and not re.search('/mask|_step$', name):
      # An average is of products and sums, which compilers round in one go where they can.
      np.testing.assert_allclose(compiled[name], expected, rtol=1e-6, err_msg=name)
    else:
      np.testing.assert_array_equal(compiled[name], expected, err_msg=name)


@pytest.mark.parametrize('case', CASES)
def test_masks_are_updated_when_they_are_due_and_at_no_other_step(folder, case):
  due = (1, 3) if case == xla_steps.SCHEDULED else (2, 4)
  with np.load(os.path.join(folder, case + '.npz')) as saved:
    masks = {name: saved[name] for name in saved.files
             if name.startswith('compiled/') and '/mask' in name}
    steps = [int(saved['compiled/%d/model_pruning/last_mask_update_step' % step])
             for step in range(xla_steps.STEPS)]
  assert steps == [max((0,) + tuple(at for at in due if at <= step))
                   for step in range(xla_steps.STEPS)]
  changed = set()
  for name, mask in masks.items():
    _, step, leaf = name.split('/', 2)
    before = masks.get('compiled/%d/%s' % (int(step) - 1, leaf), np.ones_like(mask))
    if not np.array_equal(mask, before):
      changed.add(int(step))
  assert changed == set(due)
