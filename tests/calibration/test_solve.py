# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Least squares over the kept elements of a matrix."""

import numpy as np
import pytest

from model_pruning.calibration import solve


def problem(rows, inputs, outputs, density, seed=0):
  rng = np.random.RandomState(seed)
  x = rng.randn(rows, inputs) @ rng.randn(inputs, inputs) / inputs**0.5
  dense = rng.randn(inputs, outputs)
  y = x @ dense + 0.1 * rng.randn(rows, outputs)
  return x, y, dense, rng.rand(inputs, outputs) < density


def objective(x, y, dense, w):
  ridge = solve.ridge_of(x.T @ x, len(x))
  return np.sum((x @ w - y)**2) + ridge * np.sum((w - dense)**2)


@pytest.mark.parametrize('rows, more', [(1000, 1), (64, 1), (32, 2), (8, 8), (1, 64)])
def test_the_fewer_the_rows_the_more_a_refit_holds_on_to_the_dense_values(rows, more):
  gram = np.diag([1.0, 2.0, 6.0])
  assert solve.ridge_of(gram, rows) == pytest.approx(more * 0.01 * 3)


@pytest.mark.parametrize('density', [0.02, 0.3, 0.7, 1.0])
@pytest.mark.parametrize('rows,inputs,outputs', [(200, 40, 7), (20, 60, 5), (500, 1, 3)])
def test_no_kept_element_can_be_changed_for_the_better(rows, inputs, outputs, density):
  x, y, dense, mask = problem(rows, inputs, outputs, density)
  for exact in (False, True):
    w = solve.refit(x.T @ x, x.T @ y, dense, mask, len(x), exact)
    assert not np.any(w[~mask])
    best = objective(x, y, dense, w)
    rng = np.random.RandomState(1)
    for scale in (1e-2, 1e-1):
      step = scale * rng.randn(*w.shape) * mask
      assert objective(x, y, dense, w + step) >= best * (1 - 1e-6)


@pytest.mark.parametrize('seed', range(3))
def test_conjugate_gradients_come_within_one_percent_of_elimination(seed):
  x, y, dense, mask = problem(300, 200, 30, 0.5, seed)
  gram, cross = x.T @ x, x.T @ y
  exact = solve.refit(gram, cross, dense, mask, len(x), exact=True)
  ridge = solve.ridge_of(gram, len(x))
  iterated = solve._conjugate_gradients(
      gram + ridge * np.eye(len(gram)), cross + ridge * dense, dense * mask, mask.astype(float))
  errors = [np.sum((x @ w - y)**2) for w in (exact, iterated)]
  assert errors[1] <= 1.01 * errors[0]


def test_a_matrix_without_zeros_in_its_mask_stays_as_it_is_on_its_own_outputs():
  x, _, dense, _ = problem(100, 20, 6, 1.0)
  w = solve.refit(x.T @ x, x.T @ (x @ dense), dense, np.ones_like(dense, bool), len(x))
  np.testing.assert_allclose(w, dense, rtol=1e-3, atol=1e-3)


def test_inputs_that_are_always_zero_leave_the_kept_weights_alone():
  dense, mask = np.ones([4, 3]), np.eye(4, 3) > 0
  w = solve.refit(np.zeros([4, 4]), np.zeros([4, 3]), dense, mask, 9)
  np.testing.assert_array_equal(w, np.eye(4, 3))
