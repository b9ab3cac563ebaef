# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.hparams.hparam."""

import copy
import json
import os
import pickle
import subprocess
import sys
import time
from unittest import mock

import numpy as np
import pytest

from model_pruning import errors
from model_pruning.hparams import hparam
from model_pruning.hparams.hparam import HParams
from tests.paths import ROOT


def _make():
  return HParams(name='model_pruning', steps=10, rate=0.5, tpu=False, maps=[''], sizes=[1, 2],
                 scales=[0.5], flags=[True, False])


# What each string sets; everything else stays as it was.
ACCEPTED = [
    ('', {}),
    ('steps=3', {'steps': 3}),
    ('steps=-12', {'steps': -12}),
    ('steps= 3 ', {'steps': 3}),
    ('steps = 3', {'steps': 3}),
    ('steps=3,', {'steps': 3}),
    ('steps=3, ', {'steps': 3}),
    ('steps=3 , rate=1', {'steps': 3, 'rate': 1.0}),
    ('steps=3,\n  rate=1', {'steps': 3, 'rate': 1.0}),
    ('rate=-.54e89', {'rate': -.54e89}),
    ('rate=inf', {'rate': float('inf')}),
    ('tpu=true', {'tpu': True}),
    ('tpu=True', {'tpu': True}),
    ('tpu=false', {'tpu': False}),
    ('tpu=1', {'tpu': True}),
    ('tpu=0', {'tpu': False}),
    ('tpu=-7', {'tpu': True}),
    ('name=', {'name': ''}),
    ('name=,steps=1', {'name': '', 'steps': 1}),
    ('name=a=b:c/d', {'name': 'a=b:c/d'}),
    ('name=a]', {'name': 'a]'}),
    ('name=foo bar', {'name': 'foo bar'}),
    ('name=foo ,steps=1', {'name': 'foo ', 'steps': 1}),
    ('maps=[]', {'maps': []}),
    ("maps=['']", {'maps': ['']}),
    ("maps=['',a]", {'maps': ['', 'a']}),
    ('maps=[conv1:0.8,fc.*:0.95]', {'maps': ['conv1:0.8', 'fc.*:0.95']}),
    ('maps=[a b,,c, d]', {'maps': ['a', 'b', 'c', 'd']}),
    ('maps=[[a]', {'maps': ['[a']}),
    ('sizes=[1,2, 3],steps=4', {'sizes': [1, 2, 3], 'steps': 4}),
    ('flags=[true,0]', {'flags': [True, False]}),
    ('scales=[1,.5]', {'scales': [1.0, 0.5]}),
    ('maps[0]=a:0.5', {'maps': ['a:0.5']}),
    ("maps[0]=''", {'maps': ['']}),
    ('maps[0]=a b', {'maps': ['a b']}),
    ('sizes[1]=7', {'sizes': [1, 7]}),
    ('sizes[ 1 ] = 7,sizes[0]=6', {'sizes': [6, 7]}),
    # contrib refuses the blanks in these four.
    (' steps=3', {'steps': 3}),
    ('sizes=[3] ,steps=3', {'sizes': [3], 'steps': 3}),
    ('sizes=[3]\n', {'sizes': [3]}),
    ('tpu=true , steps=3', {'tpu': True, 'steps': 3}),
]


@pytest.mark.parametrize('text, warned', [
    ('steps=3,', True), ('steps=3, ', True), ('steps=3', False)])
def test_a_comma_at_the_end_is_warned_of(text, warned, caplog):
  """It shows that a shell has cut the argument at a blank."""
  _make().parse(text)
  assert ('end with a comma' in caplog.text) == warned


@pytest.mark.parametrize('text,changes', ACCEPTED)
def test_parse_sets_exactly_what_the_string_says(text, changes):
  hparams = _make()
  expected = dict(hparams.values(), **changes)
  assert hparams.parse(text) is hparams
  assert hparams.values() == expected
  assert [type(v) for v in hparams.values().values()] == [type(v) for v in expected.values()]


