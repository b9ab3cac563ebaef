# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reporting.findings: what is said of a model, and when nothing is."""

import json
import re

import numpy as np
import pytest

from model_pruning.reading.stored import StoredWeight
from model_pruning.reporting import findings
from model_pruning.reporting import headline
from tests import oracle
from tests.reporting import samples

HALF = 'target_sparsity=0.5'
HARD = 'target_sparsity=0.9'


def _found(report):
  return {finding.kind: finding for finding in report.findings}


def _masked(name, kept):
  """Returns a weight with a given mask."""
  kept = np.asarray(kept, bool)
  return StoredWeight(name, np.where(kept, 1.0, 0.01).astype(np.float32), kept, 0.1)


# ---- Nothing to say. ----


@pytest.mark.parametrize('weights', [
    [],
    [samples.weight('dense/kernel', (64, 64))],
    # A stripped model has zeros, and no masks.
    [StoredWeight('dense/kernel', np.eye(64, dtype=np.float32))],
    [StoredWeight('dense/kernel', np.zeros([64, 64], np.float32))],
], ids=['none', 'dense', 'stripped', 'of zeros'])
def test_models_without_masks_are_not_nagged_at(weights):
  report = samples.report_of(weights, last_update=None)
  assert report.findings == ()
  assert 'Findings' not in report.table()
  assert json.loads(report.to_json())['findings'] == []


@pytest.mark.parametrize('hparams', [None, HARD + ',block_height=16',
                                     'target_sparsity=0.5,block_height=16'])
def test_a_model_that_is_as_it_should_be_is_not_nagged_at(hparams):
  weights = [samples.weight('fc%d/kernel' % index, (256, 256), 0.9, 16) for index in range(3)]
  assert samples.report_of(weights, hparams).findings == ()


# ---- Never updated. ----


@pytest.mark.parametrize('sparsity', [None, 0.5])
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(value, sparsity):
  weights = [samples.weight('a/kernel', (20, 30), sparsity), samples.weight('b/kernel', (8, 8)),
             samples.weight('c/kernel', (30, 20), sparsity)]
  for weight, number in ((weights[0], 3), (weights[1], 1)):
    weight.values.reshape(-1)[:number] = value
  found = samples.report_of(weights).findings
  assert found[0].kind == 'not_finite' and found[0].weights == ('a/kernel', 'b/kernel')
  assert found[0].text == (
      'a/kernel has 3 of 600 values that are NaN or infinite, and so have 1 more.')
  assert all(each.kind != 'not_finite' for each in found[1:])


def test_never_updated_is_all_that_is_said():
  weights = [samples.weight('fc/kernel', (8, 8), 0), samples.weight('out/kernel', (8, 2), 0)]
  report = samples.report_of(weights, HARD, last_update=0)
  finding, = report.findings
  assert finding.kind == 'never_updated' and finding.weights == ('fc/kernel', 'out/kernel')
  assert 'all 2 masked weights are dense' in finding.text
  assert 'PruningHook' in finding.advice and 'UpdatePruningStep' in finding.advice
  assert any('never updated' in note for note in report.notes)  # As before.


# ---- Short of the target. ----


def test_short_of_target_names_the_weights_and_the_step():
  report = samples.report_of(samples.convnet(), HARD, end_step=777)
  finding = report.findings[0]
  assert (finding.kind, finding.weights) == ('short', ('conv2/kernel',))
  assert finding.text == 'conv2/kernel is at 0.7500, short of 0.9000.'
  assert 'step 777' in finding.advice and 'Other weights met their targets' in finding.advice
  assert [weight.met for weight in report.weights] == [True, False, True, True]


def test_of_many_that_are_short_some_are_named_and_the_worst_first():
  weights = [samples.weight('fc%d/kernel' % index, (64, 64), 0.8 - index / 100)
             for index in range(6)]
  finding = _found(samples.report_of(weights, HARD))['short']
  assert finding.text.startswith('fc5/kernel is at 0.7500, short of 0.9000; fc4')
  assert finding.text.endswith('; and 3 more.') and len(finding.weights) == 6
  assert 'Other weights' not in finding.advice  # There is none.


@pytest.mark.parametrize('hparams,met', [
    (HARD, True),  # 10 of 100 are kept.
    ('target_sparsity=0.904', True),  # 9.6 rounds to 10.
    ('target_sparsity=0.906', False),
    ('target_sparsity=0.5,weight_sparsity_map=[fc:0.95]', False),
    ('target_sparsity=0.99,weight_sparsity_map=[fc:0.3]', True)])
def test_met_is_decided_to_the_element(hparams, met):
  row, = samples.report_of([samples.weight('fc/kernel', (10, 10), 0.9)], hparams).weights
  assert row.met is met


