# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reads the weights in files of Keras's save_weights(): HDF5, without an architecture."""

import os
import re
from typing import Any, Dict, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.reading import hdf5
from model_pruning.reading.ownership import Variables
from model_pruning.util.types import DType

# Top-level groups of optimizers and metrics.
_ASIDE = re.compile(r'^(optimizer|_?optimizer_weights|metrics|compile_metrics)(/|$)')


def open_weights(path: str) -> Variables:
  """Reads the list of variables of a file of weights.

  Names are the paths in the file. In .weights.h5 files, variables of a layer are numbered and
  layers are named after their classes: 'layers/dense_1/0', 'layers/dense_1/mask'. Older files
  have names like those in TensorFlow: 'fc/kernel'.

  Raises:
    errors.ModelFileError: it is damaged; reading a variable may raise the same.
    errors.MissingPackageError: h5py is not installed.
  """
  try:
    import h5py  # Installed with TensorFlow.
  except ImportError as error:
    raise errors.MissingPackageError(
        '%s holds weights in HDF5, which needs h5py; pip install h5py' % path) from error
  found: Dict[str, Tuple[str, Any]] = {}

  def visit(name: str, item: Any) -> None:
    if isinstance(item, h5py.Dataset) and item.shape is not None and \
        item.dtype.kind in 'fiuV' and not _ASIDE.match(name):
      found[_name_of(name)] = (name, item)

  try:
    with h5py.File(path, 'r') as f:
      hdf5.check(f, path, os.path.getsize(path))
      f.visititems(visit)
      shapes = {name: tuple(item.shape) for name, (_, item) in found.items()}
      dtypes = {name: _dtype(item.dtype) for name, (_, item) in found.items()}
      keys = {name: key for name, (key, _) in found.items()}
  except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
    raise _damaged(path, error) from error

  def get(name: str) -> np.ndarray:
    try:
      with h5py.File(path, 'r') as f:
        return np.asarray(f[keys[name]])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
      raise _damaged(path, error) from error

  return Variables(shapes, dtypes, get)


def _damaged(path: str, error: BaseException) -> errors.ModelFileError:
  return errors.ModelFileError('%s cannot be read as HDF5 (%s); it may be truncated: save it '
                               'again' % (path, errors.first_line(error)))


def _dtype(dtype: DType) -> DType:
  try:
    return tf.as_dtype(dtype).base_dtype
  except TypeError:
    return tf.resource  # Not a dtype of weights.


def _name_of(key: str) -> str:
  """Returns the name of a variable, given its path in the file."""
  name = re.sub(r':\d+$', '', key)
  if '/vars/' not in name and not name.startswith('vars/'):
    # Grouped by layer; each name begins with the layer's name: fc/fc/kernel.
    head, _, rest = name.partition('/')
    return rest if rest.startswith(head + '/') else name
  name = re.sub(r'(^|/)vars/', r'\1', name)
  # The names that the layer itself uses, so that the rules for masks and weights apply.
  return re.sub(r'(mask|threshold)_(\d+)$', r'pruning_\2_\1', name)