# string, class, contrib's phrase, what ours add
REFUSED = [
    ('step=3', errors.UnknownHParamError, 'Unknown hyperparameter type for step',
     ["(clause 1 at character 1: 'step=3')", '(did you mean steps?)',
      'allowed: flags, maps, name, rate, scales, sizes, steps, tpu']),
    ('steps=1, rat=3', errors.UnknownHParamError, 'Unknown hyperparameter type for rat',
     ["(clause 2 at character 10: 'rat=3')", 'did you mean rate?']),
    ('steps=1.0', errors.HParamTypeError,
     "Could not parse hparam 'steps' of type 'int' with value '1.0' in steps=1.0",
     ["(clause 1 at character 1: 'steps=1.0')", 'a whole number']),
    ('steps=', errors.HParamTypeError, "Could not parse hparam 'steps' of type 'int'", []),
    ('rate=fast', errors.HParamTypeError,
     "Could not parse hparam 'rate' of type 'float' with value 'fast'", ['a number, for example']),
    ('tpu=yes', errors.HParamTypeError,
     "Could not parse hparam 'tpu' of type 'bool' with value 'yes'", ['true or false']),
    ('tpu=1.0', errors.HParamTypeError, "Could not parse hparam 'tpu'", []),
    ('sizes=[1,x]', errors.HParamTypeError,
     "Could not parse hparam 'sizes' of type 'int' with value '1,x' in sizes=[1,x]", []),
    ('steps=' + '9' * 5000, errors.HParamTypeError, "Could not parse hparam 'steps'", []),
    ('steps', errors.HParamSyntaxError, 'Malformed hyperparameter value: steps',
     ["(clause 1 at character 1: 'steps')", "'=' must follow the name"]),
    ('rate=1,2steps=1,steps=2', errors.HParamSyntaxError,
     'Malformed hyperparameter value: 2steps=1,steps=2',
     ["(clause 2 at character 8: '2steps=1')", 'starts with an ASCII letter',
      'name=value, name[index]=value or name=[value,value]']),
    ('rate=1,,steps=2', errors.HParamSyntaxError, 'Malformed hyperparameter value: ,steps=2', []),
    (',', errors.HParamSyntaxError, 'Malformed hyperparameter value', []),
    ('=3', errors.HParamSyntaxError, 'Malformed hyperparameter value', []),
    ('maps=conv1:0.8,fc:0.9', errors.HParamTypeError,
     'Must pass a list for multi-valued parameter: maps.', ["(clause 1 at character 1: 'maps=con"]),
    ('name=a,fc:0.9', errors.HParamSyntaxError, 'Malformed hyperparameter value: fc:0.9',
     ['brackets enclose the values of a list']),
    ('name=a[b', errors.HParamSyntaxError, 'Malformed hyperparameter value: name=a[b',
     ["cannot contain '['"]),
    ('maps=[a,b', errors.HParamSyntaxError, 'Malformed hyperparameter value: maps=[a,b',
     ["(clause 1 at character 1: 'maps=[a,b')", "not closed by ']'"]),
    ('maps=[a[0-9]:0.1]', errors.HParamSyntaxError, 'Malformed hyperparameter value',
     ["a list ends at its first ']'"]),
    ('sizes[]=1', errors.HParamSyntaxError, 'Malformed hyperparameter value: sizes[]=1',
     ['an index is digits']),
    ('sizes[-1]=1', errors.HParamSyntaxError, 'Malformed hyperparameter value', []),
    ('sizes [0]=1', errors.HParamSyntaxError, 'Malformed hyperparameter value', []),
    ('sizes[0][1]=1', errors.HParamSyntaxError, 'Malformed hyperparameter value', []),
    ('steps=1,steps=2', errors.HParamReuseError,
     "Multiple assignments to variable 'steps' in steps=1,steps=2",
     ["(clause 2 at character 9: 'steps=2')"]),
    ('sizes=[1],sizes=[2]', errors.HParamReuseError, "Multiple assignments to variable 'sizes'",
     []),
    ('sizes[1]=1,sizes[1]=2', errors.HParamReuseError,
     "Multiple assignments to variable 'sizes[1]' in", ["(clause 2 at character 12: 's"]),
    ('sizes=[1],sizes[0]=2', errors.HParamReuseError, "Multiple assignments to variable 'sizes'",
     []),
    ('sizes[0]=2,sizes=[1]', errors.HParamReuseError, "Multiple assignments to variable 'sizes'",
     []),
    ('steps=[1,2]', errors.HParamTypeError,
     'Must not pass a list for single-valued parameter: steps', ['clause 1 at character 1']),
    ('rate=1,sizes=3', errors.HParamTypeError,
     'Must pass a list for multi-valued parameter: sizes.',
     ["(clause 2 at character 8: 'sizes=3')", 'Write sizes=[value,value]']),
    ('sizes[0]=[1,2]', errors.HParamSyntaxError, 'Assignment of a list to a list index.',
     ["(clause 1 at character 1: 'sizes[0]=[1,2]')"]),
    ('steps[0]=1', errors.HParamTypeError,
     'Must not pass a list for single-valued parameter: steps', []),
    ('sizes[0]=5,sizes[2]=5', errors.HParamTypeError, 'List index out of range',
     ["'sizes' has 2 value(s)", "(clause 2 at character 12: 'sizes[2]=5')"]),
    ('sizes[%s]=5' % ('9' * 10000), errors.HParamTypeError, 'List index out of range', []),
    ('steps=\n1\nx', errors.HParamTypeError, "Could not parse hparam 'steps'", ['1\\nx']),
    (None, errors.HParamTypeError, 'parsed from a string', ['NoneType']),
    (b'steps=1', errors.HParamTypeError, 'parsed from a string', ['bytes']),
]