def test_a_group_meets_its_target_together():
  weights = [samples.weight('a/kernel', (10, 10), 1.0), samples.weight('b/kernel', (10, 10), 0.8)]
  report = samples.report_of(weights, 'target_sparsity=0.9,global_pruning=true')
  assert [weight.met for weight in report.weights] == [True, True]
  report = samples.report_of(weights, 'target_sparsity=0.92,global_pruning=true')
  assert [weight.met for weight in report.weights] == [False, False]


# ---- Patterns that cannot come to the target. ----


@pytest.mark.parametrize('weight,hparams,unit', [
    # Four blocks of 16x16, of which one has to stay.
    (_masked('fc/kernel', np.kron([[1, 0], [0, 0]], np.ones([16, 16]))),
     HARD + ',block_height=16,block_width=16', 'blocks of 16x16'),
    # Two blocks of which one stays.
    (_masked('fc/kernel', np.kron([[1, 0]], np.ones([32, 32]))),
     'target_sparsity=0.8,block_height=-1,block_width=32', 'blocks of 32x32'),
    # Of four inputs floor(4 * 0.7) are dropped.
    (_masked('fc/kernel', np.tile([[1, 1, 0, 0]], [32, 8]).T),
     'target_sparsity=0.7,block_width=4,intra_block_sparsity=true', 'runs of 4 inputs')])
def test_a_target_that_the_pattern_cannot_come_to(weight, hparams, unit):
  report = samples.report_of([weight], hparams)
  finding = _found(report)['coarse']
  assert report.weights[0].met is False and unit in finding.text
  assert 'short' not in _found(report)
  assert 'cannot be met in ' + unit in headline.headline(report).more
  assert '%.4f' % report.weights[0].sparsity in finding.text and 'fc:' in finding.advice


def test_blocks_that_come_close_enough():
  report = samples.report_of([samples.weight('fc/kernel', (160, 160), 0.9, 16)],
                             HARD + ',block_height=16')
  assert 'coarse' not in _found(report)


# ---- Layers that are gone, and outputs that are. ----


@pytest.mark.parametrize('kept,hparams,text', [
    (np.zeros([32, 32]), HARD, 'none of its 1,024 weights'),
    (np.eye(200), HARD, 'only 200 of its 40,000 weights'),
    (np.eye(200), 'target_sparsity=0.5,global_pruning=true', 'only 200 of its 40,000 weights'),
    (np.eye(200), None, 'only 200 of its 40,000 weights')])
def test_a_layer_that_ended_empty(kept, hparams, text):
  other = samples.weight('other/kernel', (64, 64), 0.9)
  finding = samples.report_of([_masked('fc/kernel', kept), other], hparams).findings[0]
  assert finding.kind == 'empty' and finding.weights == ('fc/kernel',)
  assert text in finding.text and 'weight_sparsity_map=[fc:0.' in finding.advice
  assert ('One threshold' in finding.advice) == ('global' in (hparams or ''))


def test_a_layer_that_was_to_be_nearly_empty():
  report = samples.report_of([_masked('fc/kernel', np.eye(200))], 'target_sparsity=0.995')
  assert 'empty' not in _found(report)


def test_several_layers_that_ended_empty():
  weights = [_masked('fc%d/kernel' % index, np.zeros([8, 8])) for index in range(5)]
  finding = samples.report_of(weights, HARD).findings[0]
  assert finding.text == ('5 layers ended all or nearly all zero: fc0/kernel, fc1/kernel, '
                          'fc2/kernel and 2 more.')
  assert finding.advice.endswith('weight_sparsity_map=[fc0:0.8,...].')


@pytest.mark.parametrize('shape', [(64, 20), (3, 3, 8, 20), (1, 1, 64, 20)])
def test_outputs_without_a_weight(shape):
  kept = np.random.RandomState(0).rand(*shape) < 0.5
  kept[..., 0, :] = True
  kept[..., :6] = False
  finding = _found(samples.report_of([_masked('fc/kernel', kept)]))['dead_outputs']
  assert '6 of the 20 outputs of fc/kernel' in finding.text and 'fc:0.8' in finding.advice


@pytest.mark.parametrize('shape', [(64, 20), (3, 3, 8, 20)])
def test_hidden_channels_are_to_be_removed(shape):
  kept = np.ones(shape, bool)
  kept[..., 1::2, :] = False  # Of the layer before.
  kept[..., :10] = False
  finding = _found(samples.report_of([_masked('fc/kernel', kept)]))['dead_outputs']
  assert '10 of the 20 outputs of fc/kernel' in finding.text
  assert 'model-pruning shrink' in finding.advice and 'target' not in finding.advice


