# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Compares a TFLite model with its graph, by their outputs."""

import functools
import inspect
import time
import warnings
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.util.types import DType

LITERT = 'litert'
_MANY, _FEW = 100, 10
_CHEAP = 0.05  # Seconds per example; up to this, many examples are run.
_MEMORY = 2**30  # Bytes that generated examples may take, if there are more than two.

Feeds = Sequence[Sequence[np.ndarray]]


def runtimes() -> Sequence[str]:
  """Returns the interpreter settings that this TensorFlow supports."""
  if hasattr(getattr(tf.lite, 'experimental', None), 'OpResolverType'):
    return 'default', 'without_default_delegates'
  return ('default',)


def check_runtime(runtime: str) -> None:
  """Raises errors.ConversionError unless this TensorFlow supports that setting."""
  if runtime not in runtimes():
    raise errors.ConversionError('runtime is %r; TensorFlow %s has: %s' % (
        runtime, tf.__version__, ', '.join(map(repr, runtimes()))))


def feeds(examples: Sequence[Any], names: Sequence[str], shapes: Sequence[Sequence[int]],
          dtypes: Sequence[DType]) -> List[List[np.ndarray]]:
  """Returns the given examples as lists of arrays, one for each input.

  Raises:
    errors.ConversionError: they do not fit the inputs.
  """
  if isinstance(examples, dict):
    raise errors.ConversionError(
        'examples is a dict of arrays; give a list with a dict for each example: '
        '[dict(zip(examples, each)) for each in zip(*examples.values())]')
  result = []
  for number, example in enumerate(examples):
    if isinstance(example, dict):
      example = {key[:-2] if key.endswith(':0') else key: value for key, value in example.items()}
      if set(example) != set(names):
        raise errors.ConversionError('Example %d has values for %s; the inputs are %s' % (
            number, ', '.join(sorted(example)) or 'nothing', ', '.join(names)))
      parts = [example[name] for name in names]
    elif len(names) == 1 and not isinstance(example, tuple):
      parts = [example]
    else:
      parts = list(example)
    if len(parts) != len(names):
      raise errors.ConversionError('Example %d has %d values; there are %d inputs: %s' % (
          number, len(parts), len(names), ', '.join(names)))
    result.append([_array(number, *part) for part in zip(names, parts, shapes, dtypes)])
  if not result:
    raise errors.ConversionError('No examples are given (examples=, --examples); give at least '
                                 'one, or leave out the argument to generate some')
  return result


def _array(number: int, name: str, value: Any, shape: Sequence[int], dtype: DType) -> np.ndarray:
  array = np.asarray(value)
  if np.dtype(dtype).kind != array.dtype.kind and not np.can_cast(array.dtype, dtype, 'same_kind'):
    raise errors.ConversionError('Example %d for input %r is of %s; expected %s' %
                                 (number, name, array.dtype, np.dtype(dtype)))
  if list(array.shape) == list(shape[1:]) and shape[:1] == [1]:
    array = array[None]
  if list(array.shape) != list(shape):
    raise errors.ConversionError('Example %d for input %r has shape %s; expected %s' %
                                 (number, name, list(array.shape), list(shape)))
  return array.astype(dtype)


