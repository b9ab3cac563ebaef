# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: deps = //model_pruning:__main__ //model_pruning:strip_pruning_vars
"""Tests of the command line: what it writes and prints, and one line for each mistake."""

import csv
import io
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import model_pruning
from model_pruning import cli
from model_pruning.compat import tf
from model_pruning.export import checkpoint
from model_pruning.reading import sources
from model_pruning.util import files
from model_pruning.util import quiet
from tests.paths import ROOT

COMMANDS = ['strip', 'export', 'report', 'plot', 'schedule', 'prune', 'sensitivity', 'plan']
HPARAMS = 'initial_sparsity=0.75,target_sparsity=0.75'


@pytest.fixture(scope='module')
def run_folder(tmp_path_factory):
  """The folder of a run: dense/ and pruned/ checkpoints and events, and a SavedModel."""
  folder = str(tmp_path_factory.mktemp('run'))
  for name in ('dense', 'pruned'):
    with tf.Graph().as_default(), tf.Session() as session:
      x = tf.placeholder(tf.float32, [None, 8], 'inputs')
      step = tf.train.get_or_create_global_step()
      with model_pruning.masked_scope(include='.*' if name == 'pruned' else 'none'):
        with tf.variable_scope('fc1'):
          hidden = tf.nn.relu(tf.matmul(x, tf.get_variable('kernel', [8, 16])))
        with tf.variable_scope('fc2'):
          y = tf.matmul(hidden, tf.get_variable('kernel', [16, 4]))
      y = tf.identity(y, 'scores')
      train = tf.train.MomentumOptimizer(0.1, 0.9).minimize(tf.reduce_mean(y**2), step)
      session.run(tf.global_variables_initializer())
      if name == 'pruned':
        pruning = model_pruning.Pruning(HPARAMS)
        session.run(tf.global_variables_initializer())
        session.run(pruning.mask_update_op())
        summaries = pruning.add_pruning_summaries()
        writer = tf.summary.FileWriter(os.path.join(folder, name), session.graph)
        writer.add_summary(session.run(summaries), 1)
        writer.close()
      session.run(train, {x: np.ones([2, 8])})
      tf.train.Saver().save(session, os.path.join(folder, name, 'model.ckpt'), global_step=step)
      if name == 'pruned':
        tf.saved_model.simple_save(session, os.path.join(folder, 'saved'), {'x': x}, {'y': y})
  return folder


def _main(arguments):
  """Runs a command line in this process; returns its exit code."""
  args = cli.parse_arguments(['model-pruning'] + arguments)
  return cli.guarded(args.run, args)


def _run(run_folder, *arguments):
  return _main([argument.replace('RUN', run_folder) for argument in arguments])


def _outputs(path):
  graph_def = tf.GraphDef()
  with open(path, 'rb') as f:
    graph_def.ParseFromString(f.read())
  with tf.Graph().as_default(), tf.Session() as session:
    tf.import_graph_def(graph_def, name='')
    return session.run('scores:0', {'inputs:0': np.ones([1, 8])})


def test_a_blank_in_hyperparameters_is_named(capsys):
  with pytest.raises(SystemExit):
    cli.parse_arguments('model-pruning schedule target_sparsity=0.9, nbins=5'.split())
  error = capsys.readouterr().err
  assert 'model-pruning schedule: error: unrecognized arguments: nbins=5; a blank' in error


# ---- What each command does. ----


def test_strip_to_a_graph(run_folder, tmp_path, capsys):
  output = str(tmp_path / 'new' / 'stripped.pb')
  assert not _run(run_folder, 'strip', 'RUN/pruned', '--output_node_names=scores',
                  '--output=' + output)
  assert 'Folded 2 masked weights into ' + output in capsys.readouterr().out
  assert _outputs(output).shape == (1, 4)
  assert not _run(run_folder, 'strip', 'RUN/pruned/model.ckpt-1', '--output_node_names=scores',
                  '--output=' + output, '--json')
  printed = json.loads(capsys.readouterr().out)
  assert printed == {'output': output, 'to': 'graph', 'bytes': os.path.getsize(output), 'folded': [
      'fc1/weights/masked_weight', 'fc2/weights/masked_weight']}


