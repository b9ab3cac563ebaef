# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""The page of a report in a real browser: Chromium without a screen, driven by selenium."""

import os
import subprocess

import pytest

pytest.importorskip('jinja2')
webdriver = pytest.importorskip('selenium.webdriver')

from selenium.webdriver.chrome import service as chrome_service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.reporting import samples

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group('browser')]

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HARD = 'target_sparsity=0.9'
HPARAMS = {60: HARD + ',block_dims_map=[/intermediate:16x1,/output/dense:4x1]'}
MODELS = {4: samples.convnet, 60: samples.encoder, 1000: samples.towers}
HOSTILE = '</script><b onclick="alert(1)">&amp;\'"{{ 1 }}/kernel'


@pytest.fixture(scope='module')
def driver():
  found = subprocess.run(['sh', os.path.join(ROOT, 'tools', 'browser.sh')], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, universal_newlines=True)
  if found.returncode == 3:
    pytest.skip(found.stderr.strip())
  assert found.returncode == 0, found.stderr
  browser, executable = found.stdout.split()
  options = webdriver.ChromeOptions()
  options.binary_location = browser
  for argument in ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'):
    options.add_argument(argument)
  options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
  made = webdriver.Chrome(options=options, service=chrome_service.Service(executable))
  yield made
  made.quit()


class _Pages(dict):
  """{number of weights, or 'hostile': URL of a page}; each is made when it is needed."""

  def __init__(self, folder):
    super().__init__()
    self._folder = folder

  def __missing__(self, number):
    path = self._folder / ('%s.html' % number)
    if number == 'hostile':
      weights = samples.convnet() + [samples.weight(HOSTILE, (64, 64), 0.5)]
      report = samples.report_of(weights, HARD, path=HOSTILE, history=samples.history_of(weights))
    else:
      weights = MODELS[number]()
      report = samples.report_of(weights, HPARAMS.get(number, HARD),
                                 history=samples.history_of(weights[:60]))
    report.html(path)
    self[number] = path.as_uri()
    return self[number]


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
  return _Pages(tmp_path_factory.mktemp('pages'))


def _open(driver, url, width=1600, scheme='light'):
  driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
      'width': width, 'height': 900, 'deviceScaleFactor': 1, 'mobile': width < 600})
  driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {
      'features': [{'name': 'prefers-color-scheme', 'value': scheme}]})
  driver.get(url)


def _nothing_went_wrong(driver):
  assert driver.get_log('browser') == []


def _shown(driver, column=None):
  """Returns the names, or the texts of another column, of the rows that are shown."""
  rows = driver.find_elements(By.CSS_SELECTOR, '#table tbody tr:not([hidden])')
  if column is None:
    return [row.find_element(By.CSS_SELECTOR, '.name').get_attribute('title') for row in rows]
  return [row.find_elements(By.CSS_SELECTOR, 'th, td')[column].text for row in rows]


def _heading(driver, key):
  return driver.find_element(By.CSS_SELECTOR, '#table th[data-key=%s]' % key)


def _filter(driver, text):
  field = driver.find_element(By.ID, 'filter')
  field.clear()
  field.send_keys(text)
  return driver.find_element(By.ID, 'shown').text


# ---- Every page, at every width, light and dark. ----


def _work(driver):
  """Returns the browser's counters for the page, for example 'Nodes' and 'LayoutCount'."""
  found = driver.execute_cdp_cmd('Performance.getMetrics', {})['metrics']
  return {each['name']: each['value'] for each in found}


@pytest.mark.sampled(1)
@pytest.mark.parametrize('number', sorted(MODELS))
def test_opening_takes_work_in_proportion_to_the_weights(driver, pages, number):
  """Counted, since seconds depend on the machine: a script that reads a size after each change
  of a row would make the browser lay out the page once a row."""
  driver.get('about:blank')
  driver.execute_cdp_cmd('Performance.enable', {})
  _open(driver, pages[number])
  row = driver.execute_script('''
    const row = document.querySelector('#table tbody tr');
    row.scrollIntoView();
    return row.offsetHeight''')
  assert row > 20
  work = _work(driver)
  assert 0 < work['LayoutCount'] < 20 and work['RecalcStyleCount'] < 30
  assert number < work['Nodes'] < 1500 + 100 * number
  assert work['JSEventListeners'] < 300  # The table listens, not each row of it.
  assert len(driver.find_elements(By.CSS_SELECTOR, '#table tbody tr')) == number
  _nothing_went_wrong(driver)


