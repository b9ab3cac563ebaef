# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Chooses the mask of a single weight by other values, with the engine and pattern of training."""

import dataclasses
from typing import Any, Dict, Mapping, NamedTuple, Optional

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine.choose import choose_masks
from model_pruning.engine.layout import Layout
from model_pruning.engine.pattern import Member
from model_pruning.engine.pattern import OneThreshold
from model_pruning.engine.patterns import pattern_for
from model_pruning.engine.plan import PrunedTogether
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import Array
from model_pruning.util.types import Tensor


class Weight(NamedTuple):
  """A weight as the engine sees it; see engine.pattern.Record."""
  name: str
  layout: Layout
  group: Optional[str] = None

  @property
  def identity(self) -> str:
    return self.name

  def see(self, values: Tensor) -> Tensor:
    """Returns values in the shape of the layout."""
    return values

  def restore(self, mask: Tensor) -> Tensor:
    """Returns a mask of the layout's shape in the weight's shape."""
    return mask


class _Choice(NamedTuple):
  values: Tensor
  sparsity: Tensor
  mask: Tensor
  units: int
  kept: Tensor
  one_threshold: bool


class Selector:
  """Chooses masks of single weights."""

  def __init__(self, weights: Mapping[str, Any], spec: PruningSpec) -> None:
    """Takes the weights.

    Args:
      weights: by the names of their constants, records like Weight.
      spec: the hyperparameters, which give each weight its pattern.
    """
    self._weights = weights
    # How many zeros a weight gets is known already.
    self._spec = dataclasses.replace(spec, sparsity_distribution='uniform', global_pruning=False)
    self._graph = tf.Graph()
    self._session = tf.Session(graph=self._graph)
    self._choices: Dict[str, _Choice] = {}

  def close(self) -> None:
    """Ends the session."""
    self._session.close()

  def sparsities(self, constant: str, mask: Array, rounds: int) -> Any:
    """Returns the sparsities of several rounds, which end at a mask's own.

    The density falls by the same factor in each round.

    Args:
      constant: name of the weight's constant.
      mask: its mask of zeros and ones.
      rounds: number of rounds.
    """
    choice = self._choice(constant)
    kept = int(self._session.run(choice.kept, {choice.values: mask}))
    density = kept / max(choice.units, 1)
    last = (choice.units - kept) / max(choice.units, 1)
    if not choice.one_threshold:
      last = max(last, self._spec.target_for(self._weights[constant].name))
    return [1 - density**(number / rounds) for number in range(1, rounds)] + [last]

  def is_continuous(self, constant: str) -> bool:
    """Whether a weight can have any sparsity, to the unit; N of M has only a few."""
    return self._choice(constant).one_threshold

  def choose(self, constant: str, values: Array, sparsity: float) -> Array:
    """Returns the mask of a weight by the magnitudes of other values, bool of their shape."""
    choice = self._choice(constant)
    return np.asarray(self._session.run(
        choice.mask, {choice.values: values, choice.sparsity: sparsity}))

  def _choice(self, constant: str) -> _Choice:
    if constant not in self._choices:
      record = self._weights[constant]
      with self._graph.as_default():
        self._choices[constant] = self._built(record)
    return self._choices[constant]

  def _built(self, record: Any) -> _Choice:
    layout = record.layout
    pattern = pattern_for(layout.shape, self._spec.block_dims_for(record.name), self._spec)
    values = tf.placeholder(tf.float32)
    seen = tf.reshape(record.see(values), layout.shape)
    sparsity = tf.placeholder(tf.float64, [])
    together = PrunedTogether(record.name, None, (Member(record, pattern),))
    _, masks = choose_masks(together, [seen], sparsity, [tf.constant(0.0)], self._spec)
    kept = sum(tf.count_nonzero(shard) for shard in pattern.pool([tf.abs(seen)], layout))
    return _Choice(values, sparsity, record.restore(masks[0]), pattern.units(layout), kept,
                   isinstance(pattern, OneThreshold))
