# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The export of models that comes with Keras, and what it needs."""

import inspect
import re

from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.keras import backend
from model_pruning.keras import graphs
from model_pruning.util.types import Model

# The names that a graph of TensorFlow can have: of a model, and of a layer in it.
_SCOPE = re.compile(r'[A-Za-z0-9.][\w.\\/>-]*$', re.ASCII)
_INNER_SCOPE = re.compile(r'[\w.\\/>-]+$', re.ASCII)


def check_built(model: Model) -> None:
  """Raises errors.LayerError for what is no built model, or has a name that Keras cannot trace."""
  if not isinstance(model, backend.keras.Model) or not model.built:
    raise errors.LayerError('%r is not a built Keras model; call it on data, or give it inputs, '
                            'first' % (model,))
  if backend.IS_KERAS_3:
    # Keras would raise in the middle of opening the scope, and never close it again: all layers
    # built later would have the name in their paths.
    for layer in backend.layers_in(model):
      if not (_SCOPE if layer is model else _INNER_SCOPE).match(layer.name):
        raise errors.LayerError(
            'Keras 3 cannot trace %s %r: a name in a graph %s. Give it another name, for example '
            'name=%r' % (
                'the model' if layer is model else 'a model with the layer', layer.name,
                'begins with a letter, a digit or a dot' if _INNER_SCOPE.match(layer.name) else
                'has only letters, digits and the characters _ . - / >',
                re.sub(r'[^\w.-]+', '_', layer.name, flags=re.ASCII).lstrip('_') or 'model'))


def export(model: Model, folder: str) -> None:
  """Writes a model without masks as a SavedModel, as Keras does it.

  Args:
    model: a built model.
    folder: the folder to write.

  Raises:
    errors.ConversionError: Keras cannot.
  """
  try:
    with backend.quietly():
      if not hasattr(model, 'export'):
        _save(model, folder)
      elif backend.IS_KERAS_3:
        _with_dtypes(model, folder)
      else:
        model.export(folder)
  except (ValueError, TypeError, LookupError, AttributeError) as error:
    raise errors.ConversionError('Keras cannot export model %s (%s); %s' % (
        model.name, errors.first_line(error), 'call the model on data first' if
        backend.inputs_of(model) is None else 'does it run in a tf.function?')) from error


def _with_dtypes(model: Model, folder: str) -> None:
  """Exports with Keras 3, which takes inputs of a subclassed model to be of float32."""
  noted = graphs.noted_inputs(model) if backend.inputs_of(model) is None else None
  try:
    model.export(folder, verbose=False)
  except (ValueError, TypeError):
    if noted is None or 'input_signature' not in inspect.signature(model.export).parameters:
      raise
    integers = tensorflow.nest.map_structure(
        lambda spec: backend.keras.InputSpec(tf.int32.name, [None, *spec.shape[1:]]), noted)
    model.export(folder, verbose=False, input_signature=[integers])


def _save(model: Model, folder: str) -> None:
  """Does what Model.export does, which came with TensorFlow 2.13."""
  structure, signatures = backend.inputs_of(model), None
  if structure is not None:
    signatures = graphs.traced(model, structure, graphs.specs_of(structure, {}, None)).function
  tensorflow.saved_model.save(model, folder, signatures=signatures)
