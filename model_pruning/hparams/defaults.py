# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Every hyperparameter, its meaning and its default."""

from model_pruning.hparams.hparam import HParams

# Keys with which the research branch configured its low-rank compression.
# They turn up in job scripts that never compress; they do nothing here.
_COMPRESSION_KEYS = (
    'add_summary', 'alpha_decrement_value', 'begin_compression_step', 'block_compression_factor',
    'block_method', 'compression_frequency', 'compression_option', 'end_compression_step',
    'input_block_size', 'input_compression_factor', 'output_block_size',
    'output_compression_factor', 'pruning_fraction', 'rank', 'run_update_interval_check',
    'update_option', 'use_collection')


def get_pruning_hparams() -> HParams:
  """Returns a new HParams object with every hyperparameter at its default.

  Sparsity follows, with p the share of the span that has passed,

      p = clip((step - sparsity_function_begin_step) /
               (sparsity_function_end_step - sparsity_function_begin_step), 0, 1)
      sparsity = target_sparsity + (initial_sparsity - target_sparsity) * (1 - p) ** exponent

  which is the gradual pruning of Zhu and Gupta, "To prune, or not to prune"
  (2017). (contrib's documentation gave a formula by update index; this is what
  its code computed.)

  Hyperparameters:
    name: scope of the library's variables, operations and summaries.
    begin_pruning_step: global step at which mask updates begin.
    end_pruning_step: last global step with a mask update; -1 for no end.
    weight_sparsity_map: list of regex:sparsity. A weight whose op name the
      regex is found in gets that target instead of target_sparsity.
    block_dims_map: list of regex:HEIGHTxWIDTH, block dimensions likewise.
    threshold_decay: share of the previous threshold kept at an update, [0, 1).
    pruning_frequency: global steps between two mask updates.
    nbins: number of bins of threshold_method=histogram.
    block_height, block_width: size of the blocks that are pruned together, in
      elements; -1 for the whole dimension of the weight at hand.
    block_pooling_function: AVG or MAX of the magnitudes in a block.
    initial_sparsity, target_sparsity: share of zeros before and after, [0, 1).
    sparsity_function_begin_step, sparsity_function_end_step: global steps
      between which the sparsity moves.
    sparsity_function_exponent: 1 is linear; more moves early.
    use_tpu: select thresholds with static shapes and without scatter.
    threshold_method: 'exact', or 'histogram', contrib's old estimate.
    prune_option: what decides which weights matter least: 'weight', their
      magnitude; or 'first_order_gradient' or 'second_order_gradient', their
      magnitude times a decayed average of how they change (see engine/change.py).
    gradient_decay_rate: share of that average kept at an update, [0, 1).
    group_pruning: prune the members of each group (apply_mask_with_group,
      masked_scope(group_name=...)) by one threshold over all of them.
    group_sparsity_map: list of group:sparsity, by the group's name or a regex
      found in it; groups without an entry get target_sparsity. 'ungrouped' is
      for weights in no group that weight_sparsity_map does not name.
    group_block_dims_map: list of group:HEIGHTxWIDTH, likewise.
    global_pruning: prune the whole model by one threshold.
    intra_block_sparsity: N of M: of every block_width consecutive input channels
      of a weight of rank 2 or 4, drop floor(block_width * sparsity).
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
      threshold_method='exact')
  hparams.accept_and_ignore(
      _COMPRESSION_KEYS, 'they configure low-rank compression, which this library does not do')
  return hparams
