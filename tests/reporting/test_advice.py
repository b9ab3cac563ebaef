# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reporting.advice: what findings advise is what the library takes."""

import re

import numpy as np
import pytest

from model_pruning.export.tflite import names as tflite_names
from model_pruning.hparams.defaults import get_pruning_hparams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.reading import goals
from model_pruning.reading.stored import StoredWeight
from model_pruning.reading.stored_spec import StoredSpec
from model_pruning.reporting import report
from tests.reporting import samples

_CLAUSE = r'\w+=(?:\[[^\]]*\]|[\w.]*\w)'
_CLAUSES = re.compile(r'(?<![\w.])%s(?:,%s)*' % (_CLAUSE, _CLAUSE))


def _masked(name, kept):
  kept = np.asarray(kept, bool)
  return StoredWeight(name, np.where(kept, 1.0, 0.01).astype(np.float32), kept, 0.1)


def _advised(finding):
  """Returns the hyperparameters in an advice, an alternative each."""
  return [found.group() for found in _CLAUSES.finditer(finding.advice)
          if found.group().split('=')[0] in get_pruning_hparams()]


def _merged(hparams, advised):
  """Returns the spec of a run that takes an advice: what it names is replaced."""
  values = get_pruning_hparams().parse(hparams)
  changes = get_pruning_hparams()
  changes.parse(advised)
  for name in re.findall(r'(\w+)=', re.sub(r'\[[^\]]*\]', '', advised)):
    values.set_hparam(name, changes.get(name))
  return PruningSpec.create(values)


def _report(weights, hparams, groups=None):
  stored = goals.StoredGoals(StoredSpec(PruningSpec.create(hparams), 1000), groups or {})
  return report.of_weights('model', 'checkpoint', weights, last_update=1000, goals=stored)


def _dead():
  """Returns a weight with 6 of 20 outputs dead."""
  kept = np.random.RandomState(0).rand(64, 20) < 0.5
  kept[:, :6] = False
  return _masked('fc1/kernel', kept)


NETS = {
    'fc': lambda: [samples.weight('in/kernel', (8, 16), 0.9), _dead(),
                   samples.weight('fc2-a/kernel', (512, 256), 0.9),
                   samples.weight('out/kernel', (32, 2), 0.9)],
    'empty': lambda: [_masked('in/kernel', np.zeros([8, 16])), _dead(),
                      samples.weight('fc2-a/kernel', (512, 256), 0.9, 4),
                      samples.weight('out/kernel', (32, 2), 0.9)],
    'blocks': lambda: [samples.weight('in/kernel', (32, 16), 0.5, 8),
                       _masked('fc1/kernel', np.kron([[1, 0]], np.ones([64, 10]))),
                       samples.weight('fc2-a/kernel', (512, 256), 0.75, 16),
                       _masked('out/kernel', np.ones([32, 2]))],
}
SPECS = ['target_sparsity=0.9', 'target_sparsity=0.8', 'target_sparsity=0.3',
         'target_sparsity=0.9,weight_sparsity_map=[fc:0.7,out:0.8]',
         'target_sparsity=0.9,block_dims_map=[fc.*:16x1],weight_sparsity_map=[in:0.6,out|fc1:0.7]',
         'target_sparsity=0.5,block_height=-1,block_width=-1',
         'target_sparsity=0.9,block_height=16,block_dims_map=[in:4x4]',
         'target_sparsity=0.9,global_pruning=true', 'target_sparsity=0.7,global_pruning=true,'
         'block_height=4', 'target_sparsity=0.5,intra_block_sparsity=true,block_width=4',
         'target_sparsity=0.75,intra_block_sparsity=true,block_width=4,block_dims_map=[in:1x8]',
         'target_sparsity=0.7,intra_block_sparsity=true,block_width=3,'
         'weight_sparsity_map=[fc:0.4]',
         'target_sparsity=0.9,group_pruning=true,group_sparsity_map=[enc:0.85]',
         'target_sparsity=0.9,group_pruning=true,weight_sparsity_map=[out:0.95]',
         'target_sparsity=0.9,group_pruning=true,group_sparsity_map=[^e.*:0.8,^head$:0.6]',
         'target_sparsity=0.9,use_tpu=true', 'target_sparsity=0.9,sparsity_distribution=erk',
         'target_sparsity=0.9,sparsity_distribution=lamp,block_height=4',
         'target_sparsity=0.9,sparsity_distribution=lamp,weight_sparsity_map=[fc:0.7,out:0.8]',
         'target_sparsity=0.9,sparsity_distribution=global',
         'target_sparsity=0.9,sparsity_distribution=global,use_tpu=true',
         'target_sparsity=0.9,global_pruning=true,sparsity_distribution=global,'
         'weight_sparsity_map=[fc1:0.8]',
         'target_sparsity=0.75,sparsity_distribution=erk,intra_block_sparsity=true,block_width=4']
