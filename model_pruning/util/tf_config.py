# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The tasks of a cluster, and the TF_CONFIG that names them."""

import json
import os
from typing import Any, Dict, NamedTuple, Optional

from model_pruning import errors

_CHIEFS = ('chief', 'master')


class Task(NamedTuple):
  """A task of a cluster: its job, and its number in that."""
  job: str
  number: int

  def __str__(self) -> str:
    return '/job:%s/task:%d' % self

  @property
  def is_chief(self) -> bool:
    """Whether TensorFlow's conventions make it the chief, in a cluster without a job of that name.
    """
    return self.job in _CHIEFS or self.job == 'worker' and self.number == 0


class TFConfig(NamedTuple):
  """What TF_CONFIG says.

  Attributes:
    is_chief: whether this process is the chief; None without a TF_CONFIG that names a task.
    cluster: job -> addresses, or None.
  """
  is_chief: Optional[bool]
  cluster: Optional[Dict[str, Any]]

  @classmethod
  def read(cls) -> 'TFConfig':
    text = os.environ.get('TF_CONFIG') or '{}'
    try:
      config = json.loads(text)
      task = config.get('task', {})
      kind, index = task.get('type'), int(task.get('index', 0))
      cluster = config.get('cluster', {})
      has_chief = 'chief' in cluster or 'master' in cluster
    except (ValueError, AttributeError, TypeError) as error:
      raise errors.SpecError('TF_CONFIG is not the JSON object that TensorFlow expects (%s): %s; '
                             'mend it, or pass is_chief=' % (error, text)) from error
    if kind is None:
      return cls(None, cluster or None)
    return cls(Task(kind, index).is_chief and not (kind == 'worker' and has_chief), cluster or None)
