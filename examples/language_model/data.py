# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""English text that comes with every Python: the topics of help()."""

import dataclasses
from typing import Iterator, Set, Tuple

import numpy as np

from examples.digits import terminal

_PAGE = 5000  # Characters; the unit in which text is held out.


@dataclasses.dataclass(frozen=True)
class Text:
  """Characters to train and to test on, as int32 indices into the vocabulary, of shape [n]."""
  vocabulary: str
  train: np.ndarray
  test: np.ndarray

  def batches(self, batch_size: int, unroll: int, seed: int,
              first: int = 0) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    """Yields (inputs, targets) forever, [batch_size, unroll] each, starting at step `first`.

    What is in a batch depends on the seed and the step alone, so a run that is
    resumed sees what it would have seen.
    """
    last = len(self.train) - unroll
    if last < 1:
      raise terminal.UserError('--unroll=%d is more than the %d characters there are to train on' %
                               (unroll, len(self.train)))
    step = first
    while True:
      starts = np.random.RandomState([seed, step]).randint(last, size=batch_size)
      yield _windows(self.train, starts, unroll)
      step += 1

  def test_windows(self, length: int = 500) -> Tuple[np.ndarray, np.ndarray]:
    """Returns (inputs, targets) that cover the test text in windows, [windows, length] each."""
    return _windows(self.test, np.arange(0, len(self.test) - length, length), length)


def _windows(text: np.ndarray, starts: np.ndarray, length: int) -> Tuple[np.ndarray, np.ndarray]:
  where = starts[:, np.newaxis] + np.arange(length)
  return text[where], text[where + 1]


def load() -> Text:
  """Returns the text; every tenth page of it is held out to test on."""
  text = _python_topics()
  vocabulary = ''.join(sorted(set(text)))
  index = {character: i for i, character in enumerate(vocabulary)}
  pages = [text[start:start + _PAGE] for start in range(0, len(text), _PAGE)]
  train, test = (np.array([index[character] for character in part], np.int32) for part in (
      ''.join(page for i, page in enumerate(pages) if i % 10 != 9), ''.join(pages[9::10])))
  return Text(vocabulary, train, test)


def _python_topics() -> str:
  try:
    from pydoc_data import topics
  except ImportError as error:
    raise terminal.UserError(
        'the text to learn is that of pydoc_data, which comes with Python but is missing here '
        '(%s); Linux distributions have it in their full package of Python' % error) from error
  # The topics share sections. One that is both in the training and in the test text would be
  # recited, not predicted.
  seen: Set[str] = set()
  paragraphs = []
  for name in sorted(topics.topics):
    for paragraph in topics.topics[name].split('\n\n'):
      if paragraph.strip() not in seen:
        seen.add(paragraph.strip())
        paragraphs.append(paragraph)
  return '\n\n'.join(paragraphs)
