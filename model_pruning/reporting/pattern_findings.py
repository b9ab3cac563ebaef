# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds problems of patterns: blocks too coarse, outputs without weights, zeros no kernel skips."""

from typing import List, Optional, Sequence, Tuple

from model_pruning.reporting import tflite
from model_pruning.reporting.advice import Advice
from model_pruning.reporting.advice import lower_than
from model_pruning.reporting.finding import Finding
from model_pruning.reporting.finding import make
from model_pruning.reporting.finding import named
from model_pruning.reporting.finding import NAMED
from model_pruning.reporting.weight import WeightReport
from model_pruning.util import tables

# Report a weight if more than this fraction of its outputs is dead. Blocks along few inputs leave
# some outputs empty by chance.
_DEAD_OUTPUTS = 0.25
# With fewer blocks per output than this, the blocks are the reason for dead outputs.
_FEW_BLOCKS = 8
# Report weights whose zeros TFLite does not skip if they hold at least this fraction of the model.
_WORTH = 0.1


def coarse(masked: Sequence[WeightReport], weights: Sequence[WeightReport],
           advice: Advice) -> Optional[Finding]:
  """Finds weights whose pattern, not their training, keeps them off the target."""
  del weights
  found = [weight for weight in masked if weight.is_coarse and advice.lowered(weight) is None]
  if not found:
    return None
  found.sort(key=lambda weight: weight.sparsity - (weight.target or 0))
  worst = found[0]
  goal = worst.details.goal
  assert goal is not None
  text = '%s is pruned in %s, which cannot come closer to its target of %s than %s.' % (
      worst.name, goal.unit, tables.fraction(worst.target), tables.fraction(worst.sparsity))
  if len(found) > 1:
    text = text[:-1] + '; the same holds for %d more.' % (len(found) - 1)
  reached = advice.targets([(weight, weight.sparsity) for weight in found])
  smaller = 'a larger block_width' if 'runs' in goal.unit else _smaller(found, advice)
  if smaller and not any(weight.sparsity for weight in found):
    return make('coarse', found, text, 'Prune in smaller units: %s.' % smaller)
  return make('coarse', found, text, 'Set a target that the pattern can reach: %s%s.' % (
      reached, ', or prune in smaller units: ' + smaller if smaller else ''))


def _smaller(found: Sequence[WeightReport], advice: Advice) -> str:
  """Returns the hyperparameters for smaller blocks; '' if there are none."""
  blocks = []
  for weight in found:
    goal = weight.details.goal
    if goal is not None:
      width = int(goal.unit.rpartition('x')[2])
      blocks.append((weight, '4x1' if goal.height > 4 or goal.height == 4 and width > 1 else '1x1'))
  return advice.blocks(blocks)