@pytest.mark.parametrize('text,error,phrase,parts', REFUSED)
def test_parse_refuses_with_one_line_and_changes_nothing(text, error, phrase, parts):
  hparams = _make()
  for values in (text, 'rate=7,' + text if isinstance(text, str) and 'rate' not in text else text):
    with pytest.raises(ValueError) as caught:
      hparams.parse(values)
    message = str(caught.value)
    assert type(caught.value) is error
    assert phrase.split(' in ')[0] in message
    assert len(message.splitlines()) == 1 and message.isprintable()
    assert hparams.values() == _make().values()
    if values is text:
      assert message.startswith(phrase) or text in (None, b'steps=1')
      for part in parts:
        assert part in message


def test_parse_values():
  types = {'x': int, 'l': int, 'arr': int, 'a.b': str, 'raw': bytes, 'none': type(None),
           'np': np.float32, 'flag': np.bool_}
  assert hparam.parse_values('x=5,l=[1,2],arr[1]=3', types) == {
      'x': 5, 'l': [1, 2], 'arr': {1: 3}}
  assert hparam.parse_values('a.b=c', types) == {'a.b': 'c'}
  assert hparam.parse_values('raw=c', types) == {'raw': b'c'}
  assert hparam.parse_values('np=.5', types) == {'np': np.float32(.5)}
  assert hparam.parse_values('flag=false', types) == {'flag': np.bool_(False)}
  assert hparam.parse_values('y=[1,2],x=1,z[3]=q', types, ignore_unknown=True) == {'x': 1}
  with pytest.raises(errors.UnknownHParamError, match='Unknown hyperparameter type for y'):
    hparam.parse_values('y=1', types)
  with pytest.raises(errors.HParamSyntaxError, match='Malformed'):
    hparam.parse_values('y=[1', types, ignore_unknown=True)
  with pytest.raises(errors.HParamTypeError, match="Could not parse hparam 'none'"):
    hparam.parse_values('none=1', types)


# type of the hyperparameter, value given, value stored (or None: refused)
CASTS = [
    (1, 2, 2), (1, np.int64(2), 2), (1, 2.0, None), (1, '2', None), (1, True, None),
    (1.0, 2, 2.0), (1.0, np.float32(.5), .5), (1.0, 'x', None), (1.0, True, None),
    (1.0, 1j, None), (1.0, 10 ** 400, None),
    (True, False, False), (True, 1, None), (True, 'true', None), (True, np.bool_(True), None),
    ('a', 'b', 'b'), ('a', b'b', 'b'), ('a', 1, None), ('a', None, None), ('a', b'\xff', None),
    (b'a', 'b', b'b'),
]


