# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Every test runs somewhere in CI, or says that it does not."""

import os
import pathlib
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


def test_marks_that_leave_no_leg_are_refused():
  item = _Item('hparams/test_flags.py', pytest.mark.legs('newest'))
  with pytest.raises(AssertionError, match='test_flags.py: its marks and FILES leave it no leg'):
    legs.of_item(item, HERE)
  item = _Item('hparams/test_flags.py', pytest.mark.legs('newest'), pytest.mark.legs())
  assert legs.of_item(item, HERE) == set()


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


@pytest.mark.legs()
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


def _collected(monkeypatch, names, shard='', mark=''):
  """Returns the paths of the files that a process imports, relative to the folder of tests."""
  from tests import conftest
  monkeypatch.setenv('MODEL_PRUNING_LEGS', names)
  monkeypatch.setenv('MODEL_PRUNING_SHARD', shard)
  config = types.SimpleNamespace(getoption=lambda name, default: mark)
  return sorted(os.path.relpath(path, HERE) for path in conftest._files('')
                if not conftest.pytest_ignore_collect(pathlib.Path(path), config))


def test_each_file_is_in_one_shard(monkeypatch):
  shards = [_collected(monkeypatch, 'newest', shard) for shard in ('1/3', '2/3', '3/3')]
  assert sorted(sum(shards, [])) == _collected(monkeypatch, 'newest')
  assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_processes_that_tests_start_have_no_shard(monkeypatch):
  from tests import conftest
  monkeypatch.setenv('MODEL_PRUNING_SHARD', '1/3')
  monkeypatch.delenv('MODEL_PRUNING_LEGS', raising=False)
  conftest.pytest_collection_modifyitems(None, [])
  assert 'MODEL_PRUNING_SHARD' not in os.environ


def test_files_of_other_legs_are_not_imported(monkeypatch):
  on_newest, everywhere = _collected(monkeypatch, 'newest'), _collected(monkeypatch, '')
  assert set(everywhere) - set(on_newest) == {
      os.path.join(*path.split('/')) for path, names in legs.FILES.items() if 'newest' not in names}


@pytest.mark.parametrize('mark', ['slow', 'long', 'legacy_keras'])
def test_files_without_the_mark_are_not_imported(monkeypatch, mark):
  with_mark = _collected(monkeypatch, '', mark=mark)
  for path in _collected(monkeypatch, ''):
    with open(os.path.join(HERE, path), encoding='utf-8') as file:
      assert (path in with_mark) == ('pytest.mark.%s' % mark in file.read())
  # And no other file gives the mark to tests.
  for folder, _, names in os.walk(HERE):
    for name in names:
      if name.endswith('.py') and not name.startswith('test_'):
        with open(os.path.join(folder, name), encoding='utf-8') as file:
          assert 'mark.%s' % mark not in file.read(), name


@pytest.mark.parametrize('counts, status', [(['3', '0'], 0), (['0', '0'], 1)])
def test_the_shards_of_a_run_are_counted_together(tmp_path, counts, status):
  paths = []
  for shard, count in enumerate(counts, 1):
    paths.append(str(tmp_path / ('test-tf2.15-shard%d.xml' % shard)))
    with open(paths[-1], 'w') as file:
      file.write('<testsuites><testsuite tests="%s" skipped="0"/></testsuites>' % count)
  assert count_tests.main(paths) == status


# ---- Cases that are divided among legs. ----


def _divided(cases, number=2, fixed=()):
  names = list(legs.NAMES[:number])
  fixed = {name: list(fixed) if name == names[-1] else [] for name in names}
  free = [index for index in range(len(cases)) if index not in fixed[names[-1]]]
  return list(legs.shared(cases, free, fixed, names).values())


@pytest.mark.parametrize('number', [2, 3])
@pytest.mark.parametrize('cases', [
    [(value,) for value in 'abcdefg'], PAIRS, legs.product('ab', 'cd', 'ef'),
    [('a', 1), ('b', 2), ('c', 3)]], ids=len)
def test_each_case_is_on_a_leg_and_each_value_on_all(cases, number):
  found = _divided(cases, number)
  assert set().union(*found) == set(range(len(cases)))
  assert max(map(len, found)) <= len(cases) / number + (1 if cases != PAIRS else 2)
  for place in range(len(cases[0])):
    values = [case[place] for case in cases]
    for value in set(values):
      if values.count(value) > 1:
        assert all(any(cases[index][place] == value for index in share) for share in found)


def test_cases_of_one_value_each_are_divided_evenly():
  first, second = _divided([(value,) for value in 'abcde'])
  assert (first, second) == ([0, 4], [1, 2, 3])


def test_a_leg_that_has_cases_already_gets_fewer():
  assert _divided([(value,) for value in 'abcdef'], fixed=[2, 3, 4, 5]) == [[0, 1], []]


class _Case(_Item):
  """A case of a parametrized test."""

  def __init__(self, path, *marks, **params):
    super().__init__(path, *marks)
    self.nodeid = path + '::test_it[%s]' % '-'.join(map(str, params.values()))
    self.callspec = types.SimpleNamespace(params=params)
    self.names = [pytest.mark.parametrize(','.join(params), []).mark]

  def iter_markers(self, name):
    return [mark.mark for mark in self._marks if mark.name == name] or (
        self.names if name == 'parametrize' else [])

  def get_closest_marker(self, name):
    return next((mark.mark for mark in self._marks if mark.name == name), None)

  def add_marker(self, mark, append=True):
    self._marks = self._marks + (mark,) if append else (mark,) + self._marks


@pytest.mark.parametrize('path, own', [
    ('keras/test_loops.py', {'default', 'newest'}),
    ('keras/test_prune.py', {'default', 'newest', 'tf_keras'}),
    ('graph/test_products.py', {'default', 'oldest', 'newest'}),
    ('graph/test_updates.py', {'default', 'oldest'})])
