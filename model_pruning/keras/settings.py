# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""How a layer is pruned, as stored in its config, and what that implies for each step."""

import dataclasses
import json
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Union

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.saliency import keeps_history
from model_pruning.hparams.defaults import get_pruning_hparams
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.keras.backend import keras
from model_pruning.schedules import deserialize
from model_pruning.schedules import gradual
from model_pruning.schedules import PruningSchedule
from model_pruning.schedules.schedule import Schedule
from model_pruning.schedules.schedule import SpecSchedule
from model_pruning.schedules.weight_sparsity import sparsities_at
from model_pruning.util.types import DType
from model_pruning.util.types import Tensor

# The step of the last mask update before the first one.
NEVER = -1


@dataclasses.dataclass(frozen=True, eq=False)
class Settings:
  """How a layer is pruned. Layers with equal settings share a plan.

  Attributes:
    spec: targets, maps, blocks and so on; without a schedule also the times of updates.
    schedule: when masks are updated, and to which sparsity; None to follow the spec.
  """
  spec: PruningSpec
  schedule: Optional[PruningSchedule] = None

  @classmethod
  def create(cls, schedule: Union[PruningSchedule, HParams, PruningSpec, str],
             block_size: Sequence[int],
             block_pooling_type: str, sparsity_m_by_n: Optional[Tuple[int, int]],
             hparams: Union[HParams, str, None]) -> 'Settings':
    """Returns the settings for these arguments of prune_low_magnitude.

    Raises:
      errors.SpecError, errors.BlockError: they are invalid, or contradict one another.
    """
    if isinstance(schedule, (str, HParams, PruningSpec)):
      for name, given, instead in (
          ('block_size', _pair('block_size', block_size) != (1, 1),
           'use its block_height, block_width'),
          ('block_pooling_type', block_pooling_type != 'AVG', 'use its block_pooling_function'),
          ('sparsity_m_by_n', bool(sparsity_m_by_n), 'use its intra_block_sparsity'),
          ('hparams', bool(hparams), 'add the values to it')):
        if given:
          raise errors.SpecError('%s is given, but an HParams in place of the schedule sets it '
                                 'itself: %s' % (name, instead))
      spec = PruningSpec.create(schedule)
      _check_supported(spec)
      return cls(spec)
    if not isinstance(schedule, PruningSchedule):
      raise errors.ScheduleError(
          'pruning_schedule is %r; it must be a PruningSchedule of model_pruning.keras, for '
          'example ConstantSparsity(0.5, begin_step=0), or an HParams string, for example '
          "'target_sparsity=0.5'" % (schedule,))
    values = _hparams(hparams)
    _check_agree(values, schedule)
    block_size = _pair('block_size', block_size)
    if schedule.final_sparsity_target is not None:
      values.setdefault('target_sparsity', schedule.final_sparsity_target)
    if block_size != (1, 1):
      values['block_height'], values['block_width'] = block_size
    values['block_pooling_function'] = block_pooling_type
    if sparsity_m_by_n:
      m, n = _pair('sparsity_m_by_n', sparsity_m_by_n)
      if block_size != (1, 1):
        raise errors.BlockError('block_size and sparsity_m_by_n are both given; a weight is pruned '
                                'either in blocks or m of every n: leave out one of them')
      if not 0 < m < n:
        raise errors.BlockError('sparsity_m_by_n=(%d, %d) requests %d zeros in every %d inputs; m '
                                'must be at least 1 and less than n' % (m, n, m, n))
      values.update(intra_block_sparsity=True, block_width=n)
      if schedule.final_sparsity_target:
        # Whatever the schedule's final sparsity is, every weight then has m zeros of n.
        values['weight_sparsity_map'] = values.get('weight_sparsity_map') or ['.*:%r' % (m / n)]
      else:
        values['target_sparsity'] = m / n
    spec = PruningSpec.create(_override(values))
    if sparsity_m_by_n and spec.shares_target:
      raise errors.SpecError(
          'sparsity_m_by_n=(%d, %d) gives every weight %d zeros of %d, so there is nothing to '
          'distribute: leave out sparsity_distribution=%s, or set intra_block_sparsity=true,'
          'block_width=%d in hparams and leave out sparsity_m_by_n' % (
              m, n, m, n, spec.distribution, n))
    _check_supported(spec)
    return cls(spec, schedule)

  def get_config(self) -> Dict[str, Any]:
    """Returns the argument of from_config, for JSON."""
    schedule = None
    if self.schedule is not None:
      schedule = {**self.schedule.get_config(),
                  'class_name': keras.utils.get_registered_name(type(self.schedule))}
    return {'pruning_schedule': schedule, 'pruning_hparams': json.loads(self.spec.to_json())}

  @classmethod
  def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> 'Settings':
    """Returns the settings in the config of a pruned layer.

    Args:
      config: the config.
      custom_objects: classes of schedules by name, besides those that Keras knows; or None.
    """
    schedule = config['pruning_schedule']
    if schedule is not None:
      own = keras.utils.get_registered_object(schedule['class_name'], custom_objects)
      schedule = deserialize(schedule, {schedule['class_name']: own} if own else {})
    return cls(PruningSpec(**{name: _as_stored(name, value)
                              for name, value in config['pruning_hparams'].items()}), schedule)

  @property
  def _key(self) -> str:
    # User schedules may not define equality, so compare configs. Python 3.7 has no cached_property.
    if 'key' not in vars(self):
      vars(self)['key'] = json.dumps(self.get_config(), sort_keys=True, default=str)
    return str(vars(self)['key'])

  def __eq__(self, other: Any) -> bool:
    return isinstance(other, Settings) and self._key == other._key

  def __hash__(self) -> int:
    return hash(self._key)

  def is_due(self, step: int, last_update_step: int, batches: int = 1) -> bool:
    """Whether to update the masks once `step` batches are done.

    Args:
      step: number of batches.
      last_update_step: the step of the last update, or NEVER.
      batches: number of batches since the previous call.
    """
    if step <= last_update_step:
      return False
    schedule: Schedule = self.schedule or SpecSchedule(self.spec)
    if self.schedule is None:
      last_update_step = max(last_update_step, 0)
    if not schedule.needs_exact_steps:
      return bool(schedule.is_due(step, last_update_step))
    # It may expect to be called for every step.
    return any(schedule.is_due(each, last_update_step)
               for each in range(max(step - batches, last_update_step) + 1, step + 1))

  def known_at(self, step: int, own_target: Optional[float], dtype: DType) -> Tensor:
    """Returns the tensor from which sparsity_from computes the sparsity of a weight at `step`.

    Args:
      step: number of batches done.
      own_target: the weight's target in a map; None if no map has one.
      dtype: the dtype that selection needs for the size of the weight.
    """
    if self._needs_exact_steps:
      # A user's schedule may accept only Python numbers.
      assert self.schedule is not None
      return tf.cast(self.schedule.sparsity_at(step, self.spec.target_sparsity, own_target), dtype)
    return tf.constant(step, tf.int32)

  def sparsity_from(self, known: Tensor, own_target: Optional[float], dtype: DType) -> Tensor:
    """Returns the sparsity for a result of known_at, a scalar, as the graph API computes it.

    Computed in the function that updates the masks, it takes no time of its own.
    """
    if self._needs_exact_steps:
      return known
    return sparsities_at(known, self.spec, self.schedule)(own_target, dtype)

  @property
  def _needs_exact_steps(self) -> bool:
    return self.schedule is not None and self.schedule.needs_exact_steps

  @property
  def _final_sparsity(self) -> Optional[float]:
    """The final sparsity of the schedule; None if a user's schedule does not define one."""
    assert self.schedule is not None
    return self.schedule.final_sparsity_for(self.spec.target_sparsity)

  def is_reached(self, step: int, last_update_step: int) -> bool:
    """Whether the target is known to be reached. Args: see is_due."""
    if self.is_due(step, last_update_step):
      return False  # A due update was not made, for example because the layer is frozen.
    if self.schedule is not None and self._final_sparsity is None:
      return bool(self.schedule.is_over(step))
    return self.shortfall(step, last_update_step) is None

  def shortfall(self, step: int, last_update_step: int) -> Optional[str]:
    """Returns how training that ends at `step` misses the target; None if it does not.

    Args: see is_due.
    """
    if self.schedule is None:
      return gradual.shortfall(self.spec, step)
    target = self._final_sparsity
    if not target:  # Unknown, or nothing is to be pruned.
      return None
    if last_update_step == NEVER:
      return ('training ended after %d batches, before the first mask update, so nothing is pruned '
              '(the target is %g): train longer, or let the schedule begin earlier (%r)' % (
                  step, target, self.schedule))
    reached = float(self.schedule.sparsity_at(last_update_step, self.spec.target_sparsity))
    if abs(reached - target) <= 1e-6:
      return None
    return ('training ended after %d batches, and the last mask update, at batch %d, was to a '
            'sparsity of %.4f, not the target of %g: train longer, or let the schedule end earlier '
            '(%r)' % (step, last_update_step, reached, target, self.schedule))


