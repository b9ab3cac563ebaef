# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints without masks, and checkpoints with masks from those without."""

import dataclasses
import os
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning import files
from model_pruning import registry
from model_pruning import variables
from model_pruning.compat import tf
from model_pruning.export import fold
from model_pruning.export import writing
from model_pruning.reading import bundle
from model_pruning.reading import sources

_HISTORY = ('gradient', 'old_weight', 'old_old_weight')
_STEPS = (registry.LAST_MASK_UPDATE_STEP, registry.LAST_GRADIENT_UPDATE_STEP)


@dataclasses.dataclass(frozen=True)
class MaskedNames:
  """What a checkpoint calls a masked weight, and what belongs to it.

  Attributes:
    weight: the name of the weight.
    mask: the name of its mask.
    others: the names of its threshold, and of what gradient saliency remembers.
  """
  weight: str
  mask: str
  others: Tuple[str, ...]


class Checkpoint:
  """The variables in a checkpoint, read when asked for."""

  def __init__(self, place: Any) -> None:
    """Opens a checkpoint.

    Args:
      place: the path of a checkpoint, or a directory, whose latest one is taken.

    Raises:
      errors.CheckpointError: there is no checkpoint, or it cannot be read.
    """
    self.path = sources.checkpoint_path(place)
    bundle.check(self.path)
    try:
      self._reader = tf.train.NewCheckpointReader(self.path)
      self.shapes: Dict[str, List[int]] = self._reader.get_variable_to_shape_map()
      self.dtypes: Dict[str, Any] = {
          name: tf.as_dtype(dtype).base_dtype
          for name, dtype in self._reader.get_variable_to_dtype_map().items()}
    except Exception as error:  # Of the reader's C++; the class differs between versions.
      raise sources.unreadable(self.path, error) from error

  def read(self, name: str) -> np.ndarray:
    """Returns the value of a variable, whole where it is partitioned.

    Raises:
      errors.CheckpointError: it cannot be read.
    """
    try:
      return np.asarray(self._reader.get_tensor(name))
    except Exception as error:
      raise sources.unreadable(self.path, error) from error

  def masked(self) -> List[MaskedNames]:
    """Returns the masked weights: by its meta graph, or by the names where it has none.

    Raises:
      errors.CheckpointError: it does not say which weight a mask is for.
    """
    found = self._masked_by_graph()
    return self._masked_by_names() if found is None else found

  def _masked_by_graph(self) -> Optional[List[MaskedNames]]:
    if not tf.gfile.Exists(self.path + '.meta'):
      return None
    with tf.Graph().as_default():
      try:
        tf.train.import_meta_graph(sources.meta_graph(self.path + '.meta'), clear_devices=True)
      except Exception as error:
        raise sources.unreadable(self.path, error) from error
      result = []
      for record in registry.masked_weights():
        if not variables.is_variable(record.weight):
          raise errors.CheckpointError(
              'In checkpoint %s the mask %s is over %s, which is computed and not a variable that '
              'could be multiplied; strip to a graph or a SavedModel instead' % (
                  self.path, variables.op_name(record.mask), record.weight.name))
        others = [variables.op_name(other) for other in (
            record.threshold, record.gradient, record.old_weight, record.old_old_weight)
                  if other is not None]
        result.append(MaskedNames(record.name, variables.op_name(record.mask), tuple(others)))
    # A graph that lost its collections on the way says nothing.
    return result if result and all(names.mask in self.shapes for names in result) else None

  def _masked_by_names(self) -> List[MaskedNames]:
    result = []
    for mask in sorted(self.shapes):
      prefix = re.sub('mask$', '', mask)
      if prefix == mask or prefix + 'threshold' not in self.shapes or \
          self.shapes[prefix + 'threshold'] or not prefix.endswith(('/', '_')):
        continue
      others = [prefix + leaf for leaf in ('threshold',) + _HISTORY if prefix + leaf in self.shapes]
      if prefix.endswith('_') and prefix[:-1] in self.shapes:
        candidates = [prefix[:-1]]
      else:
        candidates = [name for name in sorted(self.shapes)
                      if name.rsplit('/', 1)[0] + '/' == prefix and name not in others + [mask]
                      and self.shapes[name] == self.shapes[mask] and not name.endswith('_mask')
                      and prefix[:-1] not in self.shapes]  # That would be a slot of an optimizer.
      if len(candidates) != 1:
        raise errors.CheckpointError(
            'Checkpoint %s has a mask %s, and %s; keep its .meta file beside it, which says' % (
                self.path, mask, 'more than one weight it may be for: ' + ', '.join(candidates)
                if candidates else 'no weight of that shape beside it'))
      result.append(MaskedNames(candidates[0], mask, tuple(others)))
    return result


