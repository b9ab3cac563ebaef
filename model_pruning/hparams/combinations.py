# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Refuses hyperparameters that contradict one another."""

from typing import Any

from model_pruning import errors
from model_pruning.hparams.choices import check_distribution


def check_combinations(spec: Any) -> None:
  """Checks the fields of a PruningSpec against one another.

  Raises:
    errors.SpecError: they contradict one another.
    errors.BlockError: the block dimensions do not fit N of M or channels.
  """
  _check_distribution(spec)
  _check_groups(spec)
  if spec.intra_block_sparsity:
    _check_n_of_m(spec)
  _check_channels(spec)


def _check_distribution(spec: Any) -> None:
  name = spec.sparsity_distribution
  check_distribution(name)
  if spec.global_pruning and name not in ('uniform', 'global'):
    raise errors.SpecError('global_pruning=true is sparsity_distribution=global, and contradicts '
                           'sparsity_distribution=%s; leave out one of them' % name)
  if name != 'uniform' and spec.group_pruning:
    raise errors.SpecError('sparsity_distribution=%s makes one group of all weights that '
                           'weight_sparsity_map does not match, and excludes group_pruning=true; '
                           'leave out one of them' % name)
  if name == 'lamp' and spec.use_tpu:
    raise errors.SpecError('sparsity_distribution=lamp counts weights with scatter, which TPUs '
                           'do not compile, and excludes use_tpu=true; use '
                           'sparsity_distribution=erk or global')


def _check_groups(spec: Any) -> None:
  if not spec.group_pruning:
    for name in ('group_sparsity_map', 'group_block_dims_map'):
      if getattr(spec, name):
        raise errors.SpecError(
            '%s has entries, but %s' % (name, '%s makes one group of all weights; leave out one '
                                        'of them' % _sharing(spec) if spec.shares_target
                                        else 'group_pruning is false; set group_pruning=true to '
                                        'prune by groups'))
  if not spec.global_pruning:
    return
  if spec.group_pruning:
    raise errors.SpecError('global_pruning=true makes one group of all weights and excludes '
                           'group_pruning=true; leave out one of them')
  if spec.weight_sparsity_map and spec.sparsity_distribution == 'uniform':
    raise errors.SpecError('global_pruning=true prunes all weights by one threshold, so no '
                           'weight can have its own sparsity; leave out weight_sparsity_map, or '
                           'use sparsity_distribution=global, which prunes the weights in '
                           'weight_sparsity_map separately')


def _sharing(spec: Any) -> str:
  """Returns the hyperparameter by which weights share target_sparsity, for messages."""
  return ('global_pruning=true' if spec.global_pruning else
          'sparsity_distribution=%s' % spec.sparsity_distribution)


def _check_n_of_m(spec: Any) -> None:
  def refuse(conflict: str) -> None:
    raise errors.SpecError('intra_block_sparsity=true (N of M) compares the inputs of a run with '
                           'one another: ' + conflict)

  if spec.block_width == 1 and all(width == 1 for _, (_, width) in spec.block_dims_map):
    raise errors.BlockError('intra_block_sparsity=true (N of M) needs block_width=M of 2 or '
                            'more, but it is 1; 2 of 4 is block_width=4,target_sparsity=0.5 '
                            '(with block_height=1)')
  if spec.block_height != 1 or any(height != 1 for _, (height, _) in spec.block_dims_map):
    raise errors.BlockError('intra_block_sparsity=true (N of M) takes M from the width of the '
                            'blocks; leave block_height, and the heights in block_dims_map, at 1')
  if spec.group_pruning or spec.global_pruning:
    refuse('a threshold over several weights has no effect on them; leave out %s' %
           ('group_pruning' if spec.group_pruning else 'global_pruning'))
  if spec.distribution not in ('uniform', 'erk'):
    refuse('a threshold over several weights has no effect on them; use '
           'sparsity_distribution=uniform or erk, not %s' % spec.distribution)
  if spec.threshold_decay:
    refuse('there is no threshold to smooth; leave out threshold_decay')
  if spec.threshold_method != 'exact':
    refuse("there is no threshold to estimate; leave threshold_method at 'exact'")


def _check_channels(spec: Any) -> None:
  def refuse(conflict: str) -> None:
    raise errors.SpecError('channel_pruning=true hides whole channels, by the norms of all their '
                           'slices: ' + conflict)

  if not spec.channel_pruning:
    for name, default in (('min_channels', 1), ('channels_multiple_of', 1),
                          ('channel_outputs', ())):
      if getattr(spec, name) != default:
        raise errors.SpecError('%s is set, but channel_pruning is false; set channel_pruning=true '
                               'to prune whole channels' % name)
    return
  if spec.intra_block_sparsity:
    refuse('a channel has no runs of inputs (N of M); leave out intra_block_sparsity')
  if (spec.block_height, spec.block_width) != (1, 1) or spec.block_dims_map:
    raise errors.BlockError('channel_pruning=true hides whole channels, and excludes blocks; leave '
                            'out block_height, block_width and block_dims_map')
  if spec.group_pruning:
    refuse('channels make their own groups; leave out group_pruning')
  if spec.distribution not in ('uniform', 'global'):
    refuse('use sparsity_distribution=uniform or global, not %s' % spec.distribution)
  if spec.prune_option != 'weight':
    refuse('there are no averages of their changes; leave out prune_option')
  if spec.threshold_decay:
    refuse('there is no threshold to smooth; leave out threshold_decay')
  if spec.threshold_method != 'exact':
    refuse("there is no threshold to estimate; leave threshold_method at 'exact'")
  if spec.use_tpu:
    refuse('TPUs do not sum them in float64; leave out use_tpu, and update the masks on the host')
