# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.util.tables: names from files command no terminal and no spreadsheet."""

import csv
import io

import pytest

from model_pruning.util import tables


@pytest.mark.parametrize('text, shown', [
    ('conv1/kernel', 'conv1/kernel'),
    ('größe/重み', 'größe/重み'),
    ('a\nb', r'a\nb'), ('a\r\tb', r'a\r\tb'),
    ('\x1b[2J\x1b]0;title\x07', r'\x1b[2J\x1b]0;title\x07'),
    ('a\x00\x7f\x9b31m', r'a\x00\x7f\x9b31m'),
    ('abc\u202ecba', r'abc\u202ecba'), ('\u2066x\u2069', r'\u2066x\u2069'),
    ('a\u200bb\ufeff', r'a\u200bb\ufeff'), ('a\u2028b', r'a\u2028b'), ('a\xadb', r'a\xadb'),
    ('a\u3164b\ufe0f', r'a\u3164b\ufe0f'), ('\U000e0041', r'\U000e0041'),
    ('\udcff', r'\udcff'), ('a\u00a0b', r'a\xa0b'),
])
def test_printable(text, shown):
  assert tables.printable(text) == shown


def test_tables_keep_their_lines():
  text = tables.aligned(['weight', 'n\nn'], [['a\nb\x1b[1m', '1'], ['c', '22']])
  assert text.splitlines() == [
      'weight       n\\nn', '-----------  ----', 'a\\nb\\x1b[1m     1', 'c              22']
  assert tables.elided(['a\n' * 20], 12) == [r'a\n...\na\n'] or len(
      tables.elided(['a\n' * 20], 12)[0]) <= 12


@pytest.mark.parametrize('cell', [
    '=1+1', '+A1', '-A1', '@SUM(A1)', '\t=1', '\rx', '  =1', '=cmd|"/c calc"!A1', '\uff1d1', '-1+1',
    '\n=1'])
def test_no_cell_is_a_formula(cell):
  row, = list(csv.reader(io.StringIO(tables.as_csv([cell], []), newline='')))
  assert row == ["'" + cell]


@pytest.mark.parametrize('cell, text', [
    (-1.5, '-1.5'), ('-3', '-3'), ('-1e-05', '-1e-05'), (None, ''), ('a=b', 'a=b'), ('3x3', '3x3'),
    (7, '7'), ('a-b@c', 'a-b@c')])
def test_other_cells_stay(cell, text):
  assert tables.as_csv(['h'], [[cell]]) == 'h\n%s\n' % (text or '""')


def test_shortened_names_stay_different():
  names = ['a' * 20 + 'x%03d' % index + 'b' * 20 for index in range(300)]
  for width in (8, 12, 20):
    found = tables.elided(names, width)
    assert len(set(found)) == 300 and max(map(len, found)) <= width
  assert tables.elided(['x' * 30, 'x' * 30], 12) == ['xxx...xxxxxx'] * 2  # One name twice.


def test_long_names_lose_the_scope_that_all_have_in_common_if_that_is_enough():
  names = ['model/stem/kernel', 'model/block/convolution/kernel', 'total']
  assert tables.elided(names, 30) == names
  assert tables.elided(names, 28) == ['.../stem/kernel', '.../block/convolution/kernel', 'total']
  assert tables.elided(names, 26)[0] == 'model/stem/kernel'  # It is not enough.
  assert tables.elided(['net/block/convolution/kernel'], 27) == ['net/bloc...nvolution/kernel']
  # Names that would be the same keep their scope.
  assert len(set(tables.elided(['n/a' * 9 + '/k', '...' + 'n/a' * 9 + '/k'], 26))) == 2


def test_fitted_tables():
  headers = ['weight'] + ['column_%d' % index for index in range(8)]
  rows = [['encoder/layer_%d/self_attention/query/kernel' % index] + ['%d' % index] * 8
          for index in range(3)]
  for width in (60, 80, 120):
    text = tables.fitted(headers, rows, width)
    assert max(map(len, text.splitlines())) <= width
    assert all(header in text for header in headers)
    assert text.count('\n\n') == {60: 2, 80: 1, 120: 0}[width]
    first_words = [line.split()[0] for line in text.splitlines() if 'kernel ' in line]
    assert len(set(first_words)) == 3
  halves = tables.fitted(headers, rows, 80, split=3).split('\n\n')
  assert [half.split('\n')[0].split() for half in halves] == [
      headers[:3], headers[:1] + headers[3:]]
