# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What users' schedules return is checked."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.schedules import PruningSchedule


def own(function):
  """Returns a schedule whose __call__ is a function."""
  class Own(PruningSchedule):

    def __call__(self, step):
      return function(step)

    def get_config(self):
      return {'class_name': 'Own', 'config': {}}

  return Own()


@pytest.mark.parametrize('sparsity', [90, 1.0, -0.5, float('nan'), '0.5', None, np.float32(1)])
def test_a_sparsity_that_is_none_is_refused_at_an_update(sparsity):
  schedule = own(lambda step: (step == 3, sparsity))
  with pytest.raises(errors.ScheduleError, match=r'Own returned a sparsity of .* at step 3; '):
    schedule.sparsity_at(3)


def test_between_updates_a_sparsity_does_not_matter():
  schedule = own(lambda step: (step >= 3, (step - 2) / 10))
  assert schedule.sparsity_at(0) == -0.2 and schedule.sparsity_at(5) == pytest.approx(0.3)
  with pytest.raises(errors.ScheduleError, match='sparsity of 1.1'):
    schedule.sparsity_at(np.array([0, 5, 13]))


@pytest.mark.parametrize('answer', [True, 0.5, None, (True, 0.5, 1)])
def test_a_schedule_returns_two_values(answer):
  for method in (own(lambda step: answer).should_prune, own(lambda step: answer).sparsity_at):
    with pytest.raises(errors.ScheduleError, match='at step 3; expected two values'):
      method(3)


def test_comparisons_of_objects_in_a_graph_are_refused():
  with tf.Graph().as_default():
    step = tf.placeholder(tf.int32, [])
    with pytest.raises(errors.ScheduleError, match='never be updated.*tf.equal'):
      own(lambda step: (step is None, 0.5)).should_prune(step)
    with pytest.raises(errors.ScheduleError, match='sparsity of .*90'):
      own(lambda step: (tf.equal(step, 3), tf.constant(90.0))).sparsity_at(step)
    assert tf.is_tensor(own(lambda step: (True, 0.5)).should_prune(step))
    assert tf.is_tensor(own(lambda step: (tf.equal(step, 3), 0.5)).should_prune(step))