@pytest.mark.parametrize('default,value,stored', CASTS)
def test_casts(default, value, stored):
  for setter in (lambda h, v: h.set_hparam('x', v), lambda h, v: h.override_from_dict({'x': v})):
    hparams, many = HParams(x=default), HParams(x=[default])
    if stored is None:
      for target, given in ((hparams, value), (many, [value])):
        with pytest.raises(errors.HParamTypeError, match="Could not cast hparam 'x' of type"):
          setter(target, given)
      assert hparams.x == default
    else:
      setter(hparams, value)
      setter(many, [value])
      assert hparams.x == stored and type(hparams.x) is type(default)
      assert many.x == [stored]


def test_a_refused_cast_is_told_on_one_line():
  with pytest.raises(errors.HParamTypeError) as caught:
    HParams(x=1).set_hparam('x', np.eye(3))
  assert str(caught.value).isprintable() and 'a whole number' in str(caught.value)


def test_a_hyperparameter_that_started_as_none_takes_anything():
  hparams = HParams(x=None)
  for value in (1, 'a', (1, 2), {'a': 1}):
    hparams.set_hparam('x', value)
    assert hparams.x == value
  with pytest.raises(errors.HParamTypeError, match='Must not pass a list'):
    hparams.set_hparam('x', [1])


def test_set_hparam():
  hparams = _make()
  hparams.set_hparam('sizes', (4, 5))
  assert hparams.sizes == [4, 5]
  hparams.set_hparam('sizes', {1: 6})
  assert hparams.sizes == [4, 6]
  for value in ({2: 1}, {-1: 1}):
    with pytest.raises(errors.HParamTypeError, match='List index out of range'):
      hparams.set_hparam('sizes', value)
  for value in (3, {'0': 1}, {True: 1}, 'abc'):
    with pytest.raises(errors.HParamTypeError, match='Must pass a list'):
      hparams.set_hparam('sizes', value)
  with pytest.raises(errors.HParamTypeError, match='Must not pass a list'):
    hparams.set_hparam('steps', [1])
  for unknown in (ValueError, KeyError):
    with pytest.raises(unknown) as caught:
      hparams.set_hparam('step', 1)
    assert str(caught.value) == (
        "Unknown hyperparameter 'step' (did you mean steps?); allowed: flags, maps, name, rate, "
        'scales, sizes, steps, tpu')
  assert hparams.sizes == [4, 6]


def test_override_from_dict_is_all_or_nothing():
  hparams = _make()
  with pytest.raises(KeyError):
    hparams.override_from_dict({'steps': 99, 'nope': 1})
  with pytest.raises(errors.HParamTypeError):
    hparams.override_from_dict({'steps': 99, 'rate': 'x'})
  assert hparams == _make()
  assert hparams.override_from_dict({'steps': 99, 'maps': ['x']}) is hparams
  assert (hparams.steps, hparams.maps) == (99, ['x'])
  assert hparams.set_from_map({'steps': 1}).steps == 1


def test_json():
  hparams = _make()
  assert json.loads(hparams.to_json()) == hparams.values()
  assert hparams.to_json() == json.dumps(hparams.values())
  assert hparams.to_json(indent=2, separators=(';', '='), sort_keys=True) == json.dumps(
      hparams.values(), indent=2, separators=(';', '='), sort_keys=True)
  assert _make().parse_json('{"steps": 3, "maps": ["a", "b c"], "rate": 1}').values() == dict(
      _make().values(), steps=3, maps=['a', 'b c'], rate=1.0)


@pytest.mark.parametrize('text,error', [
    ('{"steps": 1', errors.HParamSyntaxError), ('[1]', errors.HParamSyntaxError),
    ('3', errors.HParamSyntaxError), ('[' * 100000, errors.HParamSyntaxError),
    (None, errors.HParamSyntaxError), ('{"nope": 1}', errors.UnknownHParamError),
    ('{"rate": 1, "steps": 1.5}', errors.HParamTypeError),
    ('{"rate": 1, "sizes": {"0": 1}}', errors.HParamTypeError),
])
def test_bad_json(text, error):
  hparams = _make()
  with pytest.raises(error) as caught:
    hparams.parse_json(text)
  assert type(caught.value) is error and len(str(caught.value).splitlines()) == 1
  assert hparams == _make()


