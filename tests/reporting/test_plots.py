# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reporting.plots: what is drawn, and that all of it is in the picture."""

import os
import struct
import sys

import numpy as np
import pytest

from model_pruning import errors
from model_pruning.reading.stored import StoredWeight
from model_pruning.reporting import events
from model_pruning.reporting import plots
from model_pruning.reporting import timeline


def _history(number, points=4, alike=True):
  steps = np.arange(1, points + 1) * 10
  weights = [events.WeightHistory(
      'layer_%d' % index, events.Series(steps, np.linspace(0, 0.5 if alike else index / number,
                                                           points)),
      events.Series(steps, np.linspace(0, 1 + index, points))) for index in range(number)]
  return events.History('run', tuple(weights))


def _weight(shape=(40, 30), name='fc/kernel', threshold=0.5):
  values = np.random.RandomState(0).uniform(-1, 1, shape).astype(np.float32)
  return StoredWeight(name, values, np.abs(values) >= threshold, threshold)


def _lines(axis):
  """Returns {label: (x, y)} of what is in the legend of an axis."""
  handles, labels = axis.get_legend_handles_labels()
  return {label: (list(handle.get_xdata()), list(handle.get_ydata()))
          for handle, label in zip(handles, labels) if hasattr(handle, 'get_xdata')}


def _axes(figure):
  return [axis for axis in figure.axes if axis.get_visible()]


def _inside(figure):
  """Asserts that every text and legend is within the picture."""
  figure.canvas.draw()
  width, height = figure.canvas.get_width_height()
  renderer = figure.canvas.get_renderer()
  parts = list(figure.legends) + ([figure._suptitle] if figure._suptitle else [])
  for axis in _axes(figure):
    # Where the title stands is in one of three.
    parts += [axis.xaxis.label, axis.yaxis.label, axis.title, axis._left_title]
    parts += [axis.get_legend()] if axis.get_legend() else []
  for part in parts:
    box = part.get_window_extent(renderer)
    if box.width and box.height:
      assert box.x0 > -2 and box.y0 > -2 and box.x1 < width + 2 and box.y1 < height + 2, part


# ---- Sparsity over time. ----


def test_sparsity_over_time():
  history = _history(3, alike=False)
  figure = plots.sparsity(history, thresholds=True)
  top, bottom = figure.axes
  for weight, (label, drawn) in zip(history.weights, _lines(top).items()):
    assert label == '%s: %.4f' % (weight.name, weight.sparsity.last)
    assert drawn == (weight.sparsity.steps.tolist(), weight.sparsity.values.tolist())
  assert _lines(bottom)['layer_2: 3'][1] == history.weights[2].threshold.values.tolist()
  assert (bottom.get_xlabel(), top.get_ylabel(), bottom.get_ylabel()) == (
      'global step', 'sparsity (fraction of zeros)', 'threshold (magnitude)')
  assert len(plots.sparsity(history).axes) == 1
  _inside(figure)


def test_many_weights_on_one_curve_share_a_line():
  figure = plots.sparsity(_history(40))
  assert list(_lines(figure.axes[0])) == ['layer_0 and 39 more: 0.5000']
  _inside(figure)


def test_too_many_curves_are_left_out_and_that_is_said():
  figure = plots.sparsity(_history(40, alike=False), thresholds=True)
  top, bottom = figure.axes
  assert len(_lines(top)) == len(_lines(bottom)) == plots.MOST_LINES
  assert '24 more are not drawn' in top.get_legend().get_title().get_text()
  assert '24 more are not drawn' in bottom.get_legend().get_title().get_text()
  assert len({(line.get_color(), line.get_linestyle()) for line in top.lines}) == plots.MOST_LINES
  _inside(figure)


# ---- Magnitudes. ----


def test_histograms_count_every_weight_once():
  weight = _weight()
  axis, = _axes(plots.magnitudes([weight]))
  pruned, kept = [line.get_ydata()[:-1] for line in axis.lines[:2]]
  edges = axis.lines[0].get_xdata()
  magnitudes = np.abs(weight.values)
  for drawn, part in ((pruned, magnitudes[~weight.kept]), (kept, magnitudes[weight.kept])):
    wanted = np.histogram(part, edges)[0]
    np.testing.assert_array_equal(np.where(drawn < 1, 0, drawn), wanted)
    assert wanted.sum() == part.size
  assert axis.lines[2].get_xdata()[0] == 0.5  # The threshold.
  assert axis.get_title() == 'fc/kernel\n40x30, sparsity %.4f' % (1 - weight.kept.mean())
  assert (axis.get_xlabel(), axis.get_ylabel()) == ('magnitude', 'weights per bin')


