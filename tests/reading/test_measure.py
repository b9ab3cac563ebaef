# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.measure: blocks, and what sparse arrays take to store."""

import gzip
import io

import numpy as np
import pytest

from model_pruning import errors
from model_pruning.reading import measure


def _blocks(rows, columns, height, width, share, seed=0):
  """A mask of rows x columns elements in which `share` of the blocks are zero."""
  shape = -(-rows // height), -(-columns // width)
  alive = np.ones(shape[0] * shape[1], bool)
  alive[:int(round(len(alive) * share))] = False
  alive = np.random.RandomState(seed).permutation(alive).reshape(shape)
  return np.repeat(np.repeat(alive, height, 0), width, 1)[:rows, :columns]


@pytest.mark.parametrize('height,width', [
    (16, 1), (4, 1), (1, 16), (1, 4), (4, 4), (2, 1), (1, 2), (8, 2), (64, 1), (32, 32)])
@pytest.mark.parametrize('share', [0.5, 0.9])
def test_the_blocks_of_pruning_are_found(height, width, share):
  kept = _blocks(256, 192, height, width, share)
  assert measure.find_block(kept) == (height, width)


def test_blocks_at_the_edges_are_found_too():
  assert measure.find_block(_blocks(250, 67, 16, 1, 0.8)) == (16, 1)


@pytest.mark.parametrize('share', [0.02, 0.5, 0.9, 0.99, 0.999])
def test_no_blocks_are_found_where_single_elements_are_pruned(share):
  assert measure.find_block(_blocks(256, 192, 1, 1, share)) == (1, 1)


def test_a_few_zeros_in_what_is_kept_do_not_hide_the_blocks():
  kept = _blocks(256, 192, 4, 1, 0.8)
  kept[np.nonzero(kept)[0][:10], np.nonzero(kept)[1][:10]] = False
  assert measure.find_block(kept) == (4, 1)


def test_dead_rows_and_columns_are_blocks():
  kept = np.ones((30, 50), bool)
  kept[[3, 7, 12]] = False
  assert measure.find_block(kept) == (1, 50)
  assert measure.find_block(kept.T) == (50, 1)


@pytest.mark.parametrize('value', [True, False])
def test_what_is_all_the_same_has_no_blocks(value):
  assert measure.find_block(np.full((64, 64), value)) == (1, 1)


def test_blocks_are_counted_with_those_at_the_edges():
  kept = np.zeros((5, 6), bool)
  kept[4, 5] = kept[0, 0] = True
  blocks = measure.blocks_of(kept, (2, 4))  # 3 x 2 blocks; the last is of 1 x 2 elements.
  assert (blocks.total, blocks.zero, blocks.covered) == (6, 4, 8 + 2)
  assert blocks.sparsity == 4 / 6
  whole = measure.blocks_of(kept, (1, -1))
  assert (whole.height, whole.width, whole.total, whole.zero) == (1, 6, 5, 3)


def test_size_in_the_sparse_encoding():
  kept = np.zeros((400, 3), bool)
  kept[0, 0] = kept[399, 2] = True
  # 2 values of 4 bytes, 2 rows up to 399 of 2 bytes, 3 + 1 begins up to 2 of a byte.
  assert measure.bytes_sparse(measure.blocks_of(kept, (1, 1)), kept.shape, 4) == 8 + 4 + 4
  # Of 25 x 3 blocks 2 are kept: 2 * 16 values of 2 bytes, 2 rows, 3 + 1 begins.
  assert measure.bytes_sparse(measure.blocks_of(kept, (16, 1)), kept.shape, 2) == 64 + 2 + 4


def test_size_in_the_sparse_encoding_is_that_of_its_arrays():
  """Against the encoding made in full."""
  kept = _blocks(700, 40, 4, 2, 0.6)
  values, rows, begins = [], [], [0]
  for column in range(0, 40, 2):
    for row in range(0, 700, 4):
      if kept[row:row + 4, column:column + 2].any():
        values.append(np.zeros((4, 2), np.float32))
        rows.append(row // 4)
    begins.append(len(rows))
  wanted = sum(value.nbytes for value in values)
  for numbers in (rows, begins):
    wanted += np.array(numbers, np.uint8 if max(numbers) < 256 else np.uint16).nbytes
  assert measure.bytes_sparse(measure.blocks_of(kept, (4, 2)), kept.shape, 4) == wanted


def test_gzipped_size_is_that_of_the_program():
  content = np.random.RandomState(0).randint(0, 4, 5000).astype(np.uint8).tobytes()
  file = io.BytesIO()
  with gzip.GzipFile(fileobj=file, mode='wb', compresslevel=6, filename='') as f:
    f.write(content)
  assert measure.bytes_gzipped(content) == len(file.getvalue())


@pytest.mark.parametrize('block', [(0, 1), (1, -2), (4,), (1.5, 1)])
def test_no_such_block(block):
  with pytest.raises(errors.BlockError, match='expected .height, width.'):
    measure.check_block(block)
