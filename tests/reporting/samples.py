# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reports on made-up models, for the tests beside this file."""

import numpy as np

from model_pruning.hparams.spec import PruningSpec
from model_pruning.reading import goals
from model_pruning.reading.stored import StoredWeight
from model_pruning.reading.stored_spec import StoredSpec
from model_pruning.reporting import events
from model_pruning.reporting import report

STEPS = np.arange(0, 1010, 10)


def weight(name, shape, sparsity=None, height=1, seed=0):
  """Returns a weight, with a mask that hides a fraction of its blocks of height x 1, or without."""
  values = np.random.RandomState(seed + len(name)).standard_t(5, shape).astype(np.float32) * 0.08
  if sparsity is None:
    return StoredWeight(name, values)
  if not sparsity:
    return StoredWeight(name, values, np.ones(shape, bool), 0.0)
  columns = shape[-1]
  score = np.abs(values).reshape(-1, height, columns).mean(axis=1)
  pruned = int(round(score.size * sparsity))
  order = np.argsort(score, axis=None, kind='stable')
  kept = np.ones(score.size, bool)
  kept[order[:pruned]] = False
  kept = np.repeat(kept.reshape(score.shape), height, axis=0).reshape(shape)
  threshold = float(score.reshape(-1)[order[min(pruned, score.size - 1)]])
  return StoredWeight(name, values, kept, threshold)


def report_of(weights, hparams=None, end_step=1000, last_update=1000, history=None, path='model'):
  """Returns the report on weights whose graph says that it was pruned by hparams."""
  stored = None
  if hparams is not None:
    stored = StoredSpec(PruningSpec.create(hparams), end_step)
  return report.of_weights(path, 'checkpoint', weights, last_update=last_update,
                           goals=goals.StoredGoals(stored), history=history)


def history_of(weights):
  """Returns a history in which the masks of the weights come to what they are."""
  rise = 1 - (1 - STEPS / STEPS[-1])**3
  return events.History('run', tuple(
      events.WeightHistory(each.name, events.Series(STEPS, (1 - each.kept.mean()) * rise),
                           events.Series(STEPS, each.threshold * rise))
      for each in weights if each.kept is not None))


def convnet():
  """Returns four weights: one short of a target of 0.9, one in blocks of 16x1."""
  return [weight('conv1/kernel', (3, 3, 1, 32), 0.9), weight('conv2/kernel', (3, 3, 32, 64), 0.75),
          weight('dense/kernel', (1600, 256), 0.9, 16), weight('logits/kernel', (256, 10), 0.9)]


def encoder(layers=11):
  """Returns the weights of an encoder, 60 with 11 layers, some of them dense, with long names."""
  found = [weight('bert/embeddings/word_embeddings', (3000, 64), 0.9)]
  for index in range(layers):
    scope = 'bert/encoder/layer_%d/' % index
    found += [weight(scope + 'attention/self/%s/kernel' % name, (64, 64), 0.9, 1, index)
              for name in ('query', 'key', 'value')]
    found += [weight(scope + 'intermediate/dense/kernel', (64, 256), 0.9, 16, index),
              weight(scope + 'output/dense/kernel', (256, 64), 0.7 if index == 4 else 0.9, 4,
                     index)]
  return found + [weight('bert/pooler/%s/kernel' % name, (64, 64))
                  for name in ('dense', 'gate', 'norm', 'classifier')]


def towers(number=1000):
  """Returns so many convolutions, a thirteenth of them dense."""
  return [weight('tower_%d/block_%d/layer_with_a_rather_long_name_%d/conv2d/kernel' % (
      index % 10, index // 100, index), (3, 3, 8 + index % 24, 16),
                 None if index % 13 == 0 else 0.6 if index % 97 == 0 else 0.9)
          for index in range(number)]
