# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a trained net is worth: read back from its checkpoint and its summaries."""

import dataclasses
import os
import re
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from examples.digits import hooks
from examples.digits import model
from examples.digits import runs
from examples.digits.data import Data
import model_pruning
from model_pruning.export import freeze

Curve = List[Tuple[int, float]]  # (global step, value), in order.

_CHUNK = 1000  # Images per session run, so that MNIST's 10,000 need no gigabytes.


@dataclasses.dataclass(frozen=True)
class Result:
  """A trained net.

  Attributes:
    steps: global steps it was trained for.
    accuracy: fraction of correct answers on all test images.
    scores: its logits on all test images, [n, 10].
    graph_def: GraphDef from the placeholder `images` to model.OUTPUT, variables
      as constants; masks included.
    weights: target and achieved sparsity of each masked weight; [] for a dense net.
    curves: what the summaries say of test accuracy and sparsity over time.
  """
  steps: int
  accuracy: float
  scores: np.ndarray
  graph_def: Any
  weights: list
  curves: Dict[str, Curve]


def evaluate(data: Data, model_dir: str, pruning_hparams: Optional[str]) -> Result:
  """Reads the last checkpoint in `model_dir`; pruning_hparams is None for a dense net."""
  with tf.Graph().as_default():
    images = tf.placeholder(tf.float32, (None,) + data.image_shape, name='images')
    model.build(images, pruned=pruning_hparams is not None)
    with runs.restored(model_dir, pruning_hparams) as (session, weights):
      graph_def = freeze.graph_def_from_session(session, [model.OUTPUT])
  # By the frozen graph, which is what is handed over. TensorFlow fuses more of its operations,
  # and so rounds in other places, once it knows that weights are constants.
  scores = scores_of(graph_def, data.test_images)
  accuracy = float(np.mean(np.argmax(scores, axis=1) == data.test_labels))
  names = [row.name for row in weights]
  curves = _curves(model_dir, names, model_pruning.PruningSpec.create(pruning_hparams).name)
  return Result(runs.trained_steps(model_dir), accuracy, scores, graph_def, weights, curves)


def scores_of(graph_def: Any, images: np.ndarray) -> np.ndarray:
  """Returns the logits that a frozen graph computes."""
  with tf.Graph().as_default() as graph:
    tf.import_graph_def(graph_def, name='')
    output = graph.get_tensor_by_name(model.OUTPUT + ':0')
    placeholder = graph.get_tensor_by_name('images:0')
    with tf.Session() as session:
      return np.concatenate([session.run(output, {placeholder: images[start:start + _CHUNK]})
                             for start in range(0, len(images), _CHUNK)])


def _curves(model_dir: str, weight_names: List[str], spec_name: str) -> Dict[str, Curve]:
  """Returns the summaries of interest: test accuracy, and the sparsity of each weight."""
  scalars = _scalars(model_dir)
  curves = {hooks.TEST_ACCURACY: scalars.get(hooks.TEST_ACCURACY, [])}
  for name in weight_names:  # PruningHook's summaries.
    mask = re.sub('kernel$', 'mask', name)
    curves[name] = scalars.get('%s_summaries/%s/sparsity' % (spec_name, mask), [])
  return curves


def _scalars(model_dir: str) -> Dict[str, Curve]:
  """Returns all scalar summaries under `model_dir`, by tag."""
  values: Dict[str, Dict[int, float]] = {}
  for folder, _, names in os.walk(model_dir):
    # By name is by time. A run that was killed may have gone on after its last checkpoint;
    # the one that resumed it did those steps again, and its values count.
    for name in sorted(name for name in names if name.startswith('events.out.tfevents')):
      for event in _events(os.path.join(folder, name)):
        for value in event.summary.value:
          if value.HasField('simple_value'):
            values.setdefault(value.tag, {})[event.step] = value.simple_value
  return {tag: sorted(curve.items()) for tag, curve in values.items()}


def _events(path: str) -> Any:
  try:
    for event in tf.train.summary_iterator(path):
      yield event
  except tf.errors.DataLossError:
    pass  # The last event of a run that was killed may be cut short.
