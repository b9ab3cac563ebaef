# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What TFLite files are worth on this machine: their accuracy and their latency."""

import functools
import time
from typing import Any, Dict, Sequence, Tuple

import numpy as np

from benchmarks import measure
from model_pruning.export.tflite import convert as tflite

_CALLS = 20  # In a round, of each file.


def open_file(path: str) -> Any:
  """Returns a tf.lite.Interpreter of one thread for a file, ready to be used."""
  with open(path, 'rb') as f:
    return tflite.interpreter(f.read())


def scores_of(path: str, images: np.ndarray) -> np.ndarray:
  """Returns the logits that a file computes, [n, 10], one image at a time as a device does."""
  interpreter = open_file(path)
  (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
  scores = []
  for image in images:
    interpreter.set_tensor(source['index'], image[np.newaxis])
    interpreter.invoke()
    scores.append(interpreter.get_tensor(result['index'])[0].copy())
  return np.stack(scores)


def accuracy(path: str, images: np.ndarray, labels: np.ndarray) -> float:
  """Returns the fraction of images for which a file gives the right label."""
  return float(np.mean(np.argmax(scores_of(path, images), axis=1) == labels))


def latencies(paths: Sequence[str], image: np.ndarray, rounds: int) -> Dict[str, Tuple[float,
                                                                                      float]]:
  """Measures how long files take for one image, on one thread.

  Args:
    paths: the files. They take turns, so that what else the machine does hits all alike.
    image: of shape [height, width, 1].
    rounds: how many turns.

  Returns:
    By file, the median time in seconds, and the median over the rounds of how many times as
    fast it was as the first file.
  """
  interpreters = {}
  for path in paths:
    interpreters[path] = open_file(path)
    interpreters[path].set_tensor(interpreters[path].get_input_details()[0]['index'],
                                  image[np.newaxis])
    interpreters[path].invoke()  # Memory and caches are seen to.
  times = measure.interleaved({path: functools.partial(_seconds, interpreter)
                               for path, interpreter in interpreters.items()}, rounds)
  first = np.asarray(times[paths[0]])
  return {path: (float(np.median(times[path])), float(np.median(first / np.asarray(times[path]))))
          for path in paths}


def _seconds(interpreter: Any) -> float:
  """Returns the median time of a call."""
  times = []
  for _ in range(_CALLS):
    start = time.perf_counter()
    interpreter.invoke()
    times.append(time.perf_counter() - start)
  return float(np.median(times))
