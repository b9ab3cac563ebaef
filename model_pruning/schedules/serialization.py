# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Converts schedules to plain data (strings, numbers and None) and back."""

from typing import Any, Dict, Mapping, Optional, Type

from model_pruning import errors
from model_pruning import schedules
from model_pruning.schedules.base import PruningSchedule


def serialize(schedule: PruningSchedule) -> Dict[str, Any]:
  """Returns the config of a schedule, for deserialize: strings, numbers and None.

  Raises:
    errors.ScheduleError: get_config of a user's schedule returns something else.
  """
  config = schedule.get_config()
  if not isinstance(config, Mapping) or set(config) != {'class_name', 'config'}:
    raise errors.ScheduleError(
        "%s.get_config() returns %r; expected {'class_name': ..., 'config': the keyword "
        'arguments}' % (type(schedule).__name__, config))
  return dict(config)


def deserialize(config: Mapping[str, Any],
                custom_objects: Optional[Mapping[str, Type[PruningSchedule]]] = None
                ) -> PruningSchedule:
  """Returns the schedule of a config from serialize or get_config.

  Examples:
    >>> from model_pruning.schedules import ConstantSparsity
    >>> deserialize(ConstantSparsity(0.5, begin_step=200).get_config())
    ConstantSparsity(target_sparsity=0.5, begin_step=200, end_step=-1, frequency=100)

  Args:
    config: {'class_name': ..., 'config': ...}.
    custom_objects: user-defined classes, by name; they take precedence over the library's.

  Raises:
    errors.ScheduleError: the config has another form, names an unknown class, or has values that
      the class rejects.
  """
  if not isinstance(config, Mapping) or set(config) != {'class_name', 'config'}:
    raise errors.ScheduleError("%r is not the config of a schedule: expected {'class_name': ..., "
                               "'config': ...}, the result of get_config()" % (config,))
  classes = {name: getattr(schedules, name) for name in schedules.SCHEDULES}
  classes.update(custom_objects or {})
  name = config['class_name']
  if name not in classes:
    raise errors.ScheduleError(
        'There is no schedule class %r%s. The known classes are %s; pass your own classes as '
        'custom_objects={%r: ...}' % (
            name, errors.nearest(str(name), classes), ', '.join(sorted(classes)), name))
  # Subclasses written for tfmot expect the inner dict.
  schedule: PruningSchedule = classes[name].from_config(config['config'])
  return schedule
