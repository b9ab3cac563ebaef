# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Converts a stripped graph to a TFLite file: small, correct, and fast where kernels allow it."""

import dataclasses
import gzip
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from model_pruning import errors
from model_pruning.export.options import LITERT as LITERT
from model_pruning.export.options import QUANTIZATIONS as QUANTIZATIONS
from model_pruning.export.options import SPARSE as SPARSE
from model_pruning.export.options import TOLERANCES as TOLERANCES
from model_pruning.export.tflite import check as tflite_check
from model_pruning.export.tflite import model as tflite_model
from model_pruning.export.tflite import names as tflite_names
from model_pruning.export.tflite import result as tflite_result
from model_pruning.export.tflite import sparse as tflite_sparse
from model_pruning.reading import flatbuffer
from model_pruning.util import files
from model_pruning.util.files import AnyPath
from model_pruning.util.types import GraphDef

weights_of = flatbuffer.weights_of
interpreter = tflite_check.interpreter
StoredWeight = flatbuffer.StoredWeight
ExportedWeight = tflite_result.ExportedWeight
TFLiteExport = tflite_result.TFLiteExport


def to_tflite(graph_def: GraphDef, path: AnyPath, inputs: Union[str, Sequence[str]],
              outputs: Union[str, Sequence[str]], quantization: str = 'none',
              sparse: Union[str, bool] = 'auto', examples: Optional[Sequence[Any]] = None,
              input_shapes: Optional[Mapping[str, Sequence[int]]] = None,
              tolerance: Optional[float] = None, runtime: str = 'default',
              select_tf_ops: bool = False, seed: int = 0,
              litert: Union[str, bool] = 'auto',
              names: Optional[Mapping[str, str]] = None) -> TFLiteExport:
  """Converts a graph to TFLite, compares the outputs of both, and writes the file.

  Nothing is written if the outputs differ by more than the tolerance. The file is also compared
  with the same model with dense weights, more strictly. If the runtime computes something else
  because a weight is stored sparse, that weight is stored dense.

  How weights are stored: with sparse='auto', a dense layer's weight is stored sparse if the
  runtime's sparse kernels accept it and are faster. They are faster for blocks of 4x1, at least
  85 % of them zero, in float models; for blocks of 16x1, at least 80 % zero, with quantization
  'dynamic'; and 95 % zero with 'int8'. Other weights of dense layers and convolutions in float
  models are stored sparse if they take fewer bytes this way, also after gzip. The runtime makes
  these dense when it loads the model, and is neither faster nor slower. (With 'dynamic' it would
  fail.) sparse=True also stores sparse those weights that take more bytes after gzip, and weights
  of 'int8' models. TensorFlow 2.15 and 2.21 load such models, LiteRT (ai-edge-litert 2.3.0) does
  not.

  Args:
    graph_def: a GraphDef of constants, as returned by strip_pruning_vars_fn. It is not changed.
    path: the file to write.
    inputs, outputs: names of operations or tensors, or one name.
    quantization: 'none' for floats; 'float16' for weights of half the bytes, which the runtime
      makes float32 when it loads them; 'dynamic' for int8 weights; 'int8' for int8 weights and
      activations, with inputs and outputs still floats, which needs examples.
    sparse: 'auto', True or False: see above.
    examples: inputs on which to compare the outputs and, for 'int8', to measure ranges. An
      example is an array of an input's shape (a first dimension of 1 may be omitted); for
      several inputs it is a tuple of arrays, or a dict by name. By default examples are
      generated from `seed`: standard normal floats, and integers of 0 and 1; 100 examples, or
      10 if the graph is slow.
    input_shapes: {input: shape}, for inputs whose shapes the graph does not fix. An unknown
      first dimension is 1 by default.
    tolerance: the largest difference allowed, as a fraction of the largest magnitude of an
      output on all examples; for outputs that are not floats, the fraction of values that
      may differ. By default 1e-3, 0.01, 0.1 or 0.2 for the quantizations. NaN counts as different.
    runtime: the interpreter to compare with: 'default', or 'without_default_delegates'.
    select_tf_ops: whether to use TensorFlow's kernels where TFLite has none, for example for
      the lists of TensorFlow 1's loops. The runtime has to be built with them.
    seed: seed of the generated examples.
    litert: whether to compare under LiteRT (the package ai-edge-litert) as well: 'auto' if it is
      installed, True to require it, False for files that it need not run. It never runs
      TensorFlow's own kernels, so 'auto' skips it with select_tf_ops.
    names: {input or output: name}, the names for callers of the signature serving_default
      (interpreter.get_signature_runner()); by default those in `inputs` and `outputs`.
      TensorFlow before 2.7 writes no signature.

  Returns:
    A TFLiteExport.

  Raises:
    errors.OutputNodeError: an output is not in the graph.
    errors.ConversionError: the arguments do not fit the graph; TensorFlow cannot convert it
      this way; or the result computes something else, and the message lists settings that
      work.
    errors.MissingPackageError: litert=True, but it is not installed.
    errors.WriteError: `path` cannot be written.
  """
  path = files.check_output(path)
  _check_choice('quantization', quantization, QUANTIZATIONS)
  _check_choice('sparse', sparse, SPARSE)
  _check_choice('litert', litert, LITERT)
  if sparse is True:
    tflite_sparse.require()
  with_litert = _with_litert(litert, select_tf_ops)
  if quantization == 'int8' and (examples is None or not len(examples)):
    raise errors.ConversionError(
        'Quantization int8 needs examples (examples=, --examples): they determine the ranges of '
        'activations, which generated inputs would get wrong; give about 100 real inputs, or '
        'use quantization dynamic')
  if tolerance is not None and not tolerance >= 0:
    raise errors.ConversionError('tolerance is %r; expected a number of at least 0' % (tolerance,))
  tolerances = {one: TOLERANCES[one] if tolerance is None else tolerance for one in QUANTIZATIONS}
  tflite_check.check_runtime(runtime)
  model = tflite_model.Model(graph_def, inputs, outputs, input_shapes or {}, select_tf_ops)
  signature = _signature(model, names or {})
  given = examples is not None
  feeds = (tflite_check.feeds(examples, model.input_names, model.shapes, model.dtypes)
           if examples is not None else
           tflite_check.generated(model.run, model.shapes, model.dtypes, seed))
  expected = model.expected(feeds, given)
  dense = model.convert(quantization, feeds)
  # If sparse=True fails under LiteRT, that is an error, below; 'auto' avoids such storage.
  compared = [runtime] + [tflite_check.LITERT] * (with_litert and sparse is not True)
  agreements = [tflite_check.agreement(
      dense, model.input_names, feeds, expected, each, tflite_sparse.AGREEMENT[quantization])
                for each in compared]
  content, weights = _stored(model, dense, sparse, signature,
                             lambda content: all(agrees(content) for agrees in agreements))
  error, phrase = tflite_check.difference(content, model.input_names, feeds, expected, runtime)
  if not error <= tolerances[quantization]:
    raise errors.ConversionError(
        'The converted model (%s) does not compute what the graph does: %s on %d examples, '
        'tolerance %g. Nothing was written. %s' % (
            _setting(quantization, sparse, runtime), phrase, len(feeds), tolerances[quantization],
            _working_settings(model, signature, feeds, expected, given, tolerances, runtime)))
  if with_litert:
    error = max(error, _check_litert(content, model, feeds, expected, tolerances[quantization]))
  with files.replacing(path) as temporary:
    with open(temporary, 'wb') as handle:
      handle.write(content)
  warnings = [_ONLY_OLDER] * (quantization == 'int8' and any(
      weight.stored.expanded for weight in weights))
  return TFLiteExport(path, quantization, len(content), len(gzip.compress(content)), len(feeds),
                      error, tolerances[quantization], runtime, tuple(weights), tuple(warnings),
                      tflite_check.litert_version() if with_litert else '')


