# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""The faults that tools/mutants.py plants: which, where, and which of them tests notice."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

if sys.version_info < (3, 8):
  pytest.skip('syntax trees of Python 3.7 have no ends', allow_module_level=True)

from tests.paths import ROOT
from tools import mutant_edits
from tools import mutants


def found(text, module='file'):
  return mutant_edits.mutants_of(textwrap.dedent(text).encode(), module)


def edits(text, kind=None):
  """Returns the changed lines of a text of one line, for the mutants of a kind."""
  source = text.encode()
  return [each.applied(source).decode() for each in found(text) if kind in (None, each.kind)]


@pytest.mark.parametrize('kind, text, expected', [
    ('comparison', 'a < b', ['a <= b']),
    ('comparison', '(a) >= (b)', ['(a) > (b)']),
    ('comparison', 'a is not None', ['a is None']),
    ('comparison', 'a not in b', ['a in b']),
    ('comparison', 'x == a < b', ['x != a < b', 'x == a <= b']),
    ('comparison', 'a_in in b', ['a_in not in b']),
    ('off_by_one', 'shape[-1]', ['shape[-2]']),
    ('off_by_one', 'shape[:2]', ['shape[:3]']),
    ('off_by_one', 'range(n)', ['range(n + 1)']),
    ('off_by_one', 'True', []),
    ('dropped_not', 'not a and b', ['(a) and b']),
    ('dropped_not', 'f(not (a or b))', ['f((a or b))']),
    ('swapped_arguments', 'f(a, g(b), c)', ['f(g(b), a, c)']),
    ('swapped_arguments', 'f(a, a)', []),
    ('swapped_arguments', 'f(*a, b)', []),
    ('swapped_arguments', 'tf.maximum(a, b)', []),
    ('arithmetic', 'a + b - c', ['a - b - c', 'a + b + c']),
    ('arithmetic', 'a * b // c', ['a // b // c', 'a * b * c']),
    ('arithmetic', 'a += b', ['a -= b']),
    ('arithmetic', "a + 'text'", []),
    ('arithmetic', '[a] + b', []),
])
def test_kinds(kind, text, expected):
  assert edits(text, kind) == expected


@pytest.mark.parametrize('text', [
    '"""a < b: 1"""', '# a < b', 'raise E("%d" % (a + 1))', "logging.warning('%d', a + 1)",
    "'%d' % (a + 1)", "f'{a + 1}'", "__all__ = ['a'] * 2", 'x: Tuple[1]',
    'def f(x: a[1]) -> b[2]: pass', '@cache(maxsize=8)\ndef f(): pass',
    'class A:\n  def __repr__(self): return a + b'])
def test_what_changes_no_result_is_left_alone(text):
  assert found(text) == []


def test_faults_that_stand_beyond_letters_of_several_bytes_or_lines():
  assert edits("'é', a < b") == ["'é', a <= b"]
  assert edits('(a  # < \n < b)') == ['(a  # < \n <= b)']
  assert edits('f(a,\n  b)') == ['f(b,\n  a)']


FUNCTIONS = '''
class Big:
  def inner(self):
    return a < b and c < d


def other():
  return a - b
'''


def test_a_name_has_the_module_the_function_the_kind_and_a_count():
  assert [each.name for each in found(FUNCTIONS)] == [
      'file:Big.inner:comparison:0', 'file:Big.inner:comparison:1', 'file:other:arithmetic:0']


@pytest.mark.parametrize('path', ['model_pruning/ties.py', 'model_pruning/engine/ties.py'])
def test_names_do_not_say_the_folder(path):
  assert mutants.module_name(path) == 'ties'


def test_a_package_is_named_by_its_folder():
  assert mutants.module_name('model_pruning/schedules/__init__.py') == 'schedules'


def test_the_choice_depends_on_the_seed_and_on_names_alone():
  before, after = found(FUNCTIONS), found('"""Docs."""\nimport x\n\n\n' + FUNCTIONS)
  for seed in range(5):
    assert [each.name for each in mutant_edits.chosen(before, 2, seed)] == [
        each.name for each in mutant_edits.chosen(after[::-1], 2, seed)]
  assert len({tuple(each.name for each in mutant_edits.chosen(before, 3, seed))
              for seed in range(20)}) > 1


