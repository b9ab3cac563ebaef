# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds problems of a pruned model: each finding states a problem and how to fix it.

Except for NaN and infinity, only weights with masks are examined: a stripped model, a TFLite file
and a model that was never pruned have no other findings. tflite.py in this folder knows which zeros
kernels skip.
"""

import re
import textwrap
from typing import Callable, List, Optional, Sequence, Tuple

from model_pruning.hparams.spec import PruningSpec
from model_pruning.reporting import distribution_advice
from model_pruning.reporting import finding as finding_lib
from model_pruning.reporting import pattern_findings
from model_pruning.reporting.advice import Advice
from model_pruning.reporting.advice import lower_than
from model_pruning.reporting.finding import Finding
from model_pruning.reporting.weight import WeightReport
from model_pruning.schedules import gradual
from model_pruning.util import tables

MOST = 5
_LONGEST_NAME = 40  # Characters of a name in a sentence on a terminal.

# From this sparsity on, a layer is practically gone, unless its target is nearly as high.
_ALMOST_ALL, _BEYOND_TARGET = 0.99, 0.005
# Pruning a first or last layer saves next to nothing if the layer has at most this fraction of all
# weights (and of the FLOPs, where known) and is smaller than the mean layer by this factor.
_LITTLE, _BELOW_MEAN = 0.02, 4


def findings_of(weights: Sequence[WeightReport], never_updated: bool) -> Tuple[Finding, ...]:
  """Returns at most MOST findings about a model, the most important first.

  Args:
    weights: all weights, in the model's order.
    never_updated: whether the model has masks, none of which was ever updated.
  """
  broken = _not_finite(weights)
  return (broken + _of_masks(weights, never_updated))[:MOST]


def _of_masks(weights: Sequence[WeightReport], never_updated: bool) -> Tuple[Finding, ...]:
  masked = [weight for weight in weights if weight.masked and weight.size]
  if not masked:
    return ()
  if never_updated:
    return (_never_updated(masked),)
  if _by_channel(masked):  # Its maps name groups of channels, which the masks do not show.
    removable = pattern_findings.dead_outputs(masked, weights, Advice(weights))
    return (removable,) if removable else ()
  advice = Advice(weights)
  rules: Tuple[Callable[..., Optional[Finding]], ...] = (
      _empty, _short, pattern_findings.coarse, pattern_findings.dead_outputs, _ends, _small,
      pattern_findings.runtime)
  found = [rule(masked, weights, advice) for rule in rules]
  return tuple(finding for finding in found if finding)


def _not_finite(weights: Sequence[WeightReport]) -> Tuple[Finding, ...]:
  """Finds weights with values that are no numbers; they are among the largest, so masks keep them.
  """
  found = [weight for weight in weights if weight.details.not_finite]
  if not found:
    return ()
  worst = max(found, key=lambda weight: weight.details.not_finite)
  text = '%s has {:,} of {:,} values that are NaN or infinite'.format(
      worst.details.not_finite, worst.size) % worst.name
  if len(found) > 1:
    text += ', and so have %d more' % (len(found) - 1)
  return (finding_lib.make(
      'not_finite', found, text + '.', 'Training has diverged: go on from an earlier checkpoint, '
      'with a lower learning rate.'),)


def _by_channel(masked: Sequence[WeightReport]) -> bool:
  """Whether the masks hide whole channels and nothing else, without targets of weights."""
  hiding = [weight.details for weight in masked if weight.details.hidden]
  return any(details.dead_outputs for details in hiding) and all(
      details.whole_channels and details.goal is None for details in hiding)


def lines(findings: Sequence[Finding], width: int, names: Sequence[str] = ()) -> List[str]:
  """Returns the findings as lines for a terminal; no lines if there are no findings.

  Args:
    findings: the findings.
    width: columns of the terminal.
    names: names of all weights; long ones lose their middle, except in the keys of maps.
  """
  if not findings:
    return []
  shown, short = ['Findings'], _shortened(names)
  for finding in findings:
    shown += textwrap.wrap(
        tables.printable('%s %s' % (short(finding.text), short(finding.advice))), max(width, 40),
        initial_indent='- ', subsequent_indent='  ', break_long_words=False,
        break_on_hyphens=False)
  return shown


def _shortened(names: Sequence[str]) -> Callable[[str], str]:
  """Returns a function that shortens the long names in a sentence."""
  short = {name: text for name, text in zip(names, tables.elided(names, _LONGEST_NAME))
           if len(name) > _LONGEST_NAME}
  if not short:
    return str
  longest_first = sorted(short, key=len, reverse=True)
  # Names inside hyperparameters stay whole: they are parts of keys.
  found = re.compile(r'(?<![^\s(])(%s)(?![^\s,;.:)])' % '|'.join(map(re.escape, longest_first)))
  return lambda text: found.sub(lambda match: short[match.group(1)], text)


def _never_updated(masked: Sequence[WeightReport]) -> Finding:
  return finding_lib.make(
      'never_updated', masked, 'No mask was ever updated, so all %d masked weight%s dense.' % (
          len(masked), ' is' if len(masked) == 1 else 's are'),
      'Train again with a PruningHook, or with UpdatePruningStep() among the callbacks of a Keras '
      'model.')


def _empty(masked: Sequence[WeightReport], weights: Sequence[WeightReport],
           advice: Advice) -> Optional[Finding]:
  """Finds layers that are all or nearly all zero, beyond their targets."""
  del weights
  found = [weight for weight in masked if weight.size > 1 and weight.sparsity >= _ALMOST_ALL and (
      weight.zeros == weight.size or weight.target is None or
      weight.sparsity > weight.target + max(_BEYOND_TARGET, 1 / weight.size))]
  if not found:
    return None
  worst = max(found, key=lambda weight: (weight.sparsity, weight.size))
  rest = worst.size - worst.zeros
  text = '%s ended with %s of its %s weights.' % (
      worst.name, 'only {:,}'.format(rest) if rest else 'none', '{:,}'.format(worst.size))
  if len(found) > 1:
    text = '%d layers ended all or nearly all zero: %s.' % (len(found), finding_lib.named(found))
  it = 'it' if len(found) == 1 else 'them'
  target = min(lower_than(weight.target) for weight in found)
  advice.note(found, target)
  wanted = [(weight, target) for weight in found]
  if any(advice.is_global(weight) for weight in found):
    return finding_lib.make(
        'empty', found, text, 'One threshold over several weights takes most from those with small '
        'magnitudes: lower target_sparsity, do not mask %s, or prune each weight by itself: %s.' % (
            it, advice.singly(wanted)))
  if any(advice.is_shared(weight) and weight.target_of for weight in found) and (
      advice.spec_of(worst) or PruningSpec()).distribution == 'global':
    return finding_lib.make(
        'empty', found, text, 'One threshold over several weights takes most from those with small '
        'magnitudes: use %s, or give %s a target apart: %s.' % (
            _instead_of_global(advice.spec_of(worst)), it, advice.targets(wanted)))
  if any(advice.pool_of(weight) for weight in found):
    return finding_lib.make(
        'empty', found, text, 'One threshold over several weights takes most from those with small '
        'magnitudes: do not mask %s, mask %s outside of the group, or give the group a lower '
        'target: %s.' % (it, it, advice.targets(wanted)))
  return finding_lib.make('empty', found, text, 'Give %s a lower target: %s.' % (
      it, advice.targets(wanted)))


def _instead_of_global(spec: Optional[PruningSpec]) -> str:
  """Returns the distribution to take if one threshold empties a layer."""
  one = 'global_pruning=false,' if spec and spec.global_pruning else ''
  return one + 'sparsity_distribution=' + ('erk' if spec and spec.use_tpu else 'lamp')


def _short(masked: Sequence[WeightReport], weights: Sequence[WeightReport],
           advice: Advice) -> Optional[Finding]:
  """Finds weights whose masks hide fewer elements than their targets require."""
  del weights
  found = [weight for weight in masked if weight.met is False and not weight.is_coarse]
  if not found:
    return None
  found.sort(key=lambda weight: weight.sparsity - (weight.target or 0))
  shown = '; '.join('%s is at %s, short of %s' % (
      weight.name, tables.fraction(weight.sparsity), weight.target_text)
                    for weight in found[:finding_lib.NAMED])
  if len(found) > finding_lib.NAMED:
    shown += '; and %d more' % (len(found) - finding_lib.NAMED)
  lags = {gradual.lag(spec) if spec and spec.threshold_decay else ''
          for spec in map(advice.spec_of, found)}
  ends = {weight.details.goal.end_step for weight in found if weight.details.goal}
  end = next(iter(ends)) if len(ends) == 1 else None
  remedy = 'Train on to %s, or let the schedule end earlier.' % (
      'a mask update at or after step %d, where the schedule reaches the target' % end
      if end else 'the last mask update of the schedule')
  if len(lags) == 1 and any(lags):
    lag = lags.pop()
    remedy = (lag[0].upper() + lag[1:] + ': train on, for more updates at the target, or lower '
              'threshold_decay.')
  if len(found) < sum(weight.met is not None for weight in masked):
    remedy = ('Other weights met their targets, so check that these are trained and not frozen. ' +
              remedy)
  return finding_lib.make('short', found, shown + '.', remedy)


def _ends(masked: Sequence[WeightReport], weights: Sequence[WeightReport],
          advice: Advice) -> Optional[Finding]:
  """Finds a first or last layer whose zeros save next to nothing."""
  found = [weight for weight in _useless_ends(masked, weights) if advice.lowered(weight) is None]
  # If these layers are small ones, the finding about small layers covers them.
  if not found or set(_ids(found)) <= set(_ids(_small_ones(masked, advice))):
    return None
  size = sum(weight.size for weight in weights)
  it = 'it' if len(found) == 1 else 'them'
  saved = 100 * sum(weight.zeros for weight in found) / max(size, 1)
  text = ('The first and the last layer, %s, are pruned' if len(found) == 2 else
          'The first layer, %s, is pruned' if found[0] is weights[0] else
          'The last layer, %s, is pruned') % finding_lib.named(found)
  advice.note(found, 0.0)
  how = 'do not mask %s (masked_scope has exclude).' % it
  if not any(advice.pool_of(weight) for weight in found):
    how = '%s, or do not mask %s at all.' % (advice.targets([(each, 0.0) for each in found]), it)
  return finding_lib.make(
      'ends', found, text + ', which removes only %.1f %% of all weights; next to inputs and '
      'outputs pruning costs the most accuracy.' % saved, 'Leave %s dense: %s' % (it, how))


def _useless_ends(masked: Sequence[WeightReport],
                  weights: Sequence[WeightReport]) -> List[WeightReport]:
  if len(masked) < 3:
    return []
  size = sum(weight.size for weight in weights)
  flops = sum(weight.flops or 0 for weight in weights)
  known = all(weight.flops is not None for weight in weights)
  return [weight for weight in dict.fromkeys((weights[0], weights[-1]))
          if weight.masked and weight.zeros and weight.size * len(masked) * _BELOW_MEAN <= sum(
              each.size for each in masked) and _is_little(weight, size, flops if known else 0) and
          not _is_spared(weight)]


def _is_spared(weight: WeightReport) -> bool:
  """Whether a group's threshold left a weight less sparse than the group's target."""
  goal = weight.details.goal
  return goal is not None and goal.group is not None and weight.sparsity < goal.target


def _ids(weights: Sequence[WeightReport]) -> List[int]:
  return [id(weight) for weight in weights]


def _is_little(weight: WeightReport, size: int, flops: int) -> bool:
  if weight.size > _LITTLE * size:
    return False
  return not flops or (weight.flops or 0) <= _LITTLE * flops


def _small_ones(masked: Sequence[WeightReport], advice: Advice) -> List[WeightReport]:
  """Returns the small layers that are pruned as hard as large ones."""
  if any(weight.target is None or advice.pool_of(weight) or advice.is_shared(weight)
         for weight in masked):
    return []
  return [masked[index] for index in distribution_advice.thin(
      [(weight.size, weight.target or 0) for weight in masked])]


def _small(masked: Sequence[WeightReport], weights: Sequence[WeightReport],
           advice: Advice) -> Optional[Finding]:
  """Finds small layers that are pruned as hard as large ones."""
  small = _small_ones(masked, advice)
  found = [weight for weight in small if advice.lowered(weight) is None]
  # Earlier findings may give them lower targets, but name no distribution.
  better = _distributions(masked, small, advice)
  if not found and not better:
    return None
  found = sorted(found or small, key=lambda weight: weight.size)
  least, largest = found[0], max(masked, key=lambda weight: weight.size)
  rest = '{:,} of {:,}'.format(least.size - least.zeros, least.size)
  if len(found) == 1:
    text = '%s is pruned as hard as %s, which has %d times as many weights: it has %s left.' % (
        least.name, largest.name, round(largest.size / least.size), rest)
  else:
    text = '%s are pruned as hard as %s, which is far larger: %s has %s weights left.' % (
        finding_lib.named(found), largest.name, least.name, rest)
  end = next((which for which, weight in (('first', weights[0]), ('last', weights[-1]))
              if weight is least), None)
  if end:
    text = text[:-1] + ', and is the %s layer, where pruning costs the most accuracy.' % end
  if advice.lowered(least) is not None:
    return finding_lib.make('small', found, text, better.rstrip())
  target = 0.0 if end else (least.target or 0) / 2
  advice.note(found, target)
  lower = 'give small layers a lower target (0 leaves a layer dense): %s.' % advice.targets(
      [(weight, target) for weight in found])
  if not better:
    return finding_lib.make('small', found, text, lower[0].upper() + lower[1:])
  return finding_lib.make('small', found, text, better + 'Or ' + lower)


def _distributions(masked: Sequence[WeightReport], small: Sequence[WeightReport],
                   advice: Advice) -> str:
  """Returns sentences about distributions that spare small layers; '' if the spec takes none."""
  if not small:
    return ''
  least = min(small, key=lambda weight: weight.size)
  specs = {advice.spec_of(weight) for weight in masked}
  spec = next(iter(specs)) if len(specs) == 1 else None
  better = distribution_advice.better(spec or PruningSpec())
  if better is None or len(specs) > 1:
    return ''
  text = ('At the same total, sparsity_distribution=%s takes the zeros where magnitudes are small, '
          'and mostly keeps more accuracy' % better.sparsity_distribution)
  if not better.weight_sparsity_map:
    text += ' (so does global_pruning=true)'
  if spec is not None:
    by_shape = advice.target_by_shape(least)
    if by_shape is not None:
      text += '; sparsity_distribution=erk would leave %s about %s' % (
          least.name, '{:,}'.format(int(round(least.size * (1 - by_shape)))))
  return '%s. %s ' % (text, distribution_advice.MEASURED)
