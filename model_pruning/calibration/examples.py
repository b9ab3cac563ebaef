# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Examples of a model's inputs: checks them, and yields them in batches, as often as needed."""

import os
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from absl import logging
import numpy as np

from model_pruning import errors
from model_pruning.calibration import endless
from model_pruning.calibration.named import Named
from model_pruning.reading import examples as files_of_examples
from model_pruning.util.types import Array
from model_pruning.util.types import DType
from model_pruning.util.types import Shape

FEWEST = 8
_SHUFFLED = 1024  # Examples of a stream that are in memory to be shuffled.

Batch = Dict[str, Array]


class Input(NamedTuple):
  """An input of a model.

  Attributes:
    name: name of its placeholder, or of the input of the Keras model.
    dtype: its TensorFlow dtype.
    shape: its static shape; the first dimension counts examples.
  """
  name: str
  dtype: DType
  shape: Shape


class Examples:
  """Examples of the inputs of a model.

  Attributes:
    count: number of examples.
    fixed: the number of examples that the model takes at a time; None for any number.
  """

  def __init__(self, examples: Any, inputs: List[Input]) -> None:
    """Reads all examples once, to check them.

    Args:
      examples: an array with an example per row; a dict of arrays by the names of the inputs; a
        list with the array of each input; the path of a .npy or .npz file; or batches of any of
        these: a tf.data.Dataset, an iterable, or a function that returns an iterator. Tuples
        (inputs,) and (inputs, labels) count as their inputs. An input that takes one number for
        all examples, as keep_prob of a dropout, is given it by name. Or a Named of any of these.
      inputs: the inputs of the model.

    Raises:
      errors.ExamplesError: the examples do not fit the inputs, have values that are not finite, or
        are too few.
    """
    self._inputs = inputs
    named = examples if isinstance(examples, Named) else None
    if named is not None:
      examples = named.examples
    self._placeholders: Dict[Any, str] = dict(named.names) if named is not None else {}
    if not inputs:
      raise errors.ExamplesError('The model has no inputs for examples; name them (inputs=, '
                                 '--inputs)')
    sizes = {each.shape.as_list()[0] for each in inputs if each.shape.rank} - {None, 0}
    self.fixed: Optional[int] = min(sizes) if sizes else None
    self._numbers: Batch = {}
    self._source = self._source_of(examples)
    self.count = 0
    first: Batch = {}
    same = True
    most = endless.most(examples)
    for batch in self._source():
      if most and self.count > most:
        raise endless.error('more than {:,}'.format(most))
      if not batch:
        raise errors.ExamplesError('There is only a number for each input of the model, but no '
                                   'examples with a row each')
      lengths = {name: len(array) for name, array in batch.items()}
      if len(set(lengths.values())) > 1:
        raise errors.ExamplesError('The examples of the inputs differ in number: %s' % ', '.join(
            '%s has %d' % item for item in sorted(lengths.items())))
      self._check_finite(batch, self.count)
      self.count += next(iter(lengths.values()))
      if same and all(lengths.values()):
        first = first or {name: array[0] for name, array in batch.items()}
        same = all(_repeats(array, first[name]) for name, array in batch.items())
    if self.count < FEWEST:
      raise _too_few(self.count)
    if self.fixed and self.count < self.fixed:
      raise errors.ExamplesError(
          'There are %d examples, but the model takes %d at a time' % (self.count, self.fixed))
    if same:
      logging.warning(
          'All %d examples are the same%s, so that they say nothing about other inputs; give '
          'examples that look like the inputs that the model will see', self.count,
          ', and zero' if all(map(_is_zero, first.values())) else '')

  def batches(self, size: int) -> Iterator[Batch]:
    """Yields {name of an input: array}, with up to `size` examples each, or a number.

    A model with a fixed batch size gets batches of this size; examples left over at the end are
    dropped.
    """
    size = self.fixed or size
    waiting: List[Batch] = []
    length = 0
    for batch in self._source():
      waiting.append(batch)
      length += len(next(iter(batch.values())))
      if length < size:
        continue
      joined = _joined(waiting)
      for begin in range(0, length - size + 1, size):
        yield {**{name: array[begin:begin + size] for name, array in joined.items()},
               **self._numbers}
      rest = length % size
      waiting = [{name: array[length - rest:] for name, array in joined.items()}] if rest else []
      length = rest
    if length and not self.fixed:
      yield {**_joined(waiting), **self._numbers}

  def shuffled(self, size: int) -> Iterator[Batch]:
    """Yields batches without end, each time in another order; the orders are the same in each run.

    Arrays are shuffled as a whole, and small batches a thousand examples at a time.

    Args:
      size: examples in a batch; fewer if there are fewer, or the model takes another number.
    """
    size = self.fixed or min(size, self.count)
    random = np.random.RandomState(0)

    def mixed(joined: Batch) -> Iterator[Batch]:
      order = random.permutation(len(next(iter(joined.values()))))
      for begin in range(0, len(order) - size + 1, size):
        yield {**{name: array[order[begin:begin + size]] for name, array in joined.items()},
               **self._numbers}

    while True:
      waiting: List[Batch] = []
      length = 0
      for batch in self._source():
        waiting.append(batch)
        length += len(next(iter(batch.values())))
        if length >= max(size, _SHUFFLED):
          yield from mixed(_joined(waiting))
          waiting, length = [], 0
      if length:
        yield from mixed(_joined(waiting))

  def part(self, begin: float, end: float) -> 'Examples':
    """Returns the examples from one fraction of their number to another, for example 0.5 to 1."""
    first, last = int(round(begin * self.count)), int(round(end * self.count))

    def source() -> Iterator[Batch]:
      position = 0
      for batch in self._source():
        length = len(next(iter(batch.values())))
        inside = slice(max(first - position, 0), max(last - position, 0))
        if position < last and position + length > first:
          yield {name: array[inside] for name, array in batch.items()}
        position += length

    part = object.__new__(Examples)
    part._inputs, part.fixed, part._source = self._inputs, self.fixed, source
    part._placeholders, part._numbers = self._placeholders, self._numbers
    part.count = last - first
    return part

  def _source_of(self, examples: Any) -> Callable[[], Iterator[Batch]]:
    """Returns a function that yields the examples from the first to the last."""
    if isinstance(examples, (str, bytes, os.PathLike)):
      examples = files_of_examples.columns(examples)
    if self._is_batch(examples):
      batch = self._batch(examples)
      return lambda: iter([batch])
    if isinstance(examples, tuple) and _inputs_of(examples) is not examples and (
        isinstance(examples[0], (dict, list)) or _is_array(examples[0])):
      return self._source_of(examples[0])
    if callable(examples) and not hasattr(examples, '__iter__'):
      return lambda: map(self._batch, map(_inputs_of, examples()))
    if not hasattr(examples, '__iter__'):
      raise _no_examples(examples, [each.name for each in self._inputs])
    examples = endless.repeatable(examples)
    return lambda: map(self._batch, map(_inputs_of, examples))

  def _is_batch(self, examples: Any) -> bool:
    """Whether `examples` are arrays, and not batches of arrays."""
    if isinstance(examples, Mapping) or _is_array(examples):
      return True
    if not isinstance(examples, (list, tuple)) or not examples:
      return False
    if len(self._inputs) > 1:
      return len(examples) == len(self._inputs) and all(map(_is_array, examples))
    # A list of single examples, or one array in a list.
    rank = self._inputs[0].shape.rank
    return rank is not None and all(
        _is_array(each) and np.ndim(each) == rank - 1 for each in examples)

  def _batch(self, batch: Any) -> Batch:
    """Returns a batch by the names of the inputs, after checking it."""
    names = [each.name for each in self._inputs]
    if isinstance(batch, Mapping):
      given = {str(self._placeholders.get(name, name)).split(':')[0]: value
               for name, value in batch.items()}
      for name, placeholder in zip(batch, given):
        if placeholder not in names:
          shown = [self._shown(each) for each in names]
          raise errors.ExamplesError('There are examples for %r%s, which is no input of the model; '
                                     'its inputs are: %s' % (
                                         name, errors.nearest(name, shown), ', '.join(shown)))
      missing = [self._shown(name) for name in names if name not in given]
      if missing:
        raise errors.ExamplesError('There are no examples for the input %s; give them by name, in '
                                   'a dict or a .npz file, for: %s' % (
                                       missing[0], ', '.join(map(self._shown, names))))
    elif len(names) == 1:
      given = {names[0]: batch}
    elif isinstance(batch, (list, tuple)) and self._placeholders:
      raise errors.ExamplesError(
          'The inputs of a SavedModel have names, but no order; give the examples by name, in a '
          'dict or a .npz file, for: %s' % ', '.join(map(self._shown, names)))
    elif isinstance(batch, (list, tuple)) and len(batch) == len(names):
      given = dict(zip(names, batch))
    else:
      raise errors.ExamplesError(
          'The model has %d inputs (%s), but there is one array; give the examples by name, in a '
          'dict or a .npz file (one number for an input such as keep_prob), or name '
          'the inputs that the outputs need (inputs=, --inputs)' % (
              len(names), ', '.join(map(self._shown, names))))
    fitted = {each.name: _fitted(given[each.name], each._replace(name=self._shown(each.name)))
              for each in self._inputs}
    self._numbers.update({name: value for name, value in fitted.items() if not value.ndim})
    return {name: array for name, array in fitted.items() if array.ndim}

  def _shown(self, placeholder: str) -> str:
    """Returns the name by which users know an input."""
    return next((name for name, each in self._placeholders.items() if each == placeholder),
                placeholder)

  def _check_finite(self, batch: Batch, before: int) -> None:
    for name, array in batch.items():
      if not len(array) or array.dtype.kind not in 'fc' and array.dtype.name != 'bfloat16':
        continue
      wrong = ~np.isfinite(array.astype(np.float32)).reshape([len(array), -1]).all(axis=1)
      if wrong.any():
        raise errors.ExamplesError(
            '%d of the examples of %s have values that are NaN or infinite, first example %d '
            '(counted from 0); leave them out' % (
                wrong.sum(), name, before + int(np.flatnonzero(wrong)[0])))


