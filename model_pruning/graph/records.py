# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reads the masked weights of a graph, as records, from its collections.

The collections hold all state, so graphs that were imported from a meta graph, built by contrib, or
whose collections were filled by hand work like graphs built here.
"""

import dataclasses
from typing import Any, Dict, Hashable, List, Optional, Sequence, Tuple

from absl import logging

from model_pruning import errors
from model_pruning import names
from model_pruning.compat import tf
from model_pruning.engine.layout import Layout
from model_pruning.engine.placement import on_device_of
from model_pruning.graph import variables
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable

# In the order of a _Registered.row.
_COLLECTIONS = (names.WEIGHT_COLLECTION, names.MASK_COLLECTION, names.THRESHOLD_COLLECTION,
                names.MASKED_WEIGHT_COLLECTION)


@dataclasses.dataclass(frozen=True)
class MaskedWeight:
  """One weight with its mask, threshold and product.

  Attributes:
    weight: variable, PartitionedVariable or tensor.
    mask: variable of the weight's shape, dtype and partitioning; ones and zeros.
    threshold: scalar variable of the weight's dtype.
    masked: the tensor weight * mask; None if another library multiplies and registers no product.
    group: the name of its group, which has one threshold; None for none.
    gradient, old_weight, old_old_weight: the history for gradient saliency, variables of the
      weight's shape and partitioning; None without gradient saliency.
  """
  weight: Variable
  mask: Variable
  threshold: Variable
  masked: Tensor
  group: Optional[str] = None
  gradient: Variable = None
  old_weight: Variable = None
  old_old_weight: Variable = None

  @property
  def name(self) -> str:
    """Op name of the weight, without the suffixes of the parts if it is partitioned."""
    return variables.op_name(self.weight)

  @property
  def identity(self) -> Hashable:
    """A key that no other record has: a weight that is masked twice has two records."""
    return self.mask.name

  @property
  def layout(self) -> Layout:
    """How the weight is cut into shards."""
    return variables.layout_of(self.weight)

  @property
  def weight_shards(self) -> List[Variable]:
    """The parts of the weight."""
    return variables.shards_of(self.weight)

  @property
  def mask_shards(self) -> List[Variable]:
    """The parts of the mask."""
    return variables.shards_of(self.mask)

  def kept(self) -> Tensor:
    """Returns the number of elements that the mask keeps, an int64 scalar tensor."""
    counts = []
    for shard in self.mask_shards:
      with on_device_of(variables.copies_of(shard)[0]):
        counts.append(tf.math.count_nonzero(variables.read(shard), dtype=tf.int64))
    return tf.add_n(counts)

  def size(self) -> int:
    """Returns the number of elements of the weight."""
    size = 1
    for dim in self.layout.shape:
      size *= dim
    return size


def masked_weights() -> List[MaskedWeight]:
  """Returns a record per masked weight of the default graph, in order of registration.

  Raises:
    errors.GraphMismatchError: the collections have different numbers of items.
  """
  _restore_reused()
  columns = [tf.get_collection(key) for key in _COLLECTIONS]
  weights, masks, thresholds, products = columns
  if len({len(weights), len(masks), len(thresholds)}) != 1 or len(products) > len(masks):
    raise errors.GraphMismatchError(
        'Number of masks (%d), thresholds (%d), masked weights (%d) and weights (%d) in the '
        'collections of this graph mismatch; code that adds to the collections %r, %r and %r must '
        'add one item per weight to each, and at most one to %r' % (
            len(masks), len(thresholds), len(products), len(weights), names.MASK_COLLECTION,
            names.THRESHOLD_COLLECTION, names.WEIGHT_COLLECTION, names.MASKED_WEIGHT_COLLECTION))
  known = {variable.name: variable for variable in variables.saved_variables()}
  if len(products) < len(masks):
    products = _products_of(masks, products)
  # By the name of the mask, because contrib registered a weight again at every reuse.
  rows: Dict[str, List[Tensor]] = {}
  for row in zip(weights, masks, thresholds, products):
    weight, mask, threshold, masked = (_as_variable(item, known) for item in row)
    rows.setdefault(mask.name, [weight, mask, threshold, masked])
  groups = _groups()
  histories = {leaf: {variables.op_name(found): found for found in (
      _as_variable(item, known) for item in tf.get_collection(key))}
               for leaf, key in zip(names.HISTORY, names.HISTORY_COLLECTIONS)}
  return [MaskedWeight(weight, mask, threshold, masked, groups.get(mask.name), **{
      leaf: found.get(sibling(mask, leaf)) for leaf, found in histories.items()})
          for weight, mask, threshold, masked in rows.values()]


def remember_update(name: str, settings: Any) -> None:
  """Records that a conditional update of all masks of the default graph was built.

  Logs a warning if the graph has another update with different settings.
  """
  graph = tf.get_default_graph()
  others = [entry for entry in getattr(graph, '_model_pruning_updates', ())
            if entry != (name, settings)]
  if any(other != settings for _, other in others):
    logging.warning(
        'Mask updates with different hyperparameters are built in one graph, %s; each updates all '
        'masks, and %s. Use one Pruning or one PruningHook, and weight_sparsity_map for weights '
        'with different sparsities', ' and '.join([other for other, _ in others] + [name]),
        # They share the step of the last update.
        'of those with one name only the one that runs first after a step makes an update' if any(
            other == name for other, _ in others) else 'the one that runs last wins')
  graph._model_pruning_updates = others + [(name, settings)]


def note_update(name: str) -> None:
  """Records that an update of all masks of the default graph was built; see collect."""
  graph = tf.get_default_graph()
  graph._model_pruning_built = [*getattr(graph, '_model_pruning_built', ()), name]


def require_masked_weights(updater: str) -> None:
  """Raises errors.NoMaskedWeightsError if the default graph has no masked weights.

  Args:
    updater: the name of the function that would update them, for the message.
  """
  if not masked_weights():
    raise errors.NoMaskedWeightsError(
        'The graph has no masked weights for %s to update: build the model in a masked_scope(), '
        'or call apply_mask on its weights, in this graph (of an Estimator: in its model_fn)' %
        updater)


def sibling(mask: Variable, leaf: str) -> str:
  """Returns the op name of another variable of the same weight: <scope>/mask -> <scope>/<leaf>."""
  return names.sibling(variables.op_name(mask), leaf)


def _products_of(masks: Sequence[Variable], products: Sequence[Tensor]) -> List[Tensor]:
  """Returns the product of each mask; None if the product is not registered."""
  found: Dict[str, Tensor] = {}
  for product in products:
    pending = [tensor.op for tensor in product.op.inputs]
    while pending:
      op = pending.pop()
      found.setdefault(op.name, product)
      if op.type in ('Identity', 'ReadVariableOp', 'ConcatV2', 'Mul'):
        pending.extend(tensor.op for tensor in op.inputs)
  return [found.get(variables.op_name(mask), found.get(variables.op_name(
      variables.shards_of(mask)[0]))) for mask in masks]


@dataclasses.dataclass
class _Registered:
  """The items that apply_mask added to the collections for a weight, and its number of calls."""
  row: Tuple[Variable, ...]
  times: int = 1


def _registered() -> Dict[str, _Registered]:
  """Returns the registered weights of the default graph, by the name of the mask."""
  # Stored on the graph. Elsewhere it would keep every graph alive, because variables refer to it.
  graph = tf.get_default_graph()
  if not hasattr(graph, '_model_pruning_registered'):
    graph._model_pruning_registered = {}
  return graph._model_pruning_registered


def check_owner(mask_name: str, weight: Variable) -> None:
  """Raises errors.WeightError if the mask with a given name belongs to another weight.

  The moving average of the weight may have it, or another variable that is not trained and takes
  the weight's place where its scope is reused: custom getters do this for evaluation.
  """
  known = _registered().get(mask_name + ':0') or _registered().get(mask_name)
  if known is None or not variables.is_variable(weight) or not variables.is_variable(known.row[0]):
    return
  owner, name = variables.op_name(known.row[0]), variables.op_name(weight)
  takes_its_place = not getattr(variables.shards_of(weight)[0], 'trainable', True) and (
      name.startswith(owner + '/') or tf.get_variable_scope().reuse is True)
  if owner != name and not takes_its_place:
    raise errors.WeightError(
        'Variable %s already exists, as the mask of weight %s, and weight %s would be pruned by '
        'the magnitudes of %s; give each weight its own variable scope' % (
            mask_name, owner, name, owner))


def collect(mask: Variable, threshold: Variable, masked: Tensor, weight: Variable) -> bool:
  """Adds a weight to the collections unless it is in them; returns whether it was added."""
  here = _registered()
  # By name, because reuse creates new objects for partitioned variables.
  if mask.name in here:
    here[mask.name].times += 1
    return False
  here[mask.name] = _Registered((weight, mask, threshold, masked))
  updated = getattr(tf.get_default_graph(), '_model_pruning_built', ())
  if updated:
    logging.warning('Weight %s is masked after the mask update of %s was built, which does not '
                    'update it; build the whole model first', variables.op_name(weight),
                    ', '.join(sorted(set(updated))))
  if mask.name in [known.name for known in tf.get_collection(names.MASK_COLLECTION)]:
    return False  # From a meta graph, or added by hand.
  for key, item in zip(_COLLECTIONS, here[mask.name].row):
    tf.add_to_collection(key, item)
  return True


def _restore_reused() -> None:
  """Adds weights back to the collections if a program removed them after a reuse.

  contrib registered a weight again at every reuse. Programs that build a model twice therefore
  remove half of the collections, which would lose weights here.
  """
  listed = {mask.name for mask in tf.get_collection(names.MASK_COLLECTION)}
  lost = {name: entry for name, entry in _registered().items()
          if name not in listed}
  reused = [entry.row for entry in lost.values() if entry.times > 1]
  if reused:
    logging.info('Weights that were removed from the collections of masked weights are added back: '
                 '%s. A weight is registered only once here, no matter how often it is reused',
                 ', '.join(variables.op_name(row[0]) for row in reused))
  for row in reused:
    for key, item in zip(_COLLECTIONS, row):
      tf.add_to_collection(key, item)
  for name, entry in lost.items():
    if entry.times == 1:
      logging.warning('Weight %s was removed from the collections of masked weights and is not '
                      'pruned', variables.op_name(entry.row[0]))
      del _registered()[name]


def _groups() -> Dict[str, str]:
  """Returns the group of each mask that is in a group, by the name of the mask."""
  prefix, found = names.MASK_COLLECTION + '_', {}
  keys = set(tf.get_default_graph().get_all_collection_keys())
  for key in keys:
    group = key[len(prefix):] if isinstance(key, str) and key.startswith(prefix) else ''
    others = {of_group(names.THRESHOLD_COLLECTION, group),
              of_group(names.WEIGHT_COLLECTION, group)}
    if group and others <= keys:  # Users may have other collections with such a name.
      found.update({mask.name: group for mask in tf.get_collection(key)})
  return found


def _as_variable(item: Tensor, known: Dict[str, Variable]) -> Variable:
  """Returns the variable that an item of a collection stands for; `item` itself if there is none.

  A meta graph restores variables in custom collections as plain tensors, and partitioned variables
  as the operation that joins their parts.
  """
  if not isinstance(item, tf.Operation):
    return item if item is None else known.get(item.name, item)
  parts = []
  for variable in known.values():
    info = variable._get_save_slice_info()  # No public API distinguishes a part from a whole.
    if info is not None and info.full_name == item.name:
      parts.append((info.var_offset, info.full_shape, variable))
  parts.sort(key=lambda part: part[0])
  if not parts:
    raise errors.GraphMismatchError(
        'The collections of this graph name %s, which is neither a variable nor the parts of one; '
        'import the meta graph without an import_scope' % item.name)
  return variables.Parts(item.name, tf.TensorShape(parts[0][1]), parts[0][2].dtype,
                         tuple(part for _, _, part in parts))


def get_masked_weights(group_name: Optional[str] = None) -> List[Tensor]:
  """Returns the masked weight tensors of the default graph or of one of its groups."""
  return _collected(names.MASKED_WEIGHT_COLLECTION, group_name)


def get_masks(group_name: Optional[str] = None) -> List[Variable]:
  """Returns the mask variables of the default graph or of one of its groups."""
  return _collected(names.MASK_COLLECTION, group_name)


def get_thresholds(group_name: Optional[str] = None) -> List[Variable]:
  """Returns the threshold variables of the default graph or of one of its groups."""
  return _collected(names.THRESHOLD_COLLECTION, group_name)


def get_weights(group_name: Optional[str] = None) -> List[Variable]:
  """Returns the stored weights, without masks, of the default graph or of one of its groups."""
  return _collected(names.WEIGHT_COLLECTION, group_name)


def get_gradients(group_name: Optional[str] = None) -> List[Variable]:
  """Returns the decayed average of changes of each weight, for gradient saliency."""
  return _collected(names.WEIGHT_GRADIENT_COLLECTION, group_name)


def get_old_weights(group_name: Optional[str] = None) -> List[Variable]:
  """Returns the copy of each weight from one update ago."""
  return _collected(names.OLD_WEIGHT_COLLECTION, group_name)


def get_old_old_weights(group_name: Optional[str] = None) -> List[Variable]:
  """Returns the copy of each weight from two updates ago."""
  return _collected(names.OLD_OLD_WEIGHT_COLLECTION, group_name)


def _collected(collection: str, group_name: Optional[str]) -> List[Variable]:
  """Returns the items of a collection, with variables in place of a meta graph's tensors."""
  known = {variable.name: variable for variable in variables.saved_variables()}
  return [_as_variable(item, known) for item in tf.get_collection(
      of_group(collection, group_name))]


def of_group(collection: str, group_name: Optional[str]) -> str:
  """Returns the name of the collection of a group; without a group, of the whole graph."""
  return collection + '_' + group_name if group_name else collection


def get_weight_sparsity() -> List[Tensor]:
  """Returns, per mask of the default graph, its fraction of zeros as a float32 scalar tensor."""
  return [tf.cast(record.size() - record.kept(), tf.float32) / max(record.size(), 1)
          for record in masked_weights()]
