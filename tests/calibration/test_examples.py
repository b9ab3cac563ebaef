# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Examples in every form that users have them, and examples that do not fit."""

import itertools

import numpy as np
import pytest

from model_pruning import errors
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.examples import first_batch
from model_pruning.calibration.examples import Input
from model_pruning.compat import tensorflow
from model_pruning.compat import tf

IMAGES = np.arange(40 * 6, dtype=np.float32).reshape(40, 2, 3)
IDS = np.arange(40, dtype=np.int32).reshape(40, 1)


def inputs_of(batch=None, ids=False):
  found = [Input('images', tf.float32, tf.TensorShape([batch, 2, None]))]
  return found + [Input('ids', tf.int32, tf.TensorShape([batch, 1]))] if ids else found


class Once:
  """Batches that a function returns anew."""

  def __call__(self):
    return iter([IMAGES[:25], IMAGES[25:]])


ONE = {
    'array': IMAGES,
    'float64': IMAGES.astype(np.float64),
    'integers': IMAGES.astype(np.int64),
    'list of examples': list(IMAGES),
    'dict': {'images': IMAGES},
    'dict by tensor name': {'images:0': IMAGES},
    'list of batches': [IMAGES[:16], IMAGES[16:]],
    'batches with labels': [(IMAGES[:16], np.zeros(16)), (IMAGES[16:], np.zeros(24))],
    'inputs and labels': (IMAGES, np.zeros(40)),
    'inputs and targets like them': (IMAGES, np.ones_like(IMAGES)),
    'inputs by name and labels': ({'images': IMAGES}, np.zeros(40)),
    'inputs, labels and weights': (IMAGES, np.zeros(40), np.ones(40)),
    'inputs in a tuple': (IMAGES,),
    'batches in tuples': [(IMAGES[:16],), (IMAGES[16:],)],
    'batches of dicts': [{'images': IMAGES[:39]}, {'images': IMAGES[39:]}],
    'generator': (IMAGES[index:index + 10] for index in range(0, 40, 10)),
    'function': Once(),
}


@pytest.mark.parametrize('form', sorted(ONE))
@pytest.mark.parametrize('size', [7, 64])
def test_every_form_yields_the_same_examples_again_and_again(form, size):
  examples = ONE[form]
  if form == 'generator':
    examples = (IMAGES[index:index + 10] for index in range(0, 40, 10))
  made = Examples(examples, inputs_of())
  assert made.count == 40 and made.fixed is None
  for _ in range(2):
    batches = list(made.batches(size))
    assert all(len(batch['images']) == size for batch in batches[:-1])
    found = np.concatenate([batch['images'] for batch in batches])
    np.testing.assert_array_equal(found, IMAGES)
    assert found.dtype == np.float32


@pytest.mark.parametrize('examples', [
    {'ids': IDS, 'images': IMAGES}, [IMAGES, IDS], [([IMAGES[:9], IDS[:9]], 1), ([IMAGES, IDS], 1)],
    [{'ids': IDS, 'images': IMAGES}], (IMAGES, IDS), ([IMAGES, IDS], np.zeros(40)),
    ({'ids': IDS, 'images': IMAGES}, np.zeros(40)), {'ids': IDS[:, 0], 'images': IMAGES},
    [((IMAGES[:9], IDS[:9]),), ((IMAGES, IDS),)]])
def test_several_inputs(examples):
  made = Examples(examples, inputs_of(ids=True))
  batch = next(made.batches(4))
  np.testing.assert_array_equal(batch['ids'], IDS[:4])
  np.testing.assert_array_equal(batch['images'], IMAGES[:4])


@pytest.mark.parametrize('form', ['.npy', '.npz'])
def test_files(tmp_path, form):
  path = str(tmp_path / ('x' + form))
  if form == '.npy':
    np.save(path, IMAGES)
  else:
    np.savez(path, images=IMAGES)
  np.testing.assert_array_equal(next(Examples(path, inputs_of()).batches(40))['images'], IMAGES)


def test_a_fixed_batch_size_is_kept():
  made = Examples([IMAGES[:5], IMAGES[5:]], inputs_of(batch=16))
  assert [len(batch['images']) for batch in made.batches(3)] == [16, 16]


def test_a_part_has_the_examples_between_two_fractions():
  made = Examples([IMAGES[:5], IMAGES[5:30], IMAGES[30:]], inputs_of())
  for begin, end in ((0, 0.5), (0.5, 1), (0.1, 0.15), (0.75, 1)):
    part = made.part(begin, end)
    found = np.concatenate([batch['images'] for batch in part.batches(6)])
    np.testing.assert_array_equal(found, IMAGES[round(begin * 40):round(end * 40)])
    assert part.count == len(found)


BROKEN = IMAGES.copy()
BROKEN[7, 1, 1] = np.nan
ENDLESS = np.where(IMAGES[:8] == 0, np.inf, IMAGES[:8]).astype(np.float32)
REFUSED = {
    'another shape': (IMAGES[:, :1], r'shape \[40, 1, 3\].*takes \[any, 2, any\]'),
    'another rank': (IMAGES[0], r'shape \[2, 3\]'),
    'single examples': (iter(IMAGES), r'shape \[2, 3\].*; put them into batches, or'),
    'text': (np.array([['a'] * 3] * 40), 'dtype <U1.*float32'),
    'complex': (IMAGES.astype(np.complex64), 'dtype complex64'),
    'booleans': (IMAGES > 1, 'dtype bool'),
    'not a number': (BROKEN, '1 of the examples of images .* NaN or infinite, first example 7'),
    'infinite': ([IMAGES[:20], ENDLESS], 'first example 20'),
    'too few': (IMAGES[:7], 'There are 7 examples, too few'),
    'none': ([], 'There are 0 examples'),
    'no rows': (IMAGES[:0], 'There are 0 examples'),
    'unknown input': ({'image': IMAGES}, r"'image' \(did you mean images\?\)"),
    'a number': (3, 'are int; expected an array'),
    'of ragged length': ([[1, 2], [3]], r'shape \[2\]'),
}


