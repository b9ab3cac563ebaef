# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""TFLite: from a stripped graph to a file that is small, fast where it can be, and right."""

import dataclasses
import gzip
import json
import textwrap
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from model_pruning import errors
from model_pruning import files
from model_pruning import tables
from model_pruning.export import flatbuffer
from model_pruning.export import tflite_check
from model_pruning.export import tflite_model
from model_pruning.export import tflite_names
from model_pruning.export import tflite_sparse

QUANTIZATIONS = ('none', 'dynamic', 'int8')
SPARSE = ('auto', True, False)

# Largest difference from the graph's outputs, as a share of the largest of them.
TOLERANCES = {'none': 1e-3, 'dynamic': 0.1, 'int8': 0.2}

weights_of = flatbuffer.weights_of
interpreter = tflite_check.interpreter
StoredWeight = flatbuffer.StoredWeight


@dataclasses.dataclass(frozen=True)
class ExportedWeight:
  """What became of one weight.

  Attributes:
    stored: how the file stores it; its name is that of the weight in the graph, where
      it could be told.
    fast: whether the runtime multiplies with what is stored, and skips the zeros.
    why: if not, why not.
    advice: what to train so that it does, as of HParams; '' if nothing would, or it does.
  """
  stored: flatbuffer.StoredWeight
  fast: bool
  why: str
  advice: str


@dataclasses.dataclass(frozen=True)
class TFLiteExport:
  """What to_tflite wrote.

  Attributes:
    path: the file.
    quantization: 'none', 'dynamic' or 'int8'.
    bytes, gzipped_bytes: size of the file, and of the same compressed by gzip -9.
    examples: number of examples its outputs were compared on.
    max_error: largest difference from the graph's outputs, as a share of the largest of
      these; of outputs of integers, the share that differ.
    tolerance: what max_error was allowed to be.
    runtime: the setting of the interpreter that it was compared with: 'default', or
      'without_default_delegates' (OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES).
    weights: every weight, in the order of the file.
  """
  path: str
  quantization: str
  bytes: int
  gzipped_bytes: int
  examples: int
  max_error: float
  tolerance: float
  runtime: str
  weights: Tuple[ExportedWeight, ...]

  @property
  def sparse(self) -> bool:
    """Whether any weight is stored sparse."""
    return any(weight.stored.block is not None for weight in self.weights)

  def to_json(self) -> str:
    """Returns all of this as a JSON object."""
    return json.dumps(dict(dataclasses.asdict(self), sparse=self.sparse), indent=2)

  def table(self) -> str:
    """Returns all of this as an aligned table, for a terminal or a log."""
    rows: List[List[str]] = []
    reasons: Dict[Tuple[str, str], List[str]] = {}
    for weight in self.weights:
      stored = weight.stored
      rows.append([stored.name, tables.shape_text(stored.shape), _storage(stored),
                   tables.share(stored.sparsity), tables.scaled(stored.stored_bytes, 'B'),
                   tables.scaled(stored.dense_bytes, 'B'), 'yes' if weight.fast else 'no'])
      if not weight.fast:
        reasons.setdefault((weight.why, weight.advice), []).append(stored.name)
    lines = [tables.aligned(
        ['weight', 'kernel', 'stored', 'sparsity', 'bytes', 'dense', 'skips zeros'], rows, left=3)]
    for (why, advice), names in reasons.items():
      text = tables.printable('Zeros of %s are not skipped: %s%s.' % (
          ', '.join(names), why, '; train with ' + advice if advice else ''))
      lines += [''] + textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)
    return '\n'.join(lines + [
        '',
        '%s: {:,} bytes, {:,} gzipped'.format(self.bytes, self.gzipped_bytes) %
        tables.printable(self.path),
        'quantization: %s; differs by %.2g of the outputs\' scale on %d examples (tolerance %g)' % (
            self.quantization, self.max_error, self.examples, self.tolerance),
        'interpreter: %s' % self.runtime])


def _storage(stored: flatbuffer.StoredWeight) -> str:
  if stored.block is None:
    return 'dense'
  text = 'sparse' if stored.block == (1, 1) else 'sparse, %dx%d' % stored.block
  return text + ' (in the file only)' if stored.expanded else text