GROUPS = {'in/kernel': 'enc', 'fc1/kernel': 'enc', 'fc2-a/kernel': 'enc2'}


@pytest.mark.parametrize('hparams', SPECS)
@pytest.mark.parametrize('net', sorted(NETS))
def test_what_is_advised_is_accepted(net, hparams):
  grouped = 'group_pruning' in hparams
  if 'head' in hparams:
    groups = {'in/kernel': 'enc', 'fc1/kernel': 'enc', 'fc2-a/kernel': 'head'}
  else:
    groups = dict(GROUPS)
  if not grouped:
    groups = {}
  found = _report(NETS[net](), hparams, groups)
  weights = [goals.Masked(row.name, row.shape, groups.get(row.name)) for row in found.weights]
  assert all(row.details.goal is not None for row in found.weights)
  for finding in found.findings:
    for advised in _advised(finding):
      advised = advised.replace(',...', '')
      taken = goals.goals_of(weights, StoredSpec(_merged(hparams, advised), 1000))
      assert all(goal is not None for goal in taken), (finding.kind, advised)
      if advised.startswith(('weight_sparsity_map', 'group_sparsity_map')):  # It changes something.
        assert [goal.target for goal in taken] != [
            row.details.goal.target for row in found.weights], (finding.kind, advised)


@pytest.mark.parametrize('own,advised', [
    ('fc:0.95', 'weight_sparsity_map=[^fc1/:0.95,^fc3/:0.95,^fc2/:0.8]'),
    ('fc1:0.5,fc2:0.95', 'weight_sparsity_map=[fc1:0.5,fc2:0.8]'),
    ('fc3:0.5', 'weight_sparsity_map=[fc3:0.5,fc2:0.8]')])
def test_entries_of_the_run_are_kept(own, advised):
  weights = [samples.weight('fc1/kernel', (64, 64), 0.95),
             _masked('fc2/kernel', np.zeros([64, 64])),
             samples.weight('fc3/kernel', (64, 64), 0.95)]
  finding = _report(weights, 'target_sparsity=0.95,weight_sparsity_map=[%s]' % own).findings[0]
  assert finding.kind == 'empty'
  assert finding.advice.endswith(advised.replace('^', '').replace('/:', ':') + '.')


def test_no_two_findings_want_different_things_of_a_weight():
  found = _report(NETS['fc'](), 'target_sparsity=0.9').findings
  asked = {}
  for finding in found:
    for text in _advised(finding):
      for key, value in re.findall(r'([\w-]+):([\d.x]+)', text):
        assert asked.setdefault(key, (finding.kind, value)) == (finding.kind, value)
  assert len(found) > 2


@pytest.mark.parametrize('hparams,groups,text', [
    ('target_sparsity=0.9,global_pruning=true', {}, '0.9000 of all'),
    ('target_sparsity=0.9,sparsity_distribution=lamp', {}, '0.9000 of all'),
    ('target_sparsity=0.9,sparsity_distribution=global,weight_sparsity_map=[out:0.5]', {},
     '0.9000 of the rest'),
    ('target_sparsity=0.9,group_pruning=true', {'in/kernel': 'enc', 'fc1/kernel': 'enc'},
     '0.9000 of enc'), ('target_sparsity=0.9', {}, '0.9000')])
def test_targets_of_groups_are_shown_as_such(hparams, groups, text):
  found = _report(NETS['fc'](), hparams, groups)
  assert found.weights[0].target_text == text
  assert found.weights[0].values()['target_of'] == (
      None if 'of' not in text else 'enc' if groups else 'all_weights')
  assert text in found.table()


@pytest.mark.parametrize('inputs,block', [(512, '16x1'), (128, '16x1'), (64, '4x1'), (16, None)])
def test_small_layers_get_small_blocks_or_none(inputs, block):
  found = _report([samples.weight('fc/kernel', (inputs, 256), 0.9)], 'target_sparsity=0.9')
  advice = [finding.advice for finding in found.findings if finding.kind == 'runtime']
  assert [('fc:' + block) in text for text in advice] == [True] if block else advice == []