@pytest.mark.sampled(1)
@pytest.mark.parametrize('number', [1, 2, 4, 7])
def test_panels_of_magnitudes(number):
  figure = plots.magnitudes(_weight(name='layer_%d/kernel' % index) for index in range(number))
  assert len(_axes(figure)) == number
  legend, = figure.legends
  assert [text.get_text() for text in legend.get_texts()] == ['pruned', 'kept', 'threshold']
  _inside(figure)
  renderer = figure.canvas.get_renderer()
  assert not legend.get_window_extent(renderer).overlaps(
      figure._suptitle.get_window_extent(renderer))


def test_weights_without_masks_and_odd_ones():
  values = np.array([[0, 1, np.nan], [0, np.inf, 2]], np.float32)
  figure = plots.magnitudes([StoredWeight('plain', values),
                             StoredWeight('zero', np.zeros([2, 2], np.float32))])
  plain, zero = _axes(figure)
  assert 'sparsity 0.3333' in plain.get_title() and 'sparsity 1.0000' in zero.get_title()
  assert plain.lines[0].get_ydata()[0] == 2
  _inside(figure)


# ---- Masks. ----


def test_masks_are_drawn_element_by_element():
  weight = _weight([3, 3, 4, 10])
  axis = _axes(plots.masks([weight]))[0]
  image, = axis.images
  np.testing.assert_array_equal(np.asarray(image.get_array()), weight.kept.reshape(36, 10))
  assert (axis.get_xlabel(), axis.get_ylabel()) == ('output', 'height, width, input')


def test_large_masks_are_drawn_as_fractions():
  kept = np.ones((300, 130), bool)
  kept[:150] = False
  kept[298] = False
  weight = StoredWeight('w', np.ones((300, 130), np.float32), kept, 0.5)
  axis = _axes(plots.masks([weight]))[0]
  shares = np.asarray(axis.images[0].get_array())
  assert shares.shape == (100, 65) and 'one dot: 3x2 weights' in axis.get_title()
  assert shares[:50].max() == 0 and shares[50:99].min() == 1
  np.testing.assert_allclose(shares[99], 2 / 3, 1e-6)
  np.testing.assert_allclose(plots._fractions(kept[:299])[99], 1 / 2)  # Less is there at the edge.


@pytest.mark.sampled(1)
@pytest.mark.parametrize('number', [1, 4, 5])
def test_panels_of_masks(number):
  figure = plots.masks(_weight(name='layer_%d/kernel' % index) for index in range(number))
  assert len(_axes(figure)) == number + 1  # And the bar.
  assert figure.axes[-1].get_ylabel() == 'fraction kept'
  _inside(figure)


@pytest.mark.sampled(1)
@pytest.mark.parametrize('draw', [plots.magnitudes, plots.masks])
def test_the_largest_of_many(draw):
  weights = [_weight((2, 2 + (index != 3)), 'layer_%d' % index)
             for index in range(plots.MOST_WEIGHTS + 1)]
  figure = draw(iter(weights))
  names = [axis.get_title().split('\n')[0] for axis in _axes(figure) if axis.get_title()]
  assert names == [weight.name for weight in weights if weight.name != 'layer_3']
  assert 'the 40 largest of 41' in figure._suptitle.get_text()


@pytest.mark.parametrize('draw', [plots.magnitudes, plots.masks])
def test_no_weights(draw):
  with pytest.raises(errors.WeightError, match='no weights to draw'):
    draw([])


# ---- Schedules. ----


def test_schedule():
  plan = timeline.of(
      'target_sparsity=0.8,begin_pruning_step=20,weight_sparsity_map=[conv:0.5]', 200)
  figure = plots.schedule(plan)
  axis, = figure.axes
  lines = _lines(axis)
  for course, name in zip(plan.courses, ('(all others)', 'conv')):
    steps, values = lines['%s: target %g, reaches %g000' % (name, course.target, course.target)]
    assert steps == [0] + plan.steps.tolist() + [200]
    assert values == [0] + course.sparsity.tolist() + [course.target]
  assert lines['mask updates: 19, every 10 steps from 20 to 200'][0] == plan.steps.tolist()
  assert lines['begin_pruning_step: 20'][0] == [20, 20]
  assert lines['sparsity_function_end_step: 100'][0] == [100, 100]
  assert (axis.get_xlabel(), axis.get_ylabel()) == ('global step', 'sparsity (fraction of zeros)')
  _inside(figure)