@pytest.mark.sampled(3)
@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [400, 800, 1600])
@pytest.mark.parametrize('number', sorted(MODELS) + ['hostile'])
def test_it_fits_any_width(driver, pages, number, width, scheme):
  _open(driver, pages[number], width, scheme)
  inner, outer = driver.execute_script(
      'return [document.documentElement.scrollWidth, document.documentElement.clientWidth]')
  assert inner <= outer <= width
  background = driver.execute_script('return getComputedStyle(document.body).backgroundColor')
  brightness = sum(map(int, background[4:-1].split(','))) / 3
  assert (brightness < 60) == (scheme == 'dark') and (brightness > 230) == (scheme == 'light')
  _nothing_went_wrong(driver)


_CONTRAST = '''
  const linear = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) =>
    0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const color = parse(getComputedStyle(element).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length ||
        element.closest('script, style, svg, dialog')) continue;
    const [a, b] = [parse(getComputedStyle(element).color), ground(element)].map(luminance);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found[element.className + ' ' + walker.currentNode.data.trim()] = ratio;
  }
  return found;'''


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_texts_stand_out(driver, pages, scheme):
  _open(driver, pages[60], scheme=scheme)
  assert driver.execute_script(_CONTRAST) == {}


def test_light_and_dark_can_be_chosen(driver, pages):
  _open(driver, pages[4], scheme='dark')
  colors = []
  for _ in range(3):
    colors.append(driver.execute_script('return getComputedStyle(document.body).backgroundColor'))
    driver.find_element(By.ID, 'theme').click()
  assert colors[0] == colors[2] != colors[1]
  driver.execute_script('localStorage.clear()')
  _nothing_went_wrong(driver)


def test_it_asks_nobody_for_anything(driver, pages):
  driver.get_log('performance')
  _open(driver, pages[60])
  driver.find_element(By.CSS_SELECTOR, '#table tbody th').click()
  asked = [entry['message'] for entry in driver.get_log('performance')
           if '"Network.requestWillBeSent"' in entry['message']]
  assert all('"url":"file://' in message or '"url":"data:' in message for message in asked), asked


@pytest.mark.sampled(2)
@pytest.mark.parametrize('number', sorted(MODELS))
def test_a_name_takes_a_line_where_there_is_room(driver, pages, number):
  def heights(selector):
    return driver.execute_script('''
      for (const section of document.querySelectorAll('section')) {
        section.style.contentVisibility = 'visible';
      }
      return [...document.querySelectorAll(arguments[0])].map((element) => element.offsetHeight)''',
                                 selector)

  _open(driver, pages[number])
  for selector in ('#table tbody .name', '.lines .name', '#tflite tbody th > .name'):
    assert heights(selector) and max(heights(selector)) < 30, selector
  _open(driver, pages[number], 400)  # There they are whole, on several lines.
  cut = driver.execute_script('''return [...document.querySelectorAll('#table tbody .head')].filter(
      (head) => head.scrollWidth > head.clientWidth + 1 && head.clientWidth).length''')
  assert cut == 0
  if number > 4:
    assert max(heights('#table tbody tr')) > 70


# ---- Sorting and filtering. ----


def _numbers(driver, key):
  return driver.execute_script('''
    const data = JSON.parse(document.getElementById('data').textContent);
    return [...document.querySelectorAll('#table tbody tr')].map(
        (row) => data.weights[row.dataset.i][arguments[0]])''', key)


@pytest.mark.sampled(1)
@pytest.mark.parametrize('key', ['sparsity', 'target', 'threshold', 'block_sparsity', 'bytes_dense',
                                 'bytes_sparse', 'bytes_gzipped'])
def test_numbers_are_sorted_by_value(driver, pages, key):
  _open(driver, pages[60])
  before = _shown(driver)
  button = _heading(driver, key).find_element(By.TAG_NAME, 'button')
  for order, sign in (('descending', -1), ('ascending', 1)):
    button.click()
    assert _heading(driver, key).get_attribute('aria-sort') == order
    values = _numbers(driver, key)
    known = [value for value in values if value is not None]
    assert known == sorted(known, key=lambda value: sign * value)
    assert values == known + [None] * (len(values) - len(known))
  button.send_keys(Keys.ENTER)  # The third time: as they came.
  assert _shown(driver) == before and not _heading(driver, key).get_attribute('aria-sort')
  _nothing_went_wrong(driver)


def test_names_are_sorted_as_people_count(driver, pages):
  _open(driver, pages[60])
  button = _heading(driver, 'name').find_element(By.TAG_NAME, 'button')
  button.click()
  names = _shown(driver)
  assert names.index('bert/encoder/layer_2/output/dense/kernel') < names.index(
      'bert/encoder/layer_10/output/dense/kernel')
  _heading(driver, 'sparsity').find_element(By.TAG_NAME, 'button').click()
  assert len(driver.find_elements(By.CSS_SELECTOR, '#table [aria-sort]')) == 1


