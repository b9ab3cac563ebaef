# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Accuracies of Keras nets, pruned by tfmot or by model_pruning, for benchmarks/accuracy.py."""

import gc

from benchmarks import nets
from benchmarks.accuracy_cells import DENSE, PRUNED_AFTER, PRUNED_DURING, schedule, UNLABELED
import numpy as np

from model_pruning.compat import tensorflow as tf


def measure(cell, data, folder, epochs):
  """Returns (accuracy, fraction of zeros in all kernels) of a net.

  Args:
    cell: accuracy_cells.Cell.
    data: nets.Data.
    folder: where trained dense nets are kept.
    epochs: of every training; 0 for as many as nets.NETS says.
  """
  if cell.method == DENSE:
    model, _ = nets.trained(cell.net, cell.seed, folder, epochs, data)
  elif cell.method in PRUNED_AFTER:
    model = _pruned_after(cell, data, folder, epochs)
  else:
    model = _pruned_during(cell, data, epochs)
  found = nets.accuracy(model, data.x_test, data.y_test), _zeros(model)
  del model
  tf.keras.backend.clear_session()  # Hundreds of nets are trained in this process.
  gc.collect()
  return found


def _pruned_during(cell, data, epochs):
  net = nets.NETS[cell.net]
  epochs = epochs or net.epochs
  begin, end, frequency = schedule(epochs * -(-len(data.x_train) // net.batch_size))
  arguments = {}
  if cell.method == 'tfmot':
    from tensorflow_model_optimization.sparsity import keras as library
  else:
    import model_pruning.keras as library
    arguments['hparams'] = PRUNED_DURING[cell.method]
  model = nets.build(cell.net, data.x_train.shape[1:], cell.seed)
  model = library.prune_low_magnitude(
      model, library.PolynomialDecay(0.0, cell.sparsity, begin, end, 3, frequency), **arguments)
  nets.fit(model, cell.net, data, cell.seed, epochs, [library.UpdatePruningStep()])
  return library.strip_pruning(model)


def _pruned_after(cell, data, folder, epochs):
  import model_pruning.keras
  model, _ = nets.trained(cell.net, cell.seed, folder, epochs, data)
  hparams, refit = PRUNED_AFTER[cell.method]
  pruned = model_pruning.keras.prune_trained(
      model, 'target_sparsity=%r,%s' % (cell.sparsity, hparams),
      data.x_train[:UNLABELED] if refit else None)
  return model_pruning.keras.strip_pruning(pruned)


def _zeros(model):
  kernels = [np.asarray(variable) for variable in model.trainable_variables
             if len(variable.shape) > 1]
  zeros = sum(int(np.sum(kernel == 0)) for kernel in kernels)
  return zeros / sum(kernel.size for kernel in kernels)