def to_tflite(graph_def: Any, path: Any, inputs: Union[str, Sequence[str]],
              outputs: Union[str, Sequence[str]], quantization: str = 'none',
              sparse: Union[str, bool] = 'auto', examples: Optional[Sequence[Any]] = None,
              input_shapes: Optional[Mapping[str, Sequence[int]]] = None,
              tolerance: Optional[float] = None, runtime: str = 'default',
              select_tf_ops: bool = False, seed: int = 0) -> TFLiteExport:
  """Converts a graph to TFLite, compares what the two compute, and writes the file.

  Nothing is written where they differ by more than the tolerance. A weight that the runtime
  computes something else with when it is stored sparse is stored dense: what the file computes is
  compared with what the same model with dense weights does, too, and that closely.

  How weights are stored: with sparse='auto', a dense layer's weight is stored sparse where
  the runtime's sparse kernels take it and are faster: blocks of 4x1 and at least 85 % of
  them zero in float, blocks of 16x1 and at least 80 % zero with quantization 'dynamic', 95 %
  with 'int8'. Other weights of dense layers and convolutions
  are stored sparse if they take fewer bytes so, gzipped too; the runtime makes them dense when
  it loads the model, and is neither faster nor slower. (Not with 'dynamic', where it fails.)
  With sparse=True, even those that take more bytes once gzipped.

  Args:
    graph_def: a GraphDef of constants, as from strip_pruning_vars_fn. It is not changed.
    path: the file to write.
    inputs, outputs: names of operations or tensors, or one name.
    quantization: 'none' for floats; 'dynamic' for weights of int8; 'int8' for weights and
      activations of int8, with inputs and outputs still floats, which needs examples.
    sparse: 'auto', True or False: see above.
    examples: inputs to compare the outputs on, and for 'int8' to measure ranges on: one
      array of an input's shape (without a first dimension of 1, if you like) per example;
      where there are several inputs a tuple of such, or a dict by name. By default they
      are generated from `seed`: standard normal floats, integers of 0 and 1; 100, or 10
      where these take long.
    input_shapes: {input: shape}, for inputs whose shape the graph leaves open. A first
      dimension that is open is 1 by default.
    tolerance: largest difference allowed, as a share of the largest magnitude among an
      output's values on all examples; of outputs that are no floats, the share of values
      that may differ. By default 1e-3, 0.1 or 0.2 for the three quantizations. NaN differs.
    runtime: the interpreter to compare with: 'default', or 'without_default_delegates'.
    select_tf_ops: whether TensorFlow's kernels may do what TFLite has none for, such as the
      lists of TensorFlow 1's loops. The runtime has to be built with them.
    seed: of the generated examples.

  Returns:
    A TFLiteExport.

  Raises:
    errors.OutputNodeError: an output is not in the graph.
    errors.ConversionError: the arguments do not fit the graph; TensorFlow cannot convert it
      so; or the outcome computes something else, in which case the message says which
      settings are right.
    errors.WriteError: `path` cannot be written.
  """
  path = files.check_output(path)
  _check_choice('quantization', quantization, QUANTIZATIONS)
  _check_choice('sparse', sparse, SPARSE)
  if sparse is True:
    tflite_sparse.require()
  if quantization == 'int8' and (examples is None or not len(examples)):
    raise errors.ConversionError(
        'Quantization int8 needs examples (examples=, --examples): ranges of activations are '
        'measured on them, and those of made-up inputs are wrong; give some 100 of your own, or '
        'use quantization dynamic')
  if tolerance is not None and not tolerance >= 0:
    raise errors.ConversionError('tolerance is %r; expected a number of at least 0' % (tolerance,))
  tolerances = {one: TOLERANCES[one] if tolerance is None else tolerance for one in QUANTIZATIONS}
  tflite_check.check_runtime(runtime)
  model = tflite_model.Model(graph_def, inputs, outputs, input_shapes or {}, select_tf_ops)
  given = examples is not None
  feeds = (tflite_check.feeds(examples, model.input_names, model.shapes, model.dtypes)
           if examples is not None else
           tflite_check.generated(model.run, model.shapes, model.dtypes, seed))
  expected = model.expected(feeds, given)
  dense = model.convert(quantization, feeds)
  content, weights = _stored(model, dense, sparse, tflite_check.agreement(
      dense, model.input_names, feeds, expected, runtime, tflite_sparse.AGREEMENT[quantization]))
  error, phrase = tflite_check.difference(content, model.input_names, feeds, expected, runtime)
  if not error <= tolerances[quantization]:
    raise errors.ConversionError(
        'The converted model (%s) does not compute what the graph does: %s on %d examples, '
        'tolerance %g. Nothing was written. %s' % (
            _setting(quantization, sparse, runtime), phrase, len(feeds), tolerances[quantization],
            _what_works(model, feeds, expected, given, tolerances, runtime)))
  with files.replacing(path) as temporary:
    with open(temporary, 'wb') as handle:
      handle.write(content)
  return TFLiteExport(path, quantization, len(content), len(gzip.compress(content)), len(feeds),
                      error, tolerances[quantization], runtime, tuple(weights))


def _check_choice(name: str, value: Any, allowed: Sequence[Any]) -> None:
  if not any(value is one or isinstance(one, str) and value == one for one in allowed):
    raise errors.ConversionError('%s is %r; expected one of %s' %
                                 (name, value, ', '.join(map(repr, allowed))))


