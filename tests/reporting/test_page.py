# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reporting.page: the HTML of a report."""

import dataclasses
import html.parser
import json
import os
import re
import sys
import zipfile

import numpy as np
import pytest

pytest.importorskip('jinja2')

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.reading.stored import StoredWeight
from model_pruning.reporting import events
from model_pruning.reporting import page
from model_pruning.reporting import rows
from model_pruning.util import tables
from tests import forks
from tests.paths import ROOT
from tests.reporting import samples

HARD = 'target_sparsity=0.9'
_VOID = ('meta', 'link', 'input', 'img', 'br', 'wbr')


class Page(html.parser.HTMLParser):
  """The elements of a page: (tag, attributes, text in it), and whether they are nested well."""

  def __init__(self, text):
    super().__init__()
    self.elements, self._open = [], []
    self.feed(text)
    assert not self._open, self._open

  def handle_starttag(self, tag, attributes):
    element = [tag, dict(attributes), '']
    self.elements.append(element)
    if tag not in _VOID:
      self._open.append(element)

  def handle_startendtag(self, tag, attributes):
    self.elements.append([tag, dict(attributes), ''])

  def handle_endtag(self, tag):
    assert self._open and self._open[-1][0] == tag, (tag, self._open[-3:])
    self._open.pop()

  def handle_data(self, data):
    for element in self._open:
      element[2] += data

  def all(self, tag, **attributes):
    return [element for element in self.elements if element[0] == tag and all(
        element[1].get(name.rstrip('_')) == value for name, value in attributes.items())]

  def rows(self):
    return [element for element in self.all('tr') if 'data-i' in element[1]]

  def data(self):
    return json.loads(self.all('script', id='data')[0][2])


def _page(weights, hparams=HARD, **options):
  report = samples.report_of(weights, hparams, **options)
  return report, Page(page.render(report, report.history))


@pytest.fixture(scope='module')
def convnet():
  weights = samples.convnet()
  return _page(weights, history=samples.history_of(weights))


def test_it_says_whether_targets_were_met(convnet):
  assert convnet[1].all('h1')[0][2].strip() == '3 of 4 weights met their targets'
  lead = convnet[1].all('section')[0]
  assert lead[1]['class'] == 'lead missed'
  assert 'conv2/kernel is at 0.7500, short of 0.9000' in lead[2]


@pytest.mark.parametrize('weights,hparams,last_update,state,text', [
    ([samples.weight('fc/kernel', (8, 8), 0.75)], 'target_sparsity=0.75', 9, 'met',
     'The weight met its target'),
    ([samples.weight('a/kernel', (8, 8), 0.75), samples.weight('b/kernel', (8, 8), 0.75)],
     'target_sparsity=0.75', 9, 'met', 'All 2 weights met their targets'),
    ([samples.weight('fc/kernel', (8, 8), 0.75)], None, 9, 'unknown',
     'No targets are stored with this model'),
    ([samples.weight('fc/kernel', (8, 8), 0)], HARD, 0, 'missed', 'No mask was ever updated'),
    ([samples.weight('fc/kernel', (8, 8))], HARD, None, 'unknown',
     'No weight of this model has a mask'),
    ([], None, None, 'unknown', 'There are no weights in this model')])
def test_other_first_lines(weights, hparams, last_update, state, text):
  _, found = _page(weights, hparams, last_update=last_update)
  assert found.all('h1')[0][2].strip() == text
  assert found.all('section')[0][1]['class'] == 'lead ' + state
  assert len(found.rows()) == len(weights)


def test_its_numbers_are_those_of_json(convnet):
  report, found = convnet
  content = json.loads(report.to_json())
  data = found.data()
  for weight in data['weights']:
    del weight['details']
  assert data == content
  assert [row[1]['data-i'] for row in found.rows()] == ['0', '1', '2', '3']
  for row, weight in zip(found.rows(), content['weights']):
    cells = row[2]
    for text in (weight['name'], tables.shape_text(weight['shape']),
                 tables.fraction(weight['sparsity']), tables.fraction(weight['target']),
                 '%.3g' % weight['threshold'], tables.scaled(weight['bytes_dense'], 'B'),
                 tables.scaled(weight['bytes_sparse'], 'B'),
                 tables.scaled(weight['bytes_gzipped'], 'B')):
      assert text in cells, (text, cells)
  totals = content['totals']
  tiles = found.all('dl', class_='tiles')[0][2]
  for text in (tables.fraction(totals['sparsity']), tables.scaled(totals['bytes_dense'], 'B'),
               tables.scaled(totals['bytes_sparse'], 'B'),
               tables.scaled(totals['bytes_gzipped'], 'B')):
    assert text in tiles


