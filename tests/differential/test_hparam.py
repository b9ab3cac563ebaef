# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""HParams against the real tf.contrib.training.HParams, in one process."""

import random
import re

import pytest

contrib = pytest.importorskip('tensorflow.contrib.training.python.training.hparam')

# pylint: disable=g-import-not-at-top
from model_pruning.hparams import hparam

CASES = 30000
DEFAULTS = dict(name='model_pruning', steps=10, rate=0.5, tpu=False, maps=[''], sizes=[1, 2],
                scales=[0.5], flags=[True, False])
PHRASES = ('Unknown hyperparameter', 'Could not parse hparam', 'Malformed hyperparameter value',
           'Multiple assignments to variable', 'Must pass a list', 'Must not pass a list',
           'Assignment of a list to a list index')

_VALUES = ['1', '-3', '0.5', '1e3', 'true', 'False', 'conv1:0.8', 'fc.*:0.95', 'a=b', '', 'nan',
           '1_0', 'x y', '٣', '00', '+1', ']', ' 7', '7 ', 'b\tc', '[', '"q"']


def _strings(seed, cases):
  rng = random.Random(seed)
  for _ in range(cases):
    clauses = []
    for _ in range(rng.randrange(4)):
      value = rng.choice(_VALUES)
      if rng.random() < .4:
        value = '[%s]' % rng.choice([',', ' ', ', ', ',,']).join(
            rng.choice(_VALUES) for _ in range(rng.randrange(4)))
      clauses.append(rng.choice(list(DEFAULTS) + ['nope', 'n.x']) +
                     ('[%d]' % rng.randrange(3) if rng.random() < .05 else '') +
                     rng.choice(['=', '=', '=', ' = ', '==', ' ']) + value)
    text = rng.choice([',', ', ', ',\n', ' ,']).join(clauses) + rng.choice(['', '', ',', ', '])
    if rng.random() < .4:
      at = rng.randrange(len(text) + 1)
      text = text[:at] + rng.choice('ab1[]=, .\n-_:\xe9\u2003') + text[at + rng.randrange(2):]
    yield text


def _outcome(module, text):
  hparams = module.HParams(**DEFAULTS)
  try:
    return hparams.parse(text).values(), None
  except ValueError as e:
    return None, str(e)


# Where ours departs on purpose; each is tested on its own below.
_DEPARTURES = (
    re.compile(r'^\s'),  # a blank before the first clause
    re.compile(r'\]\s+(,|$)'),  # a blank after a list
    re.compile(r'(true|True|false|False)\s+(,|$)'),  # a blank after a bool
    re.compile(r'\w\[\s*\d+\s*\]\s*='),  # an index assignment
    re.compile(r"''"),  # the empty string in a list
)


def test_the_same_values_or_both_refuse():
  compared = accepted = 0
  for text in _strings(3, CASES):
    theirs, their_error = _outcome(contrib, text)
    ours, our_error = _outcome(hparam, text)
    if any(departure.search(text) for departure in _DEPARTURES):
      continue
    compared += 1
    assert repr(ours) == repr(theirs), (text, our_error, their_error)
    if theirs is not None:
      accepted += 1
      continue
    phrases = [[phrase for phrase in PHRASES if phrase in error]
               for error in (our_error, their_error)]
    # contrib asks whether a list is one after it has read the whole string.
    if 'Must' not in our_error:
      assert phrases[0] == phrases[1], (text, our_error, their_error)
  assert compared > CASES / 2 and accepted > CASES / 20


def test_whatever_contrib_accepts_means_the_same_here():
  for text in _strings(4, CASES):
    theirs, _ = _outcome(contrib, text)
    if theirs is not None:
      assert repr(_outcome(hparam, text)[0]) == repr(theirs), text


@pytest.mark.parametrize('text,changes', [
    # Blanks around commas are what people write, and change no other meaning.
    (' steps=3', {'steps': 3}),
    ('sizes=[3] ,steps=3', {'sizes': [3], 'steps': 3}),
    ('sizes=[3]\n', {'sizes': [3]}),
    ('tpu=true ,steps=3', {'tpu': True, 'steps': 3}),
    # contrib parses an index assignment, then fails to store it.
    ('sizes[1]=3', {'sizes': [1, 3]}),
])
def test_accepted_only_here(text, changes):
  assert _outcome(contrib, text)[0] is None
  assert _outcome(hparam, text)[0] == dict(DEFAULTS, **changes)


def test_the_empty_string_in_a_list_is_what_contrib_prints_and_misreads():
  assert str(contrib.HParams(maps=[''])) == str(hparam.HParams(maps=[''])) == "maps=['']"
  assert contrib.HParams(maps=['']).parse("maps=['']").maps == ["''"]
  assert hparam.HParams(maps=['']).parse("maps=['']").maps == ['']


def test_parse_values_agrees_on_index_assignments():
  types = {'x': int, 'y': str}
  for text in ('x[0]=1', 'x[ 3 ]=1,x[1]=2', 'y[2]=a,x=[1,2]', 'x[1]=1,x[1]=2', 'x[0]=1,x=2',
               'x=2,x[0]=1', 'x[0]=[1]', 'x[a]=1', 'x[]=1', 'y[0]='):
    outcomes = []
    for module in (contrib, hparam):
      try:
        outcomes.append(module.parse_values(text, types))
      except ValueError as e:
        outcomes.append([phrase for phrase in PHRASES if phrase in str(e)])
    assert outcomes[0] == outcomes[1], text


def test_casts_agree():
  import numpy as np
  values = [1, -2, 1.5, True, 'a', None, np.int32(3), np.float32(.5), np.bool_(True), [1], [1.5],
            ['a'], [True], [], [None], {}, float('inf'), [1, 1.5], [1, True], 2 ** 70, object]
  for default in (1, 1.5, True, 'a', None, [1], [1.5], [True], ['a']):
    for value in values:
      results = []
      for module in (contrib, hparam):
        hparams = module.HParams(x=default)
        try:
          hparams.set_hparam('x', value)
          results.append((type(hparams.x), repr(hparams.x)))
        except ValueError as e:
          results.append(str(e).split(' from ')[0].split(';')[0].split('. ')[0].rstrip('.'))
      assert results[0] == results[1], (default, value)
      for key in ('x', 'other'):
        gets = []
        for module in (contrib, hparam):
          try:
            gets.append(repr(module.HParams(x=default).get(key, value)))
          except ValueError:
            gets.append(ValueError)
        assert gets[0] == gets[1], (default, value)


def test_forms_agree():
  ours, theirs = hparam.HParams(b=1, a=.5, c='x', d=True), contrib.HParams(b=1, a=.5, c='x', d=True)
  assert str(ours) == str(theirs)
  assert repr(ours) == repr(theirs)
  assert list(ours.values().items()) == list(theirs.values().items())
  ours, theirs = hparam.HParams(**DEFAULTS), contrib.HParams(**DEFAULTS)
  assert repr(ours) == repr(theirs)
  for arguments in ({}, {'indent': 2}, {'separators': (',', ':'), 'sort_keys': True}):
    assert ours.to_json(**arguments) == theirs.to_json(**arguments)
