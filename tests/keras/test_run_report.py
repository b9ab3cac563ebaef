# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Targets in reports on Keras models, and UpdatePruningStep(report=...)."""

import json
import re
import sys

import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)
pytest.importorskip('jinja2')

from absl import logging

import model_pruning.keras as sparsity
from model_pruning import errors
from model_pruning.keras.backend import keras
from model_pruning.reporting import page
from model_pruning.reporting import report as reports
from tests.keras import zoo

pytestmark = pytest.mark.legacy_keras

layers = keras.layers


def _trained(schedule, callbacks=(), **options):
  model = zoo.compiled(sparsity.prune_low_magnitude(keras.Sequential([
      keras.Input((6, 6, 2)), layers.Conv2D(8, 3, name='conv'), layers.Flatten(),
      layers.Dense(16, name='hidden'), layers.Dense(4, name='out')]), schedule, **options),
                        run_eagerly=True)
  x, y = zoo.data_of('Conv2D', 32)
  model.fit(x, y, batch_size=4, verbose=0, callbacks=list(callbacks) or [
      sparsity.UpdatePruningStep()])
  return model


def _rows(report):
  return {row.name.split('/')[-2]: (row.target, row.met) for row in report.weights}


@pytest.mark.sampled(2)
@pytest.mark.parametrize('schedule,options,expected', [
    (sparsity.ConstantSparsity(0.75, 0, frequency=2), {},
     {'conv': (0.75, True), 'hidden': (0.75, True), 'out': (0.75, True)}),
    (sparsity.PolynomialDecay(0.0, 0.8, 0, 8, frequency=2), {},
     {'conv': (0.8, True), 'hidden': (0.8, True), 'out': (0.8, True)}),
    (sparsity.PolynomialDecay(0.0, 0.8, 0, 800, frequency=2), {},
     {'conv': (0.8, False), 'hidden': (0.8, False), 'out': (0.8, False)}),
    (sparsity.PolynomialDecay(0.0, 0.8, 0, 8, frequency=2),
     {'hparams': 'weight_sparsity_map=[hidden:0.4]'},
     {'conv': (0.8, True), 'hidden': (0.4, True), 'out': (0.8, True)}),
    ('target_sparsity=0.5,pruning_frequency=2,sparsity_function_end_step=6', {},
     {'conv': (0.5, True), 'hidden': (0.5, True), 'out': (0.5, True)}),
    ('target_sparsity=0.9,pruning_frequency=2,sparsity_function_end_step=6,global_pruning=true', {},
     {'conv': (0.9, True), 'hidden': (0.9, True), 'out': (0.9, True)}),
    (sparsity.ConstantSparsity(0.5, 0, frequency=2), {'sparsity_m_by_n': (2, 4)},
     {'conv': (0.5, True), 'hidden': (0.5, True), 'out': (0.5, True)})])
def test_models_say_their_targets_and_so_do_their_files(schedule, options, expected, tmp_path):
  model = _trained(schedule, **options)
  found = _rows(sparsity.report(model))
  if 'sparsity_m_by_n' in options:  # Two input channels are too few for the convolution.
    found.pop('conv')
    expected.pop('conv')
  assert found == {name: (pytest.approx(target), met) for name, (target, met) in expected.items()}
  path = str(tmp_path / 'model.keras')
  model.save(path)
  from_file = _rows(reports.of(path))
  assert {name: from_file[name] for name in expected} == found
  assert set(_rows(sparsity.report(sparsity.strip_pruning(model))).values()) == {(None, None)}


class _Own(sparsity.PruningSchedule):
  """A schedule that does not say where it ends."""

  def __call__(self, step):
    return True, 0.5

  def get_config(self):
    return {'class_name': '_Own', 'config': {}}