_UNSET = -1.0  # No sparsity.


def _hparams(hparams: Union[HParams, str, None]) -> Dict[str, Any]:
  """Returns the hyperparameters that differ from the defaults, and a target that a string sets."""
  if hparams is None:
    return {}
  defaults = get_pruning_hparams()
  if isinstance(hparams, str):
    defaults.set_hparam('target_sparsity', _UNSET)  # So that a string that sets it differs.
    hparams = defaults.copy().parse(hparams)
  if not isinstance(hparams, HParams):
    raise errors.SpecError('hparams is %r; expected an HParams or a string of name=value clauses' %
                           (hparams,))
  return {name: value for name, value in hparams.values().items()
          if name not in defaults or value != defaults.get(name)}


# Hyperparameters that a schedule replaces.
_SCHEDULED = ('begin_pruning_step', 'end_pruning_step', 'initial_sparsity', 'pruning_frequency',
              'sparsity_function_begin_step', 'sparsity_function_end_step',
              'sparsity_function_exponent')


def _check_agree(values: Mapping[str, Any], schedule: PruningSchedule) -> None:
  """Refuses hyperparameters in hparams= that a schedule would override."""
  target = schedule.final_sparsity_target
  for name, value in sorted(values.items()):
    if name in _SCHEDULED or name == 'target_sparsity' and target not in (None, value):
      raise errors.SpecError(
          'hparams sets %s=%s, which the schedule sets itself (%r): set it there, leave it out of '
          'hparams, or pass the HParams in place of the schedule' % (name, value, schedule))