def strip_checkpoint(place: Any, path: Any) -> List[MaskedNames]:
  """Writes a checkpoint without masks, its weights multiplied by them, for code that has none.

  So are their exponential moving averages. Everything else stays: biases, the global
  step, the state of optimizers.

  Args:
    place: a checkpoint with masks, or a directory, whose latest one is taken.
    path: the path of the checkpoint to write, 'folder/model.ckpt' say.

  Returns:
    What was masked, by the names in the checkpoint.

  Raises:
    errors.CheckpointError: there is no checkpoint, or it cannot be read.
    errors.NoMaskedWeightsError: it has no masks.
    errors.WriteError: nothing can be written there.
  """
  source = Checkpoint(place)
  path = check_elsewhere(source, path)
  masked = source.masked()
  if not masked:
    raise errors.NoMaskedWeightsError(
        'Checkpoint %s has no masks; is it stripped already?' % source.path)
  weights = {names.weight: names.mask for names in masked}
  for names in masked:  # Evaluation may run on averages, which were masked like the weight.
    average = names.weight + '/ExponentialMovingAverage'
    if source.shapes.get(average) == source.shapes[names.weight]:
      weights[average] = names.mask
  gone = {name for names in masked for name in (names.mask,) + names.others}

  values = {name: source.read(name) for name in source.shapes
            if name not in gone and name.rsplit('/', 1)[-1] not in _STEPS}
  for name, mask in weights.items():
    value = values[name]
    wide = np.float64 if value.dtype == np.float64 else np.float32
    product = value.astype(wide) * source.read(mask).astype(wide)
    values[name] = fold.zeros_alike(product).astype(value.dtype)
  write(path, values, [source.path])
  return masked


def check_elsewhere(source: Checkpoint, path: Any) -> str:
  """Returns the path to write, as a string.

  Raises:
    errors.WriteError: it is in the folder that training resumes from; see files.check_output.
  """
  path = files.check_output(path)
  folder = os.path.dirname(os.path.abspath(path))
  if os.path.realpath(folder) == os.path.realpath(os.path.dirname(os.path.abspath(source.path))):
    raise errors.WriteError(
        '%s is in the folder of the checkpoint it is made of, where training would resume from it; '
        'give another folder' % path)
  return path


def write(path: Any, values: Mapping[str, np.ndarray], inputs: Sequence[Any] = ()) -> None:
  """Writes a checkpoint of variables by their names, and makes it the latest of its folder.

  Args:
    path: its path, without a suffix.
    values: what to save.
    inputs: see files.check_output.

  Raises:
    errors.WriteError: nothing can be written there.
  """
  path = files.check_output(path)
  folder, name = os.path.split(os.path.abspath(path))
  if not path or path.endswith(os.sep) or os.path.isdir(path):
    raise errors.WriteError('%s is a folder; give the path of a checkpoint in it: %s' %
                            (path, os.path.join(path, 'model.ckpt')))
  state = sources.checkpoint_state(folder) if os.path.isdir(folder) else None
  latest = os.path.basename(state.model_checkpoint_path) if state is not None else name
  if latest != name:
    raise errors.WriteError(
        '%s has checkpoints already, and who trains there would resume from this one in place of '
        '%s; give another folder' % (folder, latest))
  with writing.by_tensorflow(path), files.staging(folder, inputs) as temporary:
    with tf.Graph().as_default(), tf.Session() as session:
      names = sorted(values)
      # Fed, not built in: a graph may hold no more than 2 GB.
      placeholders = [tf.placeholder(values[key].dtype) for key in names]
      save = tf.raw_ops.SaveV2(prefix=os.path.join(temporary, name), tensor_names=names,
                               shape_and_slices=[''] * len(names), tensors=placeholders)
      session.run(save, {tensor: values[key] for tensor, key in zip(placeholders, names)})
    tf.train.update_checkpoint_state(temporary, os.path.join(folder, name))
