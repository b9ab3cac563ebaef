# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Defines every hyperparameter, its meaning and its default."""

from model_pruning.hparams.hparam import HParams

# Keys that configure low-rank compression in the research branch. Job scripts that never compress
# may contain them; here they have no effect.
_COMPRESSION_KEYS = (
    'add_summary', 'alpha_decrement_value', 'begin_compression_step', 'block_compression_factor',
    'block_method', 'compression_frequency', 'compression_option', 'end_compression_step',
    'input_block_size', 'input_compression_factor', 'output_block_size',
    'output_compression_factor', 'pruning_fraction', 'rank', 'run_update_interval_check',
    'update_option', 'use_collection')


def get_pruning_hparams() -> HParams:
  """Returns a new HParams object with every hyperparameter at its default.

  The sparsity at a step is

      p = clip((step - sparsity_function_begin_step) /
               (sparsity_function_end_step - sparsity_function_begin_step), 0, 1)
      sparsity = target_sparsity + (initial_sparsity - target_sparsity) * (1 - p) ** exponent

  This is the gradual pruning of Zhu and Gupta, "To prune, or not to prune" (2017). (contrib's
  documentation gave a formula by update index, but its code computed this one.)

  Hyperparameters:
    name: scope of the library's variables, operations and summaries.
    begin_pruning_step: first global step at which masks may be updated.
    end_pruning_step: last global step at which masks may be updated; -1 for no end.
    weight_sparsity_map: list of regex:sparsity. A weight whose op name contains a match of the
      regex gets this target instead of target_sparsity.
    block_dims_map: list of regex:HEIGHTxWIDTH, the same for block dimensions.
    threshold_decay: fraction of the previous threshold kept at an update, [0, 1).
    pruning_frequency: global steps between two mask updates.
    nbins: number of bins of threshold_method=histogram.
    block_height, block_width: size, in elements, of the blocks that are pruned together; -1 for
      the whole dimension of a weight.
    block_pooling_function: AVG or MAX of the scores in a block: of the magnitudes, unless
      prune_option says otherwise.
    initial_sparsity, target_sparsity: fraction of zeros before and after pruning, [0, 1).
    sparsity_function_begin_step, sparsity_function_end_step: global steps between which the
      sparsity changes.
    sparsity_function_exponent: 1 is linear; larger values prune more at the start.
    use_tpu: select thresholds with static shapes and without scatter.
    threshold_method: 'exact', or 'histogram', contrib's old estimate.
    prune_option: the saliency of a weight: 'weight', its magnitude; or 'first_order_gradient' or
      'second_order_gradient', its magnitude times a decayed average of its changes (see
      engine/change.py).
    gradient_decay_rate: fraction of this average kept at an update, [0, 1).
    group_pruning: prune the members of each group (apply_mask_with_group,
      masked_scope(group_name=...)) by one threshold over all of them.
    group_sparsity_map: list of group:sparsity, by the group's name or a regex that matches in it;
      groups without an entry get target_sparsity. 'ungrouped' applies to weights without a group
      that weight_sparsity_map does not match.
    group_block_dims_map: list of group:HEIGHTxWIDTH, the same for block dimensions.
    global_pruning: prune the whole model by one threshold; as sparsity_distribution=global.
    sparsity_distribution: how much of each weight is pruned. 'uniform': target_sparsity of each.
      With the others the weights that weight_sparsity_map does not match share the zeros, and
      target_sparsity is the fraction of zeros in all of them together (see
      engine/distributions.py). 'erk': small weights stay denser, by their shapes. 'lamp': by
      magnitudes relative to the larger ones in the same weight. 'global': by magnitudes, with one
      threshold.
    intra_block_sparsity: N of M: of every block_width consecutive input channels of a weight of
      rank 2 or 4, drop floor(block_width * sparsity).
    channel_pruning: hide whole channels, in all weights that have slices of them: those with the
      smallest norms of all their slices, in each group of channels. The keys of
      weight_sparsity_map match the names of groups, which are the weights that produce them.
    min_channels: this many channels of each group stay at least.
    channels_multiple_of: the number of channels that stay is rounded up to a multiple.
    channel_outputs: names of the outputs of the model in its graph; [''] to find them.
  """
  hparams = HParams(
      name='model_pruning',
      begin_pruning_step=0,
      end_pruning_step=-1,
      weight_sparsity_map=[''],
      block_dims_map=[''],
      threshold_decay=0.0,
      pruning_frequency=10,
      nbins=256,
      block_height=1,
      block_width=1,
      block_pooling_function='AVG',
      initial_sparsity=0.0,
      target_sparsity=0.5,
      sparsity_function_begin_step=0,
      sparsity_function_end_step=100,
      sparsity_function_exponent=3.0,
      use_tpu=False,
      gradient_decay_rate=0.99,
      prune_option='weight',
      group_pruning=False,
      group_sparsity_map=[''],
      group_block_dims_map=[''],
      intra_block_sparsity=False,
      global_pruning=False,
      sparsity_distribution='uniform',
      channel_pruning=False,
      min_channels=1,
      channels_multiple_of=1,
      channel_outputs=[''],
      threshold_method='exact')
  hparams.accept_and_ignore(
      _COMPRESSION_KEYS, 'they configure low-rank compression, which this library does not do')
  return hparams