def test_outputs_that_were_to_be_pruned_whole():
  kept = np.zeros([64, 20], bool)
  kept[:, ::2] = True
  report = samples.report_of([_masked('fc/kernel', kept)], HALF + ',block_height=-1')
  assert report.weights[0].met and 'dead_outputs' not in _found(report)


def test_a_few_outputs_in_a_thousand_are_no_finding():
  kept = np.random.RandomState(0).rand(16, 1000) < 0.5
  kept[:, :200] = False
  assert 'dead_outputs' not in _found(samples.report_of([_masked('fc/kernel', kept)]))


# ---- Which layers. ----


def _net(first, last, middle=0.9):
  return [samples.weight('in/kernel', (3, 3, 1, 8), first),
          samples.weight('mid1/kernel', (64, 256), middle, 16),
          samples.weight('mid2/kernel', (256, 64), middle, 16),
          samples.weight('out/kernel', (64, 4), last)]


@pytest.mark.parametrize('first,last,weights', [
    (0.5, None, ('in/kernel',)), (None, 0.5, ('out/kernel',)),
    (0.5, 0.5, ('in/kernel', 'out/kernel'))])
def test_first_and_last_layers_that_save_nothing(first, last, weights):
  finding = _found(samples.report_of(_net(first, last)))['ends']
  assert finding.weights == weights
  for name in weights:
    assert name.replace('/kernel', ':0') in finding.advice


@pytest.mark.parametrize('first,last', [(None, None), (0, 0)])
def test_first_and_last_layers_that_are_dense(first, last):
  assert 'ends' not in _found(samples.report_of(_net(first, last)))


def test_layers_of_one_size_are_no_small_ones():
  kinds = _found(samples.report_of(
      [samples.weight('fc%d/kernel' % index, (64, 64), 0.9) for index in range(200)], HARD))
  assert 'ends' not in kinds and 'small' not in kinds


def test_small_layers_that_are_pruned_as_hard_as_large_ones():
  weights = [samples.weight('big1/kernel', (256, 256), 0.9, 16),
             samples.weight('tiny/kernel', (16, 16), 0.9, 16),
             samples.weight('big2/kernel', (256, 256), 0.9, 16)]
  finding = _found(samples.report_of(weights, HARD + ',block_height=16'))['small']
  assert finding.weights == ('tiny/kernel',)
  assert '256 times as many' in finding.text and '32 of 256 left' in finding.text
  assert 'global_pruning=true' in finding.advice
  assert 'weight_sparsity_map=[tiny:0.45]' in finding.advice


@pytest.mark.parametrize('hparams', [
    'target_sparsity=0.9,block_height=16,global_pruning=true',
    'target_sparsity=0.9,block_height=16,weight_sparsity_map=[tiny:0.5]',
    'target_sparsity=0.3,block_height=16', None])
def test_small_layers_with_a_share_of_their_own(hparams):
  weights = [samples.weight('big1/kernel', (256, 256), 0.9, 16),
             samples.weight('tiny/kernel', (16, 16), 0.9, 16),
             samples.weight('big2/kernel', (256, 256), 0.9, 16)]
  assert 'small' not in _found(samples.report_of(weights, hparams))


@pytest.mark.parametrize('hparams, named', [
    ('', ['sparsity_distribution=lamp', 'sparsity_distribution=erk']),
    (',use_tpu=true', ['sparsity_distribution=global', 'sparsity_distribution=erk']),
    (',intra_block_sparsity=true,block_width=4', [])])
def test_a_small_layer_with_little_left_is_told_of_distributions(hparams, named):
  weights = [samples.weight('conv1/kernel', (3, 3, 1, 32), 0.98),
             samples.weight('dense/kernel', (1600, 256), 0.98),
             samples.weight('logits/kernel', (512, 256), 0.98)]
  spec = 'target_sparsity=0.98' + hparams
  if 'intra' in hparams:
    spec += ',block_dims_map=[conv1:1x1]'
  found = _found(samples.report_of(weights, spec))
  advised = ' '.join(finding.advice for finding in found.values())
  assert re.findall(r'sparsity_distribution=\w+', advised) == named
  assert ('96.2 %' in advised) == bool(named)
  if named:
    finding = found['small']
    assert '6 of 288 left' in finding.text
    sizes = [288, 1600 * 256, 512 * 256]
    erk = oracle.erk_counts([weight.values.shape for weight in weights], sizes,
                            oracle.keep_count(sum(sizes), 0.98))
    assert 'would leave conv1/kernel about %d' % erk[0] in finding.advice and erk[0] > 20 * 6


@pytest.mark.parametrize('name', ['erk', 'lamp', 'global'])
def test_a_distribution_does_not_prune_small_layers_as_hard(name):
  weights = [samples.weight('conv1/kernel', (3, 3, 1, 32), 0.98),
             samples.weight('dense/kernel', (1600, 256), 0.98),
             samples.weight('logits/kernel', (512, 256), 0.98)]
  assert 'small' not in _found(samples.report_of(
      weights, 'target_sparsity=0.98,sparsity_distribution=' + name))


