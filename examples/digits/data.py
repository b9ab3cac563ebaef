# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Images of handwritten digits: scikit-learn's, which need no network, or MNIST."""

import dataclasses
import os
from typing import Iterator, Optional, Tuple

import numpy as np

from examples.digits import terminal

_MNIST_ARRAYS = ('x_train', 'y_train', 'x_test', 'y_test')


@dataclasses.dataclass(frozen=True)
class Data:
  """Images, float32 of shape [n, height, width, 1] in [0, 1], and labels, int32 of shape [n]."""
  name: str
  train_images: np.ndarray
  train_labels: np.ndarray
  test_images: np.ndarray
  test_labels: np.ndarray

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
  """Returns the images of `dataset`, 'digits' or 'mnist'; `path` is a local mnist.npz."""
  if dataset == 'digits':
    if path:
      raise terminal.UserError('--data_path is for --dataset=mnist; the digits come with '
                               'scikit-learn')
    return _load_digits()
  (x_train, y_train), (x_test, y_test) = _load_mnist_file(path) if path else _load_mnist()
  return Data('MNIST', _images(x_train, 255), y_train.astype(np.int32), _images(x_test, 255),
              y_test.astype(np.int32))


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
              labels[:held_out])


def _load_mnist() -> tuple:
  import tensorflow  # Imported here, because Keras is slow to load.
  try:
    return tensorflow.keras.datasets.mnist.load_data()
  except Exception as error:  # Keras raises a plain Exception where the network is missing.
    raise terminal.UserError(
        'MNIST is not in the cache of Keras and could not be downloaded (%s). Pass a local '
        'mnist.npz with --data_path, or use --dataset=digits, which needs neither' %
        (str(error).splitlines() or [type(error).__name__])[0]) from error


def _load_mnist_file(path: str) -> tuple:
  try:
    with np.load(os.path.expanduser(path), allow_pickle=False) as arrays:
      x_train, y_train, x_test, y_test = (arrays[name] for name in _MNIST_ARRAYS)
  except Exception as error:  # NumPy raises OSError, and also errors of zipfile and pickle.
    raise terminal.UserError(
        '--data_path=%s cannot be read as an mnist.npz with the arrays %s (%s)' %
        (path, ', '.join(_MNIST_ARRAYS), error)) from error
  for images, labels in ((x_train, y_train), (x_test, y_test)):
    if images.ndim != 3 or labels.shape != images.shape[:1]:
      raise terminal.UserError('--data_path=%s holds images of shape %s with labels of shape %s; '
                               'expected [n, height, width] and [n]' %
                               (path, images.shape, labels.shape))
  return (x_train, y_train), (x_test, y_test)