@pytest.mark.sampled(3)
@pytest.mark.parametrize('text,number', [
    ('', 60), ('LAYER_3', 5), ('query', 11), ('/layer_(1|2)\\/.*kernel$/', 10), ('/QUERY/', 0),
    ('/QUERY/i', 11), ('nothing like it', 0), ('.*', 0)])
def test_weights_are_filtered_by_name(driver, pages, text, number):
  _open(driver, pages[60])
  assert _filter(driver, text) == '%d of 60 shown' % number
  assert len(_shown(driver)) == number
  empty = driver.find_element(By.CSS_SELECTOR, '.empty')
  assert empty.is_displayed() == (number == 0)
  _nothing_went_wrong(driver)


def test_what_is_no_regular_expression_is_said_to_be_none(driver, pages):
  _open(driver, pages[4])
  assert _filter(driver, '/(/') == 'not a regular expression'
  assert len(_shown(driver)) == 4
  assert _filter(driver, '/(a)?dense/') == '1 of 4 shown'
  _nothing_went_wrong(driver)


def test_weights_are_filtered_by_kind(driver, pages):
  _open(driver, pages[60])
  numbers = {}
  for button in driver.find_elements(By.CSS_SELECTOR, '[data-show]'):
    button.click()
    assert button.get_attribute('aria-pressed') == 'true'
    numbers[button.get_attribute('data-show')] = len(_shown(driver))
    assert numbers[button.get_attribute('data-show')] == int(
        button.find_element(By.TAG_NAME, 'span').text)
  assert numbers == {'all': 60, 'pruned': 56, 'dense': 4, 'missed': 1}
  assert _shown(driver) == ['bert/encoder/layer_4/output/dense/kernel']
  assert _filter(driver, 'query') == '0 of 60 shown'  # Both hold.


# ---- The panel of a weight. ----


def test_a_row_opens_a_panel_with_all_numbers(driver, pages):
  _open(driver, pages[4])
  rows = driver.find_elements(By.CSS_SELECTOR, '#table tbody tr')
  rows[1].find_element(By.CSS_SELECTOR, '.number').click()
  panel = driver.find_element(By.ID, 'panel')
  assert panel.is_displayed() and driver.find_element(By.ID, 'panel-name').text == 'conv2/kernel'
  for text in ('3 x 3 x 32 x 64', '18,432', '13,824', '0.7500', '0.9000, missed', 'CONV_2D'):
    assert text in panel.text, text
  assert panel.find_element(By.TAG_NAME, 'img').size['width'] > 200
  panel.send_keys(Keys.ARROW_DOWN)
  assert driver.find_element(By.ID, 'panel-name').text == 'dense/kernel'
  driver.find_element(By.ID, 'after').click()
  assert driver.find_element(By.ID, 'panel-name').text == 'logits/kernel'
  assert not driver.find_element(By.ID, 'after').is_enabled()
  driver.switch_to.active_element.send_keys(Keys.ESCAPE)
  assert not panel.is_displayed()
  _nothing_went_wrong(driver)


def test_a_row_is_opened_by_the_keyboard_too(driver, pages):
  _open(driver, pages[4])
  rows = driver.find_elements(By.CSS_SELECTOR, '#table tbody tr')
  rows[2].send_keys(Keys.ENTER)
  assert driver.find_element(By.ID, 'panel-name').text == 'dense/kernel'
  driver.find_element(By.ID, 'close').click()
  assert driver.switch_to.active_element == rows[2]  # Where one was before.


def test_a_name_that_is_markup_is_shown_as_it_is(driver, pages):
  _open(driver, pages['hostile'])
  assert _shown(driver)[-1] == HOSTILE
  driver.find_elements(By.CSS_SELECTOR, '#table tbody tr')[-1].send_keys(Keys.ENTER)
  assert driver.find_element(By.ID, 'panel-name').text == HOSTILE
  assert driver.find_elements(By.TAG_NAME, 'b') == driver.find_elements(
      By.CSS_SELECTOR, '.bar > b')
  _nothing_went_wrong(driver)


def test_lines_of_charts_are_picked_by_their_legend(driver, pages):
  _open(driver, pages[4])
  item = driver.find_element(By.CSS_SELECTOR, '[data-line=threshold-1]')
  driver.execute_script('arguments[0].focus()', item)
  picked = driver.find_elements(By.CSS_SELECTOR, '.plot .picked')
  assert [element.get_attribute('id') for element in picked] == ['threshold-1']
  dim = driver.execute_script(
      'return getComputedStyle(document.querySelector("#threshold-0 path")).opacity')
  assert float(dim) < 0.5