_ONLY_OLDER = (
    'int8 weights that are sparse in the file only are read by the interpreters of TensorFlow 2.15 '
    'and 2.21, but LiteRT (ai-edge-litert 2.3.0) fails to load dense layers stored this way; '
    "sparse='auto', --sparse=auto, stores them dense")


def _with_litert(litert: Union[str, bool], select_tf_ops: bool) -> bool:
  """Whether to compare under LiteRT."""
  if litert is False or litert == 'auto' and select_tf_ops:
    return False
  if tflite_check.litert() is not None:
    return True
  if litert is True:
    raise errors.MissingPackageError(
        'litert=True (--litert=yes) compares the file under LiteRT, which cannot be imported; pip '
        'install ai-edge-litert, with Python 3.10 or newer')
  return False


def _check_litert(content: bytes, model: tflite_model.Model,
                  feeds: Sequence[Sequence[np.ndarray]], expected: List[List[np.ndarray]],
                  tolerance: float) -> float:
  """Returns how far outputs under LiteRT are from the graph's; raises if that is too far."""
  error, phrase = tflite_check.difference(content, model.input_names, feeds, expected,
                                          tflite_check.LITERT)
  if not error <= tolerance:
    raise errors.ConversionError(
        "The converted model computes what the graph does in TensorFlow's interpreter, but not in "
        "LiteRT (%s): %s, tolerance %g. Nothing was written. Choose storage automatically "
        "(sparse='auto', --sparse=auto) or, if only TensorFlow's interpreter will run it, skip "
        'LiteRT (litert=False, --litert=no)' % (tflite_check.litert_version(), phrase, tolerance))
  return error


