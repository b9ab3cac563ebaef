# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The distribution by shapes: large weights are pruned more than small ones.

It is ERK, the Erdos-Renyi kernel of Evci et al., "Rigging the Lottery" (2020), after Mocanu et al.,
"Scalable training of artificial neural networks with adaptive sparse connectivity" (2018).
"""

import dataclasses
import functools
from typing import List, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine import selection
from model_pruning.engine.distribution import as_sparsities
from model_pruning.engine.distribution import Part
from model_pruning.engine.distribution import settled
from model_pruning.engine.distribution import settled_numbers
from model_pruning.engine.distribution import Share
from model_pruning.engine.pattern import Member
from model_pruning.engine.pattern import OneThreshold
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import outlined
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import Array
from model_pruning.util.types import Tensor

# Rounding may leave the density of a weight that is just dense this far above 1.
_NEARLY = 1e-12


@dataclasses.dataclass(frozen=True)
class Erk:
  """density = scale * (sum of dimensions) / (product of dimensions), at most 1.

  The scale is such that all weights together have the requested sparsity. Only shapes matter, so
  the sparsity of each weight at every step is known in advance.

  Densities are multiplied by numbers of units and rounded by the largest remainders. N of M drops
  the same number of every run and takes the density unrounded.

  Attributes:
    use_tpu: create no functions, because XLA would not compile them into the graph.
  """
  use_tpu: bool = False

  @classmethod
  def create(cls, spec: PruningSpec) -> 'Erk':
    """Returns the distribution."""
    return cls(spec.use_tpu)

  def split(self, parts: Sequence[Part], keep: Tensor) -> List[Tensor]:
    """Returns the sparsity of each weight; see Distribution.split."""
    units = tuple(part.units for part in parts)
    ratios = tuple(_ratio(part.layout.own_shape) for part in parts)
    apply = in_place if self.use_tpu else outlined
    exact, rounded = apply(functools.partial(_sparsities, units, ratios), keep)
    return [(rounded if isinstance(part.pattern, OneThreshold) else exact)[index]
            for index, part in enumerate(parts)]

  def shares(self, members: Sequence[Member], sparsity: float) -> List[Share]:
    """Returns the share of each weight; see Distribution.shares."""
    units = [pattern.units(record.layout) for record, pattern in members]
    densities, counts = kept_units(
        units, [_ratio(record.layout.own_shape) for record, _ in members],
        selection.rounded_keep_count(sum(units), sparsity))
    return [Share(1 - kept / most, kept) if isinstance(pattern, OneThreshold) else
            Share(1 - density, None)
            for (_, pattern), density, kept, most in zip(members, densities, counts, units)]


def _ratio(shape: Sequence[int]) -> float:
  """Returns (sum of dimensions) / (product of dimensions); 1 for a scalar."""
  return float(sum(shape)) / float(np.prod(shape, dtype=np.float64)) if shape else 1.0


def _prefixes(units: Sequence[int], ratios: Sequence[float]) -> Tuple[Array, Array, Array]:
  """Returns, for each j, the case that the j weights of the highest ratios are dense.

  Returns:
    The ratios from high to low, the number of units in the first j weights, and the sum of units
    times ratios in the others, float64 vectors.
  """
  order = np.argsort(-np.array(ratios), kind='stable')
  sizes, sorted_ratios = np.array(units, np.float64)[order], np.array(ratios)[order]
  others = np.cumsum((sizes * sorted_ratios)[::-1])[::-1]
  return sorted_ratios, np.cumsum(sizes) - sizes, others


def _sparsities(units: Tuple[int, ...], ratios: Tuple[float, ...], keep: Tensor
                ) -> Tuple[Tensor, Tensor]:
  """Returns the sparsities before and after rounding to whole units, float64 vectors."""
  keep = tf.cast(keep, tf.int64)
  sorted_ratios, dense, others = _prefixes(units, ratios)
  scales = (tf.cast(keep, tf.float64) - dense) / others
  fits = tf.concat([(scales * sorted_ratios <= 1 + _NEARLY)[:-1], [True]], axis=0)
  # Of the cases in which no density exceeds 1, the one with the fewest dense weights has the
  # largest scale.
  scale = tf.reduce_max(tf.where(fits, scales, tf.zeros_like(scales)))
  densities = tf.minimum(scale * np.array(ratios), tf.constant(1, tf.float64))
  exact = densities * np.array(units, np.float64)
  floor = tf.floor(exact)
  counts = tf.maximum(tf.cast(floor, tf.int64), tf.constant(1, tf.int64))
  # The rank of a remainder: how many are larger, or equal and earlier. Weights are few.
  remainders = exact - tf.cast(counts, tf.float64)
  left, right = tf.expand_dims(remainders, 1), tf.expand_dims(remainders, 0)
  earlier = np.tri(len(units), k=-1, dtype=bool)
  before = (right > left) | (tf.equal(right, left) & earlier)
  ranks = tf.reduce_sum(tf.cast(before, tf.int64), axis=1)
  counts += tf.cast(ranks < keep - tf.reduce_sum(counts), tf.int64)
  return 1 - densities, as_sparsities(settled(counts, units, keep), units)


def kept_units(units: Sequence[int], ratios: Sequence[float], keep: int
               ) -> Tuple[List[float], List[int]]:
  """Returns the densities of the weights and how many units each keeps, as the graph has them.

  >>> kept_units([100, 10000], [0.2, 0.02], 440)
  ([0.4, 0.04], [40, 400])

  Args:
    units: the number of units of each weight.
    ratios: (sum of dimensions) / (product of dimensions) of each weight.
    keep: how many units all weights keep together.
  """
  sorted_ratios, dense, others = _prefixes(units, ratios)
  scales = (np.float64(keep) - dense) / others
  fits = np.append((scales * sorted_ratios <= 1 + _NEARLY)[:-1], True)
  densities = np.minimum(np.max(np.where(fits, scales, 0.0)) * np.array(ratios), 1.0)
  most = np.array(units, np.int64)
  exact = densities * most.astype(np.float64)
  counts = np.maximum(np.floor(exact).astype(np.int64), 1)
  ranks = np.argsort(np.argsort(-(exact - counts), kind='stable'), kind='stable')
  counts += ranks < keep - counts.sum()
  return densities.tolist(), settled_numbers(counts, units, keep).tolist()
