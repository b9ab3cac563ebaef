# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checks whether a copy of a model is the same model: layers, weights, attributes and outputs."""

import itertools
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from model_pruning.compat import tensorflow
from model_pruning.keras import attributes
from model_pruning.keras import backend
from model_pruning.keras import states
from model_pruning.keras import variables
from model_pruning.keras.backend import keras
from model_pruning.keras.copying import Copy
from model_pruning.keras.copying import plain_weights
from model_pruning.util.types import DType
from model_pruning.util.types import Layer
from model_pruning.util.types import Variable

_LENGTHS = (8, 32, 224)  # Tried for dimensions of inputs that are not fixed.


class Difference(NamedTuple):
  """Why a copy does not count as exact.

  Attributes:
    reason: a clause: "attribute factor of layer scale is 5.0, and 1.0 in a copy made from ...".
    shown: whether the two do differ; False if they could not be compared.
  """
  reason: str
  shown: bool


def difference(layer: Layer, copy: Copy) -> Optional[Difference]:
  """Returns why a copy of a layer or model may not be exact; None if it is shown to be exact.

  It is exact if it has the same number of layers, of the same classes and names, and the same
  number of distinct weights (whose values were copied); equal attributes, except those that Keras
  sets; and, if built, the same outputs and losses for a batch of random inputs. The layer
  is called for this, and its state is restored.
  """
  reason = _structure(layer, copy) or _attributes(copy)
  if reason:
    return Difference(reason, shown=True)
  return _outputs(layer, copy.layer) if layer.built and layer.weights else None


def _structure(layer: Layer, copy: Copy) -> Optional[str]:
  for source, target in copy.all_pairs():
    if type(source) is not type(target):
      if backend.plain_class(source) is backend.plain_class(target):
        return 'layer %s was pruned in a way that no config records' % source.name
      return 'layer %s is a %s, but a %s in a copy made from its config' % (
          source.name, type(source).__name__, type(target).__name__)
    if source.name != target.name:
      return 'layer %s is called %s in a copy made from its config' % (
          source.name, target.name)
  numbers = [len(backend.layers_in(each)) for each in (layer, copy.layer)]
  if numbers[0] != numbers[1]:
    return 'it has %d layers, but a copy made from its config has %d: a layer is shared in a way '\
        'that the config does not record' % tuple(numbers)
  if not layer.built:
    return None
  weights = [{id(weight) for weight in plain_weights(each)} for each in (layer, copy.layer)]
  if len(weights[0]) != len(weights[1]):
    return 'it has %d weights, but a copy made from its config has %d' % tuple(map(len, weights))
  return None


def _attributes(copy: Copy) -> Optional[str]:
  comparison = attributes.Comparison()
  for source, target in copy.all_pairs():
    for name in attributes.names(source, target):
      ours, theirs = (vars(each).get(name) for each in (source, target))
      if not comparison.same(ours, theirs):
        shown = attributes.short(ours), attributes.short(theirs)
        return 'attribute %s of layer %s is %s, and %s in a copy made from its config' % (
            name, source.name, shown[0], shown[1] if shown[0] != shown[1] else 'another')
  return None


# Outputs.


def _outputs(layer: Layer, copy: Layer) -> Optional[Difference]:
  problem = 'its inputs are not known'
  with states.unchanged(layer, copy) as restore:
    for indices, length in itertools.product((False, True), _LENGTHS):
      inputs = _inputs(layer, length, indices)
      if inputs is None:
        break
      try:
        ours = _call(layer, inputs)
      except Exception as error:  # By the layer's own code: other inputs may work.
        problem = 'it cannot be called with random inputs (%s)' % backend.reason(error)
        continue
      try:
        with tensorflow.GradientTape() as tape:
          theirs = _call(copy, inputs)
      except Exception as error:
        return Difference('a copy made from its config fails where the original works (%s)' %
                          backend.reason(error), shown=True)
      shared = _shared(layer, copy, tape.watched_variables())
      if shared:
        return Difference('a copy made from its config computes with the weight %s of the original'
                          % shared[0], shown=True)
      if _alike(ours, theirs):
        return None
      restore()
      if not _alike(ours, _call(layer, inputs)):
        problem = 'its outputs are random'
        break
      return Difference('a copy made from its config computes something else', shown=True)
  return Difference('a copy cannot be compared with it: %s' % problem, shown=False)


