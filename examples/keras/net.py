# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The net of the published experiment, and when it is pruned; tfmot's process has it as well."""

from typing import Any, Tuple

import tensorflow as tf

_UPDATES = 40  # Within a whole training; tfmot's default, every 100 steps, makes as many on MNIST.


def build(image_shape: Any, seed: int) -> Any:
  """Returns the net of the article, written as if there were no pruning."""
  tf.keras.utils.set_random_seed(seed)
  layers = tf.keras.layers
  return tf.keras.Sequential([
      tf.keras.Input(image_shape),
      layers.Conv2D(32, 3, activation='relu', name='conv1'),
      layers.MaxPooling2D(2),
      layers.Dropout(0.25, seed=2 * seed),  # A copy of the layer has it too, and drops the same.
      layers.Conv2D(64, 3, activation='relu', name='conv2'),
      layers.MaxPooling2D(2),
      layers.Dropout(0.25, seed=2 * seed + 1),
      layers.Flatten(),
      layers.Dense(256, activation='relu', name='dense'),
      layers.Dense(10, activation='softmax', name='softmax')])


def compiled(model: Any) -> Any:
  """Returns the model, compiled."""
  model.compile(optimizer='adam', loss='sparse_categorical_crossentropy', metrics=['accuracy'])
  return model


def pruned_from(steps: int) -> Tuple[int, int]:
  """Returns (first step, steps from one update to the next) for a training of `steps` batches."""
  return steps // 5, max(1, steps // _UPDATES)


def schedules_of(library: Any, sparsity: float, steps: int) -> Any:
  """Returns the schedules to compare, by name; None for the net that is not pruned.

  Args:
    library: model_pruning.keras or tfmot.sparsity.keras, which name them alike.
    sparsity: the fraction of zeros to end with.
    steps: batches in a whole training.
  """
  begin, frequency = pruned_from(steps)
  return {
      'baseline': None,
      'constant': library.ConstantSparsity(sparsity, begin, steps, frequency),
      'polynomial': library.PolynomialDecay(
          0.0, sparsity, begin, steps, power=3, frequency=frequency)}
