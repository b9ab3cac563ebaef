# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What kind of model a path holds: the one place that decides, by content first, then by name."""

import os
import re
from typing import Any, Callable, Dict
import zipfile

from model_pruning.reading import inputs

CHECKPOINT = 'checkpoint'
GRAPH = 'frozen graph'
SAVED_MODEL = 'SavedModel'
TFLITE = 'TFLite model'
KERAS = 'Keras model'
KERAS_WEIGHTS = 'weights of a Keras model'

# What reads the kinds that need a layer above this one. model_pruning/__init__.py enters Keras,
# which reads its own files, and is loaded for them only.
READERS: Dict[str, Callable[[str], Any]] = {}

_HDF5 = b'\x89HDF\r\n\x1a\n'
_ZIP = b'PK\x03\x04'
_CONFIG, _WEIGHTS = 'config.json', 'model.weights.h5'  # In a .keras file.
HDF5_SUFFIXES = ('.h5', '.hdf5')
KERAS_SUFFIXES = ('.keras',) + HDF5_SUFFIXES
_WEIGHTS_SUFFIXES = ('.weights.h5', '.weights.hdf5')


def kind_of(path: str) -> str:
  """Returns the kind of model at a path, one of the constants of this file.

  A file is told by its first bytes: TFLite models, zip archives of Keras, and HDF5, with or
  without an architecture. What has none of these, or does not exist, is told by its name.
  Folders without a saved_model.pb are taken to hold checkpoints, and files of no other kind
  to hold a GraphDef.
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
  """Whether a file is called like one of Keras weights without an architecture."""
  return path.lower().endswith(_WEIGHTS_SUFFIXES)


def saved_model_folder(path: str) -> str:
  """Returns the folder of a SavedModel, given that or the saved_model.pb in it."""
  return (os.path.dirname(path) or '.') if os.path.basename(path) == 'saved_model.pb' else path


def _by_content(path: str) -> str:
  """Returns the kind of a file by its first bytes; '' where these do not tell."""
  head = inputs.head(path, 8)  # Reading the rest says what is wrong with it.
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
  """Whether an HDF5 file holds a whole Keras model; True where it cannot be opened."""
  try:
    import h5py  # TensorFlow brings it along.
    with h5py.File(path, 'r') as f:
      return 'model_config' in f.attrs
  except (ImportError, OSError, RuntimeError, ValueError, KeyError):
    return not is_weights_name(path)
