# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds the model at a path; local paths need no TensorFlow."""

import glob
import os
import re
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple, Union

from model_pruning import errors
from model_pruning.reading import inputs
from model_pruning.reading import kinds
from model_pruning.util import files
from model_pruning.util.files import AnyPath


def kind_at(place: AnyPath) -> str:
  """Returns the kind of the model at a path, after checking that something is there.

  Args:
    place: see reading.models.load.

  Raises:
    errors.CheckpointError: there is no checkpoint.
    errors.ModelFileError: there is no file, or it cannot be read as a model.
    errors.PathError: it is not a path.
  """
  path = inputs.check(place)
  kind = kinds.kind_of(path)
  if kind == kinds.CHECKPOINT:
    checkpoint_path(path)
  elif not inputs.exists(path):
    raise errors.ModelFileError('There is no file %s; expected %s' % (path, {
        kinds.KERAS: 'a Keras model', kinds.KERAS_WEIGHTS: 'weights of a Keras model',
        kinds.GRAPH: 'a frozen graph', kinds.TFLITE: 'a TFLite model'}.get(kind, 'a model')))
  return kind


def checkpoint_path(place: AnyPath) -> str:
  """Returns the prefix of a checkpoint.

  Args:
    place: the prefix, one of the checkpoint's files, or a folder, whose latest one is taken.

  Raises:
    errors.CheckpointError: there is none.
  """
  place = inputs.check(place)
  prefix = _prefix(place)
  if prefix and inputs.exists(prefix + '.index'):
    return prefix
  path = _latest(place) if inputs.is_folder(place) else None
  if path is None:
    raise errors.CheckpointError(
        'Could not find a checkpoint at: %s; expected the folder to which training wrote '
        'checkpoints, or the path of one (there is no %s)%s' % (
            place, os.path.join(place, '*.index') if inputs.is_folder(place) else prefix + '.index',
            _near(place)))
  return path


def _near(place: str) -> str:
  """Returns '; ...' with models that may be meant, in subfolders or beside it; '' for none."""
  if files.scheme(place) is not None:
    return ''
  place = os.path.normpath(place)
  if not os.path.isdir(place):
    return _listed('checkpoints', {
        path[:-len('.index')] for path in glob.iglob(
            os.path.join(glob.escape(os.path.dirname(place)), '*.index'))})
  below = [os.path.join(glob.escape(place), *['*'] * depth) for depth in (1, 2, 3)]
  return _listed('model files', {
      path for path in glob.iglob(os.path.join(glob.escape(place), '*'))
      if path.endswith(('.h5', '.keras', '.pb', '.tflite'))}) + _listed('checkpoints in', {
      os.path.dirname(path) for folder in below
      for path in glob.iglob(os.path.join(folder, '*.index'))
      if os.path.basename(os.path.dirname(path)) != 'variables'}) + _listed('SavedModels in', {
          os.path.dirname(path) for folder in below
          for path in glob.iglob(os.path.join(folder, 'saved_model.pb'))})


def _listed(noun: str, paths: Set[str]) -> str:
  shown = ['...'] * (len(paths) > 4) + sorted(paths, key=_natural)[-4:]
  return '; there are %s %s' % (noun, ', '.join(shown)) if paths else ''


def _natural(path: str) -> List[Union[int, str]]:
  """Returns a sort key that compares numbers by value: ckpt-9 comes before ckpt-10."""
  return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', path)]


def checkpoint_state(folder: str) -> Any:
  """Returns the CheckpointState of a folder; None if there is none, or it is damaged."""
  if not inputs.exists(os.path.join(folder, 'checkpoint')):
    return None
  from model_pruning.compat import tf  # Imported only if there is something to read.
  try:
    return tf.train.get_checkpoint_state(folder)
  except (tf.errors.OpError, OSError, ValueError):
    return None


def event_files(place: AnyPath, depth: Optional[int] = None) -> Dict[str, List[str]]:
  """Returns the event files of a run, oldest first, by their folder relative to `place`.

  Args:
    place: an event file, or a folder to search for event files.
    depth: number of levels of subfolders to search; None for all.

  Raises:
    errors.ModelFileError: there are none.
  """
  path = inputs.check(place)
  if os.path.isfile(path):
    return {'': [path]}
  runs = {}
  for folder, names in sorted(_folders(path, depth)):
    found = [os.path.join(folder, name) for name in names if 'tfevents' in name]
    if found:
      runs[os.path.relpath(folder, path)] = sorted(found, key=_started)
  if not runs:
    raise errors.ModelFileError(
        'There are no event files (*tfevents*) %s %s; give the folder to which training wrote its '
        'summaries' % ('in' if os.path.isdir(path) else 'at', path))
  return runs


def _folders(path: str, depth: Optional[int]) -> Iterator[Tuple[str, List[str]]]:
  """Yields (folder, names of the files in it), for a folder and its subfolders."""
  for folder, inner, names in os.walk(path):
    yield folder, names
    below = os.path.relpath(folder, path)
    level = 0 if below == os.curdir else 1 + below.count(os.sep)
    if depth is not None and level >= depth:
      inner.clear()


def _started(path: str) -> Tuple[int, str]:
  seconds = re.search(r'tfevents\.(\d+)', path)
  return (int(seconds.group(1)) if seconds else 0, path)


def _prefix(path: str) -> str:
  return re.sub(r'\.(index|meta|data-\d+-of-\d+)$', '', path)


def _latest(folder: str) -> Optional[str]:
  """Returns the latest checkpoint of a folder, which may have been moved or copied."""
  state = checkpoint_state(folder)
  if state is not None and state.model_checkpoint_path:
    recorded = state.model_checkpoint_path
    for path in (os.path.join(folder, os.path.basename(recorded)), recorded):
      if inputs.exists(path + '.index'):
        return path
  # The list of checkpoints may be missing after copying.
  found = glob.glob(os.path.join(glob.escape(folder), '*.index'))
  return max(found, key=_age)[:-len('.index')] if found else None


def _age(index_file: str) -> Tuple[int, float]:
  step = re.search(r'-(\d+)\.index$', index_file)
  return (int(step.group(1)) if step else -1, os.path.getmtime(index_file))
