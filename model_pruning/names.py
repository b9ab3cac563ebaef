# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Names of the variables, collections and operations that pruning adds to a model.

They are the names of tf.contrib.model_pruning, so that its checkpoints and tools for its graphs
keep working. No other module spells them out.
"""

import re
from typing import Container, Dict, Iterable, List, Optional, Sequence, Tuple

# Collections. Each group has its own, with '_<group name>' appended.
MASK_COLLECTION = 'masks'
THRESHOLD_COLLECTION = 'thresholds'
MASKED_WEIGHT_COLLECTION = 'masked_weights'
WEIGHT_COLLECTION = 'kernel'
WEIGHT_GRADIENT_COLLECTION = 'gradient_weights'
OLD_WEIGHT_COLLECTION = 'old_weights'
OLD_OLD_WEIGHT_COLLECTION = 'old_old_weights'
# Added by this library: the spec with which a graph is pruned, as text. See reading/stored_spec.py.
COLLECTION_OF_HPARAMS = 'model_pruning_hparams'

# The name of the operation that multiplies a weight by its mask ends with this.
MASKED_WEIGHT_NAME = 'weights/masked_weight'

# Variables of a Pruning, in the scope with its name.
LAST_MASK_UPDATE_STEP = 'last_mask_update_step'
LAST_GRADIENT_UPDATE_STEP = 'last_gradient_update_step'
STEPS = (LAST_MASK_UPDATE_STEP, LAST_GRADIENT_UPDATE_STEP)

# Variables of a weight: <prefix>mask, <prefix>threshold, and the history for gradient saliency.
# The prefix is '<scope>/' or '<scope>/<leaf of the weight>_'.
MASK = 'mask'
THRESHOLD = 'threshold'
WEIGHT = 'weight'  # Represents the weight itself, whose variable may have any name.
GRADIENT = 'gradient'
OLD_WEIGHT = 'old_weight'
OLD_OLD_WEIGHT = 'old_old_weight'
HISTORY = (GRADIENT, OLD_WEIGHT, OLD_OLD_WEIGHT)
HISTORY_COLLECTIONS = (WEIGHT_GRADIENT_COLLECTION, OLD_WEIGHT_COLLECTION,
                       OLD_OLD_WEIGHT_COLLECTION)
ADDED = (MASK, THRESHOLD) + HISTORY

# Weights whose masks are named <scope>/mask. For any other weight it is <scope>/<leaf>_mask.
MAIN_WEIGHTS = ('kernel', 'weights')

# Matches the names of the weights that are masked by default. The biases of linear models of
# feature columns are called bias_weights.
KERNELS = '.*(?<!bias_)(kernel|weights)$'

# Attribute of a constant in a stripped graph: the name of the masked weight that it replaces.
WEIGHT_ATTRIBUTE = '_weight'

# On Keras 3, attributes of layers that hold variables of pruning begin with this.
KERAS_ATTRIBUTE = '_added_'
# Masks of a Keras layer with several weights: pruning_0_mask, pruning_1_mask, ...
KERAS_NUMBERED = re.compile(r'pruning_(\d+)_$')


def sibling(mask: str, leaf: str) -> str:
  """Returns the name of another variable of the same weight: 'fc/mask' -> 'fc/<leaf>'."""
  return mask[:-len(MASK)] + leaf


def prefix_of(name: str, leaf: str = MASK) -> Optional[str]:
  """Returns the part of a variable's name before a leaf like 'mask'.

  'fc/mask' -> 'fc/'; 'fc/pointwise_mask' -> 'fc/pointwise_'; None for a name without such an
  ending, for example 'fc/bitmask'.
  """
  prefix = name[:-len(leaf)] if name.endswith(leaf) else None
  return prefix if prefix == '' or prefix and prefix[-1] in '/_' else None


def weight_of(prefix: str, variables: Container[str]) -> str:
  """Returns the name of a weight, given the prefix of its mask's name.

  'fc/' gives fc/kernel or fc/weights, whichever is a variable, and otherwise fc;
  'fc/pointwise_' gives fc/pointwise, fc/pointwise_kernel or fc/pointwise_weights.

  Args:
    prefix: see `prefix_of`.
    variables: names of the graph's variables, as far as they are known.
  """
  found = [prefix + leaf for leaf in MAIN_WEIGHTS if prefix + leaf in variables]
  whole = prefix[:-1] if prefix[-1:] in ('/', '_') else prefix
  return found[0] if len(found) == 1 and whole not in variables else whole or MASK


def split(name: str) -> Tuple[str, str]:
  """Returns the scope of a name, with its slash, and its last part: 'fc/', 'kernel'."""
  scope, slash, leaf = name.rpartition('/')
  return scope + slash, leaf


# The last parts of the names of weights in Keras layers.
_KERAS_LEAVES = ('kernel', 'recurrent_kernel', 'depthwise_kernel', 'pointwise_kernel', 'embeddings',
                 'bias', 'gamma', 'beta', 'moving_mean', 'moving_variance')
_COPY = re.compile(r'(.*?(?:%s))_\d+$' % '|'.join('(?:^|/)' + leaf for leaf in _KERAS_LEAVES))


def of_keras(known: Iterable[str]) -> Dict[str, str]:
  """Returns the names that Keras gave to weights, by their names in a SavedModel.

  Keras 3 exports 'fc/kernel' as 'fc/kernel_1'. The result has no names that stay the same, and
  none that would be the name of another weight without the number.
  """
  known = set(known)
  found: Dict[str, List[str]] = {}
  for name in sorted(known):
    match = _COPY.match(name)
    if match and match.group(1) not in known:
      found.setdefault(match.group(1), []).append(name)
  return {copies[0]: name for name, copies in found.items() if len(copies) == 1}


def is_step(name: str) -> bool:
  """Whether a variable holds the step of the last mask update, in graphs or Keras layers."""
  leaf = split(name)[1]
  return leaf in (LAST_MASK_UPDATE_STEP, KERAS_ATTRIBUTE + LAST_MASK_UPDATE_STEP)


def whole_products(names: Sequence[str]) -> List[str]:
  """Returns the names of products; the products of a weight's parts become one, for the whole."""
  part = re.compile('(/masked_weight(_[0-9]+)?)/part_[0-9]+$')
  return list(dict.fromkeys(part.sub(r'\1', name) for name in names))
