# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reports the achieved sparsity as TensorBoard summaries and as rows of a table."""

from typing import List, Sequence

from model_pruning.compat import tf
from model_pruning.engine.distributions import by_weight
from model_pruning.engine.plan import PrunedTogether
from model_pruning.graph import registry
from model_pruning.graph import variables
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.sparsity_table import WeightSparsity
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


def scalar_summaries(records: Sequence[registry.MaskedWeight], sparsity: Tensor,
                     last_mask_update_step: Tensor,
                     last_gradient_update_step: Tensor = None) -> Tensor:
  """Adds merged summaries of the pruning to the graph, under contrib's names.

  Args:
    records: the weights. The summaries of each are its sparsity, its threshold and, with gradient
      saliency, the l2 norm of its gradient.
    sparsity: float scalar tensor, the scheduled sparsity at the current step.
    last_mask_update_step, last_gradient_update_step: integer scalars; None for no summary.

  Returns:
    The merged summary, a string scalar.
  """
  parts: List[Variable] = [tf.summary.scalar('sparsity', sparsity),
                      tf.summary.scalar('last_mask_update_step', last_mask_update_step)]
  if last_gradient_update_step is not None:
    parts.append(tf.summary.scalar('last_gradient_update_step', last_gradient_update_step))
  for record in records:
    kept = tf.cast(record.kept(), tf.float64)
    achieved = tf.cast(1 - kept / record.size() if record.size() else 0 * kept, tf.float32)
    parts.append(tf.summary.scalar(variables.op_name(record.mask) + '/sparsity', achieved))
    parts.append(tf.summary.scalar(variables.op_name(record.threshold) + '/threshold',
                                   tf.cast(record.threshold, tf.float32)))
    if record.gradient is not None:
      norms = [tf.nn.l2_loss(shard) for shard in variables.read_shards(record.gradient)]
      parts.append(tf.summary.scalar(variables.op_name(record.gradient) + '/gradient',
                                     tf.sqrt(2 * tf.add_n(norms))))
  return tf.summary.merge(parts)


def achieved(records: Sequence[registry.MaskedWeight], counts: Sequence[Tensor],
             plans: Sequence[PrunedTogether], targets: Sequence[float], spec: PruningSpec
             ) -> List[WeightSparsity]:
  """Returns the target and the achieved sparsity of every masked weight, in order of registration.

  Args:
    records: the masked weights.
    counts: per record, the number of elements that its mask keeps.
    plans: which weights are pruned together.
    targets: per plan, the target sparsity.
    spec: the hyperparameters.
  """
  # By the mask, because a weight may be masked twice.
  zeros = {record.mask.name: record.size() - int(kept) for record, kept in zip(records, counts)}
  rows = {}
  single = [each for planned, goal in zip(plans, targets)
            for each in by_weight(planned, goal, spec)]
  for together, target in single:
    hidden = sum(zeros[record.mask.name] for record, _ in together.members)
    for record, _ in together.members:
      rows[record.mask.name] = WeightSparsity(
          record.name, record.layout.shape, target, zeros[record.mask.name],
          short=hidden < together.fewest_zeros(target))
  return [rows[name] for name in zeros]
