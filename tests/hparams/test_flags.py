# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.hparams.flags."""

import subprocess
import sys

from absl import flags as absl_flags
from absl import logging
import pytest

from model_pruning.hparams import flags

_PROGRAM = '''
from absl import app, flags
from model_pruning.hparams import flags as pruning_flags
from model_pruning.hparams import spec

PRUNING = pruning_flags.DEFINE_pruning_hparams(%s)

def main(argv):
  hparams = spec.get_pruning_hparams().parse(PRUNING.value)
  print('main ran', type(PRUNING.value).__name__, PRUNING.value, hparams.target_sparsity)

app.run(main)
'''


def _run(*args, **kwargs):
  return subprocess.run(
      [sys.executable, '-c', _PROGRAM % kwargs.get('defined', '')] + list(args),
      stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, check=False)


def _holder(**kwargs):
  values = absl_flags.FlagValues()
  holder = flags.DEFINE_pruning_hparams(flag_values=values, **kwargs)
  return values, holder


@pytest.mark.parametrize('bad,parts', [
    ('nbins=3,target_sparsty=0.9',
     ['Unknown hyperparameter', "(clause 2 at character 9: 'target_sparsty=0.9')",
      'did you mean target_sparsity?']),
    ('target_sparsity=0.9,nbins=many',
     ["Could not parse hparam 'nbins'", "(clause 2 at character 21: 'nbins=many')",
      'allowed: a whole number']),
    ('target_sparsity=1.5', ['target_sparsity', '1.5']),
])
def test_a_bad_flag_ends_the_program_with_one_line(bad, parts):
  done = _run('--pruning_hparams=' + bad)
  assert done.returncode == 1
  assert 'main ran' not in done.stdout and 'Traceback' not in done.stderr
  lines = [line for line in done.stderr.splitlines() if parts[0] in line]
  assert len(lines) == 1
  for part in parts:
    assert part in lines[0]


def test_a_good_flag_reaches_main_as_its_string_and_warns_once():
  done = _run('--pruning_hparams=target_sparsity=0.9,rank=3')
  assert done.returncode == 0, done.stderr
  assert done.stdout == 'main ran str target_sparsity=0.9,rank=3 0.9\n'
  assert done.stderr.count('Ignored hyperparameters: rank') == 1


def test_help_lists_the_flag_under_the_program():
  done = _run('--help')
  assert '--pruning_hparams' in done.stdout + done.stderr


def test_a_bad_default_fails_where_it_is_defined():
  done = _run(defined="default='nbins=0.5'")
  assert done.returncode == 1 and 'main ran' not in done.stdout
  assert "Could not parse hparam 'nbins'" in done.stderr
  with pytest.raises(absl_flags.IllegalFlagValueError, match='clause 1 at character 1'):
    _holder(default='nbins=0.5')


# Every kind of mistake is seen by the flag: syntax, name, reuse, type, range.
@pytest.mark.parametrize('bad', [
    'nbins', 'nbins=[1', 'nope=1', 'nbins=1,nbins=2', 'nbins=x', 'nbins=[1]',
    'weight_sparsity_map=conv1:0.5', 'weight_sparsity_map[1]=conv1:0.5', 'use_tpu=maybe',
    'target_sparsity=-0.1', 'pruning_frequency=0', 'weight_sparsity_map=[conv1:-0.4]',
    'block_dims_map=[conv1:0x4]', 'block_pooling_function=MIN', 'prune_option=compression',
])
def test_refused(bad):
  values, _ = _holder()
  with pytest.raises(absl_flags.IllegalFlagValueError) as caught:
    values(['program', '--pruning_hparams=' + bad])
  message = str(caught.value)
  assert message.startswith('flag --pruning_hparams=%s: ' % bad)
  assert len(message.splitlines()) == 1


def test_the_value_stays_a_string():
  values, holder = _holder(name='hparams', default='nbins=3', short_name='p', help='What to do.')
  assert isinstance(holder, absl_flags.FlagHolder) and holder.default == 'nbins=3'
  text = 'target_sparsity=0.9, weight_sparsity_map=[conv1:0.8,fc.*:0.95]'
  values(['program', '-p', text])
  assert values.hparams == holder.value == text and type(holder.value) is str
  assert values['hparams'].help == 'What to do.'
  rebuilt, again = _holder(name='hparams')
  rebuilt(['program', values['hparams'].serialize()])
  assert again.value == text


def test_no_default():
  values, holder = _holder(default=None)
  values(['program'])
  assert holder.value is None


def test_log_lines_are_held_back_only_while_a_flag_is_parsed():
  values, _ = _holder()
  values(['program', '--pruning_hparams=rank=3'])
  with pytest.raises(absl_flags.Error):
    values(['program', '--pruning_hparams=nope=3'])
  assert not logging.get_absl_logger().filters
