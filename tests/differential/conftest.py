# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A small training job that either library can prune, to set side by side."""

import dataclasses
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np
import pytest


@dataclasses.dataclass(frozen=True)
class Weight:
  """A weight of a Job: <name>/weights, cut into `parts` along `axis` where parts is not 0."""
  name: str
  shape: Tuple[int, ...]
  parts: int = 0
  axis: int = 0
  is_tensor: bool = False  # Hand the library a tensor computed from the variable.


@dataclasses.dataclass
class State:
  """What the pruning variables hold, in the order of the collections."""
  last_update: int
  masks: List[np.ndarray]
  thresholds: List[np.ndarray]
  asked: Optional[np.float32]


class Job:
  """A graph with masked weights, whose global step and weights are set from outside.

  Attributes:
    graph, session, pruning: as named.
  """

  def __init__(self, library: Any, hparams: str, weights: Sequence[Weight],
               conditional: bool = True, external_sparsity: bool = False,
               use_resource: bool = False, dtype: str = 'float32', optimize: bool = True,
               asked: Any = None) -> None:
    """Builds it.

    Args:
      library: tensorflow.contrib.model_pruning or model_pruning; what they share of
        names is all that is used.
      hparams: an HParams string.
      conditional: update under the conditions of the schedule, or at every update().
      external_sparsity: pass a variable as the sparsity; update() sets it.
      optimize: let TensorFlow optimize the graph, which takes longer than the test.
      asked: function of the Pruning that returns the tensor of State.asked.
    """
    # pylint: disable=g-import-not-at-top
    import tensorflow.compat.v1 as tf
    self.graph = tf.Graph()
    with self.graph.as_default():
      step = tf.train.get_or_create_global_step()
      sparsity = tf.get_variable('external', [], trainable=False) if external_sparsity else None
      self._variables = []
      for weight in weights:
        partitioner = (tf.fixed_size_partitioner(weight.parts, weight.axis) if weight.parts
                       else None)
        with tf.variable_scope(weight.name, partitioner=partitioner, use_resource=use_resource):
          variable = tf.get_variable('weights', weight.shape, tf.as_dtype(dtype),
                                     initializer=tf.zeros_initializer())
          x = tf.identity(variable, 'read_weights') if weight.is_tensor else variable
          library.apply_mask(x, tf.get_variable_scope())
        self._variables.append(list(variable) if weight.parts else [variable])
      self.pruning = library.Pruning(library.get_pruning_hparams().parse(hparams),
                                     sparsity=sparsity)
      self.update_op = (self.pruning.conditional_mask_update_op() if conditional
                        else self.pruning.mask_update_op())
      last, = [v for v in tf.global_variables() if v.op.name.endswith('/last_mask_update_step')]
      self._state = (last, [tf.convert_to_tensor(mask) for mask in library.get_masks()],
                     library.get_thresholds(), asked(self.pruning) if asked else [])

      inputs = [step] + [sparsity] * external_sparsity + sum(self._variables, [])
      self._inputs = [tf.placeholder(v.dtype.base_dtype, v.shape) for v in inputs]
      self._set_inputs = tf.group(*[tf.assign(v, p) for v, p in zip(inputs, self._inputs)])
      self._external = external_sparsity
      # One thread: the weights are small, and the tests may share the machine.
      config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
      config.graph_options.rewrite_options.disable_meta_optimizer = not optimize
      self.session = tf.Session(config=config)
      self._init = tf.global_variables_initializer()
    self._weights = weights
    self.start()

  def start(self) -> None:
    """Sets all variables to where training starts."""
    self.session.run(self._init)

  def update(self, step: int, values: Sequence[np.ndarray],
             sparsity: Optional[float] = None) -> State:
    """Sets global step and weights, runs the mask update, and returns what came of it."""
    feed = [step] + [sparsity] * self._external
    for weight, variables, value in zip(self._weights, self._variables, values):
      begin = 0
      for variable in variables:
        if not weight.parts:
          feed.append(value)
          break
        size = variable.shape.as_list()[weight.axis]
        feed.append(np.take(value, np.arange(begin, begin + size), weight.axis))
        begin += size
    self.session.run(self._set_inputs, dict(zip(self._inputs, feed)))
    self.session.run(self.update_op)
    last, masks, thresholds, asked = self.session.run(self._state)
    return State(int(last), masks, thresholds, asked if np.ndim(asked) == 0 else None)


@pytest.fixture(name='weight')
def fixture_weight():
  """The constructor of the description of a weight."""
  return Weight


@pytest.fixture
def job():
  """The constructor of Job; what it opens is closed after the test."""
  jobs = []

  def make(*args, **kwargs):
    jobs.append(Job(*args, **kwargs))
    return jobs[-1]

  yield make
  for each in jobs:
    each.session.close()
