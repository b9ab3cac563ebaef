# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds the constant of a graph from which a weight in a TFLite file was made.

Converters rename weights after the operations that they fuse, for example to
'fc0/MatMul;Relu;add'. The values stay the same except for the order of the elements, quantization,
and a factor per output (folded batch normalization), so weights are identified by their values.
"""

import dataclasses
import re
from typing import Dict, Iterator, List, Sequence, Tuple

import numpy as np

from model_pruning import names as names_lib
from model_pruning.reading import flatbuffer
from model_pruning.reading import tensors
from model_pruning.util.types import GraphDef
from model_pruning.util.types import NodeDef

# Names of operations that return a weight unchanged.
_ENDINGS = re.compile(r'(/masked_weight|/outside|/read|/ReadVariableOp|/Read|/resource)+$')
_VARIABLE = re.compile(r'/(weights|kernel|w|W)$')
_NUMBERED = re.compile(r'_\d+$|^(sequential|functional|model)$')
# Characters with a meaning in lists of hyperparameters.
_OF_LISTS = ',[]"\'#'
_ALIKE = 0.95  # Least mean cosine between rows; quantized weights have about 0.999.


@dataclasses.dataclass(frozen=True)
class Origin:
  """The constant of a graph from which a weight was made.

  Attributes:
    name: its name, without the parts that masking and reading a variable add.
    shape: its shape in the graph.
    transposed: whether it is a dense layer's weight in the order [outputs, inputs].
  """
  name: str
  shape: Tuple[int, ...]
  transposed: bool


def origins(graph_def: GraphDef,
            weights: Sequence[flatbuffer.Constant]) -> Dict[Tuple[int, int], Origin]:
  """Returns {(subgraph, tensor): Origin} for all weights whose origin can be found."""
  of_keras = names_lib.of_keras(_ENDINGS.sub('', node.name) for node in graph_def.node
                                if node.op == 'Const')
  candidates: Dict[int, List[Tuple[str, np.ndarray]]] = {}
  sizes = {weight.size for weight in weights}
  weight_of: Dict[str, str] = {}
  for node in graph_def.node:
    if node.op == 'Const' and _size(node) in sizes:
      value = tensors.to_array(node.attr['value'].tensor, node.name)
      if value.dtype.kind == 'f':
        candidates.setdefault(value.size, []).append((node.name, value.astype(np.float32)))
        weight_of[node.name] = node.attr[names_lib.WEIGHT_ATTRIBUTE].s.decode('utf-8', 'replace')
  result = {}
  taken = set()
  for weight in weights:
    if weight.sparse:
      continue
    best, score = None, _ALIKE
    rows = _rows(weight)
    for name, value in candidates.get(weight.size, []):
      for matrix, transposed in _orders(weight, value):
        alike = _cosine(rows, matrix) if (name, transposed) not in taken else 0.0
        if alike > score + 1e-6:
          plain = weight_of[name] or _ENDINGS.sub('', name)
          best, score = Origin(of_keras.get(plain, plain), value.shape, transposed), alike
          key = (name, transposed)
    if best is not None:
      result[weight.subgraph, weight.tensor] = best
      if weight.uses:
        taken.add(key)
  return result


def map_key(name: str, others: Sequence[str]) -> str:
  """Returns a key for the hyperparameters' maps: a regular expression that matches one weight.

  The name that Keras gave to a model is left out if it can be: the next model has another number.

  Args:
    name: name of the weight.
    others: names of all weights that it must not match.
  """
  scope = _expression(_VARIABLE.sub('', name))
  keys = [scope, scope + '/', '^' + scope + '/']
  model, _, inner = _VARIABLE.sub('', name).partition('/')
  if inner and _NUMBERED.search(model):
    inner = _expression(inner)
    keys = [inner, inner + '/', '/' + inner + '/'] + keys
  for key in keys:
    if re.search(key, name) and not any(
        re.search(key, other) for other in others if other != name):
      return key
  return '^' + _expression(name) + '$'


def _expression(name: str) -> str:
  """Returns a regular expression for a name that may be an item of a list of hyperparameters."""
  return ''.join('.' if char in _OF_LISTS or char.isspace() else
                 char if char == '-' else re.escape(char) for char in name)


def _size(node: NodeDef) -> int:
  size = 1
  for dim in node.attr['value'].tensor.tensor_shape.dim:
    size *= dim.size
  return size


def _rows(weight: flatbuffer.Constant) -> np.ndarray:
  """Returns a weight's elements as [outputs, the rest]."""
  values = weight.values.astype(np.float32) - weight.zero
  if weight.op == 'DEPTHWISE_CONV_2D':
    return values.reshape(-1, weight.shape[-1]).T
  return values.reshape(weight.shape[0], -1)


def _orders(weight: flatbuffer.Constant,
            value: np.ndarray) -> Iterator[Tuple[np.ndarray, bool]]:
  """Yields the possible orders of a constant's elements in a weight, as [outputs, the rest]."""
  outputs = weight.shape[-1] if weight.op == 'DEPTHWISE_CONV_2D' else weight.shape[0]
  if value.ndim < 2:
    return
  if weight.op == 'DEPTHWISE_CONV_2D':
    yield value.reshape(-1, outputs).T, False
    return
  if value.shape[-1] == outputs:
    yield np.moveaxis(value, -1, 0).reshape(outputs, -1), False
  if value.ndim == 2 and value.shape[0] == outputs:
    yield value, True
  if weight.op == 'TRANSPOSE_CONV' and value.ndim == 4 and value.shape[2] == outputs:
    yield np.moveaxis(value, 2, 0).reshape(outputs, -1), False


def _cosine(left: np.ndarray, right: np.ndarray) -> float:
  """Returns the mean cosine of the rows, weighted by the norms of the rows in `right`."""
  with np.errstate(all='ignore'):  # A diverged model may have NaN, which equals nothing.
    lengths = np.linalg.norm(right, axis=1)
    product = np.abs(np.einsum('ij,ij->i', left, right))
    other = np.linalg.norm(left, axis=1)
    cosine = product / np.maximum(other * lengths, np.finfo(np.float32).tiny)
    return float(np.average(cosine, weights=lengths)) if lengths.any() else 0.0