def test_a_graph_is_written_as_text_to_a_file_that_is_named_so(run_folder, tmp_path):
  outputs = [str(tmp_path / name) for name in ('stripped.pb', 'stripped.pbtxt')]
  for output in outputs:
    assert not _run(run_folder, 'strip', 'RUN/pruned', '--output_node_names=scores',
                    '--output=' + output)
  with open(outputs[1]) as file:
    assert file.read().startswith('node {')
  binary, text = map(sources.graph_def, outputs)
  assert binary == text


def test_strip_to_a_checkpoint_and_to_a_saved_model(run_folder, tmp_path):
  target = str(tmp_path / 'dense' / 'model.ckpt')
  assert not _run(run_folder, 'strip', 'RUN/pruned', '--to=checkpoint', '--output=' + target)
  assert np.mean(checkpoint.Checkpoint(target).read('fc1/kernel') == 0) == 0.75
  for model, options in (('RUN/pruned', ['--to=saved_model', '--output_node_names=scores']),
                         ('RUN/saved', [])):
    folder = str(tmp_path / model.split('/')[1])
    assert not _run(run_folder, 'strip', model, '--output=' + folder, *options)
    with tf.Graph().as_default(), tf.Session() as session:
      signature = tf.saved_model.load(session, ['serve'], folder).signature_def['serving_default']
      assert len(signature.inputs) == len(signature.outputs) == 1


def test_export(run_folder, tmp_path, capsys):
  output = str(tmp_path / 'model.tflite')
  examples = str(tmp_path / 'examples.npy')
  np.save(examples, np.random.RandomState(0).rand(10, 8).astype(np.float32))
  for model, options in (('RUN/pruned', ['--output_node_names=scores']), ('RUN/saved', [])):
    assert not _run(run_folder, 'export', model, '--examples=' + examples, '--output=' + output,
                    '--json', *options)
    printed = json.loads(capsys.readouterr().out)
    assert printed['bytes'] == os.path.getsize(output) and printed['examples'] == 10
    os.remove(output)


def test_without_a_placeholder_the_message_says_what_to_name(tmp_path, capsys):
  with tf.Graph().as_default() as graph:
    data = tf.data.Dataset.from_tensors(np.ones([2, 4], np.float32)).repeat()
    x = tf.data.make_one_shot_iterator(data).get_next()
    tf.matmul(x, tf.constant(np.ones([4, 3], np.float32)), name='y')
  path, output = str(tmp_path / 'x.pb'), str(tmp_path / 'x.tflite')
  with open(path, 'wb') as file:
    file.write(graph.as_graph_def().SerializeToString())
  words = ['export', path, '--output_node_names=y', '--output=' + output]
  assert _run('', *words) == 1
  line, = capsys.readouterr().err.splitlines()
  assert 'no placeholders' in line and 'IteratorGetNext' in line and '--inputs' in line
  assert _run('', *words, '--inputs=IteratorGetNext', '--input_shape=IteratorGetNext=2x4') == 0


def test_neither_does_a_checkpoint_of_an_estimator_become_a_saved_model_without(tmp_path, capsys):
  with tf.Graph().as_default(), tf.Session() as session:
    data = tf.data.Dataset.from_tensors(np.ones([2, 4], np.float32)).repeat()
    x = tf.data.make_one_shot_iterator(data).get_next()
    tf.train.get_or_create_global_step()
    model_pruning.masked_fully_connected(x, 3, activation_fn=None, scope='y')
    model_pruning.Pruning('target_sparsity=0.5').mask_update_op()
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, str(tmp_path / 'model.ckpt'))
  output = str(tmp_path / 'served')
  words = ['strip', str(tmp_path), '--to=saved_model', '--output_node_names=y/BiasAdd',
           '--output=' + output]
  assert _run('', *words) == 1
  line = capsys.readouterr().err.splitlines()[-1]  # Behind warnings of the runner.
  assert 'no placeholders' in line and '--inputs' in line and not os.path.exists(output)
  assert _run('', *words, '--inputs=IteratorGetNext') == 0