@pytest.mark.parametrize('hparams,num_steps', [
    ('end_pruning_step=95', None), ('begin_pruning_step=50', 20), ('pruning_frequency=1', 5000),
    ('weight_sparsity_map=[%s]' % ','.join('l%d:0.%02d' % (i, i) for i in range(1, 30)), None)])
def test_schedules_of_all_kinds(hparams, num_steps):
  plan = timeline.of(hparams, num_steps)
  figure = plots.schedule(plan)
  axis, = figure.axes
  short = plan.shortfall() is not None
  assert ('Falls short' in axis.get_title('left')) == short
  assert any('reaches only' in label for label in _lines(axis)) == short
  if len(plan.courses) > plots.MOST_LINES:
    assert '14 more are not drawn' in axis.get_legend().get_title().get_text()
  _inside(figure)


# ---- Files. ----


def test_a_png_of_the_right_size(tmp_path):
  figure = plots.schedule(timeline.of())
  path = str(tmp_path / 'new' / 'schedule.png')
  plots.save(figure, path)
  with open(path, 'rb') as f:
    content = f.read()
  assert content[:8] == b'\x89PNG\r\n\x1a\n'
  size = struct.unpack('>II', content[16:24])
  assert size == tuple(int(inches * 130) for inches in figure.get_size_inches())
  assert size[0] == 9 * 130
  assert os.listdir(str(tmp_path / 'new')) == ['schedule.png']


def test_what_cannot_be_written_leaves_nothing(tmp_path):
  figure = plots.schedule(timeline.of())
  (tmp_path / 'file').write_bytes(b'')
  for path in (tmp_path / 'file' / 'x.png', tmp_path / 'picture.svg'):
    with pytest.raises(errors.WriteError, match=path.name):
      plots.save(figure, str(path))
  (tmp_path / 'old.png').write_bytes(b'before')

  def fail(*unused_args, **unused_kwargs):
    raise RuntimeError('out of ink')

  figure.savefig = fail
  with pytest.raises(RuntimeError):
    plots.save(figure, str(tmp_path / 'old.png'))
  assert (tmp_path / 'old.png').read_bytes() == b'before'
  assert sorted(os.listdir(str(tmp_path))) == ['file', 'old.png']


def test_without_matplotlib(monkeypatch):
  monkeypatch.setitem(sys.modules, 'matplotlib', None)
  with pytest.raises(errors.MissingPackageError, match='pip install'):
    plots.schedule(timeline.of())


def test_pyplot_is_left_alone():
  loaded = 'matplotlib.pyplot' in sys.modules
  plots.schedule(timeline.of())
  if loaded:
    assert sys.modules['matplotlib.pyplot'].get_fignums() == []
  else:
    assert 'matplotlib.pyplot' not in sys.modules


NAMES = ['a$x^$y/kernel', '$\\frac{', 'a$b', '$$', '\\$x\\$', 'a_b^c\\d%s', '_hidden', 'new\nline$',
         '\x1b[31mred', 'abc\u202ecba', 'a$\\alpha$' * 12, '層/kernel']


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name', NAMES)
def test_names_are_drawn_as_they_are(tmp_path, name):
  cbook = pytest.importorskip('matplotlib.cbook')
  weight = events.WeightHistory(name, *[events.Series(np.array([1, 2]), np.array([0., 0.5]))] * 2)
  pictures = [plots.sparsity(events.History('run', (weight,)), thresholds=True),
              plots.magnitudes([_weight(name=name)]), plots.masks([_weight(name=name)])]
  for number, figure in enumerate(pictures):
    plots.save(figure, tmp_path / ('%d.png' % number))
    texts = [text.get_text() for axis in figure.axes for text in
             [axis.title, *(axis.get_legend().get_texts() if axis.get_legend() else [])]]
    assert not any(map(cbook.is_math_text, texts)) and not any('\x1b' in text for text in texts)
  labels = [text.get_text() for text in pictures[0].axes[0].get_legend().get_texts()]
  assert len(labels) == 1 and len(labels[0].splitlines()) == 1


def test_a_schedule_with_dollar_signs_in_its_keys(tmp_path):
  for key in (r'a\$b\$', '^conv.*$', r'\$x_^\$'):
    found = timeline.of('target_sparsity=0.5,weight_sparsity_map=[%s:0.3]' % key)
    plots.save(plots.schedule(found), tmp_path / 'x.png')