def test_attributes_of_hyperparameters_are_set_unchecked():
  hparams = _make()
  hparams.steps = 'anything'
  assert hparams.get('steps') == 'anything'


@pytest.mark.parametrize('name,nearest', [
    ('stepz', 'did you mean steps?'), ('ratee', 'did you mean rate?'),
    ('Name', 'did you mean name?'), ('unrelated_attribute', 'add_hparam()')])
def test_assigning_an_attribute_that_is_no_hyperparameter_is_an_error(name, nearest):
  hparams = _make()
  with pytest.raises(errors.UnknownHParamError) as caught:
    setattr(hparams, name, 1)
  assert nearest in str(caught.value)
  assert hparams == _make() and name not in hparams.values()


def test_attributes_of_a_subclass_are_its_own():
  class Own(hparam.HParams):
    note = ''

  own = Own(steps=1)
  own.note = 'of mine'
  assert own.note == 'of mine' and own.values() == {'steps': 1}


def test_an_attribute_that_is_ignored_warns():
  hparams = _make()
  hparams.accept_and_ignore(['rank'], 'it belongs to compression')
  with mock.patch.object(hparam.logging, 'warning') as warning:
    hparams.rank = 5
  assert 'rank' in str(warning.call_args)


@pytest.mark.parametrize('function', [lambda: 0, len, dict], ids=['lambda', 'builtin', 'class'])
def test_to_json_leaves_functions_out(function):
  assert hparam.HParams(a=1, f=function, b=[2]).to_json() == '{"a": 1, "b": [2]}'


def test_get():
  hparams = _make()
  assert hparams.get('steps') == 10
  assert hparams.get('steps', 3) == 10
  assert hparams.get('rate', 3) == 0.5
  assert hparams.get('sizes', [0]) == [1, 2]
  assert hparams.get('nope') is None
  assert hparams.get('nope', 'x') == 'x'
  for key, default in (('steps', 0.5), ('steps', 'x'), ('steps', [1]), ('sizes', 1),
                       ('sizes', ['x']), ('tpu', 1)):
    with pytest.raises(errors.HParamTypeError, match="Hparam '%s' of type .* is incompatible with "
                       'default=' % key):
      hparams.get(key, default)


def test_add_and_del():
  mine = [1, 2]
  hparams = HParams(a=1)
  hparams.add_hparam('b', mine)
  hparams.add_hparam('a.b', 'dotted')
  hparams.add_hparam('t', (1.5, 2.5))
  assert hparams.parse('a.b=x,b[0]=9,t=[1]').values() == {
      'a': 1, 'b': [9, 2], 'a.b': 'x', 't': [1.0]}
  hparams.del_hparam('b')
  hparams.add_hparam('b', mine)
  mine.append(3)
  assert hparams.b == [1, 2]
  for name in ('a', 'parse', 'values'):
    with pytest.raises(errors.HParamReuseError, match='Hyperparameter name is reserved: ' + name):
      hparams.add_hparam(name, 1)
  for empty in ([], ()):
    with pytest.raises(errors.HParamTypeError,
                       match='Multi-valued hyperparameters cannot be empty: c'):
      hparams.add_hparam('c', empty)
  hparams.del_hparam('b')
  hparams.del_hparam('b')
  hparams.del_hparam('values')
  assert 'b' not in hparams and not hasattr(hparams, 'b') and 'a' in hparams
  hparams.add_hparam('b', 'again')
  assert list(hparams.values()) == ['a', 'a.b', 't', 'b']
  with pytest.raises(errors.HParamTypeError, match='hparam_def'):
    HParams(hparam_def=object())


def test_values_does_not_hand_out_its_lists():
  hparams = _make()
  hparams.values()['sizes'].append(3)
  assert hparams.sizes == [1, 2]
  hparams.sizes.append(3)
  assert hparams.values()['sizes'] == [1, 2, 3]


