# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: deps = //model_pruning:keras/__init__
"""Runs commands on mutated files, each in a process that may die: forked, TensorFlow imported.

  python -m tests.fuzzing FOLDER KIND FIRST COUNT [--every_command] [--memory=MEGABYTES]

FOLDER is from `make_samples`; file number -1 is not mutated. Prints a line of JSON for each file
that a command takes wrongly: with a traceback or more than a line, a signal, more memory or time
than there is, something left behind, or an input that is changed. Memory is what is resident; a
limit on data (RLIMIT_DATA), on top of what TensorFlow takes once it is imported, stops the worst.
The address space of TensorFlow alone is larger.
"""

import hashlib
import importlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time

MEMORY = 2 * 2**30  # Bytes.
SECONDS = 60
CODES = {}  # How many commands ended with each status.
KERAS_FILES = {'keras': 'x.keras', 'keras_h5': 'x.h5', 'keras_weights': 'x.weights.h5'}
KINDS = ('checkpoint', 'dense', 'graph', 'saved_model', 'tflite', 'events') + tuple(KERAS_FILES)
_IMPORTS = (
    'matplotlib.figure', 'model_pruning.cli', 'model_pruning.export.saved_model',
    'model_pruning.export.tflite.convert', 'model_pruning.one_shot',
    'model_pruning.reporting.events', 'model_pruning.reporting.plots',
    'model_pruning.reporting.report')
_KERAS_IMPORTS = ('model_pruning.keras.exporting', 'model_pruning.keras.files')


def make_samples(folder):
  """Writes a file or folder of each kind."""
  import numpy as np

  import model_pruning
  from model_pruning.compat import tf
  from model_pruning.export.tflite import convert as tflite
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    x = tf.placeholder(tf.float32, [None, 8], 'x')
    with model_pruning.masked_scope():
      with tf.variable_scope('fc1'):
        hidden = tf.nn.relu(tf.matmul(x, tf.get_variable('kernel', [8, 16])))
      with tf.variable_scope('fc2', partitioner=tf.fixed_size_partitioner(2)):
        hidden = tf.matmul(hidden, tf.get_variable('kernel', [16, 8]))
    hidden = tf.cond(tf.reduce_sum(hidden) > 0, lambda: hidden * 2, lambda: hidden)
    _, hidden = tf.while_loop(lambda i, _: i < 2, lambda i, h: [i + 1, h + 1], [0, hidden])
    y = tf.identity(hidden, 'y')
    pruning = model_pruning.Pruning('initial_sparsity=0.5,target_sparsity=0.5')
    update, summaries = pruning.mask_update_op(), pruning.add_pruning_summaries()
    session.run(tf.global_variables_initializer())
    session.run(update)
    with tf.summary.FileWriter(os.path.join(folder, 'events')) as writer:
      for step in range(3):
        writer.add_summary(session.run(summaries), step)
    os.rename(os.path.join(folder, 'events', os.listdir(os.path.join(folder, 'events'))[0]),
              os.path.join(folder, 'events', 'events.out.tfevents.1.host'))
    tf.train.Saver().save(session, os.path.join(folder, 'checkpoint', 'model.ckpt'), 1)
    kernels = [one for one in tf.global_variables() if '/kernel' in one.name]
    tf.train.Saver(kernels).save(
        session, os.path.join(folder, 'dense', 'model.ckpt'), 1)
    tf.saved_model.simple_save(session, os.path.join(folder, 'saved_model'), {'x': x}, {'y': y})
  graph_def = model_pruning.graph_def_from_checkpoint(os.path.join(folder, 'checkpoint'), ['y'])
  os.mkdir(os.path.join(folder, 'graph'))
  with open(os.path.join(folder, 'graph', 'x.pb'), 'wb') as f:
    f.write(graph_def.SerializeToString())
  with tf.Graph().as_default():
    x = tf.placeholder(tf.float32, [1, 8], 'x')
    values = np.random.RandomState(0).uniform(-1, 1, [8, 16]).astype(np.float32)
    tf.nn.relu(tf.matmul(x, tf.constant(values * (np.abs(values) > 0.9))), name='y')
    small = tf.get_default_graph().as_graph_def()
  os.mkdir(os.path.join(folder, 'tflite'))
  tflite.to_tflite(small, os.path.join(folder, 'tflite', 'x.tflite'), 'x', 'y')
  make_keras_samples(folder)


