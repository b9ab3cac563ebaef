# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python import pruning`, for code written for contrib or its branch."""

import re
from typing import Any, Dict, Mapping, Optional, Pattern, Tuple, Union

from model_pruning import apply_mask as apply_mask
from model_pruning import apply_mask_and_return as apply_mask_and_return
from model_pruning import apply_mask_with_group as apply_mask_with_group
from model_pruning import DEFINE_pruning_hparams as DEFINE_pruning_hparams
from model_pruning import get_gradients as get_gradients
from model_pruning import get_masked_weights as get_masked_weights
from model_pruning import get_masks as get_masks
from model_pruning import get_old_old_weights as get_old_old_weights
from model_pruning import get_old_weights as get_old_weights
from model_pruning import get_pruning_hparams as get_pruning_hparams
from model_pruning import get_thresholds as get_thresholds
from model_pruning import get_weight_sparsity as get_weight_sparsity
from model_pruning import get_weights as get_weights
from model_pruning import HParams
from model_pruning import masked_scope as masked_scope
from model_pruning import PruningHook as PruningHook
from model_pruning import PruningSpec
from model_pruning.compat import tf
from model_pruning.graph.pruning import Pruning as _Pruning
from model_pruning.hparams.spec import UNGROUPED_GROUP_NAME as UNGROUPED_GROUP_NAME
from model_pruning.names import MASK_COLLECTION as MASK_COLLECTION
from model_pruning.names import MASKED_WEIGHT_COLLECTION as MASKED_WEIGHT_COLLECTION
from model_pruning.names import MASKED_WEIGHT_NAME as MASKED_WEIGHT_NAME
from model_pruning.names import OLD_OLD_WEIGHT_COLLECTION as OLD_OLD_WEIGHT_COLLECTION
from model_pruning.names import OLD_WEIGHT_COLLECTION as OLD_WEIGHT_COLLECTION
from model_pruning.names import THRESHOLD_COLLECTION as THRESHOLD_COLLECTION
from model_pruning.names import WEIGHT_COLLECTION as WEIGHT_COLLECTION
from model_pruning.names import WEIGHT_GRADIENT_COLLECTION as WEIGHT_GRADIENT_COLLECTION
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable

# Contrib's private names, which public code reads.
_MASK_COLLECTION = MASK_COLLECTION
_THRESHOLD_COLLECTION = THRESHOLD_COLLECTION
_MASKED_WEIGHT_COLLECTION = MASKED_WEIGHT_COLLECTION
_WEIGHT_COLLECTION = WEIGHT_COLLECTION
_MASKED_WEIGHT_NAME = MASKED_WEIGHT_NAME
_WEIGHT_GRADIENT_COLLECTION = WEIGHT_GRADIENT_COLLECTION
_OLD_WEIGHT_COLLECTION = OLD_WEIGHT_COLLECTION
_OLD_OLD_WEIGHT_COLLECTION = OLD_OLD_WEIGHT_COLLECTION


class Pruning(_Pruning):
  """model_pruning.Pruning with contrib's private attributes, which public code uses.

  Assignments to them and to the hyperparameters of _spec take effect until the operations are
  built.
  """

  @property
  def spec(self) -> PruningSpec:
    """The PruningSpec of the current hyperparameters in _spec."""
    return PruningSpec.from_hparams(self._spec)

  @spec.setter
  def spec(self, value: PruningSpec) -> None:
    self._spec = _hparams_of(value)

  @property
  def _sparsity(self) -> Tensor:
    """The sparsity at the current step, a float32 scalar tensor."""
    return self._once('sparsity', lambda: tf.identity(self._function.at(self._step())()))

  @_sparsity.setter
  def _sparsity(self, value: Tensor) -> None:
    self._given_sparsity = value

  def _get_weight_sparsity_map(self) -> Dict[Pattern[str], float]:
    return {re.compile(key): value for key, value in self.spec.weight_sparsity_map}

  def _get_block_dims_map(self) -> Dict[Pattern[str], Tuple[int, int]]:
    return {re.compile(key): value for key, value in self.spec.block_dims_map}

  @property
  def _weight_sparsity_map(self) -> Dict[Pattern[str], float]:
    return self._get_weight_sparsity_map()

  @_weight_sparsity_map.setter
  def _weight_sparsity_map(self, value: Mapping[Any, float]) -> None:
    self._spec.weight_sparsity_map = _entries(value) or ['']

  @property
  def _block_dims_map(self) -> Dict[Pattern[str], Tuple[int, int]]:
    return self._get_block_dims_map()

  @_block_dims_map.setter
  def _block_dims_map(self, value: Mapping[Any, Tuple[int, int]]) -> None:
    self._spec.block_dims_map = _entries(value) or ['']


def _hparams_of(spec: PruningSpec) -> HParams:
  """Returns the hyperparameters of a spec."""
  hparams = get_pruning_hparams()
  for name in hparams.values():
    value = getattr(spec, name)
    hparams.set_hparam(name, _entries(dict(value)) or [''] if isinstance(value, tuple) else value)
  return hparams


def _entries(values: Mapping[Any, Union[float, Tuple[int, int]]]) -> list:
  """Returns the regex:value entries of a map, whose keys are texts or compiled."""
  return ['%s:%s' % (getattr(key, 'pattern', key),
                     'x'.join(map(str, value)) if isinstance(value, (tuple, list)) else
                     repr(float(value))) for key, value in values.items()]


def attach_group_suffix(collection_name: str, group_name: Optional[str] = None,
                        separator: str = '_') -> str:
  """Returns the name of the collection of a group; without a group, of the whole graph."""
  return collection_name if group_name is None else collection_name + separator + group_name


def add_to_pruning_collections(mask: Variable, threshold: Variable, weight: Variable,
                               masked_weight: Tensor,
                               gradient: Variable = None, old_weight: Variable = None,
                               old_old_weight: Variable = None,
                               group_name: Optional[str] = None) -> None:
  """Adds a weight and its variables to the collections of the graph, or of a group.

  This is for code that creates its own masks. Members of a group need a second call without
  group_name, because the collections without a suffix must contain all weights of the graph.
  """
  for collection, item in ((MASK_COLLECTION, mask), (THRESHOLD_COLLECTION, threshold),
                           (WEIGHT_COLLECTION, weight), (MASKED_WEIGHT_COLLECTION, masked_weight),
                           (WEIGHT_GRADIENT_COLLECTION, gradient),
                           (OLD_WEIGHT_COLLECTION, old_weight),
                           (OLD_OLD_WEIGHT_COLLECTION, old_old_weight)):
    if item is not None:
      tf.add_to_collection(attach_group_suffix(collection, group_name), item)