def test_a_schedule_that_does_not_say_where_it_ends():
  model = _trained(_Own())
  assert set(_rows(sparsity.report(model)).values()) == {(None, None)}
  found = sparsity.report(model, hparams='target_sparsity=0.5')
  assert set(_rows(found).values()) == {(0.5, True)}
  with pytest.raises(errors.MapError):
    sparsity.report(model, hparams='weight_sparsity_map=[nowhere:0.5]')


# ---- The page of a run. ----


def test_the_page_of_a_run_is_written_at_its_end(tmp_path):
  path = tmp_path / 'out' / 'report.html'
  callback = sparsity.UpdatePruningStep(report=path)
  model = _trained(sparsity.PolynomialDecay(0.0, 0.8, 0, 6, frequency=2), [callback])
  text = path.read_text(encoding='utf-8')
  data = json.loads(re.search(r'id="data">(.*?)</script>', text).group(1))
  assert [(row['target'], row['met']) for row in data['weights']] == [(0.8, True)] * 3
  assert 'All 3 weights met their targets' in text and text.count('data-line="threshold-') == 3
  x, y = zoo.data_of('Conv2D', 32)
  path.unlink()
  model.fit(x, y, batch_size=4, verbose=0, callbacks=[callback])
  assert path.exists()


def test_a_page_of_a_run_that_ends_short(tmp_path):
  path = tmp_path / 'report.html'
  _trained(sparsity.PolynomialDecay(0.0, 0.8, 0, 1000, frequency=2),
           [sparsity.UpdatePruningStep(report=str(path))])
  text = path.read_text(encoding='utf-8')
  assert '0 of 3 weights met their targets' in text and 'step 1000' in text


@pytest.mark.parametrize('failure', [OSError('No space left on device'), ValueError('odd'),
                                     MemoryError()])
def test_a_page_that_cannot_be_written_costs_no_training(failure, tmp_path, monkeypatch):
  def fail(*args):
    raise failure

  warnings = []
  monkeypatch.setattr(page, 'render', fail)
  monkeypatch.setattr(logging, 'warning', lambda text, *args: warnings.append(text % args))
  model = _trained(sparsity.ConstantSparsity(0.75, 0, frequency=2),
                   [sparsity.UpdatePruningStep(report=tmp_path / 'report.html')])
  warning, = [text for text in warnings if 'report.html' in text]
  assert 'was not written (%s' % type(failure).__name__ in warning
  assert set(_rows(sparsity.report(model)).values()) == {(0.75, True)}
  assert not (tmp_path / 'report.html').exists()


@pytest.mark.sampled(3)
@pytest.mark.parametrize('config,written', [
    ('{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}', False),
    ('{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 0}}', True),
    ('no JSON', True), ('', True)])
def test_only_the_chief_writes_the_page(config, written, tmp_path, monkeypatch):
  monkeypatch.setenv('TF_CONFIG', config)
  _trained(sparsity.ConstantSparsity(0.75, 0, frequency=2),
           [sparsity.UpdatePruningStep(report=tmp_path / 'report.html')])
  assert (tmp_path / 'report.html').exists() == written


@pytest.mark.parametrize('path,error', [
    ('', errors.WriteError), (3.5, errors.PathError), ('gs://a/b.html', errors.WriteError),
    ('.', errors.WriteError)])
def test_a_page_that_could_never_be_written_is_an_error_at_once(path, error):
  with pytest.raises(error):
    sparsity.UpdatePruningStep(report=path)


def test_a_number_of_steps_is_no_page():
  with pytest.raises(errors.PathError, match=r'UpdatePruningStep\(100\).*pruning_frequency'):
    sparsity.UpdatePruningStep(100)


@pytest.mark.parametrize('package', ['jinja2', 'matplotlib'])
def test_a_page_needs_packages_before_training(package, monkeypatch):
  monkeypatch.setitem(sys.modules, package, None)  # Importing it raises ImportError then.
  with pytest.raises(errors.MissingPackageError, match='pip install jinja2 matplotlib'):
    sparsity.UpdatePruningStep(report='report.html')