def test_dead_outputs_of_tall_blocks_are_a_matter_of_the_blocks():
  kept = np.random.RandomState(0).rand(4, 20) < 0.8
  kept[:, :6] = False
  kept[0, 6:] = True
  kept = np.repeat(kept, 16, axis=0)
  finding = {each.kind: each for each in _report(
      [_masked('fc/kernel', kept)], 'target_sparsity=0.3,block_height=16').findings}['dead_outputs']
  assert 'fc:4x1' in finding.advice and 'blocks of 16x1, 4 per output' in finding.text


@pytest.mark.parametrize('hparams,groups', [
    ('target_sparsity=0.85,group_pruning=true', {'fc/kernel': 'enc', 'out/kernel': 'enc'}),
    ('target_sparsity=0.85,global_pruning=true', {}), ('target_sparsity=0.85', {})])
def test_no_target_is_advised_that_a_weight_has(hparams, groups):
  weights = [samples.weight('fc/kernel', (64, 64), 0.84),
             samples.weight('out/kernel', (64, 2), 0.9)]
  finding = {each.kind: each for each in _report(weights, hparams, groups).findings}['runtime']
  assert 'fc:4x1' in finding.advice and 'sparsity' not in finding.advice


def test_blocks_that_prune_nothing_are_not_met_and_want_smaller_ones():
  found = _report([_masked('fc/kernel', np.ones([64, 64]))],
                  'target_sparsity=0.5,block_height=-1,block_width=-1')
  finding, = found.findings
  assert found.weights[0].met is False and finding.kind == 'coarse'
  assert finding.advice == 'Prune in smaller units: block_dims_map=[fc:4x1].'


@pytest.mark.parametrize('sparsity,found', [(0.66, False), (0.95, True)])
def test_ends_that_a_group_spared_are_no_finding(sparsity, found):
  weights = [samples.weight('a/kernel', (256, 256), 0.9),
             samples.weight('b/kernel', (256, 256), 0.9),
             samples.weight('out/kernel', (64, 4), sparsity)]
  kinds = {each.kind: each for each in _report(
      weights, 'target_sparsity=0.9,global_pruning=true').findings}
  assert ('ends' in kinds) is found
  if found:
    assert 'sparsity_map' not in kinds['ends'].advice and 'exclude' in kinds['ends'].advice


@pytest.mark.parametrize('names, key', [
    (['sequential_12/fc1/kernel', 'sequential_12/fc2/kernel'], 'fc1'),
    (['functional/fc1/kernel', 'functional/fc10/kernel'], 'fc1/'),
    (['my_net_3/fc1/kernel', 'my_net_3/a_fc1/kernel'], '/fc1/'),
    (['net_1/fc1/kernel', 'net_2/fc1/kernel'], 'net_1/fc1'),
    (['block/fc1/kernel', 'block/fc2/kernel'], 'block/fc1'),
    (['fc_1/kernel', 'fc_2/kernel'], 'fc_1'), (['Variable', 'Variable_1'], '^Variable$')])
def test_keys_leave_out_the_names_that_keras_gives_to_models(names, key):
  assert tflite_names.map_key(names[0], names) == key


@pytest.mark.parametrize('name,key', [
    ('a-b/kernel', 'a-b'), ('mit leer/kernel', 'mit.leer'), ('a,b[1]/kernel', 'a.b.1.'),
    ('a.b/kernel', r'a\.b')])
def test_keys_can_stand_in_lists(name, key):
  assert tflite_names.map_key(name, [name, 'other/kernel']) == key
  spec = PruningSpec.create('weight_sparsity_map=[%s:0.5]' % key)
  assert spec.target_for(name) == 0.5 and len(spec.weight_sparsity_map) == 1


def test_long_names_lose_their_middle_in_sentences_and_not_in_keys():
  scope = 'a_tower_with_a_long_name/and_a_block/and_then_a_layer'
  weights = [_masked(scope + '/kernel', np.zeros([32, 32])),
             samples.weight('b/kernel', (8, 8), 0.9)]
  shown = ' '.join(_report(weights, 'target_sparsity=0.9').table().split('Findings')[1].split())
  assert scope + '/kernel' not in shown and 'layer/kernel ended with none' in shown
  assert 'weight_sparsity_map=[%s:0.8]' % scope in shown
