# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Removes masks from checkpoints, and writes checkpoints."""

import os
from typing import Any, Dict, List, Mapping, Sequence, Set

import numpy as np

from model_pruning import errors
from model_pruning import names as names_lib
from model_pruning.compat import tf
from model_pruning.export import writing
from model_pruning.export.folding import fold
from model_pruning.reading import bundle
from model_pruning.reading import nodes
from model_pruning.reading import ownership
from model_pruning.reading import places
from model_pruning.reading import sources
from model_pruning.reading.ownership import MaskedNames
from model_pruning.util import files
from model_pruning.util.files import AnyPath
from model_pruning.util.types import MetaGraphDef


class Checkpoint:
  """The variables in a checkpoint, each read when it is needed."""

  def __init__(self, place: AnyPath) -> None:
    """Opens a checkpoint.

    Args:
      place: the path of a checkpoint, or a directory, of which the latest one is taken.

    Raises:
      errors.CheckpointError: there is no checkpoint, or it cannot be read.
    """
    self.path = places.checkpoint_path(place)
    bundle.check(self.path)
    try:
      self._reader = tf.train.NewCheckpointReader(self.path)
      self.shapes: Dict[str, List[int]] = self._reader.get_variable_to_shape_map()
      self.dtypes: Dict[str, Any] = {
          name: tf.as_dtype(dtype).base_dtype
          for name, dtype in self._reader.get_variable_to_dtype_map().items()}
    except Exception as error:  # Raised by the C++ reader; the class depends on the version.
      raise sources.unreadable(self.path, error) from error

  def read(self, name: str) -> np.ndarray:
    """Returns the value of a variable; of a partitioned one, the whole.

    Raises:
      errors.CheckpointError: it cannot be read.
    """
    try:
      return np.asarray(self._reader.get_tensor(name))
    except Exception as error:
      raise sources.unreadable(self.path, error) from error

  def masked(self) -> List[MaskedNames]:
    """Returns the masked weights, under the keys of the checkpoint; see reading.ownership.

    Raises:
      errors.CheckpointError: it is unknown which weight a mask belongs to.
    """
    keys = {ownership.name_of(key): key for key in self.shapes if '.OPTIMIZER_SLOT' not in key}
    variables = ownership.Variables(
        {name: tuple(self.shapes[key]) for name, key in keys.items()},
        {name: self.dtypes[key] for name, key in keys.items()}, lambda name: self.read(keys[name]))
    meta = self._meta_graph()
    found = ownership.ownership(variables, meta, nodes.flatten(meta.graph_def))
    for unowned in found.unowned:
      raise self._unowned(unowned, ownership.OBJECT_GRAPH in self.shapes)
    return [MaskedNames(keys[each.weight], keys[each.mask],
                        tuple(keys[other] for other in each.others),
                        each.threshold and keys[each.threshold]) for each in found.owned]

  def _meta_graph(self) -> MetaGraphDef:
    meta = tf.MetaGraphDef()
    if tf.gfile.Exists(self.path + '.meta'):
      try:
        meta = sources.meta_graph(self.path + '.meta')
      except Exception as error:
        raise sources.unreadable(self.path, error) from error
    return meta

  def _unowned(self, unowned: ownership.Unowned, of_objects: bool) -> errors.CheckpointError:
    if unowned.computed:
      return errors.CheckpointError(
          'In checkpoint %s the mask %s applies to %s, which is computed and not a variable that '
          'could be multiplied; strip to a graph or a SavedModel instead' % (
              self.path, unowned.mask, unowned.computed))
    return errors.CheckpointError('Checkpoint %s has a mask %s %s; %s' % (
        self.path, unowned.mask,
        'that may belong to several weights: ' + ', '.join(unowned.candidates)
        if unowned.candidates else 'without a weight of its shape beside it',
        'strip the model that was saved (a .keras file) instead' if of_objects else
        'keep its .meta file beside it, which lists the weights of masks'))


