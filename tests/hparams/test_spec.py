# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""PruningSpec: what hyperparameters mean, and which of them are refused."""

import dataclasses

from absl import logging
import numpy as np
import pytest

from model_pruning import errors
from model_pruning.hparams import spec as spec_lib
from model_pruning.hparams.defaults import get_pruning_hparams
from model_pruning.hparams.spec import PruningSpec

CONTRIB_DEFAULTS = {
    'name': 'model_pruning', 'begin_pruning_step': 0, 'end_pruning_step': -1,
    'weight_sparsity_map': [''], 'block_dims_map': [''], 'threshold_decay': 0.0,
    'pruning_frequency': 10, 'nbins': 256, 'block_height': 1, 'block_width': 1,
    'block_pooling_function': 'AVG', 'initial_sparsity': 0.0, 'target_sparsity': 0.5,
    'sparsity_function_begin_step': 0, 'sparsity_function_end_step': 100,
    'sparsity_function_exponent': 3.0, 'use_tpu': False}
LATER_DEFAULTS = {
    'gradient_decay_rate': 0.99, 'prune_option': 'weight', 'group_pruning': False,
    'group_sparsity_map': [''], 'group_block_dims_map': [''], 'intra_block_sparsity': False,
    'global_pruning': False, 'threshold_method': 'exact', 'sparsity_distribution': 'uniform',
    'channel_pruning': False, 'min_channels': 1, 'channels_multiple_of': 1, 'channel_outputs': ['']}


def test_defaults_are_those_of_the_predecessors():
  assert get_pruning_hparams().values() == dict(CONTRIB_DEFAULTS, **LATER_DEFAULTS)


def test_each_call_gives_hparams_of_their_own():
  get_pruning_hparams().parse('target_sparsity=0.9')
  assert get_pruning_hparams().target_sparsity == 0.5


def test_a_string_an_hparams_and_a_spec_mean_the_same():
  text = 'target_sparsity=0.9,weight_sparsity_map=[conv1:0.8,fc.*:0.95],block_dims_map=[fc:4x-1]'
  spec = PruningSpec.create(text)
  assert spec == PruningSpec.create(get_pruning_hparams().parse(text)) == PruningSpec.create(spec)
  assert spec.weight_sparsity_map == (('conv1', 0.8), ('fc.*', 0.95))
  assert spec.block_dims_map == (('fc', (4, -1)),)


def test_hparams_are_left_as_they_were():
  hparams = get_pruning_hparams().parse('weight_sparsity_map=[conv1:0.8]')
  PruningSpec.create(hparams)
  assert hparams.weight_sparsity_map == ['conv1:0.8']


def test_hparams_that_lack_the_newer_names_get_defaults():
  hparams = get_pruning_hparams()
  for name in LATER_DEFAULTS:
    hparams.del_hparam(name)
  assert PruningSpec.create(hparams) == PruningSpec()


def test_specs_cannot_be_changed():
  with pytest.raises(dataclasses.FrozenInstanceError):
    PruningSpec().target_sparsity = 0.7


def test_lookup_by_regular_expression():
  spec = PruningSpec.create('target_sparsity=0.9,weight_sparsity_map=[conv1:0.8,^fc\\d/:0.95],'
                            'block_dims_map=[fc:4x1],block_width=2')
  assert spec.target_for('net/conv1/kernel') == 0.8
  assert spec.target_for('fc2/weights') == 0.95
  assert spec.target_for('net/fc2/weights') == 0.9
  assert spec.mapped_sparsity('other') is None
  assert spec.block_dims_for('fc2/weights') == (4, 1)
  assert spec.block_dims_for('other') == (1, 2)


def test_a_key_may_hold_a_colon():
  spec = PruningSpec.create('weight_sparsity_map=[(?:conv|fc)1:0.8]')
  assert spec.target_for('fc1/kernel') == 0.8


def test_keys_that_fit_pass_the_check():
  PruningSpec.create('weight_sparsity_map=[a:0.8]').check_weights(['a/kernel', 'b/kernel'])