def _setting(quantization: str, sparse: Union[str, bool], runtime: str,
             unsaid: str = 'default') -> str:
  """Returns settings in words for Python and the command line; of `unsaid`, no runtime."""
  stored = {'auto': 'sparse auto', True: 'all stored sparse (sparse=True, --sparse=yes)',
            False: 'all stored dense (sparse=False, --sparse=no)'}[sparse]
  where = {unsaid: ''}.get(runtime, {
      'default': ', in the default interpreter',
      'without_default_delegates': ', in an interpreter without its default delegates',
  }[runtime])
  return 'quantization %s, %s%s' % (quantization, stored, where)


def _stored(model: tflite_model.Model, content: bytes, sparse: Union[str, bool],
            agrees: Callable[[bytes], bool]) -> Tuple[bytes, List[ExportedWeight]]:
  """Returns a dense TFLite model with its weights stored well, and what became of them.

  Args:
    model: the graph.
    content: the dense model.
    sparse: see to_tflite.
    agrees: whether a model computes what `content` does.
  """
  constants = flatbuffer.constants_of(content)
  can_write = tflite_sparse.can_write()
  choices = tflite_sparse.choose(constants, sparse, can_write)
  found = tflite_names.origins(model.graph_def, constants)
  names = {place: origin.name for place, origin in found.items()}
  if can_write:
    choices, content = _agreeing(content, choices, names, agrees)
  if sparse is True and not any(choice.block for choice in choices):
    raise errors.ConversionError(
        'All is to be stored sparse, but no weight takes fewer bytes so, or is faster: %s. Let it '
        "be decided (sparse='auto', --sparse=auto)" % (
            '; '.join('%s: %s' % (choice.constant.name, choice.why or 'no gain')
                      for choice in choices) or 'the model has no weights'))
  stored = {(constant.subgraph, constant.tensor): constant.stored()
            for constant in flatbuffer.constants_of(content)}
  weights = []
  for choice in choices:
    place = (choice.constant.subgraph, choice.constant.tensor)
    origin = found.get(place)
    advice = []
    if origin is not None:
      key = tflite_names.map_key(origin.name, list(names.values()))
      if choice.wanted_block:
        block = '1x%d' if origin.transposed else '%dx1'
        advice.append('block_dims_map=[%s:%s]' % (key, block % choice.wanted_block))
      if choice.wanted_sparsity:
        advice.append('weight_sparsity_map=[%s:%g]' % (key, choice.wanted_sparsity))
    weights.append(ExportedWeight(
        dataclasses.replace(stored[place], name=origin.name if origin else stored[place].name),
        choice.fast, choice.why, ','.join(advice)))
  return content, weights


def _agreeing(content: bytes, choices: List[tflite_sparse.Choice],
              names: Dict[Tuple[int, int], str], agrees: Callable[[bytes], bool]
              ) -> Tuple[List[tflite_sparse.Choice], bytes]:
  """Returns the choices less those that change what is computed, and the rewritten model."""
  def rewritten(chosen: Sequence[tflite_sparse.Choice]) -> bytes:
    return tflite_sparse.rewrite(content, chosen, names)

  result = rewritten(choices)
  if not any(choice.block for choice in choices) or agrees(result):
    return choices, result
  some = [choice if choice.block is None or agrees(rewritten([choice]))
          else tflite_sparse.disagreeing(choice) for choice in choices]
  result = rewritten(some)
  if agrees(result):
    return some, result
  none = [choice if choice.block is None else tflite_sparse.disagreeing(choice)
          for choice in choices]
  return none, rewritten(none)


def _what_works(model: tflite_model.Model, feeds: Sequence[Sequence[np.ndarray]],
                expected: List[List[np.ndarray]], given: bool, tolerances: Dict[str, float],
                wanted: str) -> str:
  """Says which other settings are right, by trying them.

  Of a runtime other than the `wanted` one, only those that are not right in that one.
  """
  right = []
  for quantization in QUANTIZATIONS:
    if quantization == 'int8' and not given:
      continue
    try:
      dense = model.convert(quantization, feeds)
    except errors.ConversionError:
      continue
    tried = set()
    for sparse in ('auto', False):
      for runtime in sorted(tflite_check.runtimes(), key=lambda one: one != wanted):
        content, _ = _stored(model, dense, sparse, tflite_check.agreement(
            dense, model.input_names, feeds, expected, runtime,
            tflite_sparse.AGREEMENT[quantization]))
        error, _ = tflite_check.difference(content, model.input_names, feeds, expected, runtime)
        if content not in tried and error <= tolerances[quantization]:
          tried.add(content)
          right.append('%s (differs by %.2g of %g)' % (
              _setting(quantization, sparse, runtime, wanted), error, tolerances[quantization]))
  if not right:
    return 'No other setting computes it either; does the graph use something random?'
  return 'These settings are right: ' + '; '.join(right)
