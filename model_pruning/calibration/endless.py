# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Examples without an end, as programs for training make them."""

import os
from typing import Any, List, Optional

from model_pruning import errors
from model_pruning.compat import tensorflow

ENOUGH = 256
# More examples, or bytes of an iterator in memory, than these have no end.
_MOST, _MOST_BYTES = 10**6, 4 * 10**9
_INFINITE, _UNKNOWN = -1, -2  # Cardinalities of a tf.data.Dataset.


def most(examples: Any) -> Optional[int]:
  """Returns the largest number of examples to read; None if it is known that they end.

  Iterators end: `repeatable` has read them.

  Raises:
    errors.ExamplesError: it is known that they do not.
  """
  number = _cardinality(examples)
  if number == _INFINITE:
    raise error('repeated without end')
  if isinstance(examples, tensorflow.data.Dataset):
    return _MOST if number == _UNKNOWN else None
  ends = isinstance(examples, os.PathLike) or any(
      hasattr(examples, name) for name in ('__len__', '__next__'))
  return None if ends else _MOST


def repeatable(examples: Any) -> Any:
  """Returns examples that can be read again: an iterator as a list, anything else as it is.

  Raises:
    errors.ExamplesError: the iterator has too many for the memory, as one without an end has.
  """
  if not hasattr(examples, '__next__'):
    return examples
  found: List[Any] = []
  size = 0
  for batch in examples:
    found.append(batch)
    size += sum(map(_bytes_of, tensorflow.nest.flatten(batch)))
    if size > _MOST_BYTES or len(found) > _MOST:
      raise error('more than {:,} batches, with {:,} MB'.format(len(found) - 1, size // 10**6))
  return found


def error(count: str) -> errors.ExamplesError:
  """Returns the error about examples that are too many; `count` says how many."""
  return errors.ExamplesError(
      'The examples are %s; give a part of them: dataset.take(16), or '
      'itertools.islice(batches, 16); %d examples are usually enough' % (count, ENOUGH))


def _bytes_of(array: Any) -> int:
  if isinstance(array, tensorflow.Tensor):
    return int(array.dtype.size * (array.shape.num_elements() or 0))
  return getattr(array, 'nbytes', 0)


def _cardinality(examples: Any) -> int:
  """Returns the number of batches of a tf.data.Dataset; negative if it is infinite or unknown."""
  if not isinstance(examples, tensorflow.data.Dataset):
    return _UNKNOWN
  try:
    return int(tensorflow.data.experimental.cardinality(examples))
  except TypeError:  # In a graph.
    return _UNKNOWN