def _override(values: Dict[str, Any]) -> HParams:
  hparams = get_pruning_hparams()
  hparams.override_from_dict(values)
  return hparams


def _pair(name: str, pair: Any) -> Tuple[int, int]:
  try:
    first, second = pair
    if isinstance(first, bool) or int(first) != first or int(second) != second:
      raise ValueError
    return int(first), int(second)
  except (TypeError, ValueError):
    raise errors.BlockError('%s is %r; it must be a pair of integers' % (name, pair)) from None


def _check_supported(spec: PruningSpec) -> None:
  """Refuses settings that only the graph API supports."""
  if keeps_history(spec.prune_option):
    raise errors.SpecError(
        'prune_option=%s needs the history of weights, which only graphs keep; prune Keras models '
        "with prune_option='weight'" % spec.prune_option)
  if spec.channel_outputs:
    raise errors.SpecError('channel_outputs=%s names outputs of a graph, but a Keras model has its '
                           'own; leave it out' % list(spec.channel_outputs))
  if spec.group_pruning:
    raise errors.SpecError('group_pruning=true needs groups, which only scopes of graphs can make; '
                           'for Keras models use global_pruning=true, one threshold over all')


def _as_stored(name: str, value: Any) -> Any:
  """Returns a value of a spec from a config, which may be damaged.

  Raises:
    errors.SpecError: it does not have the type of the hyperparameter.
  """
  default, value = getattr(PruningSpec(), name, None), _as_tuples(value)
  number = isinstance(value, (int, float)) and not isinstance(value, bool)
  if isinstance(default, tuple):
    fits = isinstance(value, tuple) and all(
        isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str) and
        isinstance(entry[1], tuple if 'dims' in name else (int, float)) for entry in value)
  else:
    fits = default is None or type(value) is type(default) or isinstance(default, float) and number
  if not fits:
    raise errors.SpecError('A pruned layer is stored with %s=%r, which is no value for it; the '
                           'file is damaged: save the model again' % (name, value))
  return value


def _as_tuples(value: Any) -> Any:
  return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