@pytest.mark.parametrize('hparams', ['', ',use_tpu=true'])
def test_a_layer_that_one_threshold_emptied_is_told_of_another_distribution(hparams):
  weights = [samples.weight('a/kernel', (64, 64), 0.9), samples.weight('b/kernel', (64, 64), 1.0)]
  finding = _found(samples.report_of(
      weights, 'target_sparsity=0.95,sparsity_distribution=global' + hparams))['empty']
  assert 'sparsity_distribution=' + ('erk' if hparams else 'lamp') in finding.advice
  assert 'weight_sparsity_map=[b:0.8]' in finding.advice


# ---- What the runtime cannot use. ----


def test_hidden_channels_are_to_be_removed_and_need_no_other_hyperparameters():
  # The last one is so small that it should stay dense, if it were pruned by itself.
  kept = [np.ones(shape, bool) for shape in ((256, 512), (512, 512), (512, 4))]
  for before, after in zip(kept, kept[1:]):
    before[:, ::2], after[::2] = False, False
  found = _found(samples.report_of([
      _masked('layer%d/kernel' % index, each) for index, each in enumerate(kept)]))
  assert list(found) == ['dead_outputs'] and 'remove_channels()' in found['dead_outputs'].advice


def test_other_weights_of_a_model_that_lost_channels_may_need_blocks():
  hidden = np.ones((256, 128), bool)
  hidden[::2], hidden[:, ::2] = False, False
  found = _found(samples.report_of([
      _masked('fc/kernel', hidden), samples.weight('other/kernel', (256, 128), 0.9)]))
  assert found['runtime'].weights == ('other/kernel',) and 'dead_outputs' in found


@pytest.mark.parametrize('sparsity,height,advice', [
    (0.9, 1, 'block_dims_map=[fc:16x1]'), (0.9, 2, 'block_dims_map=[fc:16x1]'),
    (0.7, 16, 'weight_sparsity_map=[fc:0.8]'), (0.9, 4, None), (0.9, 16, None)])
def test_zeros_that_no_kernel_skips(sparsity, height, advice):
  finding = _found(samples.report_of([samples.weight('fc/kernel', (256, 128), sparsity, height)])
                   ).get('runtime')
  assert (finding is None) == (advice is None)
  if finding:
    assert advice in finding.advice and 'fc/kernel' in finding.text


def test_convolutions_are_skipped_by_no_kernel():
  weights = [samples.weight('conv%d/kernel' % index, (3, 3, 32, 32), 0.8) for index in range(3)]
  finding = _found(samples.report_of(weights))['runtime']
  assert 'convolutions' in finding.text and 'dense layers' in finding.advice


@pytest.mark.parametrize('shape,sparsity', [((8, 8), 0.9), ((256, 128), 0.3)])
def test_where_there_is_nothing_to_skip(shape, sparsity):
  assert 'runtime' not in _found(samples.report_of([samples.weight('fc/kernel', shape, sparsity)]))


# ---- All of them. ----


def test_there_are_at_most_five_and_the_weightiest_come_first():
  weights = samples.convnet() + [
      _masked('empty/kernel', np.zeros([40, 40])),
      _masked('coarse/kernel', np.kron([[1, 0]], np.ones([32, 32]))),
      samples.weight('wide/kernel', (640, 640), 0.9), samples.weight('last/kernel', (40, 10), 0.9)]
  report = samples.report_of(weights, 'target_sparsity=0.9,block_dims_map=[coarse:32x32]')
  kinds = [finding.kind for finding in report.findings]
  assert len(kinds) == findings.MOST and kinds[:3] == ['empty', 'short', 'coarse']


def test_findings_are_in_the_table_and_in_json():
  report = samples.report_of(samples.convnet(), HARD)
  content = json.loads(report.to_json())['findings']
  assert [entry['kind'] for entry in content] == [found.kind for found in report.findings]
  assert set(content[0]) == {'kind', 'text', 'advice', 'weights'}
  for width in (80, 100, 160):
    table = report.table(width)
    assert table.count('\n\nFindings\n') == 1
    shown = table.split('\n\nFindings\n')[1]
    assert max(map(len, shown.split('\n'))) <= width
    assert ' '.join(shown.split()) == ' '.join(
        '- %s %s' % (found.text, found.advice) for found in report.findings)


def test_names_of_weights_command_no_terminal():
  name = 'fc\x1b[31m/kernel'
  report = samples.report_of([samples.weight(name, (64, 64), 0.5)], HARD)
  assert '\x1b' not in report.table() and report.findings[0].weights == (name,)
