# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python import pruning`, as code written for the predecessors has it."""

from typing import Any, Optional

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
from model_pruning import masked_scope as masked_scope
from model_pruning import Pruning as Pruning
from model_pruning import PruningHook as PruningHook
from model_pruning.compat import tf
from model_pruning.registry import MASK_COLLECTION as MASK_COLLECTION
from model_pruning.registry import MASKED_WEIGHT_COLLECTION as MASKED_WEIGHT_COLLECTION
from model_pruning.registry import MASKED_WEIGHT_NAME as MASKED_WEIGHT_NAME
from model_pruning.registry import OLD_OLD_WEIGHT_COLLECTION as OLD_OLD_WEIGHT_COLLECTION
from model_pruning.registry import OLD_WEIGHT_COLLECTION as OLD_WEIGHT_COLLECTION
from model_pruning.registry import THRESHOLD_COLLECTION as THRESHOLD_COLLECTION
from model_pruning.registry import UNGROUPED_GROUP_NAME as UNGROUPED_GROUP_NAME
from model_pruning.registry import WEIGHT_COLLECTION as WEIGHT_COLLECTION
from model_pruning.registry import WEIGHT_GRADIENT_COLLECTION as WEIGHT_GRADIENT_COLLECTION


def attach_group_suffix(collection_name: str, group_name: Optional[str] = None,
                        separator: str = '_') -> str:
  """Returns the name of a group's collection; without a group that of the whole graph's."""
  return collection_name if group_name is None else collection_name + separator + group_name


def add_to_pruning_collections(mask: Any, threshold: Any, weight: Any, masked_weight: Any,
                               gradient: Any = None, old_weight: Any = None,
                               old_old_weight: Any = None,
                               group_name: Optional[str] = None) -> None:
  """Enters what belongs to one weight into the collections, those of a group if one is given.

  For code that makes masks by itself. Members of a group need a second call
  without group_name: a graph's weights are those of the collections without suffix.
  """
  for collection, item in ((MASK_COLLECTION, mask), (THRESHOLD_COLLECTION, threshold),
                           (WEIGHT_COLLECTION, weight), (MASKED_WEIGHT_COLLECTION, masked_weight),
                           (WEIGHT_GRADIENT_COLLECTION, gradient),
                           (OLD_WEIGHT_COLLECTION, old_weight),
                           (OLD_OLD_WEIGHT_COLLECTION, old_old_weight)):
    if item is not None:
      tf.add_to_collection(attach_group_suffix(collection, group_name), item)