def test_report(run_folder, tmp_path, capsys):
  assert not _run(run_folder, 'report', 'RUN/pruned')
  assert 'fc1/kernel' in capsys.readouterr().out
  assert not _run(run_folder, 'report', 'RUN/pruned', '--json')
  weights = {row['name']: row for row in json.loads(capsys.readouterr().out)['weights']}
  assert weights['fc1/kernel']['sparsity'] == 0.75
  assert not _run(run_folder, 'report', 'RUN/pruned', '--csv', '--block=2x1')
  rows = {row['name']: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
  assert rows['fc1/kernel']['block'] == '2x1'
  assert not _run(run_folder, 'report', 'RUN/pruned', '--history', '--json')
  assert 'fc1' in capsys.readouterr().out


@pytest.mark.sampled(2)
@pytest.mark.parametrize('kind', ['sparsity', 'weights', 'masks'])
def test_plot(run_folder, tmp_path, kind):
  output = tmp_path / 'picture.png'
  assert not _run(run_folder, 'plot', kind, 'RUN/pruned', '--output=%s' % output)
  assert output.read_bytes().startswith(b'\x89PNG')


def test_schedule(tmp_path, capsys):
  output = tmp_path / 'schedule.png'
  assert not _main(['schedule', 'target_sparsity=0.9,pruning_frequency=50', '--json',
                    '--output=%s' % output])
  printed = json.loads(capsys.readouterr().out)
  assert printed['steps'] == [50, 100] and printed['shortfall'] is None
  assert output.exists()
  assert not _main(['schedule', 'target_sparsity=0.9,pruning_frequency=30', '--num_steps=100'])
  printed = capsys.readouterr().out
  assert 'the last mask update is at step 90' in printed
  assert printed.endswith('Distribution: uniform, every weight gets its own target; --model=MODEL '
                          'shows\neach weight of a model.\n')


@pytest.mark.sampled(2)
@pytest.mark.parametrize('model', ['dense', 'pruned', 'saved'])
def test_schedule_of_a_model(run_folder, capsys, model):
  for name in ('uniform', 'erk', 'lamp', 'global'):
    hparams = 'target_sparsity=0.5,sparsity_distribution=' + name
    assert not _run(run_folder, 'schedule', hparams, '--model=RUN/' + model, '--json')
    printed = json.loads(capsys.readouterr().out)['allotment']
    assert [row['name'] for row in printed['weights']] == ['fc1/kernel', 'fc2/kernel']
    assert sum(row['kept'] for row in printed['weights']) == 96 and not printed['warnings']
    assert printed['weights'][0]['kept'] == 64 or name != 'uniform'
    assert not _run(run_folder, 'schedule', hparams, '--model=RUN/' + model)
    table = capsys.readouterr().out
    assert 'Distribution: %s' % name in table and '--model' not in table
    assert 'fc1/kernel' in table and 'total' in table
  assert not _run(run_folder, 'schedule', hparams, '--model=RUN/dense', '--csv')
  rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
  assert [row['size'] for row in rows] == ['128', '64']


def test_a_schedule_is_strict_about_weights_too(run_folder, capsys):
  hparams = ['target_sparsity=0.9,block_dims_map=[fc1:100x100]', '--model=RUN/dense']
  assert not _run(run_folder, 'schedule', *hparams)
  assert 'Falls short: fc1/kernel gets' in capsys.readouterr().out
  assert _run(run_folder, 'schedule', '--strict', *hparams) == 1
  capsys.readouterr()
  assert _run(run_folder, 'schedule', '--strict', '--json', *hparams) == 1
  assert json.loads(capsys.readouterr().out)['shortfall'].startswith('fc1/kernel gets')


@pytest.mark.parametrize('arguments, message', [
    (['target_sparsity=0.5,weight_sparsity_map=[fc9:0.3]', '--model=RUN/dense'], 'fc9'),
    (['target_sparsity=0.5', '--model=RUN/nothing'], 'nothing')])
def test_schedule_of_a_model_that_does_not_fit(run_folder, capsys, arguments, message):
  assert _run(run_folder, 'schedule', *arguments)
  assert message in capsys.readouterr().err


def test_prune_by_a_distribution(run_folder, tmp_path, capsys):
  target = str(tmp_path / 'pruned' / 'model.ckpt')
  hparams = 'target_sparsity=0.5,sparsity_distribution=lamp'
  assert not _run(run_folder, 'prune', 'RUN/dense', hparams, '--output=' + target, '--json')
  rows = json.loads(capsys.readouterr().out)['weights']
  assert sum(row['zeros'] for row in rows) == 96
  assert not _run(run_folder, 'schedule', hparams, '--model=RUN/dense', '--json')
  for row, expected in zip(rows, json.loads(capsys.readouterr().out)['allotment']['weights']):
    assert expected['size'] - row['zeros'] == expected['kept']


def test_prune(run_folder, tmp_path, capsys):
  target = str(tmp_path / 'pruned' / 'model.ckpt')
  assert not _run(run_folder, 'prune', 'RUN/dense',
                  'target_sparsity=0.5,weight_sparsity_map=[fc1:0.25]', '--output=' + target,
                  '--json')
  printed = json.loads(capsys.readouterr().out)
  assert [(row['name'], row['achieved']) for row in printed['weights']] == [
      ('fc1/kernel', 0.25), ('fc2/kernel', 0.5)]
  assert checkpoint.Checkpoint(target).read('fc1/mask').mean() == 0.75


def test_a_weight_has_one_name(run_folder, tmp_path, capsys):
  """Checkpoint, events and stripped graph all name it by its variable."""
  stripped = str(tmp_path / 'stripped.pb')
  assert not _run(run_folder, 'strip', 'RUN/pruned', '--output_node_names=scores',
                  '--output=' + stripped)
  capsys.readouterr()
  for words in (['report', 'RUN/pruned'], ['report', '--history', 'RUN/pruned'],
                ['report', stripped]):
    assert not _run(run_folder, *words, '--json')
    found = json.loads(capsys.readouterr().out)
    assert [weight['name'] for weight in found['weights']] == ['fc1/kernel', 'fc2/kernel'], words


def test_inputs_and_outputs_of_one_name_are_told_apart(tmp_path):
  with tf.Graph().as_default(), tf.Session() as session:
    for name in 'ab':
      with tf.variable_scope(name), model_pruning.masked_scope():
        x = tf.placeholder(tf.float32, [None, 2], 'x')
        tf.matmul(x, tf.get_variable('kernel', [2, 2]), name='y')
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, str(tmp_path / 'run' / 'model.ckpt'))
  assert not _main(['strip', str(tmp_path / 'run'), '--output_node_names=a/y,b/y',
                    '--to=saved_model', '--output=%s' % (tmp_path / 'saved')])
  with tf.Graph().as_default(), tf.Session() as session:
    signature = tf.saved_model.load(
        session, ['serve'], str(tmp_path / 'saved')).signature_def['serving_default']
  assert sorted(signature.inputs) == ['a/x', 'b/x'] and sorted(signature.outputs) == ['a/y', 'b/y']


