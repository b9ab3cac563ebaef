# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Hyperparameters that contradict channel_pruning are refused when they are parsed."""

import pytest

from model_pruning import errors
from model_pruning.hparams.spec import PruningSpec


@pytest.mark.parametrize('text,advice', [
    ('block_width=4', 'excludes blocks; leave out block_height'),
    ('block_dims_map=[a:2x2]', 'excludes blocks; leave out block_height'),
    ('intra_block_sparsity=true,block_width=4', 'leave out intra_block_sparsity'),
    ('group_pruning=true', 'leave out group_pruning'),
    ('sparsity_distribution=erk', 'use sparsity_distribution=uniform or global, not erk'),
    ('sparsity_distribution=lamp', 'use sparsity_distribution=uniform or global, not lamp'),
    ('prune_option=first_order_gradient', 'leave out prune_option'),
    ('threshold_decay=0.5', 'leave out threshold_decay'),
    ('threshold_method=histogram', "leave threshold_method at 'exact'"),
    ('use_tpu=true', 'leave out use_tpu'),
])
def test_other_patterns_and_thresholds_exclude_channels(text, advice):
  with pytest.raises((errors.SpecError, errors.BlockError), match='^channel_pruning=true .*%s' % (
      advice)):
    PruningSpec.create('channel_pruning=true,' + text)


@pytest.mark.parametrize('text', ['min_channels=2', 'channels_multiple_of=8',
                                  'channel_outputs=[scores]'])
def test_options_of_channels_need_channel_pruning(text):
  with pytest.raises(errors.SpecError, match='is set, but channel_pruning is false'):
    PruningSpec.create(text)
  PruningSpec.create('channel_pruning=true,' + text)


@pytest.mark.parametrize('text', ['min_channels=0', 'channels_multiple_of=-8'])
def test_numbers_of_channels_are_positive(text):
  with pytest.raises(errors.SpecError, match='Illegal value for .*it must be 1 or more'):
    PruningSpec.create('channel_pruning=true,' + text)


def test_a_typo_is_refused_with_the_nearest_name():
  with pytest.raises(errors.UnknownHParamError, match='did you mean .?channel_pruning'):
    PruningSpec.create('chanel_pruning=true')