BAD = [
    ('begin_pruning_step=-1', errors.SpecError, 'begin_pruning_step: -1'),
    ('begin_pruning_step=5,end_pruning_step=5', errors.SpecError,
     'greater than begin_pruning_step'),
    ('end_pruning_step=-2', errors.SpecError, 'end_pruning_step: -2'),
    ('sparsity_function_begin_step=-3', errors.SpecError, 'sparsity_function_begin_step: -3'),
    ('sparsity_function_begin_step=100', errors.SpecError, 'sparsity_function_end_step: 100'),
    ('threshold_decay=1', errors.SpecError, r'threshold_decay: 1.0; it must be in \[0, 1\)'),
    ('threshold_decay=-0.1', errors.SpecError, 'threshold_decay: -0.1'),
    ('initial_sparsity=1.0', errors.SpecError, 'initial_sparsity: 1.0'),
    ('target_sparsity=1.2', errors.SpecError, 'target_sparsity: 1.2'),
    ('target_sparsity=nan', errors.SpecError, 'target_sparsity: nan'),
    ('pruning_frequency=0', errors.SpecError, 'pruning_frequency: 0'),
    ('nbins=-3', errors.SpecError, 'nbins: -3'),
    ('sparsity_function_exponent=-2', errors.SpecError, 'sparsity_function_exponent: -2.0'),
    ('sparsity_function_exponent=inf', errors.SpecError, 'sparsity_function_exponent: inf'),
    ('threshold_method=guess', errors.SpecError, "threshold_method: 'guess'.*'exact'"),
    ('name=a b', errors.SpecError, "name: 'a b'"),
    ('name=', errors.SpecError, "name: ''"),
    ('block_height=0', errors.BlockError, 'block_height: 0'),
    ('block_width=-2', errors.BlockError, 'block_width: -2'),
    ('block_pooling_function=MIN', errors.BlockError, "'MIN'.*'AVG' or 'MAX'"),
    ('weight_sparsity_map=[conv1:1.0]', errors.MapError, "'conv1:1.0'.*outside"),
    ('weight_sparsity_map=[conv1:-0.4]', errors.MapError, "'conv1:-0.4'.*outside"),
    ('weight_sparsity_map=[conv1:nan]', errors.MapError, "'conv1:nan'"),
    ('weight_sparsity_map=[conv1:many]', errors.MapError, "'conv1:many'.*regex:sparsity"),
    ('weight_sparsity_map=[conv1]', errors.MapError, "'conv1' is not of the form regex:sparsity"),
    ('weight_sparsity_map=[:0.5]', errors.MapError, "':0.5' is not of the form"),
    ('weight_sparsity_map=[fc1: 0.8]', errors.MapError, "'fc1:' is not .*blank ends an entry"),
    ('weight_sparsity_map=[fc{1,2}:0.8]', errors.MapError, r"'fc{1' is not .*\(fc1\|fc2\):0.8"),
    ('TARGET_SPARSITY=0.8', errors.UnknownHParamError, 'did you mean target_sparsity'),
    ('target-sparsity=0.8', errors.HParamSyntaxError, "must follow the name, which has letters"),
    ('do_not_prune=[logits]', errors.UnknownHParamError, r'weight_sparsity_map=\[logits:0\]'),
    ('weight_sparsity_map=[conv1:0.5,fc:0.5,conv1:0.6]', errors.MapError,
     'weight_sparsity_map has two entries for conv1; leave one of them out'),
    ('block_dims_map=[conv1:4x1,conv1:4x1]', errors.MapError, 'two entries for conv1'),
    ('weight_sparsity_map=[conv(:0.5]', errors.MapError, 'not a regular expression'),
    ('block_dims_map=[fc:4]', errors.MapError, "'fc:4'.*HEIGHTxWIDTH"),
    ('block_dims_map=[fc:0x4]', errors.MapError, 'dimension 0'),
    ('block_dims_map=[fc:4x-2]', errors.MapError, 'dimension -2'),
    ('block_dims_map=[fc:axb]', errors.MapError, "'fc:axb'"),
    ('prune_option=compression', errors.SpecError, 'compression library'),
    ('prune_option=magic', errors.SpecError, "prune_option: 'magic'"),
    ('prune_option=first_order_gradients', errors.SpecError, 'did you mean first_order_gradient'),
    ('gradient_decay_rate=1', errors.SpecError, r'gradient_decay_rate: 1.0; it must be in \[0, 1'),
    ('gradient_decay_rate=-0.5', errors.SpecError, 'gradient_decay_rate: -0.5'),
    ('group_sparsity_map=[g:0.5]', errors.SpecError,
     'group_sparsity_map has entries.*group_pruning=true'),
    ('group_block_dims_map=[g:4x4]', errors.SpecError,
     'group_block_dims_map has entries.*group_pruning=true'),
    ('group_pruning=true,group_sparsity_map=[g:1.5]', errors.MapError, "'g:1.5'.*outside"),
    ('group_pruning=true,group_sparsity_map=[g(:0.5]', errors.MapError, 'not a regular expression'),
    ('group_pruning=true,group_block_dims_map=[g:4]', errors.MapError, "'g:4'.*HEIGHTxWIDTH"),
    ('group_pruning=true,group_block_dims_map=[g:axb]', errors.MapError,
     "'axb' are not two integers"),
    ('global_pruning=true,group_sparsity_map=[g:0.5]', errors.SpecError, 'leave out one of them'),
    ('group_pruning=true,group_block_dims_map=[g:0x4]', errors.MapError, 'dimension 0'),
    ('group_pruning=true,global_pruning=true', errors.SpecError, 'leave out one of them'),
    ('global_pruning=true,weight_sparsity_map=[a:0.5]', errors.SpecError,
     'leave out weight_sparsity_map'),
    ('intra_block_sparsity=true', errors.BlockError, 'block_width=M of 2 or more, but it is 1'),
    ('intra_block_sparsity=true,block_dims_map=[a:1x1]', errors.BlockError, 'block_width=M'),
    ('intra_block_sparsity=true,block_height=2,block_width=4', errors.BlockError,
     'leave block_height'),
    ('intra_block_sparsity=true,block_width=4,block_dims_map=[a:2x4]', errors.BlockError,
     'heights in block_dims_map'),
    ('intra_block_sparsity=true,block_width=4,group_pruning=true', errors.SpecError,
     'leave out group_pruning'),
    ('intra_block_sparsity=true,block_width=4,global_pruning=true', errors.SpecError,
     'leave out global_pruning'),
    ('intra_block_sparsity=true,block_width=4,threshold_decay=0.5', errors.SpecError,
     'leave out threshold_decay'),
    ('intra_block_sparsity=true,block_width=4,threshold_method=histogram', errors.SpecError,
     "leave threshold_method at 'exact'"),
]