def test_str_and_repr():
  hparams = HParams(b=2, a=.1, m=[''], n=['x:0.5', 'y'], z='', t=True)
  assert str(hparams) == "b=2,a=0.1,m=[''],n=[x:0.5,y],z=,t=True"
  assert repr(hparams) == ("HParams([('a', 0.1), ('b', 2), ('m', ['']), ('n', ['x:0.5', 'y']), "
                           "('t', True), ('z', '')])")
  other = HParams(b=0, a=.0, m=['q'], n=['q'], z='q', t=False)
  assert other.parse(str(hparams)) == hparams


def test_accept_and_ignore():
  hparams = _make()
  hparams.accept_and_ignore(['rank', 'bits'], 'of the compression library')
  hparams.accept_and_ignore({'old': 'removed'})
  with mock.patch.object(hparam.logging, 'warning') as warning:
    hparams.parse('rank=3,steps=4,bits=[1,2],old=x,rank=5')
    assert warning.call_count == 1
    assert warning.call_args[0][0] % warning.call_args[0][1:] == (
        'Ignored hyperparameters: rank, bits (of the compression library); old (removed)')
    hparams.override_from_dict({'rank': 3, 'steps': 5})
    hparams.parse_json('{"bits": 3}')
    assert warning.call_count == 3
    hparams.parse('steps=5')
    with pytest.raises(ValueError):
      hparams.parse('rank=3,steps=x')
    assert warning.call_count == 3
    with pytest.raises(errors.HParamSyntaxError):
      hparams.parse('rank=[3')
  assert hparams.steps == 5 and set(hparams.values()) == set(_make().values())
  with pytest.raises(errors.HParamReuseError, match='Cannot ignore steps'):
    hparams.accept_and_ignore(['steps'])


@pytest.mark.parametrize('duplicate', [
    HParams.copy, copy.copy, copy.deepcopy, lambda h: pickle.loads(pickle.dumps(h))])
def test_copies_are_equal_and_apart(duplicate):
  hparams = _make()
  hparams.accept_and_ignore(['rank'], 'no')
  hparams.set_model_structure('m')
  clone = duplicate(hparams)
  assert clone == hparams and not clone != hparams and clone.get_model_structure() == 'm'
  with mock.patch.object(hparam.logging, 'warning'):
    clone.parse('sizes[0]=9,rank=1')
  clone.maps.append('x')
  clone.add_hparam('more', 1)
  assert hparams == _make() and clone != hparams and 'more' not in hparams


def test_equality_is_of_values_and_types():
  assert HParams(a=1, b=2) == HParams(b=2, a=1)
  assert HParams(a=1) != HParams(a=2)
  assert HParams(a=1) != HParams(a=1.0)
  assert HParams(a=1) != {'a': 1}


@pytest.mark.parametrize('text', [
    'a' * 300000, 'x=' + ' ' * 300000 + '[', 'x=[' * 100000, 'x=[1' + ' ' * 300000,
    'x[' + ' ' * 300000, 'a=1,' * 100000, 'x' + ' ' * 300000, 'x[' + '1' * 300000 + ']=1',
    'x=' + '1' * 300000, 'x=[' + '1,' * 150000 + 'z]', '\n' * 300000 + '!', 'a' * 300000 + '=1',
], ids=lambda text: ascii(text[:8]))
def test_long_hostile_strings_take_linear_time(text):
  begin = time.perf_counter()
  with pytest.raises(ValueError) as caught:
    HParams(x=[1], y=1).parse(text)
  assert time.perf_counter() - begin < 2
  assert len(str(caught.value)) < 8000


def test_imports_no_tensorflow_of_its_own():
  code = ('import sys, types\n'
          'package = types.ModuleType("model_pruning"); package.__path__ = [%r]\n'
          'sys.modules["model_pruning"] = package\n'
          'import model_pruning.hparams.hparam\n'
          'assert "tensorflow" not in sys.modules') % os.path.join(ROOT, 'model_pruning')
  subprocess.run([sys.executable, '-c', code], check=True)
