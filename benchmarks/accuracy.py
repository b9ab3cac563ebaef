# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which accuracy at which sparsity, by library, by distribution of the zeros, and by time.

    python -m benchmarks.accuracy
    python -m benchmarks.accuracy --nets=convnet --methods=uniform,global --seeds=1

Nets: the ConvNet of the published experiment and a residual net with batch normalization on
5,000 images of MNIST, and the language model example (bits per character). Methods:

  tfmot, contrib             the predecessors, while training; the same sparsity in each weight
  uniform, erk, lamp, global ours while training, with this sparsity_distribution
  after-uniform, after-lamp  ours after training, by a single update of the masks
  refit-lamp                 and with what is left refitted to 256 unlabeled examples

All trainings of a seed start alike, see the same batches and take as many steps; those that
prune start after a fifth of them and reach their target after seven tenths, along a polynomial
of power 3. tfmot and contrib run in environments of their own (tools/env.sh tfmot, tf1.15),
each library in one process. Every result is written when it is there, and the same command
goes on from there. At the end, and with --draw alone, the picture is drawn.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
from absl import logging
import numpy as np
import tabulate

from benchmarks import accuracy_cells
from benchmarks import accuracy_picture
from benchmarks.accuracy_cells import Cell

FLAGS = flags.FLAGS
flags.DEFINE_list('nets', list(accuracy_cells.NETS), 'Which nets.')
flags.DEFINE_list('methods', list(accuracy_cells.METHODS), 'Which methods.')
flags.DEFINE_list('sparsities', [str(value) for value in accuracy_cells.SPARSITIES],
                  'Which sparsities, of all kernels together.')
flags.DEFINE_integer('seeds', 5, 'Number of seeds.', lower_bound=1)
flags.DEFINE_integer('seed', 0, 'The first seed.', lower_bound=0)
flags.DEFINE_integer('epochs', 0, 'Epochs of each training of an image net; 0: the usual number. '
                     'Another number needs another --output.', lower_bound=0)
flags.DEFINE_integer('steps', 0, 'The same of the language model.', lower_bound=0)
flags.DEFINE_float('minutes', 0, 'End after the first result past this time; 0: never.')
flags.DEFINE_integer('threads', 0, 'Threads of TensorFlow in each process; 0: its default.')
flags.DEFINE_string('output', 'out/benchmarks/accuracy.json', 'Results, read and added to.')
flags.DEFINE_string('picture', None, 'Where to draw them; beside --output by default.')
flags.DEFINE_bool('draw', False, 'Only draw what is in --output.')
flags.DEFINE_list('serve', None, 'Only answer what another process asks: LIBRARY,FOLDER.')

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_ENVIRONMENTS = {accuracy_cells.TFMOT: 'tfmot', accuracy_cells.CONTRIB: 'tf1.15'}


class _Process:
  """A process that trains and prunes with one library."""

  def __init__(self, library, folder):
    python = sys.executable
    if library in _ENVIRONMENTS:
      python = subprocess.run([os.path.join(ROOT, 'tools', 'env.sh'), _ENVIRONMENTS[library]],
                              check=True, stdout=subprocess.PIPE,
                              universal_newlines=True).stdout.strip()
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(
        [ROOT] + (sys.path if python == sys.executable else [])))
    # TensorFlow 2 sets it when it is loaded, and with it TensorFlow 1.15 builds other graphs.
    environment.pop('TF2_BEHAVIOR', None)
    if library == accuracy_cells.TFMOT:
      environment['TF_USE_LEGACY_KERAS'] = '1'
    if FLAGS.threads:
      for name in ('TF_NUM_INTRAOP_THREADS', 'TF_NUM_INTEROP_THREADS', 'OMP_NUM_THREADS',
                   'TF_NUM_INTRA_THREADS', 'TF_NUM_INTER_THREADS'):
        environment[name] = str(FLAGS.threads)
    self._library = library
    self._process = subprocess.Popen(
        [python, '-W', 'ignore', '-m', 'benchmarks.accuracy',
         '--serve=%s,%s' % (library, folder), '--epochs=%d' % FLAGS.epochs,
         '--steps=%d' % FLAGS.steps],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True, cwd=ROOT,
        env=environment)

  def measure(self, cell):
    """Returns {'value': ..., 'zeros': ..., 'seconds': ...}."""
    self._process.stdin.write(json.dumps(cell) + '\n')
    self._process.stdin.flush()
    line = self._process.stdout.readline()
    if not line:
      raise SystemExit('The process of %s ended: see above' % self._library)
    return json.loads(line)

  def close(self):
    self._process.stdin.close()
    self._process.wait()


def _serve(library, folder):
  """Answers lines of JSON, each a cell, until the input ends."""
  answers = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)  # What else is printed is not an answer.
  logging.set_verbosity(logging.ERROR)
  for line in iter(sys.stdin.readline, ''):
    cell = Cell(*json.loads(line))
    start = time.time()
    value, zeros = _measure(library, folder, cell)
    answers.write(json.dumps({'value': value, 'zeros': zeros,
                              'seconds': round(time.time() - start, 1)}) + '\n')
    answers.flush()