@pytest.mark.parametrize('text, cause, message', BAD, ids=[row[0] for row in BAD])
def test_bad_values_are_refused_with_value_and_rule(text, cause, message):
  with pytest.raises(cause, match=message):
    PruningSpec.create(text)


@pytest.mark.parametrize('name, value', [('pruning_frequency', 'often'), ('target_sparsity', None),
                                         ('block_height', 1.5), ('use_tpu', 'yes'),
                                         ('name', 3), ('weight_sparsity_map', 'conv1:0.5')])
def test_values_of_another_type_set_by_attribute_are_refused(name, value):
  hparams = get_pruning_hparams()
  setattr(hparams, name, value)
  with pytest.raises(errors.HParamTypeError, match=name):
    PruningSpec.create(hparams)


@pytest.mark.parametrize('given', [3, 0.5, object()])
def test_other_things_than_specs_are_refused(given):
  with pytest.raises(errors.SpecError, match='HParams'):
    PruningSpec.create(given)


WEIGHTS = ['conv1/kernel', 'conv2/kernel', 'logits/kernel']


def test_a_key_that_matches_nothing_lists_the_weights_and_the_nearest():
  spec = PruningSpec.create('weight_sparsity_map=[cnov1/kernel:0.8]')
  with pytest.raises(errors.MapError) as caught:
    spec.check_weights(WEIGHTS)
  message = str(caught.value)
  assert "weight_sparsity_map key 'cnov1/kernel' matches no masked weight" in message
  assert 'did you mean conv1/kernel?' in message
  assert '; the masked weights are: ' in message
  assert all(name in message for name in WEIGHTS)


@pytest.mark.parametrize('text', ['weight_sparsity_map=[conv:0.8,kernel:0.9]',
                                  'block_dims_map=[conv:4x4,kernel:2x2]'])
def test_two_keys_for_one_weight_are_both_named(text):
  with pytest.raises(errors.MapError, match="conv1/kernel: 'conv', 'kernel'"):
    PruningSpec.create(text).check_weights(WEIGHTS)


GROUPED = 'group_pruning=true,target_sparsity=0.9,'