def dead_outputs(masked: Sequence[WeightReport], weights: Sequence[WeightReport],
                 advice: Advice) -> Optional[Finding]:
  """Finds weights with empty outputs, though only elements or blocks are pruned."""
  del weights
  found = []
  for weight in masked:
    details, goal = weight.details, weight.details.goal
    if (details.dead_outputs > max(1, _DEAD_OUTPUTS * details.outputs) and
        weight.zeros < weight.size and len(weight.shape) > 1 and
        advice.lowered(weight) is None and
        details.op not in ('GATHER', 'DEPTHWISE_CONV_2D') and
        weight.block[0] < weight.size // max(details.outputs, 1) and
        not (goal is not None and goal.by_columns)):
      found.append(weight)
  if not found:
    return None
  found.sort(key=lambda weight: -weight.details.dead_outputs / weight.details.outputs)
  text = ', '.join('%d of the %d outputs of %s' % (
      weight.details.dead_outputs, weight.details.outputs, weight.name)
                   for weight in found[:NAMED])
  if len(found) > NAMED:
    text += ', and some of %d more' % (len(found) - NAMED)
  text += ' have no weight left: they return their bias for every input.'
  tall = [weight for weight in found if _few_blocks(weight) and not weight.details.whole_channels]
  if tall:
    goal = tall[0].details.goal
    assert goal is not None
    text += ' %s is pruned in %s, %d per output.' % (
        tall[0].name, goal.unit, _inputs(tall[0]) // goal.height)
  whole = [weight for weight in found if weight.details.whole_channels]
  others = [weight for weight in found if weight not in tall and weight not in whole]
  for weight in tall + others:
    advice.note([weight], lower_than(weight.target))
  remedies = []
  if tall:
    remedies.append('prune in smaller blocks (%s)' % advice.blocks(
        [(weight, '4x1' if _inputs(weight) // 4 >= _FEW_BLOCKS and _height(weight) > 4 else '1x1')
         for weight in tall]))
  if others:
    clause = advice.targets([(weight, _lower(others[0])) for weight in others])
    remedies.append('lower the target (%s)' % clause)
  if not remedies:
    return make('dead_outputs', found, text, 'Remove these channels: `model-pruning shrink`, or '
                'remove_channels() of model_pruning.keras.')
  sentence = ', '.join(remedies)
  return make('dead_outputs', found, text, '%s%s, or make the layer that much narrower.' % (
      sentence[0].upper(), sentence[1:]))


def _inputs(weight: WeightReport) -> int:
  return weight.size // max(weight.details.outputs, 1)


def _height(weight: WeightReport) -> int:
  goal = weight.details.goal
  return goal.height if goal is not None and goal.unit.startswith('blocks') else 1


def _few_blocks(weight: WeightReport) -> bool:
  return _height(weight) > 1 and _inputs(weight) // _height(weight) < _FEW_BLOCKS


def _lower(weight: WeightReport) -> float:
  """Returns a target, lower than the weight's own, at which outputs keep about three weights."""
  enough = max(0.0, round(1 - 3 * weight.details.outputs / weight.size, 1))
  return min(enough, lower_than(weight.target))


def wanted_hparams(fixable: Sequence[Tuple[WeightReport, tflite.Prospect]],
                   advice: Advice) -> str:
  """Returns the hyperparameters with which TFLite's kernels would skip zeros; '' for none."""
  wanted = [(weight, prospect.wanted) for weight, prospect in fixable if prospect.wanted]
  return ','.join(filter(None, [
      advice.blocks([(weight, each.block) for weight, each in wanted if each.block]),
      # Leave out a target it already has, which the masks miss by rounding or within a group.
      advice.targets([(weight, each.sparsity) for weight, each in wanted if each.sparsity and (
          weight.target is None or round(weight.target, 4) < each.sparsity)], n_of_m=False)]))


def runtime(masked: Sequence[WeightReport], weights: Sequence[WeightReport],
            advice: Advice) -> Optional[Finding]:
  """Finds patterns whose zeros no TFLite kernel skips.

  Whole channels need no such kernel: they can be removed.
  """
  found = [(weight, tflite.prospect_of(weight, tflite.FEWEST_BLOCKS)) for weight in masked
           if weight.sparsity >= 0.5 and weight.size >= tflite.SMALLEST and
           not weight.details.whole_channels]
  slow = [weight for weight, prospect in found if not prospect.skips]
  fixable: List[Tuple[WeightReport, tflite.Prospect]] = [
      (weight, prospect) for weight, prospect in found
      if not prospect.skips and prospect.wanted and
      advice.lowered(weight) is None and not weight.is_coarse and
      wanted_hparams([(weight, prospect)], advice)]
  enough = _WORTH * sum(weight.size for weight in weights)
  if fixable and sum(weight.size for weight, _ in fixable) >= enough:
    shown = [weight for weight, _ in fixable]
    hparams = wanted_hparams(fixable, advice)
    how = 'If it is to run faster there, train with %s.' % hparams
    if any(advice.is_n_of_m(weight) for weight in shown):
      how = ('Its kernels have no N of M. If it is to run faster there, train in blocks, in Keras '
             'without sparsity_m_by_n: %s.' % hparams)
    return make('runtime', shown, 'TFLite skips none of the zeros of %s%s: %s.' % (
        named(shown), '' if len(shown) == 1 else '. For %s' % shown[0].name, fixable[0][1].why),
                how)
  convolutions = [weight for weight in slow if 'CONV' in weight.details.op]
  if convolutions and len(convolutions) == len(found) and sum(
      weight.size for weight in convolutions) >= enough:
    return make(
        'runtime', convolutions, 'TFLite has no kernels that skip the zeros of convolutions: '
        'pruning %s makes the file smaller, and nothing faster.' % named(convolutions),
        'To make the model faster, prune dense layers in blocks of 16x1, or make the convolutions '
        'narrower.')
  return None
