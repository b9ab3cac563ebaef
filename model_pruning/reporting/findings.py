# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Findings: a sentence that says what is wrong with a pruned model, and one that says what to do.

They are about weights with masks only: a stripped model, a TFLite file or a model that was never
meant to be pruned has none. tflite.py beside this file knows which zeros kernels skip.
"""

import dataclasses
import textwrap
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from model_pruning import tables
from model_pruning.export.tflite_names import map_key
from model_pruning.reporting import tflite
from model_pruning.reporting.weight import WeightReport

MOST = 5
_NAMED = 3  # Weights that a sentence names; it counts the others.

# A layer is as good as gone from this sparsity on, unless nearly as much was asked for.
_ALMOST_ALL, _BEYOND_TARGET = 0.99, 0.005
# A weight with more than this fraction of its outputs dead is worth a line. Blocks along few
# inputs leave some without any, by chance.
_DEAD_OUTPUTS = 0.25
# A target, and the sparsity closest to it that its blocks allow, may lie so far apart.
_COARSE = 0.02
# A first or last layer with at most this fraction of all weights (and FLOPs, where they are known)
# saves next to nothing, if it is also smaller than layers are on average, by this factor.
_LITTLE, _BELOW_MEAN = 0.02, 4
# A layer with so many times fewer weights than layers have on average is a small one.
_SMALL = 20
# The weights that TFLite does not skip make at least this fraction of the model.
_WORTH = 0.1
# From this sparsity on, small layers suffer from as much as large ones get.
_HARD = 0.7


@dataclasses.dataclass(frozen=True)
class Finding:
  """What to know about a pruned model, and what to do.

  Attributes:
    kind: 'never_updated', 'empty', 'short', 'coarse', 'dead_outputs', 'ends', 'small' or
      'runtime'.
    text: the finding, a sentence.
    advice: the remedy, a sentence.
    weights: names of the weights it is about.
  """
  kind: str
  text: str
  advice: str
  weights: Tuple[str, ...]

  def values(self) -> Dict[str, Any]:
    """Returns all of it by name, for JSON."""
    return {'kind': self.kind, 'text': self.text, 'advice': self.advice,
            'weights': list(self.weights)}


def findings_of(weights: Sequence[WeightReport], never_updated: bool) -> Tuple[Finding, ...]:
  """Returns at most MOST findings about the weights of a model, the weightiest first.

  Args:
    weights: all of them, in the order of the model.
    never_updated: whether there are masks, and none was ever updated.
  """
  masked = [weight for weight in weights if weight.masked and weight.size]
  if not masked:
    return ()
  if never_updated:
    return (_never_updated(masked),)
  rules: Tuple[Callable[..., Optional[Finding]], ...] = (
      _empty, _short, _coarse, _dead_outputs, _ends, _small, _runtime)
  found = [finding for finding in (rule(masked, weights) for rule in rules) if finding]
  for finding in found:
    if finding.kind == 'small':  # Where these are the first and the last layer, one line will do.
      found = [each for each in found
               if each.kind != 'ends' or not set(each.weights) <= set(finding.weights)]
  return tuple(found)[:MOST]


def lines(findings: Sequence[Finding], width: int) -> List[str]:
  """Returns the findings for a terminal of that width; no line where there are none."""
  if not findings:
    return []
  shown = ['Findings']
  for finding in findings:
    shown += textwrap.wrap(
        tables.printable('%s %s' % (finding.text, finding.advice)), max(width, 40),
        initial_indent='- ', subsequent_indent='  ', break_long_words=False,
        break_on_hyphens=False)
  return shown


def named(weights: Sequence[WeightReport]) -> str:
  """Returns the names of some weights for a sentence: 'a, b, c and 4 more'."""
  names = [weight.name for weight in weights]
  if len(names) <= _NAMED:
    return ' and '.join(filter(None, [', '.join(names[:-1]), names[-1]]))
  return '%s and %d more' % (', '.join(names[:_NAMED]), len(names) - _NAMED)


def _finding(kind: str, weights: Sequence[WeightReport], text: str, advice: str) -> Finding:
  return Finding(kind, text, advice, tuple(weight.name for weight in weights))


def _never_updated(masked: Sequence[WeightReport]) -> Finding:
  return _finding('never_updated', masked,
                  'No mask was ever updated, so all %d masked weight%s dense.' % (
                      len(masked), ' is' if len(masked) == 1 else 's are'),
                  'Train again with a PruningHook, or with UpdatePruningStep() among the '
                  'callbacks of a Keras model.')


def _empty(masked: Sequence[WeightReport], weights: Sequence[WeightReport]) -> Optional[Finding]:
  """Layers that ended all or nearly all zero, beyond their targets."""
  found = [weight for weight in masked if weight.size > 1 and weight.sparsity >= _ALMOST_ALL and (
      weight.zeros == weight.size or weight.target is None or
      weight.sparsity > weight.target + max(_BEYOND_TARGET, 1 / weight.size))]
  if not found:
    return None
  worst = max(found, key=lambda weight: (weight.sparsity, weight.size))
  left = worst.size - worst.zeros
  text = '%s ended with %s of its %s weights.' % (
      worst.name, 'only {:,}'.format(left) if left else 'none', '{:,}'.format(worst.size))
  if len(found) > 1:
    text = '%d layers ended all or nearly all zero: %s.' % (len(found), named(found))
  lower = _map(found, weights, min(
      [0.8] + [weight.target for weight in found if weight.target is not None]))
  if any(weight.details.goal and weight.details.goal.group for weight in found):
    return _finding('empty', found, text, 'One threshold over several weights takes most from '
                    'those with small magnitudes: do not mask %s, or prune each weight by itself, '
                    'with %s.' % (
                        'it' if len(found) == 1 else 'them', lower))
  return _finding('empty', found, text, 'Give %s a lower target: %s.' % (
      'it' if len(found) == 1 else 'them', lower))


def _short(masked: Sequence[WeightReport], weights: Sequence[WeightReport]) -> Optional[Finding]:
  """Weights whose masks hide fewer elements than their targets ask for."""
  del weights
  found = [weight for weight in masked if weight.met is False]
  if not found:
    return None
  found.sort(key=lambda weight: weight.sparsity - (weight.target or 0))
  shown = '; '.join('%s is at %s, short of %s' % (
      weight.name, tables.share(weight.sparsity), tables.share(weight.target))
                    for weight in found[:_NAMED])
  if len(found) > _NAMED:
    shown += '; and %d more' % (len(found) - _NAMED)
  ends = {weight.details.goal.end_step for weight in found if weight.details.goal}
  end = next(iter(ends)) if len(ends) == 1 else None
  advice = 'Train on to %s, or let the schedule end earlier.' % (
      'a mask update at or after step %d, where the schedule comes to the target' % end
      if end else 'the last mask update of the schedule')
  if len(found) < sum(weight.met is not None for weight in masked):
    advice = ('Other weights met theirs, so look whether these are trained, and not frozen. ' +
              advice)
  return _finding('short', found, shown + '.', advice)


def _coarse(masked: Sequence[WeightReport], weights: Sequence[WeightReport]) -> Optional[Finding]:
  """Weights whose pattern cannot come to their target, of which it is as close as it can be."""
  found = []
  for weight in masked:
    goal = weight.details.goal
    if goal is not None and goal.unit and goal.group is None and weight.met and (
        goal.target - weight.sparsity > max(_COARSE, 1 / weight.size)):
      found.append(weight)
  if not found:
    return None
  found.sort(key=lambda weight: weight.sparsity - (weight.target or 0))
  worst = found[0]
  goal = worst.details.goal
  assert goal is not None
  text = '%s is pruned in %s, which cannot come closer to its target of %s than %s.' % (
      worst.name, goal.unit, tables.share(worst.target), tables.share(worst.sparsity))
  if len(found) > 1:
    text = text[:-1] + '; %d more likewise.' % (len(found) - 1)
  advice = 'Set a target that the pattern can reach, such as %s, or prune in smaller units: %s.' % (
      _map([worst], weights, worst.sparsity), 'a larger block_width' if 'runs' in goal.unit else
      entries('block_dims_map', [(worst, '4x1')], weights))
  return _finding('coarse', found, text, advice)


def _dead_outputs(masked: Sequence[WeightReport],
                  weights: Sequence[WeightReport]) -> Optional[Finding]:
  """Weights with outputs that have no element left, though elements or blocks are pruned."""
  found = []
  for weight in masked:
    details, goal = weight.details, weight.details.goal
    if (details.dead_outputs > max(1, _DEAD_OUTPUTS * details.outputs) and
        weight.zeros < weight.size and len(weight.shape) > 1 and
        details.op not in ('GATHER', 'DEPTHWISE_CONV_2D') and
        weight.block[0] < weight.size // max(details.outputs, 1) and
        not (goal is not None and goal.by_columns)):
      found.append(weight)
  if not found:
    return None
  found.sort(key=lambda weight: -weight.details.dead_outputs / weight.details.outputs)
  text = ', '.join('%d of the %d outputs of %s' % (
      weight.details.dead_outputs, weight.details.outputs, weight.name)
                   for weight in found[:_NAMED])
  if len(found) > _NAMED:
    text += ', and some of %d more' % (len(found) - _NAMED)
  return _finding(
      'dead_outputs', found, '%s have no weight left: they give their bias whatever comes in.' % (
          text), 'Lower the target (%s), or make the layer that much narrower.' % _map(
              found, weights, _lower(found[0])))


def _lower(weight: WeightReport) -> float:
  """Returns a target at which an output keeps about three weights, at most 0.8."""
  return max(0.0, min(0.8, round(1 - 3 * weight.details.outputs / weight.size, 1)))


def _ends(masked: Sequence[WeightReport], weights: Sequence[WeightReport]) -> Optional[Finding]:
  """A first or last layer whose zeros save next to nothing."""
  if len(masked) < 3:
    return None
  size = sum(weight.size for weight in weights)
  flops = sum(weight.flops or 0 for weight in weights)
  known = all(weight.flops is not None for weight in weights)
  found = [weight for weight in dict.fromkeys((weights[0], weights[-1]))
           if weight.masked and weight.zeros and weight.size * len(masked) * _BELOW_MEAN <= sum(
               each.size for each in masked) and _is_little(weight, size, flops if known else 0)]
  if not found:
    return None
  it = 'it' if len(found) == 1 else 'them'
  saved = 100 * sum(weight.zeros for weight in found) / max(size, 1)
  text = ('The first and the last layer, %s, are pruned' if len(found) == 2 else
          'The first layer, %s, is pruned' if found[0] is weights[0] else
          'The last layer, %s, is pruned') % named(found)
  return _finding(
      'ends', found, text + ', which removes only %.1f %% of all weights; next to inputs and '
      'outputs pruning costs the most accuracy.' % saved,
      'Leave %s dense: %s, or do not mask %s at all.' % (
          it, _map(found, weights, 0), it))


def _is_little(weight: WeightReport, size: int, flops: int) -> bool:
  if weight.size > _LITTLE * size:
    return False
  return not flops or (weight.flops or 0) <= _LITTLE * flops


def _small(masked: Sequence[WeightReport], weights: Sequence[WeightReport]) -> Optional[Finding]:
  """Small layers that are pruned as hard as large ones."""
  targets = {round(weight.target, 4) for weight in masked if weight.target is not None}
  if len(targets) != 1 or any(weight.target is None for weight in masked) or any(
      weight.details.goal and weight.details.goal.group for weight in masked):
    return None
  target, = targets
  mean = sum(weight.size for weight in masked) / len(masked)
  found = [weight for weight in masked if target >= _HARD and weight.size * _SMALL <= mean]
  if not found or 2 * len(found) > len(masked):
    return None
  found.sort(key=lambda weight: weight.size)
  least, largest = found[0], max(masked, key=lambda weight: weight.size)
  left = '{:,} of {:,}'.format(least.size - least.zeros, least.size)
  if len(found) == 1:
    text = '%s is pruned as hard as %s, which has %d times as many weights: it has %s left.' % (
        least.name, largest.name, round(largest.size / least.size), left)
  else:
    text = '%s are pruned as hard as %s, which is far larger: %s has %s weights left.' % (
        named(found), largest.name, least.name, left)
  end = next((which for which, weight in (('first', weights[0]), ('last', weights[-1]))
              if weight is least), None)
  if end:
    text = text[:-1] + ', and is the %s layer, where pruning costs the most accuracy.' % end
  return _finding(
      'small', found, text, 'At the same total, global_pruning=true takes the zeros where '
      'magnitudes are small, and mostly keeps more accuracy; or give small layers a lower target '
      '(0 leaves a layer dense): %s.' % _map(found, weights, 0 if end else target / 2))


def _runtime(masked: Sequence[WeightReport], weights: Sequence[WeightReport]) -> Optional[Finding]:
  """Patterns that no kernel of TFLite skips."""
  found = [(weight, tflite.prospect_of(weight)) for weight in masked
           if weight.sparsity >= 0.5 and weight.size >= tflite.SMALLEST]
  slow = [weight for weight, prospect in found if not prospect.skips]
  fixable = [(weight, prospect) for weight, prospect in found
             if not prospect.skips and prospect.wanted]
  enough = _WORTH * sum(weight.size for weight in weights)
  if fixable and sum(weight.size for weight, _ in fixable) >= enough:
    shown = [weight for weight, _ in fixable]
    wanted = [(weight, prospect.wanted) for weight, prospect in fixable if prospect.wanted]
    advice = 'If it is to run faster there, train with %s.' % ','.join(filter(None, [
        entries('block_dims_map', [(weight, each.block) for weight, each in wanted if each.block],
                weights),
        entries('weight_sparsity_map', [(weight, '%g' % each.sparsity) for weight, each in wanted
                                        if each.sparsity], weights)]))
    return _finding('runtime', shown, 'TFLite skips none of the zeros of %s: %s.' % (
        named(shown), fixable[0][1].why), advice)
  convolutions = [weight for weight in slow if 'CONV' in weight.details.op]
  if convolutions and len(convolutions) == len(found) and sum(
      weight.size for weight in convolutions) >= enough:
    return _finding(
        'runtime', convolutions, 'TFLite has no kernels that skip the zeros of convolutions: '
        'pruning %s makes the file smaller, and nothing faster.' % named(convolutions),
        'To make the model faster, prune dense layers in blocks of 16x1, or make the convolutions '
        'narrower.')
  return None


def _map(found: Sequence[WeightReport], weights: Sequence[WeightReport], target: float) -> str:
  return entries('weight_sparsity_map', [(weight, '%g' % round(target, 4)) for weight in found],
                 weights)


def entries(hparam: str, values: Sequence[Tuple[WeightReport, str]],
            weights: Sequence[WeightReport]) -> str:
  """Returns 'hparam=[key:value,...]', with keys that match single weights; '' for no value.

  Of more than a sentence can hold, the first stands for all: 'hparam=[key:value,...]'.
  """
  names = [weight.name for weight in weights]
  shown = values if len(values) <= _NAMED else values[:1]
  texts = ['%s:%s' % (map_key(weight.name, names), value) for weight, value in shown]
  return '%s=[%s]' % (hparam, ','.join(texts + ['...'] * (len(shown) < len(values)))) if (
      values) else ''