def first_batch(examples: Any) -> Any:
  """Returns one batch of inputs as it was given, for a model that does not declare its inputs.

  Args:
    examples: see Examples.

  Raises:
    errors.ExamplesError: there are none.
  """
  if isinstance(examples, (str, bytes, os.PathLike)):
    return files_of_examples.columns(examples)
  if isinstance(examples, (Mapping, list, tuple)) or _is_array(examples):
    return examples
  if callable(examples) and not hasattr(examples, '__iter__'):
    examples = examples()
  if not hasattr(examples, '__iter__'):
    raise _no_examples(examples)
  batch = next(iter(examples), None)
  if batch is None:
    raise _too_few(0)
  return _inputs_of(batch)


def _inputs_of(batch: Any) -> Any:
  """Returns the inputs of a batch, which for Keras is a tuple: with labels and weights, or not."""
  return batch[0] if isinstance(batch, tuple) and len(batch) in (1, 2, 3) else batch


def _too_few(count: int) -> errors.ExamplesError:
  return errors.ExamplesError(
      'There are %d examples, too few to refit layers to; give at least %d, better %d, which look '
      'like the inputs that the model will see' % (count, FEWEST, endless.ENOUGH))


def _no_examples(examples: Any, inputs: Sequence[str] = ()) -> errors.ExamplesError:
  return errors.ExamplesError(
      'The examples are %s; expected an array, a dict of arrays by input%s, or batches of these' % (
          type(examples).__name__, ' (%s)' % ', '.join(inputs) if inputs else ''))


