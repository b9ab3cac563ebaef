# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
# bazel: tags = manual
"""A disk that is full while a checkpoint or an export is written takes nothing away.

The kernel refuses to make files larger than a limit, and so fails writes as a full disk does:
in the middle of a file.
"""

import contextlib
import os

import numpy as np
import pytest

from model_pruning import cli
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.export.saved_model import to_saved_model
from model_pruning.export.tflite.convert import to_tflite
from model_pruning.graph.training import hooks
from tests import resumed

resource = pytest.importorskip('resource', reason='limits on files are of Unix')

SPEC = 'initial_sparsity=0.75,target_sparsity=0.75,pruning_frequency=2'


@contextlib.contextmanager
def _full_disk(size=300):
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _fill(stack):
  return lambda step: stack.enter_context(_full_disk())


def _files(folder):
  found = {}
  for parent, _, names in os.walk(str(folder)):
    for name in names:
      with open(os.path.join(parent, name), 'rb') as handle:
        found[os.path.relpath(os.path.join(parent, name), str(folder))] = handle.read()
  return found


@pytest.mark.parametrize('at_step', [4, 7])
def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(at_step, tmp_path):
  whole = resumed.train(str(tmp_path / 'whole'), SPEC)
  folder = str(tmp_path / 'full')
  # The error of a file that is too large is one that ends a session as the end of inputs does;
  # that of a full disk is not.
  with contextlib.ExitStack() as stack, contextlib.suppress(tf.errors.OpError, OSError):
    resumed.train(folder, SPEC, at_step=at_step, what=_fill(stack))
  assert resumed.values(folder)['global_step'] == at_step
  again = resumed.train(folder, SPEC)
  for name in whole:
    np.testing.assert_array_equal(again[name], whole[name], err_msg=name)


def test_the_masks_of_the_last_step_cannot_be_saved(tmp_path, monkeypatch):
  """Where something else saves, the last checkpoint may be from before the last update."""
  monkeypatch.setattr(hooks, 'session_around', lambda: (None, []))
  folder = str(tmp_path / 'full')
  with contextlib.ExitStack() as stack, contextlib.suppress(tf.errors.OpError, OSError):
    resumed.train(folder, SPEC, at_step=resumed.STEPS, ahead=True, what=_fill(stack))
  values = resumed.values(folder)
  assert values['global_step'] == resumed.STEPS
  assert values['model_pruning/last_mask_update_step'] == resumed.STEPS - 2
  whole = resumed.train(str(tmp_path / 'whole'), SPEC)
  again = resumed.train(folder, SPEC)  # Has no step to train, and an update to make up for.
  for name in whole:
    np.testing.assert_array_equal(again[name], whole[name], err_msg=name)


# ---- Exports. ----


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  folder = str(tmp_path_factory.mktemp('trained') / 'model')
  resumed.train(folder, SPEC, save_steps=resumed.STEPS)
  return folder


@pytest.fixture(scope='module')
def dense(trained):
  path = os.path.join(os.path.dirname(trained), 'dense', 'model.ckpt')
  assert not _run('strip', trained, '--to=checkpoint', '--output=' + path)
  return path


def _run(*words):
  arguments = cli.parse_arguments(['model-pruning'] + list(words))
  return cli.guarded(arguments.run, arguments)


@pytest.mark.sampled(3)
@pytest.mark.parametrize('command', [
    ['strip', 'TRAINED', '--output_node_names=outputs', '--output=OUT/model.pb'],
    ['strip', 'TRAINED', '--to=checkpoint', '--output=OUT/stripped/model.ckpt'],
    ['prune', 'DENSE', 'target_sparsity=0.5',
     '--output=OUT/pruned/model.ckpt'],
    ['plot', 'weights', 'TRAINED', '--output=OUT/weights.png'],
], ids=lambda command: command[0] + command[-1].rpartition('.')[2])
def test_an_export_that_cannot_be_written_leaves_what_was_there(command, trained, dense, tmp_path,
                                                                capsys):
  out = tmp_path / 'out'
  out.mkdir()
  words = [word.replace('TRAINED', trained).replace('DENSE', dense).replace('OUT', str(out))
           for word in command]
  assert not _run(*words)
  before, source = _files(out), _files(trained)
  assert before
  capsys.readouterr()
  with _full_disk():
    assert _run(*words) == 1
  assert _files(out) == before and _files(trained) == source
  assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize('target', ['saved_model', 'model.tflite'])
def test_a_conversion_that_cannot_be_written_leaves_nothing_half(target, trained, tmp_path, capsys):
  out = tmp_path / 'out'
  out.mkdir()
  graph = str(tmp_path / 'model.pb')
  assert not _run('strip', trained, '--output_node_names=outputs', '--output=' + graph)
  graph_def = tf.GraphDef.FromString(open(graph, 'rb').read())
  path = str(out / target)
  inputs = 'GatherV2' if any(node.name == 'GatherV2' for node in graph_def.node) else None
  assert inputs
  with _full_disk(), pytest.raises(
      errors.PruningError, match='Cannot write|File too large'):
    if target == 'saved_model':
      to_saved_model(graph_def, path, {'x': inputs + ':0'}, {'y': 'outputs:0'})
    else:
      to_tflite(graph_def, path, [inputs + ':0'], ['outputs:0'])
  assert not os.listdir(str(out))