def test_a_group_has_the_target_of_its_name_or_of_what_is_found_in_it():
  spec = PruningSpec.create(GROUPED + 'group_sparsity_map=[lstm:0.8,conv.*:0.7],'
                            'group_block_dims_map=[conv:4x4],block_dims_map=[fc:2x2]')
  assert spec.target_for('a/kernel', 'lstm') == spec.target_for('a/kernel', 'lstm2') == 0.8
  assert spec.target_for('a/kernel', 'my_convs') == 0.7
  assert spec.target_for('a/kernel', 'other') == spec.target_for('a/kernel') == 0.9
  assert spec.block_dims_for('a/kernel', 'conv') == (4, 4)
  assert spec.block_dims_for('fc/kernel', 'conv') == spec.block_dims_for('fc/kernel') == (2, 2)
  assert spec.block_dims_for('a/kernel', 'other') == spec.block_dims_for('a/kernel') == (1, 1)


def test_the_very_name_of_a_group_goes_before_a_part_of_it():
  spec = PruningSpec.create(GROUPED + 'group_sparsity_map=[g1:0.8,g10:0.7]')
  spec.check_weights(['a', 'b'], ['g1', 'g10'])
  assert [spec.target_for('a', group) for group in ('g1', 'g10', 'g12')] == [0.8, 0.7, 0.8]


def test_ungrouped_is_for_weights_without_a_group_or_an_entry():
  spec = PruningSpec.create(GROUPED + 'group_sparsity_map=[ungrouped:0.6],'
                            'group_block_dims_map=[ungrouped:2x2],weight_sparsity_map=[own:0.5]')
  spec.check_weights(['a', 'own', 'c'], ['ungrouped', None, 'g'])
  assert spec.group_for('ungrouped') is None and spec.group_for('g') == 'g'
  assert spec.target_for('a') == 0.6 and spec.target_for('own') == 0.5
  assert spec.target_for('c', 'g') == 0.9
  assert spec.block_dims_for('a') == (2, 2) and spec.block_dims_for('c', 'g') == (1, 1)


def test_groups_count_only_where_they_are_asked_for():
  assert PruningSpec().group_for('g') is None
  assert PruningSpec(global_pruning=True).group_for(None) is not None


BAD_GROUPS = [
    ('group_sparsity_map=[gg:0.5]', ['g', None], errors.MapError,
     "group_sparsity_map key 'gg' matches no group.*the groups are: g"),
    ('group_block_dims_map=[gg:2x2]', ['g', 'g'], errors.MapError, "key 'gg' matches no group"),
    ('group_sparsity_map=[ungrouped:0.5]', ['g', 'g'], errors.MapError, "key 'ungrouped'"),
    ('group_sparsity_map=[ungr.*:0.5]', ['g', None], errors.MapError, "'ungr.*' matches no group"),
    ('group_block_dims_map=[group:2x2]', ['g', None], errors.MapError, "'group' matches no group"),
    ('group_sparsity_map=[group:0.5,my:0.6]', ['my_group', None], errors.MapError,
     "Multiple matches in group_sparsity_map for group my_group: 'group', 'my'"),
    ('group_block_dims_map=[group:2x2,my:4x4]', ['my_group', None], errors.MapError,
     "group_block_dims_map for group my_group: 'group', 'my'"),
    ('weight_sparsity_map=[a:0.5]', ['g', None], errors.MapError,
     'weight a/kernel a sparsity of 0.5.*group g, which has one threshold; use group_sparsity_map'),
    ('', [None, None], errors.GroupError, 'no masked weight is in a group.*global_pruning=true'),
]


@pytest.mark.parametrize('text, groups, cause, message', BAD_GROUPS,
                         ids=[row[0] or 'no group' for row in BAD_GROUPS])
def test_groups_and_maps_that_do_not_fit_are_named(text, groups, cause, message):
  with pytest.raises(cause, match=message):
    PruningSpec.create(GROUPED + text).check_weights(['a/kernel', 'b/kernel'], groups)


def test_compression_keys_are_ignored_with_one_warning(monkeypatch):
  lines = []
  monkeypatch.setattr(logging, 'warning', lambda *args: lines.append(args[0] % args[1:]))
  spec = PruningSpec.create('rank=4,compression_option=1,target_sparsity=0.7')
  assert spec == PruningSpec(target_sparsity=0.7)
  assert len(lines) == 1 and 'rank' in lines[0] and 'compression_option' in lines[0]


def test_the_module_knows_no_tensorflow():
  assert not hasattr(spec_lib, 'tf')


_STEPS = ('begin_pruning_step', 'end_pruning_step', 'pruning_frequency',
          'sparsity_function_begin_step', 'sparsity_function_end_step')


@pytest.mark.parametrize('hparam', _STEPS)
@pytest.mark.parametrize('value', [2**31, 3000000000, 2**63, 10**24, 10**400])
def test_steps_beyond_int32_are_refused(hparam, value):
  with pytest.raises(errors.SpecError, match='%s.*2147483647' % hparam):
    PruningSpec.create('%s=%d' % (hparam, value))


