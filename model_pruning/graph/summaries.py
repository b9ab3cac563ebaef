# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Achieved sparsity: as TensorBoard summaries, and as rows of a table."""

from typing import Any, List, Sequence

from model_pruning.compat import tf
from model_pruning.engine.plan import PrunedTogether
from model_pruning.graph import registry
from model_pruning.graph import variables
from model_pruning.util.sparsity_table import WeightSparsity


def scalar_summaries(records: Sequence[registry.MaskedWeight], sparsity: Any,
                     last_mask_update_step: Any, last_gradient_update_step: Any = None) -> Any:
  """Adds summaries of the pruning to the graph, under contrib's names, and merges them.

  Args:
    records: the weights; of each, its sparsity and its threshold, and the l2 norm
      of its gradient where it has one.
    sparsity: float scalar tensor, the sparsity asked for at the current step.
    last_mask_update_step, last_gradient_update_step: integer scalars; None for none.

  Returns:
    The merged summary, a string scalar.
  """
  parts: List[Any] = [tf.summary.scalar('sparsity', sparsity),
                      tf.summary.scalar('last_mask_update_step', last_mask_update_step)]
  if last_gradient_update_step is not None:
    parts.append(tf.summary.scalar('last_gradient_update_step', last_gradient_update_step))
  for record in records:
    kept = tf.cast(record.kept(), tf.float64)
    achieved = tf.cast(1 - kept / record.size(), tf.float32)
    parts.append(tf.summary.scalar(variables.op_name(record.mask) + '/sparsity', achieved))
    parts.append(tf.summary.scalar(variables.op_name(record.threshold) + '/threshold',
                                   tf.cast(record.threshold, tf.float32)))
    if record.gradient is not None:
      norms = [tf.nn.l2_loss(shard) for shard in variables.read_shards(record.gradient)]
      parts.append(tf.summary.scalar(variables.op_name(record.gradient) + '/gradient',
                                     tf.sqrt(2 * tf.add_n(norms))))
  return tf.summary.merge(parts)


def achieved(records: Sequence[registry.MaskedWeight], counts: Sequence[Any],
             plans: Sequence[PrunedTogether], targets: Sequence[float]) -> List[WeightSparsity]:
  """Returns target and achieved sparsity of every masked weight, in order of registration.

  Args:
    records: the masked weights.
    counts: per record, the number of elements that its mask keeps.
    plans: which weights are pruned together.
    targets: per plan, the target sparsity.
  """
  # By the mask, since one weight may be masked twice.
  zeros = {record.mask.name: record.size() - int(kept) for record, kept in zip(records, counts)}
  rows = {}
  for together, target in zip(plans, targets):
    hidden = sum(zeros[record.mask.name] for record, _ in together.members)
    for record, _ in together.members:
      rows[record.mask.name] = WeightSparsity(
          record.name, record.layout.shape, target, zeros[record.mask.name],
          short=hidden < together.fewest_zeros(target))
  return [rows[name] for name in zeros]
