# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""--output in a folder that does not exist: every command creates it, but not on a mistake."""

import os
import re

import pytest

from model_pruning.util import quiet
from tests.cli import trained
from tests.cli.trained import run

GRAPH = 'FOLDER/frozen.pb --output_node_names=scores'
X = ' --examples=FOLDER/images.npy'
COMMANDS = {
    'prune graph': ('prune %s target_sparsity=0.5' % GRAPH, 'x.pb'),
    'prune checkpoint': ('prune FOLDER/dense target_sparsity=0.5', 'model.ckpt'),
    'prune saved_model': ('prune FOLDER/saved target_sparsity=0.5', 'saved'),
    'plan': ('plan %s --target_sparsity=0.5 --prune' % GRAPH + X, 'x.pb'),
    'sensitivity': ('sensitivity %s --sparsities=0.5' % GRAPH + X, 'x.png'),
    'strip checkpoint': ('strip FOLDER/masked/model.ckpt --to=checkpoint', 'model.ckpt'),
    'schedule': ('schedule target_sparsity=0.5', 'x.png'),
    'plot': ('plot masks FOLDER/masked/model.ckpt', 'x.png'),
    'export': ('export ' + GRAPH, 'x.tflite'),
}
if trained.HAS_KERAS:
  COMMANDS['prune keras'] = ('prune FOLDER/model.keras target_sparsity=0.5', 'x.keras')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  folder = trained.write(str(tmp_path_factory.mktemp('models')))
  assert not run(folder, 'prune', 'FOLDER/dense', 'target_sparsity=0.5',
                 '--output=FOLDER/masked/model.ckpt')
  return folder


@pytest.mark.sampled(3)
@pytest.mark.parametrize('name', sorted(COMMANDS))
def test_it_is_created(folder, tmp_path, name):
  words, leaf = COMMANDS[name]
  output = tmp_path / 'not' / 'there' / leaf
  with quiet.muted():
    assert not run(folder, *words.split(), '--output=%s' % output)
  assert any(found.startswith(leaf) for found in os.listdir(str(output.parent)))


@pytest.mark.parametrize('name', sorted(set(COMMANDS) - {'schedule'}))
def test_it_is_not_created_for_nothing(folder, tmp_path, capsys, name):
  words = re.sub(r'FOLDER/\S+', 'FOLDER/nothing', COMMANDS[name][0], count=1).split()
  output = str(tmp_path / 'not' / 'there')
  trained.check_mistake(folder, output, capsys, words + ['--output=' + output], 'nothing')