def _check_choice(name: str, value: Any, allowed: Sequence[Any]) -> None:
  if not any(value is one or isinstance(one, str) and value == one for one in allowed):
    raise errors.ConversionError('%s is %r; expected one of %s' %
                                 (name, value, ', '.join(map(repr, allowed))))


def _setting(quantization: str, sparse: Union[str, bool], runtime: str,
             implicit: str = 'default') -> str:
  """Returns settings in words for Python and the command line, without the `implicit` runtime."""
  stored = {'auto': 'sparse auto', True: 'all stored sparse (sparse=True, --sparse=yes)',
            False: 'all stored dense (sparse=False, --sparse=no)'}[sparse]
  where = {implicit: ''}.get(runtime, {
      'default': ', in the default interpreter',
      'without_default_delegates': ', in an interpreter without its default delegates',
  }[runtime])
  return 'quantization %s, %s%s' % (quantization, stored, where)


def _signature(model: tflite_model.Model, names: Mapping[str, str]) -> tflite_sparse.Signature:
  """Returns the names for callers.

  Raises:
    errors.ConversionError: `names` has one that is no input or output, or two equal ones.
  """
  given = {key[:-2] if key.endswith(':0') else key: name for key, name in names.items()}
  ends = [*model.input_names, *model.output_names]
  unknown = sorted(set(given) - set(ends))
  if unknown:
    raise errors.ConversionError(
        'A name is given (names=) for %s, which is no input or output; they are: %s' % (
            ', '.join(unknown), ', '.join(ends)))
  inputs = {name: given.get(name, name) for name in model.input_names}
  outputs = [given.get(name, name) for name in model.output_names]
  for some in (list(inputs.values()), outputs):
    if len(set(some)) < len(some):
      raise errors.ConversionError('Two inputs or two outputs have one name (names=): %s' %
                                   ', '.join(some))
  return tflite_sparse.Signature(inputs, outputs)


def _stored(model: tflite_model.Model, content: bytes, sparse: Union[str, bool],
            signature: tflite_sparse.Signature,
            agrees: Callable[[bytes], bool]) -> Tuple[bytes, List[ExportedWeight]]:
  """Returns a dense TFLite model with its weights stored well, and how each is stored.

  Args:
    model: the graph.
    content: the dense model.
    sparse: see to_tflite.
    signature: the names for callers.
    agrees: whether a model computes the same as `content`.
  """
  constants = flatbuffer.constants_of(content)
  can_write = tflite_sparse.can_write()
  choices = tflite_sparse.choose(constants, sparse, can_write)
  found = tflite_names.origins(model.graph_def, constants)
  names = {place: origin.name for place, origin in found.items()}
  if can_write:
    choices, content = _agreeing(choices, agrees, lambda chosen: tflite_sparse.rewrite(
        content, chosen, names, signature))
  if sparse is True and not any(choice.block for choice in choices):
    raise errors.ConversionError(
        'Storing all weights sparse makes none of them smaller or faster: %s. Choose storage '
        "automatically (sparse='auto', --sparse=auto)" % (
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


def _agreeing(choices: List[tflite_sparse.Choice], agrees: Callable[[bytes], bool],
              rewritten: Callable[[Sequence[tflite_sparse.Choice]], bytes]
              ) -> Tuple[List[tflite_sparse.Choice], bytes]:
  """Returns the choices without those that change outputs, and the rewritten model.

  Args:
    choices: how to store each weight.
    agrees: whether a model computes the same as the dense one.
    rewritten: returns the model with its weights stored as chosen.
  """
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


def _working_settings(model: tflite_model.Model, signature: tflite_sparse.Signature,
                      feeds: Sequence[Sequence[np.ndarray]], expected: List[List[np.ndarray]],
                      given: bool, tolerances: Dict[str, float], wanted: str) -> str:
  """Returns a sentence on other settings that give correct outputs, found by trying them.

  Settings for another runtime than `wanted` are listed only if they fail in that one.
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
        content, _ = _stored(model, dense, sparse, signature, tflite_check.agreement(
            dense, model.input_names, feeds, expected, runtime,
            tflite_sparse.AGREEMENT[quantization]))
        error, _ = tflite_check.difference(content, model.input_names, feeds, expected, runtime)
        if content not in tried and error <= tolerances[quantization]:
          tried.add(content)
          right.append('%s (differs by %.2g of %g)' % (
              _setting(quantization, sparse, runtime, wanted), error, tolerances[quantization]))
  if not right:
    return 'No other setting works either; does the graph use random numbers?'
  return 'These settings work: ' + '; '.join(right)