def test_its_parts(convnet):
  report, found = convnet
  sections = [element[1].get('id') for element in found.all('section')]
  assert sections == [None, 'findings', 'weights', 'history', 'tflite']
  listed = [element for element in found.all('li') if element[1].get('class') in {
      finding.kind for finding in report.findings}]
  assert [element[2] for element in listed] == [
      finding.text + finding.advice for finding in report.findings]
  assert len(found.all('figure')) == 2
  charts = [element for element in found.all('svg') if 'role' in element[1]]
  assert [element[1]['aria-label'] for element in charts] == [
      'sparsity by global step', 'threshold by global step']
  # Three weights share a curve of the sparsity, and none of the thresholds.
  lines = [element[1]['data-line'] for element in found.all('li') if 'data-line' in element[1]]
  assert lines == ['sparsity-0', 'sparsity-1'] + ['threshold-%d' % index for index in range(4)]
  ids = [element[1]['id'] for element in found.elements if 'id' in element[1]]
  assert set(lines) <= set(ids) and len(ids) == len(set(ids))


def test_without_event_files_it_says_how_to_get_them():
  _, found = _page(samples.convnet())
  section, = found.all('section', id='history')
  assert 'PruningHook(summaries=True)' in section[2] and 'PruningSummaries' in section[2]


def test_columns_without_anything_are_left_out():
  _, found = _page([samples.weight('fc/kernel', (9, 9))], None)
  keys = [element[1]['data-key'] for element in found.all('th') if 'data-key' in element[1]]
  assert keys == ['name', 'sparsity', 'bytes_dense', 'bytes_sparse', 'bytes_gzipped']
  _, found = _page(samples.convnet())
  keys = [element[1]['data-key'] for element in found.all('th') if 'data-key' in element[1]]
  assert keys == ['name', 'sparsity', 'target', 'threshold', 'block_sparsity', 'bytes_dense',
                  'bytes_sparse', 'bytes_gzipped']
  assert all(element[1]['title'] for element in found.all('button') if element[1].get('title'))


def test_a_model_without_masks_has_fewer_parts():
  _, found = _page([samples.weight('fc/kernel', (9, 9))], None)
  assert [element[1].get('id') for element in found.all('section')] == [None, 'weights']
  assert not [element for element in found.elements if 'data-show' in element[1]]
  assert found.all('td', class_='mask') and found.all('td', class_='magnitudes')


def test_weights_without_pictures_have_no_columns_for_them():
  report = samples.report_of(samples.convnet(), HARD)
  report = dataclasses.replace(report, weights=tuple(
      dataclasses.replace(row, details=dataclasses.replace(row.details, sketch=None))
      for row in report.weights))  # As of a TFLite file.
  found = Page(page.render(report, None))
  assert not found.all('td', class_='mask') and not found.all('img')
  headings = [element[2].strip() for element in found.all('th') if element[1]['scope'] == 'col']
  assert 'Mask' not in headings and 'Magnitudes' not in headings


# ---- Nothing from outside, and nothing from the model but text. ----


NAMES = ['</script><script>alert(1)</script>', '<img src=x onerror=alert(1)>/kernel',
         '" onmouseover="alert(1)', "'-alert(1)-'/kernel", '{{ 7 * 7 }}/kernel', '{% raw %}',
         'a&amp;b/kernel', '<!--/kernel', ']]>/kernel', 'javascript:alert(1)', '\u2028/kernel',
         '\u202etxt/kernel', 'tab\tline\nbell\x07', '$x^2$/kernel', '_hidden/kernel', 'größe/重み']


@pytest.mark.sampled(3)
@pytest.mark.parametrize('name', NAMES)
def test_names_are_text_only(name):
  weights = [samples.weight('some/kernel', (64, 64), 0.5),
             samples.weight('plain/kernel', (64, 64), 0.5)]
  pages = []
  for first, path in (('some/kernel', 'x'), (name, '/tmp/' + name.split('/')[0])):
    weights[0] = dataclasses.replace(weights[0], name=first)
    history = samples.history_of(weights)
    pages.append(Page(page.render(
        samples.report_of(weights, HARD, history=history, path=path), history)))
  plain, other = pages
  # The same elements with the same attributes, whatever the name; it may look like code.
  first, second = ([(tag, sorted(attributes)) for tag, attributes, _ in each.elements
                    if tag not in ('path', 'code', 'wbr')] for each in (plain, other))
  assert first == second
  assert other.data()['weights'][0]['name'] == name
  assert tables.printable(name) in other.rows()[0][2]
  for _, attributes, _ in other.elements:
    assert not any(key.startswith('on') for key in attributes)


def test_it_loads_nothing(convnet):
  report, found = convnet
  policy, = [element[1]['content'] for element in found.all('meta')
             if element[1].get('http-equiv') == 'Content-Security-Policy']
  assert "default-src 'none'" in policy and 'http' not in policy
  for tag, attributes, _ in found.elements:
    for key, value in attributes.items():
      if key in ('src', 'href', 'xlink:href', 'action', 'data', 'srcset', 'poster'):
        assert value.startswith(('data:', '#')), (tag, key, value)
  text = page.render(report, report.history)
  assert not re.search(r'@import|url\((?!#)|https?://(?!www\.w3\.org/)', text)
  assert text == page.render(report, report.history)  # It has no date, and nothing random.