@pytest.mark.parametrize('hparam', ['nbins', 'block_height', 'block_width'])
def test_other_numbers_have_an_upper_bound_too(hparam):
  with pytest.raises(ValueError, match=hparam):
    PruningSpec.create('%s=%d' % (hparam, 10**24))
  with pytest.raises(ValueError):
    PruningSpec.create('block_dims_map=[w:1x%d]' % 10**24)


def test_the_largest_steps_are_taken():
  made = PruningSpec.create(','.join('%s=%d' % (name, 2**31 - 1) for name in (
      'end_pruning_step', 'sparsity_function_end_step', 'pruning_frequency')))
  assert made.pruning_frequency == 2**31 - 1


@pytest.mark.parametrize('hparam', _STEPS + ('nbins', 'block_height'))
@pytest.mark.parametrize('kind', [float, np.float32, np.float64, np.int64])
def test_whole_numbers_of_any_type_are_steps(hparam, kind):
  hparams = get_pruning_hparams()
  hparams.sparsity_function_end_step = 10**4
  setattr(hparams, hparam, kind(64))
  made = getattr(PruningSpec.from_hparams(hparams), hparam)
  assert made == 64 and type(made) is int
  assert getattr(hparams, hparam) == 64  # The caller's stay as they are.


@pytest.mark.parametrize('value', [1.5, float('nan'), float('inf'), np.float32(0.1)])
def test_a_step_with_a_fraction_is_an_error_that_says_how_to_round(value):
  hparams = get_pruning_hparams()
  hparams.sparsity_function_end_step = value
  with pytest.raises(errors.HParamTypeError, match=r'sparsity_function_end_step.*int\('):
    PruningSpec.from_hparams(hparams)


def test_global_pruning_is_a_distribution():
  assert PruningSpec().distribution == 'uniform' and not PruningSpec().shares_target
  for text in ('global_pruning=true', 'sparsity_distribution=global',
               'global_pruning=true,sparsity_distribution=global'):
    spec = PruningSpec.create(text)
    assert spec.distribution == 'global' and spec.shares_target
    assert spec.group_for(None) == spec.group_for('g', 'a/kernel') == 'all_weights'
  for name in ('erk', 'lamp'):
    assert PruningSpec(sparsity_distribution=name).group_for(None) == 'all_weights'


@pytest.mark.parametrize('name', ['erk', 'lamp', 'global'])
def test_a_distribution_leaves_the_targets_of_a_map(name):
  spec = PruningSpec.create('target_sparsity=0.9,weight_sparsity_map=[conv1:0.5],'
                            'sparsity_distribution=' + name)
  assert spec.group_for(None, 'conv1/kernel') is None
  assert spec.group_for(None, 'conv2/kernel') == 'all_weights'
  spec.check_weights(['conv1/kernel', 'conv2/kernel'])
  assert spec.target_for('conv1/kernel') == 0.5


@pytest.mark.parametrize('text, message', [
    ('sparsity_distribution=lmap', r"'lmap' \(did you mean lamp\?\); it is one of: 'uniform'"),
    ('sparsity_distribution=', "Illegal value for sparsity_distribution: ''"),
    ('sparsity_distribution=erk,global_pruning=true', 'contradicts sparsity_distribution=erk'),
    ('sparsity_distribution=lamp,global_pruning=true', 'contradicts sparsity_distribution=lamp'),
    ('sparsity_distribution=erk,group_pruning=true', 'sparsity_distribution=erk makes one group'),
    ('sparsity_distribution=lamp,use_tpu=true', 'use sparsity_distribution=erk or global'),
    ('sparsity_distribution=erk,group_sparsity_map=[a:0.5]',
     'group_sparsity_map has entries, but sparsity_distribution=erk makes one group'),
    ('sparsity_distribution=lamp,intra_block_sparsity=true,block_width=4',
     'use sparsity_distribution=uniform or erk, not lamp'),
    ('sparsity_distribution=global,intra_block_sparsity=true,block_width=4',
     'use sparsity_distribution=uniform or erk, not global'),
    ('global_pruning=true,weight_sparsity_map=[a:0.5]', 'use sparsity_distribution=global')])
def test_distributions_that_contradict_something_are_refused(text, message):
  with pytest.raises(errors.SpecError, match=message):
    PruningSpec.create(text)
