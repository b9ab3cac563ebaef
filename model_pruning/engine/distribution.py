# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The interface of distributions: how a sparsity of many weights is shared out among them.

distributions.py lists the distributions.
"""

from typing import List, NamedTuple, Optional, Sequence

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine.counting import Shards
from model_pruning.engine.layout import Layout
from model_pruning.engine.pattern import Member
from model_pruning.engine.pattern import Pattern
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.protocols import Protocol
from model_pruning.util.types import Array
from model_pruning.util.types import Tensor


class Part(NamedTuple):
  """One of the weights that share a sparsity.

  Attributes:
    layout: how it is cut into shards.
    pattern: how it is cut into units.
    pooled: per shard, the scores of its units, the result of pattern.pool.
  """
  layout: Layout
  pattern: Pattern
  pooled: Shards

  @property
  def units(self) -> int:
    """The number of units."""
    return self.pattern.units(self.layout)


class Share(NamedTuple):
  """The part of a sparsity that a weight gets.

  Attributes:
    sparsity: its own sparsity.
    kept: how many units it keeps; None if its pattern derives this from the sparsity.
  """
  sparsity: float
  kept: Optional[int]


class Distribution(Protocol):
  """How the zeros are shared out among the weights that share target_sparsity.

  A distribution is a value object: distributions with the same settings are equal and have the
  same hash.
  """

  @classmethod
  def create(cls, spec: PruningSpec) -> 'Distribution':
    """Returns the distribution with the settings of a spec."""

  def split(self, parts: Sequence[Part], keep: Tensor) -> Optional[List[Tensor]]:
    """Returns the sparsity of each weight, or None if all compete under one threshold.

    Each weight keeps at least one unit. If there are fewer units to keep than weights, each keeps
    one.

    Args:
      parts: the weights, two or more, none of them empty.
      keep: how many units to keep in all, an integer scalar tensor from selection.keep_count.

    Returns:
      Float64 scalar tensors. A weight with n units that keeps k has the sparsity (n - k) / n, with
      which selection.keep_count returns exactly k.
    """

  def shares(self, members: Sequence[Member], sparsity: float) -> Optional[List[Share]]:
    """Returns the share of each weight, for reports; None if that depends on the values.

    Args:
      members: the weights that share the sparsity, none of them empty.
      sparsity: the sparsity of all of them together, in [0, 1).
    """


def settled(counts: Tensor, units: Sequence[int], keep: Tensor) -> Tensor:
  """Returns counts within [1, units] whose sum is `keep` if it is at least their number.

  The difference is taken from the largest count, or added where there is most room. The first
  weights take the rest of it, if there is any. settled_numbers does the same in NumPy.

  Args:
    counts: int64 vector.
    units: the number of units of each weight.
    keep: int64 scalar, at most the sum of units.
  """
  most = tf.constant(units, tf.int64)
  counts = tf.clip_by_value(counts, tf.ones_like(counts), most)
  missing = keep - tf.reduce_sum(counts)
  counts += missing * _first_largest(tf.where(missing < 0, counts, most - counts))
  counts = tf.clip_by_value(counts, tf.ones_like(counts), most)
  missing = keep - tf.reduce_sum(counts)
  return counts + _first_come(missing, most - counts) - _first_come(-missing, counts - 1)


def _first_largest(counts: Tensor) -> Tensor:
  """Returns 1 at the first of the largest counts and 0 elsewhere; argmax has no kernel on GPUs."""
  largest = tf.cast(tf.equal(counts, tf.reduce_max(counts)), counts.dtype)
  return tf.cast(tf.cumsum(largest, exclusive=True) < largest, counts.dtype)


def _first_come(total: Tensor, most: Tensor) -> Tensor:
  """Returns the parts of a total: the first weights get the `most` they can."""
  return tf.clip_by_value(total - tf.cumsum(most, exclusive=True), tf.zeros_like(most), most)


def settled_numbers(counts: Array, units: Sequence[int], keep: int) -> Array:
  """Returns the result of `settled` for NumPy's numbers."""
  most = np.array(units, np.int64)
  counts = np.clip(counts, 1, most)
  missing = keep - counts.sum()
  counts[np.argmax(counts if missing < 0 else most - counts)] += missing
  counts = np.clip(counts, 1, most)
  missing = keep - counts.sum()
  for sign, room in ((1, most - counts), (-1, counts - 1)):
    counts = counts + sign * np.clip(sign * missing - (np.cumsum(room) - room), 0, room)
  return counts


def as_sparsities(counts: Tensor, units: Sequence[int]) -> Tensor:
  """Returns (n - k) / n of every weight, a float64 vector, for an int64 vector of counts k."""
  most = tf.constant(units, tf.int64)
  return tf.cast(most - counts, tf.float64) / tf.cast(most, tf.float64)
