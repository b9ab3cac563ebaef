# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Regular expressions mean what Python's re says, and never take forever."""

import os
import random
import re
import time

import pytest

from model_pruning import errors
from model_pruning.hparams import expressions
from model_pruning.hparams import maps
from model_pruning.hparams.spec import PruningSpec

_CASES = 1000 * int(os.environ.get('MODEL_PRUNING_SOAK', 1))


def _random_pattern(rng, depth):
  choice = rng.random()
  if depth == 0 or choice < 0.3:
    return rng.choice(['a', 'b', '/', '.', '[ab]', '[^a]', r'\d', r'\W', '1', '[0-9_]', '^', '$',
                       r'\b', r'\B', 'A', '(?:)', r'\Z'])
  if choice < 0.5:
    return _random_pattern(rng, depth - 1) + _random_pattern(rng, depth - 1)
  if choice < 0.65:
    return '(%s|%s)' % (_random_pattern(rng, depth - 1), _random_pattern(rng, depth - 1))
  return '(?:%s)%s' % (_random_pattern(rng, depth - 1), rng.choice(
      ['', '*', '+', '?', '{2}', '{1,3}', '{0,2}', '*?', '+?', '{2,}']))


def test_any_expression_matches_what_re_matches():
  rng = random.Random(0)
  automata = 0
  for _ in range(_CASES):
    pattern = rng.choice(['', '(?i)']) + _random_pattern(rng, 4)
    try:
      expected = re.compile(pattern)
    except re.error:  # A repetition of nothing, in some versions of Python.
      continue
    expression = expressions.Expression(pattern)
    automata += expression._automaton is not None
    for _ in range(5):
      text = ''.join(rng.choice('abAB/1 \n') for _ in range(rng.randint(0, 6)))
      assert expression.search(text) == (expected.search(text) is not None), (pattern, text)
      assert expression.match(text) == (expected.match(text) is not None), (pattern, text)
  assert automata > _CASES / 20  # Both ways were taken.


@pytest.mark.parametrize('pattern', [
    '(a+)+$', '(a|a)*b', '(.*)*x', r'(\w+\s?)*$', '(a*)*b', '.*.*.*.*.*.*.*.*x',
    '([a-z]+)*[0-9]', '(a|aa)+$', '(?:a?){30}a{30}b', '(((((a+){2}){2}){2}){2}){2}b'])
def test_expressions_that_backtrack_for_ever_are_bounded(pattern):
  begin = time.time()
  expressions.Expression(pattern).search('a' * 300 + '!')
  assert time.time() - begin < 5


@pytest.mark.parametrize('pattern', [
    'conv[0-9]', 'net/(conv1|fc).*', '.*/kernel$', '^(?!logits).*kernel', '(block[0-9]+/)+kernel',
    r'(conv)/\1', '(?i)CONV', 'a{2,5}', r'(conv).*/.*/.*\1'])
def test_expressions_that_users_write_are_taken(pattern):
  expressions.Expression(pattern)


@pytest.mark.parametrize('pattern', [
    '[', '(', '*a', 'w{99999999999}', '(' * 5000 + 'w' + ')' * 5000, '(a{1000}){1000}',
    r'(a+)+\1', '(?P<n>a)(?P<n>b)'])
@pytest.mark.parametrize('hparam', ['weight_sparsity_map=[%s:0.5]', 'block_dims_map=[%s:4x1]',
                                    'group_pruning=true,group_sparsity_map=[%s:0.5]'])
def test_expressions_that_cannot_be_used_are_errors_of_one_line(pattern, hparam):
  if ']' in pattern or '[' in pattern:
    pytest.skip('the grammar of the strings has no form for it')
  with pytest.raises(errors.MapError) as caught:
    PruningSpec.create(hparam % pattern)
  assert len(str(caught.value)) < 1500 and '\n' not in str(caught.value)
  with pytest.raises(errors.MapError, match='include'):
    maps.expression('include', pattern)