@pytest.mark.parametrize('names', [
    ['fc/kernel'], ['tower_%d/a_rather_long_name_of_a_layer_%d/conv2d/kernel' % (index % 7, index)
                    for index in range(300)],
    ['encoder/layer_%d/attention/self/query/a_long_tail_of_a_name/kernel' % index
     for index in range(30)],
    ['a' * 60 + '%d' % index + 'b' * 8 for index in range(30)]])
def test_long_names_stay_different_in_the_middle_of_which_something_is_left_out(names):
  tail = rows.tail_of(names)
  assert 10 < tail < 35
  shown = {name if len(name) <= 40 else name[:40 - tail] + '...' + name[-tail:] for name in names}
  assert len(shown) == len(names)


def test_names_without_a_difference_that_can_be_shown():
  assert rows.tail_of(['a' * 60 + '%d' % index + 'b' * 60 for index in range(9)]) == 14


# ---- Numbers that are none. ----


@pytest.mark.sampled(9)
@pytest.mark.parametrize('values', [
    np.full([40, 40], np.nan, np.float32), np.full([40, 40], np.inf, np.float32),
    np.zeros([40, 40], np.float32), np.full([40, 40], 1e-45, np.float32),
    np.full([40, 40], 3e38, np.float32), np.ones([1, 40], np.float32),
    np.ones([40, 1], np.float32), np.ones([2, 2], np.float16),
    np.broadcast_to(np.float32(1), [3000, 3000])],
                         ids=['nan', 'inf', 'zeros', 'tiny', 'huge', 'row', 'column', 'half',
                              'repeated'])
@pytest.mark.parametrize('masked', [False, True])
def test_any_numbers(values, masked):
  kept = np.indices(values.shape).sum(0) % 3 == 0 if masked else None
  threshold = float(np.float32(values[0, 0])) if masked else None
  report, found = _page([StoredWeight('fc/kernel', values, kept, threshold)], None,
                        history=events.History('x', (events.WeightHistory(
                            'fc/kernel', events.Series(np.array([1, 2]), np.array([0, np.nan])),
                            events.Series(np.array([1, 2]), np.array([np.inf, 1]))),)))
  assert len(found.rows()) == 1
  assert found.data()['weights'][0]['zeros'] == report.weights[0].zeros


# ---- Writing. ----


def test_it_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
  report = samples.report_of(samples.convnet(), HARD)
  path = tmp_path / 'new' / 'report.html'
  assert report.html(path) == str(path)
  assert path.read_text(encoding='utf-8') == page.render(report, None)
  monkeypatch.setattr(page, 'render', lambda *_: 1 / 0)
  with pytest.raises(ZeroDivisionError):
    report.html(path)
  assert os.listdir(str(path.parent)) == ['report.html'] and path.stat().st_size > 10000


@pytest.mark.parametrize('path,message', [
    ('', 'is empty'), ('gs://bucket/report.html', 'is a URL'), ('/dev/null', 'a device'),
    ('.', 'is a folder')])
def test_where_it_cannot_be_written(path, message):
  with pytest.raises(errors.WriteError, match=message):
    samples.report_of(samples.convnet(), HARD).html(path)


@pytest.mark.parametrize('package', ['jinja2', 'matplotlib'])
def test_without_a_package_it_says_what_to_install(package, monkeypatch, tmp_path):
  monkeypatch.setitem(sys.modules, package, None)  # Importing it raises ImportError then.
  report = samples.report_of(samples.convnet(), HARD)
  with pytest.raises(errors.MissingPackageError, match='pip install jinja2 matplotlib') as caught:
    report.html(tmp_path / 'report.html')
  assert package in str(caught.value) and not os.listdir(str(tmp_path))


def test_the_package_may_be_in_a_zip(tmp_path):
  archive, model, output = [str(tmp_path / name) for name in ('lib.zip', 'x.pb', 'x.html')]
  with zipfile.ZipFile(archive, 'w') as written:
    for folder, _, names in os.walk(os.path.join(ROOT, 'model_pruning')):
      for name in names:
        if not name.endswith('.pyc'):
          path = os.path.join(folder, name)
          written.write(path, os.path.relpath(path, ROOT))
  with tf.Graph().as_default() as graph:
    tf.matmul(tf.placeholder(tf.float32, [None, 4]), tf.ones([4, 3]), name='y')
  with open(model, 'wb') as file:
    file.write(graph.as_graph_def().SerializeToString())
  forks.run_code('import sys; from model_pruning import report; import model_pruning; '
                 'assert model_pruning.__file__.startswith(sys.argv[1]); '
                 'report.of(sys.argv[2]).html(sys.argv[3])', [archive, model, output],
                 environment={'PYTHONPATH': archive})
  with open(output, encoding='utf-8') as file:
    assert '</html>' in file.read()


def test_a_thousand_weights_make_a_page_of_less_than_4_mb():
  weights = samples.towers()
  report = samples.report_of(weights, HARD, history=samples.history_of(weights[:100]))
  text = page.render(report, report.history)
  assert len(text.encode('utf-8')) < 4e6
  assert len(Page(text).rows()) == 1000