def _repeats(batch: Array, example: Array) -> bool:
  """Whether every example of a batch is the same as a given one."""
  return batch.shape[1:] == np.shape(example) and bool(np.all(batch == example))


def _is_zero(example: Any) -> bool:
  return np.asarray(example).dtype.kind in 'biufc' and not np.any(example)


def _is_array(value: Any) -> bool:
  return hasattr(value, '__array__') and hasattr(value, 'shape')


def _joined(batches: List[Batch]) -> Batch:
  if len(batches) == 1:
    return batches[0]
  return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _fitted(value: Any, each: Input) -> Array:
  """Returns the examples of one input as an array of its dtype, after checking them."""
  try:
    array = np.asarray(value)
  except (ValueError, TypeError) as error:
    raise errors.ExamplesError('The examples of %s are no array (%s)' % (
        each.name, errors.first_line(error))) from error
  wanted = each.dtype.as_numpy_dtype
  if array.dtype != np.dtype(wanted):
    # Floats of any width fit a floating input, and so do integers, and strings of any length fit an
    # input of strings, but nothing else does.
    fits = array.dtype.kind in 'SU' if each.dtype.name == 'string' else (
        array.dtype.kind in 'iuf' and (
            each.dtype.is_floating or each.dtype.is_integer and array.dtype.kind in 'iu'))
    if not fits:
      raise errors.ExamplesError('The examples of %s have dtype %s, but the model takes %s' % (
          each.name, array.dtype, each.dtype.name))
    array = array.astype(wanted)
  rank = each.shape.rank
  if rank is None or rank == array.ndim == 0:
    return array
  if rank == 0:
    raise errors.ExamplesError('The examples of %s have shape %s, but the model takes one number '
                               'for all examples' % (each.name, list(array.shape)))
  expected = each.shape.as_list()
  if array.ndim == 1 and rank == 2 and expected[1] == 1:
    array = array[:, np.newaxis]  # As Keras takes one number per example.
  if array.ndim != rank or any(
      dim is not None and dim != size for dim, size in zip(expected[1:], array.shape[1:])):
    shown = ', '.join('any' if dim is None else str(dim) for dim in [None] + expected[1:])
    raise errors.ExamplesError('The examples of %s have shape %s, but the model takes [%s]%s' % (
        each.name, list(array.shape), shown, '; put them into batches, or into one array' * (
            array.ndim == rank - 1)))
  return array
