# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reads and writes files of Keras models, .keras and .h5; a file's content decides its format."""

import contextlib
import os
import tempfile
from typing import Any, Iterator, List, Sequence
import zipfile

from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.keras import archives
from model_pruning.keras import backend
from model_pruning.keras import configs
from model_pruning.keras import graphs
from model_pruning.keras import variables
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.reporting import goals
from model_pruning.keras.reporting import last_update
from model_pruning.keras.reporting import stored_weights
from model_pruning.reading import kinds
from model_pruning.reading import tensors
from model_pruning.reading.models import StoredModel
from model_pruning.util import files
from model_pruning.util.types import DType
from model_pruning.util.types import Model

_SPARE = 2**26  # Bytes of weights that a model may have beyond those in its file.
_IN_PYTHON = (
    'in Python, load it with keras.models.load_model(%r%s), and pass the model to '
    'model_pruning.keras.report, strip_pruning or to_tflite')


def load(path: str) -> Any:
  """Returns the Keras model in a .keras or .h5 file, pruned or not; it is not compiled.

  Raises:
    errors.ModelFileError: there is no file, it is damaged, or it contains code (a Lambda layer)
      or layers that are not registered.
  """
  path = files.as_path(path)
  if not os.path.isfile(path):
    raise errors.ModelFileError('There is no file %s; expected a Keras model' % path)
  try:
    found = archives.contents(path)
    _check_config(path, found.config)
    with backend.quietly(), _named(path) as named, _within(path, found.array_bytes):
      return keras.models.load_model(named, compile=False)
  except errors.PruningError:
    raise
  except Exception as error:  # Keras and HDF5 raise many classes.
    reason = backend.reason(error)
    other = _other_keras(path)
    if other:
      raise errors.ModelFileError('%s; Keras says: %s' % (other, reason)) from error
    if 'nknown' in reason or 'ould not locate' in reason or 'register' in str(error):
      raise _unknown(path, reason) from error
    version = getattr(keras, '__version__', tensorflow.__version__)
    raise errors.ModelFileError(
        '%s cannot be loaded by Keras %s (%s); it may be damaged, or written by another version: '
        'save it again' % (path, version, reason)) from error


def stored_model(path: str) -> StoredModel:
  """Returns the weights and masks in a .keras or .h5 file.

  Raises:
    errors.ModelFileError: see load.
  """
  model = load(path)
  graph = graphs.graph_of(model)
  return StoredModel(path, kinds.KERAS, graph.nodes if graph else {}, (),
                     lambda: stored_weights(model, graph), last_update(model), goals=goals(model))


def weight_names(model: Model) -> List[str]:
  """Returns the names of the pruned weights of a model."""
  return [record.name for layer in pruned_layers(model) for record in layer.pruning.weights]


def save(model: Model, path: str) -> None:
  """Writes a model to a .keras or .h5 file, whole or not at all.

  Raises:
    errors.WriteError: the path ends in neither .keras nor .h5, or nothing can be written there.
  """
  path = kinds.check_keras_output(files.as_path(path))
  with files.replacing(path) as temporary, backend.quietly():
    model.save(temporary)


@contextlib.contextmanager
def _named(path: str) -> Iterator[str]:
  """Yields a path of the file with the suffix that Keras requires for its content."""
  if path.lower().endswith(kinds.KERAS_SUFFIXES):
    yield path
    return
  with tempfile.TemporaryDirectory() as folder:
    link = os.path.join(folder, 'model' + ('.keras' if zipfile.is_zipfile(path) else '.h5'))
    os.symlink(os.path.abspath(path), link)
    yield link


def _check_config(path: str, config: Any) -> None:
  if configs.has_code(config):
    raise errors.ModelFileError(
        '%s has a Lambda layer, whose function is stored as code; code from a file is not run '
        'here: if you trust it, %s' % (path, _IN_PYTHON % (path, ', safe_mode=False')))
  module = configs.unknown_module(
      config, lambda name: keras.utils.get_registered_object(name) is not None)
  if module is not None:
    raise _unknown(path, 'they are in the module %s, which is not imported on the word of a file' %
                   module)
  layer = configs.unreachable_layer(config)
  if layer is not None:
    raise errors.ModelFileError(
        '%s has a layer %s whose inputs form a circle, or come from no layer; the config is '
        'damaged: save the model again' % (path, layer))


def _other_keras(path: str) -> str:
  """Returns an explanation, with advice, if the other major version of Keras wrote a file; else ''.
  """
  version = archives.keras_version(path)
  if backend.IS_KERAS_3 and version.startswith('2.'):
    return ('%s was written by Keras %s, and this is Keras 3; install tf_keras, which is Keras 2, '
            'and set the environment variable TF_USE_LEGACY_KERAS=1; or strip the model with the '
            'TensorFlow that wrote it' % (path, version))
  if not backend.IS_KERAS_3 and version.startswith('3.'):
    return ('%s was written by Keras %s, and this is Keras 2; use TensorFlow 2.16 or newer, '
            'without the environment variable TF_USE_LEGACY_KERAS' % (path, version))
  return ''


def _unknown(path: str, reason: str) -> errors.ModelFileError:
  return errors.ModelFileError(
      '%s has layers or functions that Keras does not know (%s); after importing the module that '
      'registers them, %s' % (path, reason, _IN_PYTHON % (path, ', custom_objects={...}')))


@contextlib.contextmanager
def _within(path: str, array_bytes: int) -> Iterator[None]:
  """Raises errors.ModelFileError before a model allocates many more weights than its file has.

  A config can declare weights of any size, without arrays for them in the file.
  """
  most = 2 * array_bytes + _SPARE
  total = 0
  refused: List[errors.ModelFileError] = []

  def check(layer: str, shape: Sequence[int], dtype: DType) -> None:
    nonlocal total
    try:
      itemsize = tensorflow.as_dtype(dtype).size or 1
    except TypeError:  # Keras reports it.
      itemsize = 4
    total += tensors.elements(shape) * itemsize
    if total > most:
      refused.append(errors.ModelFileError(
          '%s has layers whose weights would take %s bytes or more (layer %s has one of shape %s), '
          'but holds %s bytes of weights; its config is damaged: save the model again' % (
              path, '{:,}'.format(total), layer, 'x'.join(map(str, shape)),
              '{:,}'.format(array_bytes))))
      raise refused[0]

  try:
    with variables.weights_watched(check):
      yield
  except Exception:
    if refused:  # Keras wraps it in another error.
      raise refused[0] from None
    raise
  if refused:
    raise refused[0]