# ---- Mistakes. ----


@pytest.mark.parametrize('arguments,message', [
    ('strip RUN/nowhere --output_node_names=scores', 'Could not find a checkpoint at: '),
    ('strip RUN/pruned --output_node_names=score', '(did you mean scores?)'),
    ('strip RUN/pruned', '--output_node_names is missing'),
    ('strip RUN/dense --output_node_names=scores', 'has no masked weights'),
    ('strip RUN/dense --to=checkpoint', 'has no masks'),
    ('strip RUN/text --output_node_names=scores', 'is not a graph'),
    ('strip RUN/truncated.pb --output_node_names=scores', 'is not a graph'),
    ('export RUN/pruned --output_node_names=scores --quantization=int8', 'examples'),
    ('export RUN/pruned --output_node_names=scores --examples=RUN/text', 'cannot be read as .npy'),
    ('export RUN/pruned --output_node_names=scores --examples=RUN/number.npy', 'a single number'),
    ('export RUN/pruned --output_node_names=scores --examples=RUN/empty.npz', 'it holds nothing'),
    ('strip RUN/pruned --output_node_names=scores --meta_graph=RUN/x.meta', 'no RUN/x.meta'),
    ('report RUN/pruned --output_node_names=score', 'did you mean scores?'),
    ('plot masks RUN/pruned --weights=zzz', "whose names match 'zzz'; there are: fc1/kernel"),
    ('plot sparsity RUN/dense', 'event'),
    ('schedule target_sparsty=0.9', 'did you mean target_sparsity'),
    ('schedule pruning_frequency=0', 'pruning_frequency'),
    ('prune RUN/dense target_sparsity=2', 'target_sparsity'),
    ('prune RUN/pruned target_sparsity=0.5', 'has masks already'),
    ('report RUN/text', 'RUN/text'),
])
def test_a_mistake_is_one_line_and_leaves_nothing(run_folder, tmp_path, capsys, arguments, message):
  with open(os.path.join(run_folder, 'text'), 'w') as f:
    f.write('This is not a model.\n')
  with open(os.path.join(run_folder, 'truncated.pb'), 'wb') as f:
    f.write(tf.GraphDef(node=[tf.NodeDef(name='a' * 50, op='NoOp')]).SerializeToString()[:30])
  np.save(os.path.join(run_folder, 'number.npy'), np.float32(3))
  np.savez(os.path.join(run_folder, 'empty.npz'))
  output = tmp_path / 'new' / 'output'
  words = arguments.split()
  if words[0] not in ('schedule', 'report'):
    words.append('--output=%s' % output)
  assert _run(run_folder, *words) == 1
  printed = capsys.readouterr()
  assert len(printed.err.strip().splitlines()) == 1
  assert printed.err.startswith('model-pruning: error: ')
  assert message.replace('RUN', run_folder) in printed.err
  assert not output.parent.exists()