def strip_checkpoint(place: AnyPath, path: AnyPath) -> List[MaskedNames]:
  """Writes a checkpoint with weights multiplied by their masks, for code without masks.

  Exponential moving averages of weights are multiplied as well. Masks, thresholds and the other
  variables of pruning are left out. Everything else is copied: biases, the global step, the
  state of optimizers.

  Args:
    place: a checkpoint with masks, or a directory, of which the latest one is taken.
    path: the path of the checkpoint to write, for example 'folder/model.ckpt'.

  Returns:
    The names of the masked weights and their masks in the checkpoint.

  Raises:
    errors.CheckpointError: there is no checkpoint, it cannot be read, or it is unknown which weight
      a mask belongs to.
    errors.NoMaskedWeightsError: it has no masks.
    errors.WriteError: nothing can be written to `path`.
  """
  source = Checkpoint(place)
  path = check_elsewhere(source, path)
  masked = source.masked()
  if not masked:
    raise errors.NoMaskedWeightsError(
        'Checkpoint %s has no masks; is it stripped already?' % source.path)
  masks: Dict[str, List[str]] = {}
  for names in masked:  # Evaluation may use the averages, which were masked like the weight.
    for name in (names.weight, names.weight + '/ExponentialMovingAverage'):
      if source.shapes.get(name) == source.shapes[names.weight]:
        masks.setdefault(name, []).append(names.mask)
  gone = {name for names in masked for name in (names.mask,) + names.others}

  values = {name: source.read(name) for name in source.shapes if not _is_gone(name, gone)}
  for name, over in masks.items():
    value = values[name]
    wide = np.float64 if value.dtype == np.float64 else np.float32
    product = value.astype(wide)
    for mask in over:
      product = product * source.read(mask).astype(wide)
    values[name] = fold.zeros_alike(product).astype(value.dtype)
  write(path, values, [source.path])
  return masked


def _is_gone(name: str, gone: Set[str]) -> bool:
  """Whether a variable is part of pruning: one in `gone`, its average, or the step of an update."""
  plain = ownership.name_of(name)
  leaf = names_lib.split(plain)[1].replace(names_lib.KERAS_ATTRIBUTE, '')
  return name in gone or plain.rpartition('/')[0] in gone or leaf in names_lib.STEPS


def check_elsewhere(source: Checkpoint, path: AnyPath) -> str:
  """Returns the path to write as a string, after checking its folder.

  Raises:
    errors.WriteError: training would resume from it, as it is in the folder of `source`; or
      see files.check_output.
  """
  path = files.check_output(path)
  folder = os.path.dirname(os.path.abspath(path))
  if os.path.realpath(folder) == os.path.realpath(os.path.dirname(os.path.abspath(source.path))):
    raise errors.WriteError(
        '%s is in the folder of the checkpoint it is made from, where training would resume from '
        'it; give another folder' % path)
  return path


def write(path: AnyPath, values: Mapping[str, np.ndarray], inputs: Sequence[Any] = ()) -> None:
  """Writes a checkpoint of variables by their names, and makes it the latest in its folder.

  Args:
    path: its path, without a suffix.
    values: the values of the variables, by name.
    inputs: see files.check_output.

  Raises:
    errors.WriteError: nothing can be written there.
  """
  path = files.check_output(path)
  folder, name = os.path.split(os.path.abspath(path))
  if not path or path.endswith(os.sep) or os.path.isdir(path):
    raise errors.WriteError('%s is a folder; give the path of a checkpoint in it: %s' %
                            (path, os.path.join(path, 'model.ckpt')))
  state = places.checkpoint_state(folder) if os.path.isdir(folder) else None
  latest = os.path.basename(state.model_checkpoint_path) if state is not None else name
  if latest != name:
    raise errors.WriteError(
        '%s has checkpoints already, and training there would resume from this one instead of '
        '%s; give another folder' % (folder, latest))
  with writing.by_tensorflow(path), files.staging(folder, inputs) as temporary:
    with tf.Graph().as_default(), tf.Session() as session:
      names = sorted(values)
      # Values are fed, not built in, as a graph may hold at most 2 GB.
      placeholders = [tf.placeholder(values[key].dtype) for key in names]
      save = tf.raw_ops.SaveV2(prefix=os.path.join(temporary, name), tensor_names=names,
                               shape_and_slices=[''] * len(names), tensors=placeholders)
      session.run(save, {tensor: values[key] for tensor, key in zip(placeholders, names)})
    tf.train.update_checkpoint_state(temporary, os.path.join(folder, name))
