# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Fuzz and property tests of the HParams grammar."""

import random

import hypothesis
from hypothesis import strategies as st

from model_pruning import errors
from model_pruning.hparams.hparam import HParams, parse_values

CASES = 60000
DEFAULTS = dict(name='model_pruning', steps=10, rate=0.5, tpu=False, maps=[''], sizes=[1, 2],
                scales=[0.5], flags=[True, False])

_PIECES = ['1', '-3', '0.5', '1e3', 'true', 'False', 'conv1:0.8', 'fc.*:0.95', 'a=b', "''", '',
           'nan', '1_0', 'x/y', '٣', '00', '+1', '.', ']', '[']
_GLUE = [',', ', ', ' ,', ',,', ' ', '', ';', '\n', ',\t']
_ALPHABET = 'ab01[]=, .\n\t-_:\'"\\{}\x00\u00e9\u2028\ud800\U0001f600'


def _grammar_like(rng):
  clauses = []
  for _ in range(rng.randrange(4)):
    name = rng.choice(list(DEFAULTS) + ['nope', 'rat', 'ignored', 'n.x'])
    if rng.random() < .15:
      name += '[%s]' % rng.choice(['0', '1', '5', ' 0 ', '-1', '', 'a'])
    if rng.random() < .4:
      value = '[%s]' % rng.choice([',', ' ', ', ']).join(
          rng.choice(_PIECES) for _ in range(rng.randrange(4)))
    else:
      value = rng.choice(_PIECES)
    clauses.append(name + rng.choice(['=', '=', '=', ' = ', '', '==']) + value)
  return rng.choice(_GLUE[:3] if rng.random() < .8 else _GLUE).join(clauses)


def _mutated(rng):
  text = list(_grammar_like(rng))
  for _ in range(rng.randrange(1, 4)):
    at = rng.randrange(len(text) + 1)
    text[at:at + rng.randrange(3)] = rng.choice(_ALPHABET) if rng.random() < .7 else ''
  return ''.join(text)


def _noise(rng):
  return ''.join(
      rng.choice(_ALPHABET) if rng.random() < .8 else chr(rng.randrange(0x110000))
      for _ in range(rng.randrange(12)))


def generate(seed, cases):
  """Yields strings of three kinds, the same ones for the same seed."""
  rng = random.Random(seed)
  for i in range(cases):
    yield (_grammar_like, _mutated, _noise)[i % 3](rng)


def same(a, b):
  """Equality in which a NaN equals itself, and no bool equals a number."""
  return repr(a) == repr(b)


def test_only_value_errors_and_round_trips():
  accepted = 0
  start = HParams(**DEFAULTS)
  for text in generate(1, CASES):
    hparams = start.copy()
    try:
      hparams.parse(text)
    except ValueError as e:
      message = str(e)
      assert isinstance(e, errors.PruningError), repr(text)
      assert message.isprintable() and 'character ' in message, (text, message)
      assert same(hparams.values(), start.values()), repr(text)
      continue
    accepted += 1
    values = hparams.values()
    for name, value in values.items():
      kind = type(DEFAULTS[name])
      assert type(value) is kind, repr(text)
      if kind is list:
        assert all(type(v) is type(DEFAULTS[name][0]) for v in value), repr(text)
    # An index assignment can put text into a list that no list can say.
    if any(c in v for v in values['maps'] for c in ' ]'):
      assert 'maps[' in text, repr(text)
      continue
    again = start.copy().parse(str(hparams)).values()
    assert same(again, values), 'no round trip: %r became %r' % (text, str(hparams))
  # Were nearly nothing accepted, the round trips would show nothing.
  assert accepted > CASES / 10


def test_an_accepted_clause_does_not_depend_on_its_neighbours():
  types = {name: type(v[0] if isinstance(v, list) else v) for name, v in DEFAULTS.items()}
  checked = 0
  for text in generate(2, 20000):
    try:
      alone = parse_values(text, types)
    except ValueError:
      continue
    if not alone:
      continue
    types['extra'] = int
    both = parse_values('extra=1, %s,' % text.rstrip(', \n\t'), types)
    assert both.pop('extra') == 1
    if not text[-1:].isspace() and not text.endswith(','):
      assert same(both, alone), repr(text)
      checked += 1
  assert checked > 300


_WORD = st.text(st.characters(blacklist_characters=', []', blacklist_categories=('Cs',)),
                min_size=0, max_size=8).filter(lambda s: s != "''" and s == s.strip())


@hypothesis.settings(max_examples=400, deadline=None)
@hypothesis.given(
    name=_WORD, steps=st.integers(), rate=st.floats(), tpu=st.booleans(),
    maps=st.lists(_WORD, max_size=4), sizes=st.lists(st.integers(), max_size=4),
    scales=st.lists(st.floats(), max_size=4), flags=st.lists(st.booleans(), max_size=4))
def test_every_expressible_value_round_trips(**values):
  hparams = HParams(**DEFAULTS).override_from_dict(values)
  text = str(hparams)
  assert same(HParams(**DEFAULTS).parse(text).values(), hparams.values()), repr(text)


@hypothesis.settings(max_examples=400, deadline=None)
@hypothesis.given(st.text())
def test_any_text_parses_or_is_a_value_error(text):
  try:
    HParams(**DEFAULTS).parse(text)
  except ValueError:
    pass


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(st.text(max_size=30) | st.sampled_from(['{"steps": 1}', '{"a":', '[]']))
def test_any_json_text_parses_or_is_a_value_error(text):
  try:
    HParams(**DEFAULTS).parse_json(text)
  except ValueError:
    pass