def test_a_place_that_cannot_be_written_to(run_folder, tmp_path, capsys):
  (tmp_path / 'file').write_text('')
  for command, name in (('strip RUN/pruned --output_node_names=scores', 'x.pb'),
                        ('plot masks RUN/pruned', 'x.png'),
                        ('prune RUN/dense target_sparsity=0.5', 'model.ckpt'),
                        ('schedule target_sparsity=0.5', 'x.png'),
                        ('export RUN/pruned --output_node_names=scores', 'x.tflite')):
    assert _run(run_folder, *command.split(), '--output=%s' % (tmp_path / 'file' / name)) == 1
    assert 'Cannot write' in capsys.readouterr().err
  assert os.listdir(str(tmp_path)) == ['file']


@pytest.mark.parametrize('arguments', [
    [], ['sparsify'], ['strip', 'model'], ['report', 'model', '--block=16'],
    ['report', 'model', '--input_shape=x=-1x64'], ['export', 'm', '--input_shape=4', '--output=x'],
    ['report', 'model', '--json', '--csv'], ['plot', 'pie', 'model', '--output=x']])
def test_bad_usage(arguments, capsys):
  with pytest.raises(SystemExit) as caught:
    cli.parse_arguments(['model-pruning'] + arguments)
  assert caught.value.code == 2
  assert 'usage: model-pruning' in capsys.readouterr().err


@pytest.mark.parametrize('words, message', [
    ('reprot x', 'there is no command reprot (did you mean report?)'),
    ('shcedule', 'there is no command shcedule (did you mean schedule?)'),
    ('frobnicate', 'expected one of: schedule, report, plot, strip, export, prune'),
    ('strip x --ouput=y', 'there is no option --ouput (did you mean --output?)'),
    ('schedule x --num-steps=5', 'there is no option --num-steps (did you mean --num_steps?)'),
    ('report x --zzz', '`model-pruning report --help` lists them'),
])
def test_a_misspelled_word_is_answered_with_the_right_one(words, message, capsys):
  with pytest.raises(SystemExit) as caught:
    cli.parse_arguments(['model-pruning'] + words.split())
  assert caught.value.code == 2
  assert message in capsys.readouterr().err


def test_without_a_command_it_lists_them(capsys):
  with pytest.raises(SystemExit) as caught:
    cli.parse_arguments(['model-pruning'])
  assert caught.value.code == 2
  text = capsys.readouterr().err
  for name in COMMANDS:  # A long name has a line to itself.
    assert re.search(r'^ +%s\s+\w+( \w+)+' % name, text, re.MULTILINE), name


@pytest.mark.parametrize('hparams, code', [
    ('target_sparsity=0.9', 0), ('target_sparsity=0.9,end_pruning_step=50', 1),
    ('target_sparsity=0.9,weight_sparsity_map=[a:0.5],end_pruning_step=99', 1)])
def test_strict_schedules(hparams, code, capsys):
  assert _main(['schedule', hparams, '--strict']) == code
  assert _main(['schedule', hparams]) == 0
  assert capsys.readouterr().out


