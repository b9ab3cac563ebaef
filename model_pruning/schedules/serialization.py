# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Schedules as plain data: strings, numbers and None, and back."""

from typing import Any, Dict, Mapping, Optional

from model_pruning import errors
from model_pruning import schedules
from model_pruning.schedules.base import PruningSchedule


def serialize(schedule: PruningSchedule) -> Dict[str, Any]:
  """Returns what deserialize makes the schedule of again: strings, numbers and None.

  Raises:
    errors.ScheduleError: get_config of a user's schedule has another form.
  """
  config = schedule.get_config()
  if not isinstance(config, Mapping) or set(config) != {'class_name', 'config'}:
    raise errors.ScheduleError(
        "%s.get_config() gives %r; expected {'class_name': ..., 'config': the keyword arguments}" %
        (type(schedule).__name__, config))
  return dict(config)


def deserialize(config: Mapping[str, Any],
                custom_objects: Optional[Mapping[str, Any]] = None) -> PruningSchedule:
  """Makes a schedule of what serialize, or its get_config, gave.

  >>> from model_pruning.schedules import ConstantSparsity
  >>> deserialize(ConstantSparsity(0.5, begin_step=200).get_config())
  ConstantSparsity(target_sparsity=0.5, begin_step=200, end_step=-1, frequency=100)

  Args:
    config: {'class_name': ..., 'config': ...}.
    custom_objects: the classes of your own, by name; they go before those here.

  Raises:
    errors.ScheduleError: the config has another form, is of a class that is not
      known, or has values that the class refuses.
  """
  if not isinstance(config, Mapping) or set(config) != {'class_name', 'config'}:
    raise errors.ScheduleError("%r is not the config of a schedule: expected {'class_name': ..., "
                               "'config': ...}, as get_config() gives it" % (config,))
  classes = {name: getattr(schedules, name) for name in schedules.SCHEDULES}
  classes.update(custom_objects or {})
  name = config['class_name']
  if name not in classes:
    raise errors.ScheduleError(
        'There is no schedule of the class %r%s. Known are %s; give classes of your own as '
        'custom_objects={%r: ...}' % (
            name, errors.nearest(str(name), classes), ', '.join(sorted(classes)), name))
  # The inner dict, which subclasses written for tfmot expect.
  schedule: PruningSchedule = classes[name].from_config(config['config'])
  return schedule