def _measure(library, folder, cell):
  if cell.net == accuracy_cells.LANGUAGE_MODEL:
    from benchmarks import accuracy_text
    return accuracy_text.measure(cell, os.path.join(folder, cell.net), FLAGS.steps)
  with np.load(os.path.join(folder, cell.net + '.npz')) as arrays:
    data = dict(arrays)
  if library == accuracy_cells.CONTRIB:
    from benchmarks import accuracy_contrib
    return accuracy_contrib.measure(cell, data, FLAGS.epochs)
  from benchmarks import accuracy_keras
  from benchmarks import nets
  return accuracy_keras.measure(cell, nets.Data(**data), folder, FLAGS.epochs)


def _read(path):
  """Returns the results in a file, {Cell: {'value': ...}}."""
  if not os.path.exists(path):
    return {}
  with open(path) as handle:
    content = json.load(handle)
  if (content['epochs'], content['steps']) != (FLAGS.epochs, FLAGS.steps):
    raise SystemExit('%s has results of --epochs=%d --steps=%d; use these, or another --output' % (
        path, content['epochs'], content['steps']))
  return {Cell(*row['cell']): {key: value for key, value in row.items() if key != 'cell'}
          for row in content['results']}


def _write(path, results):
  os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
  handle, unfinished = tempfile.mkstemp(dir=os.path.dirname(path) or '.')
  with os.fdopen(handle, 'w') as file:
    rows = [json.dumps(dict(cell=cell, **result)) for cell, result in sorted(results.items())]
    file.write('{"epochs": %d, "steps": %d, "results": [\n%s\n]}\n' % (
        FLAGS.epochs, FLAGS.steps, ',\n'.join(rows)))
  os.chmod(unfinished, 0o644)
  os.replace(unfinished, path)


def _save_data(nets_of_cells, folder):
  """Writes the images for the processes, whose environments lack what they come with."""
  from benchmarks import nets
  for name in nets_of_cells:
    path = os.path.join(folder, name + '.npz')
    if name in nets.NETS and not os.path.exists(path):
      data = nets.data_of(name)
      np.savez(path, x_train=data.x_train, y_train=data.y_train, x_test=data.x_test,
               y_test=data.y_test)


def _run(results):
  """Measures the cells that have no result yet."""
  cells = [cell for cell in accuracy_cells.cells(
      FLAGS.nets, FLAGS.methods, [float(value) for value in FLAGS.sparsities],
      range(FLAGS.seed, FLAGS.seed + FLAGS.seeds)) if cell not in results]
  folder = os.path.join(os.path.dirname(os.path.abspath(FLAGS.output)), 'nets')
  os.makedirs(folder, exist_ok=True)
  _save_data(sorted({cell.net for cell in cells}), folder)
  processes, start = {}, time.time()
  for index, cell in enumerate(cells):
    library = accuracy_cells.library_of(cell)
    if library not in processes:
      processes[library] = _Process(library, folder)
    results[cell] = processes[library].measure(cell)
    _write(FLAGS.output, results)
    print('%d of %d  %s, %s, %.3g %%, seed %d: %.4f in %.0f s' % (
        index + 1, len(cells), cell.net, cell.method, 100 * cell.sparsity, cell.seed,
        results[cell]['value'], results[cell]['seconds']), flush=True)
    if FLAGS.minutes and time.time() - start > 60 * FLAGS.minutes:
      break
  for process in processes.values():
    process.close()


def _table(net, results):
  """Returns rows: a method, and mean +- standard deviation over the seeds at each sparsity."""
  means = accuracy_picture.means(net, results)
  sparsities = sorted({sparsity for of_method in means.values() for sparsity in of_method} - {0.0})
  scale, number = (1, '%.3f') if net == accuracy_cells.LANGUAGE_MODEL else (100, '%.1f')
  rows = []
  for method in accuracy_cells.METHODS:
    of_method = means.get(method, {})
    if method == accuracy_cells.DENSE:
      of_method = {sparsity: of_method[0.0] for sparsity in sparsities[:1] if of_method}
    if of_method:
      rows.append([method] + [
          '-' if sparsity not in of_method else ('%s +- %s (%%d)' % (number, number)) % (
              scale * of_method[sparsity].mean, scale * of_method[sparsity].deviation,
              of_method[sparsity].seeds) for sparsity in sparsities])
  return tabulate.tabulate(rows, headers=[''] + ['%.3g %%' % (100 * s) for s in sparsities])


def main(argv):
  del argv
  if FLAGS.serve:
    _serve(*FLAGS.serve)
    return
  for given, known in ((FLAGS.nets, accuracy_cells.NETS), (FLAGS.methods, accuracy_cells.METHODS)):
    for name in given:
      if name not in known:
        raise SystemExit('%r is not one of %s' % (name, ', '.join(known)))
  results = _read(FLAGS.output)
  if not FLAGS.draw:
    _run(results)
  for net in accuracy_cells.NETS:
    if any(cell.net == net for cell in results):
      print('\n%s: %s, mean +- standard deviation (seeds)\n' % (
          net, 'bits per character' if net == accuracy_cells.LANGUAGE_MODEL else 'accuracy in %'))
      print(_table(net, results))
  picture = FLAGS.picture or os.path.splitext(FLAGS.output)[0] + '.png'
  accuracy_picture.draw(results, picture)
  print('\nWritten: %s, %s' % (FLAGS.output, picture))


if __name__ == '__main__':
  app.run(main)