@pytest.mark.sampled(5)
@pytest.mark.parametrize('words, code', [
    ('', 2), ('--help', 0), ('--version', 0), ('report --help', 0), ('export --help', 0),
    ('reprot x', 2), ('report', 2), ('strip x --output', 2), ('plot pie x --output=y', 2),
    ('schedule target_sparsity=0.9', 0),
    ('schedule target_sparsity=0.9 --num_steps=50 --strict', 1),
    ('schedule target_sparsity=0.9 --json', 0), ('schedule target_sparsty=0.9', 1),
    ('report missing', 1), ('report missing.pb', 1), ('report missing.keras --json', 1),
    ('report missing.tflite', 1), ('report --history missing', 1), ('strip missing --output=x', 1),
    ('strip missing.h5 --output=x', 1), ('strip x.pb --output=y', 1),
    ('export missing --output=x', 1),
    ('export x.pb --output=x.pb', 1), ('plot masks missing --output=x.png', 1),
    ('plot sparsity missing --output=x.png', 1),
    ('prune missing target_sparsity=0.5 --output=x', 1),
    ('prune x target_sparsity=2 --output=y', 1), ('prune --help', 0), ('plan --help', 0),
    ('prune x.pb target_sparsity=0.5 --output_node_names=y --examples=missing.npy --output=y', 1),
    ('sensitivity --help', 0), ('sensitivity x.pb', 2),
    ('sensitivity x.pb --examples=x --sparsities=half', 2),
    ('sensitivity missing --examples=x.pb', 1), ('sensitivity x.pb --examples=x.pb', 1),
    ('sensitivity x.pb --examples=missing.npy --output_node_names=y', 1),
    ('plan x.pb --examples=x.pb', 2), ('plan x.pb --examples=x.pb --max_loss=a', 2),
    ('plan x.pb --examples=x.pb --max_loss=0.1 --max_bytes=5', 2),
    ('plan missing --examples=x.pb --max_loss=0.1', 1),
    ('plan x.pb --examples=x.pb --max_loss=0.1 --prune', 1),
    ('plan x.pb --examples=missing.npy --max_loss=0.1 --output_node_names=y', 1)])
def test_it_answers_without_tensorflow(tmp_path, words, code):
  (tmp_path / 'tensorflow.py').write_text('print("TensorFlow was loaded"); raise ImportError()')
  (tmp_path / 'x.pb').write_bytes(b'not empty')
  done = subprocess.run([sys.executable, '-m', 'model_pruning'] + words.split(),
                        env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(tmp_path), ROOT])),
                        cwd=str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                        universal_newlines=True)
  assert done.returncode == code, done.stderr
  assert 'Traceback' not in done.stderr and 'TensorFlow was loaded' not in done.stdout
  assert done.stdout or done.stderr


@pytest.mark.parametrize('words', ['report x.pb', 'report x.tflite', 'export x.pb --output=y'])
def test_it_says_that_there_is_no_tensorflow(tmp_path, words):
  (tmp_path / 'tensorflow.py').write_text('raise ImportError("No module named tensorflow")')
  for name in ('x.pb', 'x.tflite'):
    (tmp_path / name).write_bytes(b'not empty')
  done = subprocess.run([sys.executable, '-m', 'model_pruning'] + words.split() + [
      '--output_node_names=y'], cwd=str(tmp_path), stderr=subprocess.PIPE, universal_newlines=True,
                        env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(tmp_path), ROOT])))
  assert done.returncode == 1
  line, = done.stderr.splitlines()
  assert 'TensorFlow could not be imported' in line and '`pip install tensorflow`' in line
  assert 'damaged' not in line and 'Unexpected' not in line