def generated(run: Callable[[Feeds], Any], shapes: Sequence[Sequence[int]], dtypes: Sequence[DType],
              seed: int) -> List[List[np.ndarray]]:
  """Returns examples generated from a seed: many, or few if `run` is slow."""
  for dtype in dtypes:
    if np.dtype(dtype).kind not in 'fiub':
      kind = 'strings' if np.dtype(dtype).kind == 'O' else np.dtype(dtype)
      raise errors.ConversionError('Inputs of %s cannot be generated; give examples (examples=, '
                                   '--examples)' % kind)
  random = np.random.RandomState(seed)

  fractions = True

  def one() -> List[np.ndarray]:
    return [random.randn(*shape).astype(dtype) if fractions and np.dtype(dtype).kind == 'f' else
            random.randint(0, 2, shape).astype(dtype) for shape, dtype in zip(shapes, dtypes)]

  try:
    examples = [one(), one()]
    try:
      run(examples[:1])  # The first run creates sessions and kernels.
    except errors.ConversionError:  # The graph may cast its inputs to indices, as Keras 2 does.
      fractions = False
      examples = [one(), one()]
      run(examples[:1])
    start = time.perf_counter()
    run(examples[1:])
    number = _MANY if time.perf_counter() - start < _CHEAP else _FEW
    number = min(number, _MEMORY // max(1, sum(part.nbytes for part in examples[0])))
    return examples + [one() for _ in range(number - len(examples))]
  except MemoryError as error:
    raise errors.ConversionError('There is not enough memory for inputs of %s; make them smaller' %
                                 ', '.join(map(str, shapes))) from error


def litert() -> Any:
  """Returns the interpreter class of LiteRT, TensorFlow Lite's successor; None if not installed."""
  try:
    from ai_edge_litert.interpreter import Interpreter
  except Exception:  # Not installed, or made for another Python, where loading fails variously.
    return None
  return Interpreter


def litert_version() -> str:
  """Returns the name and version of LiteRT, for example 'ai-edge-litert 2.3.0'."""
  try:
    from importlib import metadata
    return 'ai-edge-litert ' + metadata.version('ai-edge-litert')
  except Exception:  # Python 3.7, or a build without metadata.
    return 'ai-edge-litert'


def interpreter(content: bytes, runtime: str = 'default') -> Any:
  """Returns a single-threaded interpreter with its tensors allocated.

  Args:
    content: the model.
    runtime: one of runtimes(), for a tf.lite.Interpreter; or LITERT.
  """
  options: Dict[str, Any] = {'model_content': content}
  if runtime == LITERT:
    result = litert()(num_threads=1, **options)
    result.allocate_tensors()
    return result
  if 'num_threads' in inspect.signature(tf.lite.Interpreter.__init__).parameters:
    options['num_threads'] = 1  # TensorFlow 1.15 always uses one thread.
  if runtime != 'default':
    options['experimental_op_resolver_type'] = (
        tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # Warnings that LiteRT replaces this class.
    result = tf.lite.Interpreter(**options)
  result.allocate_tensors()
  return result


def difference(content: bytes, names: Sequence[str], examples: Feeds,
               expected: Sequence[Sequence[np.ndarray]], runtime: str = 'default',
               spare: int = 0) -> Tuple[float, str]:
  """Returns how far the outputs of a TFLite model are from the expected ones.

  For each output this is the largest difference, as a fraction of the largest expected
  magnitude, over all examples; for outputs that are not floats, the fraction of values that
  differ. The result is the maximum over the outputs; infinity if the model cannot be run, or an
  output has another shape or contains NaN.

  Args:
    content: the model.
    names: names of the inputs, in the order of an example's arrays.
    examples: for each example, an array for each input.
    expected: for each example, an array for each output.
    runtime: see interpreter().
    spare: number of values that may differ in an output that is not of floats.

  Returns:
    The difference, and a phrase that describes it.
  """
  try:
    actual = _outputs(content, names, examples, runtime)
  except (RuntimeError, ValueError) as error:
    return float('inf'), 'it cannot be run (%s)' % errors.first_line(error)
  return _difference(actual, expected, spare)


def agreement(dense: bytes, names: Sequence[str], examples: Feeds,
              expected: Sequence[Sequence[np.ndarray]], runtime: str,
              least: float) -> Callable[[bytes], bool]:
  """Returns a predicate: does a model agree with its densely stored twin?

  Such models differ in the order of summation, and in the values that rounding changes as a
  result. That is less than the error of quantization: a difference of more than twice that error
  plus `least` is a fault of a kernel.

  Args:
    dense: the model with dense weights.
    names, examples, expected, runtime: see difference().
    least: the difference that is always allowed for this quantization.
  """
  @functools.lru_cache(maxsize=None)
  def reference() -> Tuple[List[List[np.ndarray]], float]:
    try:
      outputs = _outputs(dense, names, examples, runtime)
    except (RuntimeError, ValueError):
      return [], float('inf')
    return outputs, _difference(outputs, expected)[0]

  def agrees(content: bytes) -> bool:
    outputs, error = reference()
    if error == float('inf'):
      return True  # The dense model itself fails: there is nothing to agree with.
    return difference(content, names, examples, outputs, runtime, 1)[0] <= 2 * error + least

  return agrees


def _difference(actual: Sequence[Sequence[np.ndarray]], expected: Sequence[Sequence[np.ndarray]],
                spare: int = 0) -> Tuple[float, str]:
  worst = 0.0
  for ours, theirs in zip(zip(*actual), zip(*expected)):
    if any(one.shape != other.shape for one, other in zip(ours, theirs)):
      return float('inf'), 'an output has shape %s instead of %s' % (ours[0].shape, theirs[0].shape)
    worst = max(worst, _distance(np.stack(ours), np.stack(theirs), spare))
  if worst == float('inf'):
    return worst, 'its outputs contain NaN or infinity'
  return worst, 'its outputs differ by %.2g of their scale' % worst


def _distance(actual: np.ndarray, expected: np.ndarray, spare: int) -> float:
  if expected.dtype.kind != 'f':
    return max(0, np.count_nonzero(actual != expected) - spare) / max(1, expected.size)
  if not expected.size:
    return 0.0
  if not np.all(np.isfinite(actual)):
    return float('inf')
  scale = float(np.max(np.abs(expected)))
  return float(np.max(np.abs(actual.astype(np.float64) - expected))) / (scale or 1.0)


def _outputs(content: bytes, names: Sequence[str], examples: Feeds,
             runtime: str) -> List[List[np.ndarray]]:
  model = interpreter(content, runtime)
  details = model.get_input_details()
  by_name = {detail['name'].split(':')[0]: detail['index'] for detail in details}
  if set(names) <= set(by_name):
    places = [by_name[name] for name in names]
  else:
    places = [detail['index'] for detail in details]
  if len(places) != len(names):
    raise ValueError('it has %d inputs instead of %d' % (len(places), len(names)))
  results: List[List[np.ndarray]] = []
  for example in examples:
    for place, value in zip(places, example):
      model.set_tensor(place, value)
    model.invoke()
    results.append([model.get_tensor(detail['index']).copy()
                    for detail in model.get_output_details()])
  return results