def make_keras_samples(folder):
  """Writes files of a pruned Keras model, where there is a TensorFlow that reads them."""
  from model_pruning.compat import tf
  if tf.__version__.startswith('1.'):
    return
  import numpy as np

  import model_pruning.keras as sparsity
  from model_pruning.keras import backend
  from model_pruning.keras.backend import keras
  keras.utils.set_random_seed(0)
  x = keras.Input((8,), name='x')
  hidden = keras.layers.Dense(16, 'relu', name='fc1')(x)
  hidden = keras.layers.Add(name='add')([hidden, keras.layers.Dense(16, name='fc2')(hidden)])
  model = sparsity.prune_low_magnitude(
      keras.Model(x, keras.layers.Dense(4, name='fc3')(hidden)),
      sparsity.ConstantSparsity(0.5, 0, frequency=1))
  model.compile('sgd', 'mse')
  model.fit(np.ones([4, 8]), np.ones([4, 4]), verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  for kind, name in KERAS_FILES.items():
    os.mkdir(os.path.join(folder, kind))
    with backend.quietly():
      save = model.save_weights if kind == 'keras_weights' else model.save
      save(os.path.join(folder, kind, name))


# ---- Mutated files. ----


def mutate(kind, folder, seed):
  """Changes one of the files in a copy of a sample; returns what and how."""
  from tests import keras_mutations
  from tests import mutations
  generator = random.Random('%s %d' % (kind, seed))
  names = sorted(os.path.join(parent, name) for parent, _, files in os.walk(folder)
                 for name in files)
  # Names end with no number but those of shards: which of them is changed is up to the seed.
  path = names[generator.randrange(len(names))]
  with open(path, 'rb') as f:
    content = f.read()
  message = _message(path)
  aware = generator.random() < 0.65
  if aware and message is not None:
    message.ParseFromString(content)
    mutations.change_message(message, generator)
    content = message.SerializeToString()
    if path.endswith('.pb') and kind == 'graph' and generator.random() < 0.15:
      from google.protobuf import text_format
      os.remove(path)
      path += 'txt'
      content = text_format.MessageToString(message).encode()
      content = mutations.change_bytes(content, generator)
  elif aware and path.endswith('.index'):
    content = mutations.change_index(content, generator)
  elif aware and 'tfevents' in path:
    from model_pruning.compat import tf
    content = mutations.change_events(content, tf.Event, generator)
  elif aware and path.endswith('.keras'):
    content = keras_mutations.change_archive(content, generator)
  elif aware and path.endswith('.h5'):
    content = keras_mutations.change_hdf5(content, generator)
  else:
    content = mutations.change_bytes(content, generator)
  with open(path, 'wb') as f:
    f.write(content)
  return os.path.relpath(path, folder)


def _message(path):
  from model_pruning.compat import SavedModel
  from model_pruning.compat import tf
  if path.endswith('saved_model.pb'):
    return SavedModel()
  return (tf.GraphDef() if path.endswith('.pb') else tf.MetaGraphDef() if path.endswith('.meta')
          else None)


def commands(kind, folder, out):
  """Returns the command lines that a file of a kind is given to."""
  if kind in KERAS_FILES:
    return _keras_commands(os.path.join(folder, KERAS_FILES[kind]), out)
  model = {'graph': os.path.join(folder, 'x.pb'),
           'tflite': os.path.join(folder, 'x.tflite')}.get(kind, folder)
  if not os.path.exists(model):
    model += 'txt'
  to = [] if kind == 'saved_model' else ['--output_node_names=y']
  lines = [
      ['report', model], ['strip', model, *to, '--output=' + out + '/x'],
      ['export', model, *to, '--output=' + out + '/x.tflite'],
      ['plot', 'weights', model, '--output=' + out + '/x.png'],
      ['strip', model, '--to=checkpoint', '--output=' + out + '/c/model.ckpt'],
      ['plot', 'masks', model, '--output=' + out + '/x.png'],
      ['report', model, '--json', '--block=4x1', '--input_shape=x=8'],
      ['prune', model, 'target_sparsity=0.5', '--output=' + out + '/c/model.ckpt'],
      ['strip', model, *to, '--to=saved_model', '--output=' + out + '/saved'],
      ['report', model, '--history', '--csv'],
      ['plot', 'sparsity', model, '--thresholds', '--output=' + out + '/x.png'],
      ['report', model, '--csv', '--output_node_names=y'],
  ]
  chosen = {'events': (9, 10, 0, 1, 6), 'dense': (7, 0, 3, 4, 6)}.get(kind, range(len(lines)))
  return [lines[number] for number in chosen]


def _keras_commands(model, out):
  return [
      ['report', model], ['strip', model, '--output=' + out + '/x.keras'],
      ['export', model, '--output=' + out + '/x.tflite'],
      ['plot', 'weights', model, '--output=' + out + '/x.png'],
      ['strip', model, '--output=' + out + '/x.h5'],
      ['plot', 'masks', model, '--output=' + out + '/x.png'],
      ['report', model, '--json', '--block=4x1', '--input_shape=x=8'],
      ['strip', model, '--to=graph', '--output=' + out + '/x.pb'],
      ['strip', model, '--to=saved_model', '--output=' + out + '/saved'],
      ['report', model, '--csv', '--output_node_names=y'],
  ]


# ---- Running them. ----


def run(samples, kind, seed, every_command):
  """Runs commands on the mutated file of a seed; returns what is wrong, one text each."""
  work = tempfile.mkdtemp(prefix='fuzzing.')
  try:
    folder = os.path.join(work, 'in')
    shutil.copytree(os.path.join(samples, kind), folder)
    changed = mutate(kind, folder, seed) if seed >= 0 else 'nothing'
    lines = commands(kind, folder, os.path.join(work, 'out'))
    if not every_command:
      lines = lines[:1] + [lines[1 + seed % (len(lines) - 1)]]
    wrong = []
    for line in lines:
      for text in _run_one(line, work, folder):
        wrong.append({'kind': kind, 'seed': seed, 'changed': changed, 'wrong': text,
                      'command': ' '.join(line).replace(work, '')})
    return wrong
  finally:
    shutil.rmtree(work)


def _run_one(line, work, folder):
  out, temporary = os.path.join(work, 'out'), os.path.join(work, 'tmp')
  for made in (out, temporary):
    shutil.rmtree(made, ignore_errors=True)
    os.mkdir(made)
  before = _hashes(folder)
  printed = os.path.join(work, 'stdout'), os.path.join(work, 'stderr')
  start = time.time()
  child = os.fork()
  if not child:
    _child(line, temporary, *printed)
  ended = 0
  while not ended:
    ended, status, usage = os.wait4(child, os.WNOHANG)
    if not ended:
      time.sleep(0.005)
      if time.time() - start > SECONDS:
        os.kill(child, signal.SIGKILL)
        os.wait4(child, 0)
        return ['it ran for more than %d s' % SECONDS]
  with io.open(printed[1], encoding='utf-8', errors='replace') as f:
    error = f.read()
  # What is worth a warning may be in the file all the same.
  error = ''.join(text for text in error.splitlines(True)
                  if not text.startswith('model-pruning: warning: '))
  wrong = []
  if os.WIFSIGNALED(status):
    return ['it died of signal %d: %s' % (os.WTERMSIG(status), error[-1500:])]
  code = os.WEXITSTATUS(status)
  CODES[code] = CODES.get(code, 0) + 1
  if code not in (0, 1):
    wrong.append('it ended with %d' % code)
  if 'Traceback' in error or code == 1 and (
      len(error.splitlines()) != 1 or not error.startswith('model-pruning: error: ')):
    wrong.append('it printed: ' + error[-2500:])
  if code and os.path.exists(out) and any(files for _, _, files in os.walk(out)):
    wrong.append('it left %s' % os.listdir(out))
  # matplotlib keeps some for the next time; autograph removes its own as Python ends.
  left = [name for name in os.listdir(temporary)
          if not name.startswith(('matplotlib', '__autograph_generated_file'))]
  if left or any(name.startswith('.') for _, folders, _ in os.walk(out) for name in folders):
    wrong.append('it left %s' % (left or 'a hidden folder'))
  if _hashes(folder) != before:
    wrong.append('it changed its input')
  if usage.ru_maxrss * 1024 > MEMORY:
    wrong.append('it took %d MB' % (usage.ru_maxrss // 1024))
  return wrong


def _child(line, temporary, stdout, stderr):
  """Runs a command, and ends the process."""
  code = 3
  try:
    from model_pruning import cli
    os.environ.update(TMPDIR=temporary, MODEL_PRUNING_TRACEBACK='1')
    tempfile.tempdir = None
    sys.dont_write_bytecode = True  # Autograph imports files that it writes there.
    for number, path in ((1, stdout), (2, stderr)):
      os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    limit = _data_size() + MEMORY
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    args = cli.parse_arguments(['model-pruning'] + line)
    code = cli.guarded(args.run, args)
  except BaseException:
    import traceback
    traceback.print_exc()
  finally:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _data_size():
  with open('/proc/self/status') as f:
    return next(int(line.split()[1]) * 1024 for line in f if line.startswith('VmData'))


def _hashes(folder):
  found = {}
  for parent, _, files in os.walk(folder):
    for name in files:
      with open(os.path.join(parent, name), 'rb') as f:
        found[os.path.join(parent, name)] = hashlib.sha256(f.read()).hexdigest()
  return found


def imports(kind):
  """Returns the names of the modules that the commands of a kind of files import."""
  return _IMPORTS + (_KERAS_IMPORTS if kind in KERAS_FILES else ())


def _main():
  global MEMORY
  samples, kind, first, count = sys.argv[1:5]
  for option in sys.argv[5:]:
    if option.startswith('--memory='):
      MEMORY = int(option.split('=')[1]) * 2**20
  for name in imports(kind):  # Once, and not in each of the processes.
    importlib.import_module(name)
  for seed in range(int(first), int(first) + int(count)):
    for wrong in run(samples, kind, seed, '--every_command' in sys.argv):
      print(json.dumps(wrong), flush=True)
  print(json.dumps({'codes': CODES}), flush=True)


if __name__ == '__main__':
  _main()