@pytest.mark.parametrize('stream', [1, 2])
def test_it_may_be_started_with_a_closed_stream(stream, tmp_path):
  command = '"%s" -m model_pruning schedule target_sparsity=0.9 %d>&-' % (sys.executable, stream)
  done = subprocess.run(command, shell=True, env=dict(os.environ, PYTHONPATH=ROOT),
                        cwd=str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
  assert done.returncode == 0 and not done.stderr


@pytest.mark.parametrize('command', COMMANDS)
def test_help_has_examples_that_parse(command, capsys):
  with pytest.raises(SystemExit) as caught:
    cli.parse_arguments(['model-pruning', command, '--help'])
  assert caught.value.code == 0
  text = capsys.readouterr().out
  examples = text.split('examples:\n')[1].replace('\\\n', ' ').splitlines()
  for example in examples:
    words = example.split('#')[0].split('>')[0].replace('"', '').split()
    assert words[:2] == ['model-pruning', command]
    cli.parse_arguments(words)


@pytest.mark.sampled(3)
@pytest.mark.parametrize('name', ['a\nb', '\x1b[2Jred', 'abc\u202ecba', 'a\r\tb', '\u200b'])
def test_names_cannot_command_the_terminal(run_folder, tmp_path, capsys, name):
  with tf.Graph().as_default() as graph:
    tf.constant(np.ones([4, 4], np.float32), name='c')
  graph_def = graph.as_graph_def()
  graph_def.node[0].name = name
  path = tmp_path / 'x.pb'
  path.write_bytes(graph_def.SerializeToString())
  escaped = name.encode('unicode_escape').decode()
  assert not _main(['report', str(path)])
  assert escaped in capsys.readouterr().out
  assert not _main(['report', str(path), '--json'])
  assert json.loads(capsys.readouterr().out)['weights'][0]['name'] == name
  for words in (['report', str(tmp_path / name)],
                ['strip', os.path.join(run_folder, 'pruned'), '--output_node_names=x' + name,
                 '--output=%s' % (tmp_path / 'y.pb')],
                ['plot', 'masks', str(path), '--weights=nothing', '--output=x.png']):
    assert _main(words) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and name not in error and escaped in error


def test_what_nobody_foresaw_is_one_line_too(capsys, monkeypatch):
  def fail(args):
    raise KeyError('layers\nand more')

  assert cli.guarded(fail, None) == 1
  error = capsys.readouterr().err
  assert len(error.splitlines()) == 1 and 'Unexpected KeyError' in error
  assert 'MODEL_PRUNING_TRACEBACK=1' in error
  monkeypatch.setenv('MODEL_PRUNING_TRACEBACK', '1')
  with pytest.raises(KeyError):
    cli.guarded(fail, None)


# ---- The whole program. ----


def _process(*arguments, **options):
  environment = dict(os.environ, PYTHONPATH=ROOT)
  environment.pop('TF_CPP_MIN_LOG_LEVEL', None)
  return subprocess.Popen([sys.executable, '-m'] + list(arguments), env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          **options)


def test_the_program_says_one_line(run_folder, tmp_path):
  process = _process('model_pruning', 'strip', os.path.join(run_folder, 'pruned'),
                     '--output_node_names=scoers', '--output=x', cwd=str(tmp_path))
  out, err = process.communicate()
  assert process.returncode == 1 and not out
  assert len(err.splitlines()) == 1 and 'did you mean scores?' in err


@pytest.mark.parametrize('module', ['strip_pruning_vars', 'python.strip_pruning_vars'])
def test_contribs_command(run_folder, tmp_path, module):
  command = ['model_pruning.' + module, '--output_node_names=scores, inputs',
             '--output_dir=%s' % tmp_path, '--filename=out.pb']
  process = _process(*command, '--checkpoint_dir=' + os.path.join(run_folder, 'pruned'))
  out, err = process.communicate()
  assert process.returncode == 0 and not err, err
  assert 'out.pb' in out and _outputs(str(tmp_path / 'out.pb')).shape == (1, 4)


def test_ctrl_c_is_one_line_too(tmp_path, capsys):
  output = tmp_path / 'new' / 'output'

  def interrupted(args):
    with files.replacing(args) as temporary, open(temporary, 'w') as f:
      f.write('half')
      raise KeyboardInterrupt

  assert cli.guarded(interrupted, str(output)) == 130
  assert capsys.readouterr().err == 'model-pruning: interrupted; nothing was written\n'
  assert not os.listdir(str(output.parent))


def test_ctrl_c_while_tensorflow_is_loaded(monkeypatch, capsys):
  monkeypatch.setattr(sys, 'argv', ['model-pruning'])
  monkeypatch.delenv('TF_CPP_MIN_LOG_LEVEL', raising=False)
  with pytest.raises(SystemExit) as caught:
    with quiet.loading_tensorflow():
      raise KeyboardInterrupt
  assert caught.value.code == 130
  assert capsys.readouterr().err == 'model-pruning: interrupted; nothing was written\n'
