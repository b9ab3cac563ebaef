# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The tasks of a cluster, and the TF_CONFIG that names them."""

import json
import os
from typing import Any, Dict, NamedTuple, Optional

from model_pruning import errors

_CHIEFS = ('chief', 'master')


class Task(NamedTuple):
  """A task of a cluster: the name of its job, and its index in the job."""
  job: str
  number: int

  def __str__(self) -> str:
    return '/job:%s/task:%d' % self

  @property
  def is_chief(self) -> bool:
    """Whether the task is the chief by TensorFlow's conventions, if no other job is the chief's."""
    return self.job in _CHIEFS or self.job == 'worker' and self.number == 0


class TFConfig(NamedTuple):
  """The contents of TF_CONFIG.

  Attributes:
    is_chief: whether this process is the chief; None if TF_CONFIG names no task.
    cluster: addresses by job; None if it names no cluster.
  """
  is_chief: Optional[bool]
  cluster: Optional[Dict[str, Any]]

  @classmethod
  def read(cls) -> 'TFConfig':
    """Returns the contents of the environment variable TF_CONFIG.

    Raises:
      errors.SpecError: it is not the JSON object that TensorFlow expects.
    """
    text = os.environ.get('TF_CONFIG') or '{}'
    try:
      config = json.loads(text)
      task = config.get('task', {})
      kind, index = task.get('type'), int(task.get('index', 0))
      cluster = config.get('cluster', {})
      has_chief = 'chief' in cluster or 'master' in cluster
    except (ValueError, AttributeError, TypeError) as error:
      raise errors.SpecError('TF_CONFIG is not the JSON object that TensorFlow expects (%s): %s; '
                             'correct it, or pass is_chief=' % (error, text)) from error
    if kind is None:
      return cls(None, cluster or None)
    return cls(Task(kind, index).is_chief and not (kind == 'worker' and has_chief), cluster or None)
