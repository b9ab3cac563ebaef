# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Settings read from the config of a pruned layer, which a file may have damaged."""

import pytest

from model_pruning import errors
from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning.keras.settings import Settings
from model_pruning.schedules import ConstantSparsity
from model_pruning.schedules import PolynomialDecay

pytestmark = pytest.mark.legacy_keras


def settings():
  return Settings.create(ConstantSparsity(0.5, 0), (4, 1), 'MAX', None,
                         'weight_sparsity_map=[a:0.5],block_dims_map=[b:1x1]')


def test_settings_are_the_same_after_a_config():
  assert Settings.from_config(settings().get_config()) == settings()


@pytest.mark.parametrize('name,value', [
    ('weight_sparsity_map', False), ('weight_sparsity_map', [['a']]),
    ('weight_sparsity_map', [['a', '0.5']]), ('weight_sparsity_map', [[1, 0.5]]),
    ('block_dims_map', [['b', 1]]), ('target_sparsity', None), ('target_sparsity', True),
    ('nbins', 2.5), ('global_pruning', 0), ('prune_option', ['weight']),
    ('sparsity_distribution', 3)])
def test_a_damaged_value_is_refused(name, value):
  config = settings().get_config()
  config['pruning_hparams'][name] = value
  with pytest.raises(errors.SpecError, match='stored with %s=.*save the model again' % name):
    Settings.from_config(config)


@pytest.mark.parametrize('given,advice', [
    (dict(block_size=(4, 1)), 'use its block_height, block_width'),
    (dict(block_pooling_type='MAX'), 'use its block_pooling_function'),
    (dict(sparsity_m_by_n=(2, 4)), 'use its intra_block_sparsity'),
    (dict(hparams='nbins=8'), 'add the values to it')])
def test_an_argument_that_hparams_replace_is_refused(given, advice):
  arguments = dict(block_size=(1, 1), block_pooling_type='AVG', sparsity_m_by_n=None, hparams=None)
  with pytest.raises(errors.SpecError, match='%s is given.* %s' % (list(given)[0], advice)):
    Settings.create('target_sparsity=0.5', **dict(arguments, **given))


@pytest.mark.parametrize('target', [0.5, 0.6])  # The first one is the default.
def test_a_target_in_hparams_that_the_schedule_contradicts_is_refused(target):
  schedule = PolynomialDecay(0.0, 0.75, 2, 12, frequency=5)
  with pytest.raises(errors.SpecError, match='hparams sets target_sparsity=%s' % target):
    Settings.create(schedule, (1, 1), 'AVG', None, 'target_sparsity=%s' % target)
  agreeing = Settings.create(schedule, (1, 1), 'AVG', None, 'target_sparsity=0.75')
  assert agreeing == Settings.create(schedule, (1, 1), 'AVG', None, None)