def _shared(layer: Layer, copy: Layer, read: Sequence[Variable]) -> List[str]:
  """Returns the names of weights of a layer, and not of its copy, that a call of the copy read.

  Args:
    layer, copy: the layers.
    read: the variables of TensorFlow that the call read.
  """
  of_copy, of_layer = ({id(handle): variables.variable_name(weight) for weight in each.weights
                        for handle in variables.handles_of(weight)} for each in (copy, layer))
  handles = [id(each.handle) for each in read if hasattr(each, 'handle')]
  return [of_layer[each] for each in handles if each in of_layer and each not in of_copy]


def _alike(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> bool:
  return len(ours) == len(theirs) and all(map(_close, ours, theirs))


def _call(layer: Layer, inputs: Any) -> List[np.ndarray]:
  """Returns the outputs and the losses of a layer."""
  kwargs: Dict[str, Any] = {'training': False} if isinstance(layer, keras.Model) else {}
  args: Sequence[Any] = (inputs,)
  if isinstance(inputs, _Arguments):
    args, kwargs = (), {**inputs.values, **kwargs}
  outputs = layer(*args, **kwargs)
  return [np.asarray(each) for each in tensorflow.nest.flatten(outputs) if each is not None] + [
      np.asarray(loss) for loss in layer.losses]


class _Arguments(NamedTuple):
  """Inputs that a layer takes by keyword."""
  values: Dict[str, Any]


def _inputs(layer: Layer, length: int, indices: bool) -> Any:
  """Returns a batch of random inputs for a layer that is built; None if its inputs are unknown.

  Args:
    layer: the layer.
    length: the size of the dimensions that are not fixed, except the first.
    indices: whether floats are zeros and ones, for an Embedding behind an Input of floats.
  """
  rng = np.random.RandomState(0)
  if backend.is_functional(layer):
    structure = backend.inputs_of(layer)
    if structure is None:
      return None
    return tensorflow.nest.map_structure(
        lambda tensor: _random(rng, tensor.shape, tensor.dtype, length, indices), structure)
  config = backend.build_config(layer)
  if not config:
    return None
  shapes = config.get('input_shape', config.get('shapes_dict', config))
  if isinstance(shapes, dict):
    names = {str(name)[:-len('_shape')] if str(name).endswith('_shape') else str(name): shape
             for name, shape in shapes.items()}
    if all(map(_is_shape, names.values())):
      made = {name: _random(rng, shape, None, length) for name, shape in names.items()}
      if list(names) in (['inputs'], ['input']):
        return next(iter(made.values()))
      return _Arguments(made) if 'input_shape' not in config else made
    return None
  if _is_shape(shapes):
    return _random(rng, shapes, None, length)
  if isinstance(shapes, (list, tuple)) and all(map(_is_shape, shapes)):
    return [_random(rng, shape, None, length) for shape in shapes]
  return None


def _is_shape(shape: Any) -> bool:
  if isinstance(shape, tensorflow.TensorShape):
    return shape.rank is not None
  return isinstance(shape, (list, tuple)) and all(
      dim is None or isinstance(dim, int) for dim in shape)


def _random(rng: Any, shape: Any, dtype: DType, length: int, indices: bool = True) -> Any:
  """Returns random values of a dtype; for None, zeros and ones, which are also valid indices."""
  sizes = [2 if dim is None and place == 0 else length if dim is None else int(dim)
           for place, dim in enumerate(shape)]
  dtype = None if dtype is None else tensorflow.as_dtype(dtype)
  if dtype is not None and dtype.is_floating and not indices:
    return tensorflow.cast(rng.normal(size=sizes), dtype)
  bits = rng.randint(2, size=sizes)
  if dtype is None:
    return tensorflow.constant(bits, keras.backend.floatx())
  if dtype == tensorflow.string:
    return tensorflow.constant(np.where(bits, 'a b', 'c'))
  return tensorflow.cast(bits, dtype)


def _close(ours: np.ndarray, theirs: np.ndarray) -> bool:
  if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
    return False
  if ours.dtype.kind not in 'fV':
    return np.array_equal(ours, theirs)
  ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
  scale = np.max(np.abs(ours), initial=0, where=np.isfinite(ours))
  # Sums may be computed in another order; a copy that differs is further away.
  return np.allclose(ours, theirs, rtol=1e-4, atol=1e-5 * scale, equal_nan=True)
