# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Every test runs somewhere in CI, or says that it does not."""

import os
import re
import subprocess
import sys
import types

import pytest

from tests import legs
from tests.paths import ROOT
from tools import count_tests

HERE = os.path.join(ROOT, 'tests')
PAIRS = legs.product('abc', '12345')


class _Item:
  """What of a test of pytest's is looked at."""

  def __init__(self, path, *marks):
    self.fspath, self.nodeid = os.path.join(HERE, path), path
    self._marks = marks

  def iter_markers(self, name):
    assert name == 'legs'
    return [mark.mark for mark in self._marks]


def kept(cases):
  """Returns the values of the cases without a mark."""
  return [case for case in cases if not getattr(case, 'marks', ())]


@pytest.mark.parametrize('path', sorted(legs.FILES))
def test_files_with_legs_of_their_own_are_there(path):
  assert os.path.isfile(os.path.join(HERE, path))
  assert legs.FILES[path] and set(legs.FILES[path]) < set(legs.NAMES)


def test_by_default_a_test_runs_everywhere():
  assert legs.of_item(_Item('test_spec.py'), HERE) == set(legs.NAMES)


def test_a_test_runs_where_its_file_and_all_of_its_marks_say():
  mark = pytest.mark.legs
  assert legs.of_item(_Item('test_spec.py', mark('oldest', 'newest'), mark('newest')), HERE) == {
      'newest'}
  assert legs.of_item(_Item('hparams/test_flags.py', mark('oldest', 'newest')), HERE) == {'oldest'}
  assert legs.of_item(_Item(os.path.join('keras', 'test_loops.py')), HERE) == {'default', 'newest'}
  assert legs.of_item(_Item('test_spec.py', mark()), HERE) == set()


def test_a_leg_that_there_is_not_is_refused():
  with pytest.raises(AssertionError, match='test_spec.py: no such legs.*tf2.15'):
    legs.of_item(_Item('test_spec.py', pytest.mark.legs('tf2.15', 'newest')), HERE)


@pytest.mark.parametrize('number', [5, 6, 9, 14])
def test_few_tuples_have_every_value_as_often_as_they_can(number):
  found = kept(legs.few(PAIRS, number))
  assert len(found) == number and found == [each for each in PAIRS if each in found]
  assert {one for one, _ in found} == set('abc') and {other for _, other in found} == set('12345')
  uses = [sum(other == value for _, other in found) for value in '12345']
  assert max(uses) - min(uses) <= 1


def test_few_tuples_have_many_pairs():
  found = kept(legs.few(legs.product('ab', 'cd', 'ef'), 4))
  assert len({pair for one, two, three in found
              for pair in ((one, two), (one, three), (two, three))}) >= 10  # Of 12.


def test_few_single_values_are_spread_evenly():
  assert kept(legs.few(range(10), 4)) == [0, 3, 6, 9]
  assert kept(legs.few(['a'], 1)) == ['a']
  assert kept(legs.few([False, True], 1)) == [False]


def test_the_rest_is_marked_in_its_place_and_keeps_its_marks():
  cases = ['a', pytest.param('b', marks=pytest.mark.slow, id='B'), 'c']
  first, second, third = legs.few(cases, 1, 'oldest', 'newest')
  assert first == 'a' and second.values == ('b',) and second.id == 'B'
  assert [mark.name for mark in second.marks] == ['slow', 'legs']
  assert third.values == ('c',) and third.marks[0].args == ('oldest', 'newest')
  assert legs.few(cases, 2)[1].marks[-1].args == ()


@pytest.mark.parametrize('number', [0, 4])
def test_more_than_there_are_is_an_error(number):
  with pytest.raises(ValueError, match='number=%d of 3' % number):
    legs.few('abc', number)


def test_pytest_runs_without_xdist():
  done = subprocess.run(
      [sys.executable, '-m', 'pytest', '-p', 'no:xdist', '-q', __file__, '-k', 'by_default'],
      cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
  assert done.returncode == 0, done.stdout
  assert '1 passed' in done.stdout and re.search(r'peak memory: tests \d+ MiB', done.stdout)


def test_marks_are_registered_with_or_without_plugins():
  with open(os.path.join(ROOT, 'pyproject.toml')) as file:
    registered = set(re.findall(r'^  "(\w+)[(:]', file.read(), re.MULTILINE))
  own = {'filterwarnings', 'parametrize', 'skip', 'skipif', 'usefixtures', 'xfail'}
  used = set()
  for folder, _, names in os.walk(HERE):
    for name in names:
      if name.endswith('.py'):
        with open(os.path.join(folder, name), encoding='utf-8') as file:
          used |= set(re.findall(r'pytest\.mark\.(\w+)', file.read()))
  assert {'legs', 'slow', 'xdist_group'} <= used
  assert used - own <= registered


def test_each_test_is_in_one_shard_with_all_others_of_its_file(monkeypatch):
  from tests import conftest
  dropped, kept = [], []
  config = types.SimpleNamespace(hook=types.SimpleNamespace(
      pytest_deselected=lambda items: dropped.extend(items)))
  for shard in ('1/3', '2/3', '3/3'):
    items = [types.SimpleNamespace(fspath='test_%s.py' % name, number=number)
             for name in 'abcde' for number in range(2)]
    monkeypatch.setenv('MODEL_PRUNING_SHARD', shard)
    conftest._keep_shard(config, items)
    assert 'MODEL_PRUNING_SHARD' not in os.environ  # For processes that tests start.
    kept.append({item.fspath for item in items})
    assert len(items) == 2 * len(kept[-1]) and len(items) + len(dropped) == 10
    dropped.clear()
  assert sorted(sum(map(sorted, kept), [])) == ['test_%s.py' % name for name in 'abcde']


@pytest.mark.parametrize('counts, status', [(['3', '0'], 0), (['0', '0'], 1)])
def test_the_shards_of_a_run_are_counted_together(tmp_path, counts, status):
  paths = []
  for shard, count in enumerate(counts, 1):
    paths.append(str(tmp_path / ('test-tf2.15-shard%d.xml' % shard)))
    with open(paths[-1], 'w') as file:
      file.write('<testsuites><testsuite tests="%s" skipped="0"/></testsuites>' % count)
  assert count_tests.main(paths) == status
