# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A fully connected net, wide enough that its kernels are most of the time it takes."""

from typing import Any

import tensorflow.compat.v1 as tf

from examples.digits import model
import model_pruning

INPUT, OUTPUT = 'images', model.OUTPUT


def logits(images: Any, units: int, layers: int) -> Any:
  """Returns logits of shape [n, 10] for images of shape [n, height, width, 1].

  Args:
    images: a float32 tensor.
    units, layers: size and number of the hidden layers: hidden1, hidden2, ...
  """
  x = tf.reshape(images, [-1, images.shape[1] * images.shape[2]])
  for layer in range(1, layers + 1):
    x = tf.nn.relu(model.dense(x, units, 'hidden%d' % layer, seed=layer))
  return model.dense(x, 10, 'logits', seed=layers + 1)


def build(images: Any, units: int, layers: int, pruned: bool) -> Any:
  """Returns the logits, named OUTPUT; if `pruned`, all kernels are masked."""
  if pruned:
    with model_pruning.masked_scope(include='.*kernel$'):
      scores = logits(images, units, layers)
  else:
    scores = logits(images, units, layers)
  return tf.identity(scores, name=OUTPUT)