def test_more_faults_elsewhere_only_make_room():
  few, many = found(FUNCTIONS), found(FUNCTIONS + 'def third():\n  return 1 < 2 + 3\n')
  kept = [each.name for each in mutant_edits.chosen(many, 5, 0)]
  old = [each.name for each in mutant_edits.chosen(few, 5, 0)]
  assert [name for name in kept if 'third' not in name] == [name for name in old if name in kept]


SUBJECTS = mutants.subjects(ROOT)


@pytest.mark.sampled(3)
@pytest.mark.parametrize('subject', SUBJECTS, ids=lambda subject: subject.path)
def test_every_fault_in_the_package_leaves_python(subject):
  with open(os.path.join(ROOT, subject.path), 'rb') as file:
    source = file.read()
  for mutant in mutant_edits.mutants_of(source, mutants.module_name(subject.path)):
    assert source[mutant.start:mutant.end].decode() == mutant.before
    compile(mutant.applied(source), subject.path, 'exec')


def test_the_subjects_have_tests_that_are_there():
  assert len(SUBJECTS) >= 15
  for subject in SUBJECTS:
    assert subject.tests and all(os.path.isfile(os.path.join(ROOT, each)) for each in subject.tests)


def test_a_path_that_is_not_there_is_refused():
  with pytest.raises(ValueError, match='nothing.py: no such file'):
    mutants.subjects(ROOT, ['model_pruning/nothing.py'])


PACKAGE = {
    'model_pruning/__init__.py': '',
    'model_pruning/engine/__init__.py': '',
    'model_pruning/engine/half.py': '''
        def is_low(value):
          return value < 5

        def count_down(value):
          while value > 0:
            value -= 1
          return value

        def untested(value):
          return not value
        ''',
    'tests/engine/test_half.py': '''
        import os
        from model_pruning.engine import half

        def test_is_low():
          assert os.environ['MODEL_PRUNING_LEGS'] == 'newest'
          assert half.is_low(4) and not half.is_low(5)

        def test_count_down():
          assert half.count_down(3) == 0
        ''',
    'pyproject.toml': '''
        [tool.pytest.ini_options]
        addopts = ["--import-mode=importlib"]
        pythonpath = ["."]
        ''',
}


@pytest.fixture
def checkout(tmp_path):
  for path, text in PACKAGE.items():
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(textwrap.dedent(text))
  return tmp_path


def run(checkout, *words):
  return subprocess.run(
      [sys.executable, '-m', 'tools.mutants', '--root', str(checkout), '--preload=',
       '--legs=newest', '--timeout=4', '--json', str(checkout / 'table.json'), *words],
      cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
      timeout=120)


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_faults_are_killed_survive_or_take_too_long(checkout):
  done = run(checkout, 'model_pruning/engine')
  assert done.returncode == 0, done.stdout
  outcomes = {each['name']: each['outcome']
              for each in json.loads((checkout / 'table.json').read_text())}
  assert outcomes == {
      'half:is_low:comparison:0': 'killed', 'half:is_low:off_by_one:0': 'killed',
      'half:count_down:comparison:0': 'killed', 'half:count_down:off_by_one:0': 'killed',
      'half:count_down:arithmetic:0': 'timed out', 'half:count_down:off_by_one:1': 'killed',
      'half:untested:dropped_not:0': 'survived'}
  assert '5 killed, 1 timed out, 1 survived' in done.stdout
  # The checkout is as it was.
  for path, text in PACKAGE.items():
    assert (checkout / path).read_text() == textwrap.dedent(text)


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_tests_that_fail_without_a_fault_are_said_first(checkout):
  (checkout / 'tests/engine/test_half.py').write_text('def test_it():\n  assert False\n')
  done = run(checkout, 'model_pruning/engine')
  assert done.returncode == 1
  assert 'test_half.py, without a mutant: killed: tests/engine/test_half.py::test_it' in done.stdout
  assert not (checkout / 'table.json').exists()
