# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs TFLite files under LiteRT, and compares outputs. Runs in the environment `litert`.

    tools/with_env.sh litert tools/litert_run.py FOLDER

For each FOLDER/NAME.tflite, FOLDER/NAME.npz has the examples `x` of its only input, one per
row, and the outputs `y` expected. Prints a JSON object: by NAME the largest difference, as a
fraction of the largest magnitude expected, or why the file does not run; and the `version`.
Each file runs in a process of its own, as a damaged one may end it.
"""

import json
import os
import subprocess
import sys

import numpy as np


def run(path):
  """Returns the largest difference of a file's outputs from those expected."""
  from ai_edge_litert.interpreter import Interpreter  # pylint: disable=g-import-not-at-top
  model = Interpreter(model_path=path, num_threads=1)
  model.allocate_tensors()
  given = np.load(path[:-len('.tflite')] + '.npz')
  outputs = []
  for example in given['x']:
    model.set_tensor(model.get_input_details()[0]['index'], example)
    model.invoke()
    outputs.append(model.get_tensor(model.get_output_details()[0]['index']).copy())
  return float(np.max(np.abs(np.stack(outputs) - given['y'])) / np.max(np.abs(given['y'])))


def main():
  target = sys.argv[1]
  if target.endswith('.tflite'):
    print(run(target))
    return
  from importlib import metadata
  results = {}
  for name in sorted(os.listdir(target)):
    if name.endswith('.tflite'):
      done = subprocess.run([sys.executable, __file__, os.path.join(target, name)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
      results[name[:-len('.tflite')]] = (
          float(done.stdout) if done.returncode == 0 else
          (done.stderr.strip().splitlines() or ['exit code %d' % done.returncode])[-1])
  print(json.dumps({'version': metadata.version('ai-edge-litert'), 'results': results}))


if __name__ == '__main__':
  main()