@pytest.mark.parametrize('name', sorted(REFUSED))
def test_what_does_not_fit_is_refused_with_the_reason(name):
  examples, message = REFUSED[name]
  with pytest.raises(errors.ExamplesError, match=message):
    Examples(examples, inputs_of())


def test_two_inputs_need_two_arrays_of_one_length():
  with pytest.raises(errors.ExamplesError, match='2 inputs .images, ids., but there is one array'):
    Examples(IMAGES, inputs_of(ids=True))
  with pytest.raises(errors.ExamplesError, match='no examples for the input ids'):
    Examples({'images': IMAGES}, inputs_of(ids=True))
  with pytest.raises(errors.ExamplesError, match='differ in number: ids has 39, images has 40'):
    Examples({'images': IMAGES, 'ids': IDS[1:]}, inputs_of(ids=True))
  with pytest.raises(errors.ExamplesError, match='ids have dtype float32, but the model takes int'):
    Examples({'images': IMAGES, 'ids': IDS.astype(np.float32)}, inputs_of(ids=True))


def test_a_model_without_inputs_says_so():
  with pytest.raises(errors.ExamplesError, match='no inputs'):
    Examples(IMAGES, [])


@pytest.mark.parametrize('form', ['array', 'dict', 'batches with labels', 'batches of dicts',
                                  'function'])
def test_the_first_batch_is_as_it_was_given(form, tmp_path):
  np.save(str(tmp_path / 'images.npy'), IMAGES)
  first = {'array': IMAGES, 'dict': ONE['dict'], 'batches with labels': IMAGES[:16],
           'batches of dicts': {'images': IMAGES[:39]}, 'function': IMAGES[:25]}[form]
  given = iter(ONE[form]) if form.startswith('batches') else ONE[form]
  found = first_batch(given)
  assert type(found) is type(first)
  np.testing.assert_equal(found, first)
  np.testing.assert_equal(first_batch(str(tmp_path / 'images.npy')), IMAGES)


@pytest.mark.parametrize('form, message', [(5, 'are int; expected an array'),
                                           (lambda: 5, 'are int; expected an array'),
                                           (iter([]), 'There are 0 examples, too few')])
def test_no_first_batch(form, message):
  with pytest.raises(errors.ExamplesError, match=message):
    first_batch(form)


@pytest.mark.parametrize('given, message', [
    (np.zeros([40, 2, 3]), 'All 40 examples are the same, and zero, so that they say nothing'),
    (np.repeat(IMAGES[5:6], 40, axis=0), 'All 40 examples are the same, so that'),
    ([IMAGES[:1]] * 9, 'All 9 examples are the same, so that'),
    (IMAGES, ''), (np.concatenate([np.zeros([39, 2, 3]), IMAGES[1:2]]), ''),
    ([IMAGES[:1]] * 9 + [IMAGES[1:2]], '')])
def test_examples_that_are_all_the_same_are_warned_of(given, message, caplog):
  Examples(given, inputs_of())
  assert len(caplog.records) == bool(message) and message in caplog.text


def test_one_input_may_be_the_same_for_all_examples(caplog):
  given = {'images': IMAGES, 'ids': np.zeros_like(IDS)}
  Examples(given, inputs_of(ids=True))
  assert not caplog.records
  Examples({'images': np.zeros_like(IMAGES), 'ids': np.zeros_like(IDS)}, inputs_of(ids=True))
  assert 'All 40 examples are the same' in caplog.text


class Endless:
  """Batches without an end, that can be read again."""

  def __init__(self, batch):
    self.batch = batch

  def __iter__(self):
    return itertools.repeat(self.batch)


MANY = np.zeros((200000, 2, 3), np.float32)
WIDE = np.broadcast_to(np.float32(1), (1000, 2, 50000))


@pytest.mark.sampled(2)
@pytest.mark.parametrize('examples, message', [
    (lambda: Endless(MANY), 'more than 1,000,000'),
    (lambda: Endless(MANY).__iter__, 'more than 1,000,000'),
    (lambda: iter(Endless((WIDE, np.zeros(1000)))), 'more than 9 batches, with 4,000 MB'),
    (lambda: iter(Endless({'images': np.zeros((1, 2, 0), np.float32)})), 'more than 1,000,000 b')])
def test_examples_without_an_end_are_an_error(examples, message):
  with pytest.raises(errors.ExamplesError, match=message + '.*islice.*256 examples are'):
    Examples(examples(), inputs_of())


@pytest.mark.skipif(tf.__version__ < '2', reason='A graph cannot iterate over a tf.data.Dataset')
def test_a_dataset_that_repeats_is_an_error_at_once():
  batches = tensorflow.data.Dataset.from_tensor_slices(IMAGES).batch(10)
  with pytest.raises(errors.ExamplesError, match=r'repeated without end.*dataset.take\(16\)'):
    Examples(batches.repeat(), inputs_of())
  assert Examples(batches.repeat().take(3), inputs_of()).count == 30


def test_an_iterator_may_have_more_than_a_million():
  assert Examples(iter([MANY] * 7), inputs_of()).count == 1400000