def test_cases_of_files_that_share_run_on_some_of_these_legs_and_on_all_others(path, own):
  items = [_Case(path, case=case) for case in range(6)]
  before = legs.of_item(items[0], HERE)
  legs.share_out(items, HERE)
  found = [legs.of_item(item, HERE) for item in items]
  assert all(before - own <= each < before for each in found)
  assert {leg: sum(leg in each for each in found) for leg in own} == dict.fromkeys(
      own, 6 // len(own))


def test_a_test_without_cases_runs_on_one_of_the_legs_and_on_all_others():
  found = []
  for name in 'abcdefgh':
    item = _Case('graph/test_products.py')
    item.nodeid = 'graph/test_products.py::test_' + name
    legs.share_out([item], HERE)
    found.append(legs.of_item(item, HERE))
  assert {frozenset(each) for each in found} == {
      frozenset([leg, 'tf_keras']) for leg in ('default', 'oldest', 'newest')}


def test_slow_tests_are_shared_by_legs_that_run_them():
  items = [_Case('keras/test_saving.py', pytest.mark.slow, case=case) for case in range(6)]
  legs.share_out(items, HERE)
  found = [legs.of_item(item, HERE) & {'newest', 'tf_keras'} for item in items]
  assert sorted(map(sorted, found)) == [['newest']] * 3 + [['tf_keras']] * 3


def test_cases_that_are_slow_or_skipped_or_have_legs_of_their_own_are_not_shared():
  path = 'keras/test_loops.py'
  slow = [_Case(path, pytest.mark.slow, case=case) for case in range(6)]
  skipped = [_Case(path, pytest.mark.skipif(True, reason=''), case=case) for case in range(6)]
  on_one = [_Case(path, pytest.mark.legs('newest'), case=case) for case in range(6)]
  of_fixture = [_Case(path, case=case) for case in (False, True)]
  for item in of_fixture:
    item.names = []
  elsewhere = [_Case('hparams/test_spec.py', case=case) for case in range(6)]
  for items in (slow, skipped, on_one, of_fixture, elsewhere):
    before = [legs.of_item(item, HERE) for item in items]
    legs.share_out(items, HERE)
    assert [legs.of_item(item, HERE) for item in items] == before


def _sampled(cases, number, **marks):
  """Returns which of the cases stay, after those that run in test-all only."""
  items = [_Case('hparams/test_spec.py', pytest.mark.sampled(number), *marks.get(str(index), ()),
                 **case) for index, case in enumerate(cases)]
  legs.sample(items)
  return [index for index, item in enumerate(items) if legs.of_item(item, HERE)]


def test_a_sample_has_each_value_and_many_pairs():
  cases = [dict(first=one, second=other) for one, other in PAIRS]
  found = _sampled(cases, 6)
  assert len(found) == 6
  assert {cases[index]['first'] for index in found} == set('abc')
  assert {cases[index]['second'] for index in found} == set('12345')


def test_cases_of_which_each_is_the_only_one_are_sampled_from_end_to_end():
  assert _sampled([{'case': value} for value in 'abcdefg'], 3) == [0, 3, 6]


def test_a_sample_leaves_out_what_runs_nowhere_and_keeps_legs():
  marks = {'0': [pytest.mark.legs()], '2': [pytest.mark.legs('newest')]}
  assert _sampled([{'case': value} for value in 'abcde'], 2, **marks) == [1, 4]
  items = [_Case('graph/test_products.py', pytest.mark.sampled(2), case=case) for case in range(6)]
  legs.sample(items)
  legs.share_out(items, HERE)  # What is left out is on no leg then, either.
  assert [index for index, item in enumerate(items) if legs.of_item(item, HERE)] == [0, 5]


@pytest.mark.parametrize('number', [0, 3, 4])
def test_a_sample_of_all_cases_is_an_error(number):
  with pytest.raises(ValueError, match=r'sampled\(%d\) of 3 cases' % number):
    _sampled([{'case': value} for value in 'abc'], number)


@pytest.mark.parametrize('path', sorted(legs.SHARED))
def test_files_that_share_run_on_these_legs(path):
  assert os.path.isfile(os.path.join(HERE, path))
  assert len(legs.SHARED[path]) > 1
  assert set(legs.SHARED[path]) <= legs.of_file(os.path.join(HERE, path), HERE)
  if 'tf_keras' in legs.SHARED[path]:  # Which runs only tests with that mark.
    with open(os.path.join(HERE, path), encoding='utf-8') as file:
      assert re.search(r'^pytestmark = .*legacy_keras', file.read(), re.MULTILINE)


def test_a_part_of_a_test_has_the_legs_that_all_of_it_has():
  words = ['-q', '--collect-only', '-p', 'no:cacheprovider']
  name = '%s::test_few_tuples_have_every_value_as_often_as_they_can' % __file__
  program = ('import sys, pytest; from tests import legs; '
             'legs.SHARED = {"repository/test_legs.py": ("default", "newest")}; '
             'legs.FILES = {}; sys.exit(pytest.main(sys.argv[1:]))')
  outputs = [subprocess.run(
      [sys.executable, '-c', program, *words, name + case], cwd=ROOT, stdout=subprocess.PIPE,
      universal_newlines=True, env=dict(os.environ, MODEL_PRUNING_LEGS='newest')).stdout
             for case in ('', '[5]', '[6]', '[9]', '[14]')]
  assert sorted(re.findall(r'can\[\d+\]', outputs[0])) == sorted(
      each for output in outputs[1:] for each in re.findall(r'can\[\d+\]', output))
  assert len(re.findall(r'can\[\d+\]', outputs[0])) == 2
