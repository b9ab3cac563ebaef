# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Determines the kind of model at a path: by content first, then by name."""

import os
import re
from typing import Any, Callable, Dict
import zipfile

from model_pruning import errors
from model_pruning.reading import inputs

CHECKPOINT = 'checkpoint'
GRAPH = 'frozen graph'
SAVED_MODEL = 'SavedModel'
TFLITE = 'TFLite model'
KERAS = 'Keras model'
KERAS_WEIGHTS = 'weights of a Keras model'

# The functions that read models, by kind, for kinds that need a higher folder of the package.
# model_pruning/__init__.py registers the reader of Keras models, which loads Keras only if used.
READERS: Dict[str, Callable[[str], Any]] = {}

_HDF5 = b'\x89HDF\r\n\x1a\n'
_ZIP = b'PK\x03\x04'
_CONFIG, _WEIGHTS = 'config.json', 'model.weights.h5'  # In a .keras file.
HDF5_SUFFIXES = ('.h5', '.hdf5')
KERAS_SUFFIXES = ('.keras',) + HDF5_SUFFIXES
_WEIGHTS_SUFFIXES = ('.weights.h5', '.weights.hdf5')


def kind_of(path: str) -> str:
  """Returns the kind of model at a path, one of this module's constants.

  The first bytes of a file identify TFLite models, Keras's zip archives, and HDF5 with or
  without an architecture. Other files, and paths without a file, are identified by name.
  A folder without a saved_model.pb counts as a folder of checkpoints, and a file of no other
  kind as a GraphDef.
  """
  if os.path.basename(path) == 'saved_model.pb' or inputs.exists(
      os.path.join(path, 'saved_model.pb')):
    return SAVED_MODEL
  is_file = inputs.exists(path) and not inputs.is_folder(path)
  by_content = _by_content(path) if is_file else None
  if by_content:
    return by_content
  name = path.lower()
  if name.endswith('.tflite'):
    return TFLITE
  if is_weights_name(path):
    return KERAS_WEIGHTS
  if name.endswith(KERAS_SUFFIXES):
    return KERAS
  if path.endswith(('.pb', '.pbtxt')):
    return GRAPH
  of_checkpoint = inputs.exists(re.sub(r'\.(index|meta|data-\d+-of-\d+)$', '', path) + '.index')
  return GRAPH if is_file and not of_checkpoint else CHECKPOINT


def is_weights_name(path: str) -> bool:
  """Whether a file has the name of a file of Keras weights without an architecture."""
  return path.lower().endswith(_WEIGHTS_SUFFIXES)


def check_keras_output(path: str) -> str:
  """Returns a path after checking that a Keras model can be written there by its name.

  Raises:
    errors.WriteError: it ends in neither .keras nor .h5.
  """
  if not path.lower().endswith(KERAS_SUFFIXES) or is_weights_name(path):
    raise errors.WriteError('%s is no name for a Keras model; end it in .keras or .h5' % path)
  return path


def check_graph_output(path: str) -> str:
  """Returns a path after checking that its name is not one of a model of another kind.

  Raises:
    errors.WriteError: it ends as the name of a Keras model or of a TFLite model.
  """
  if path.lower().endswith(KERAS_SUFFIXES + ('.tflite',)):
    raise errors.WriteError('%s is no name for a frozen graph, which is to be written; end it in '
                            '.pb' % path)
  return path


def saved_model_folder(path: str) -> str:
  """Returns the folder of a SavedModel, given the folder or its saved_model.pb."""
  return (os.path.dirname(path) or '.') if os.path.basename(path) == 'saved_model.pb' else path


def _by_content(path: str) -> str:
  """Returns the kind of a file by its content; '' if that does not identify it."""
  head = inputs.head(path, 8)  # Enough: reading the whole file later reports damage.
  if head[4:] == b'TFL3':
    return TFLITE
  if head == _HDF5:
    return KERAS if has_architecture(path) else KERAS_WEIGHTS
  if head[:4] == _ZIP:
    try:
      with zipfile.ZipFile(path) as archive:
        members = set(archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
      return KERAS if path.lower().endswith(KERAS_SUFFIXES) else ''
    return KERAS if {_CONFIG, _WEIGHTS} & members else ''
  return ''


def has_architecture(path: str) -> bool:
  """Whether an HDF5 file contains a whole Keras model; by its name if it cannot be opened."""
  try:
    import h5py  # Installed with TensorFlow.
    with h5py.File(path, 'r') as f:
      return 'model_config' in f.attrs
  except (ImportError, OSError, RuntimeError, ValueError, KeyError):
    return not is_weights_name(path)
