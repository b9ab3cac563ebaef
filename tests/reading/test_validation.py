# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: deps = //tests:fuzzing
"""Damaged and hostile graphs: one line, little time and little memory."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

import model_pruning
from model_pruning import cli
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.export import saved_model
from model_pruning.export.tflite import convert as tflite
from model_pruning.reading import validation
from tests.paths import ROOT
from model_pruning.reporting import report



def _graph():
  """A graph with a mask, a function, a branch, and a loop as of TensorFlow 1."""
  with tf.Graph().as_default() as graph:
    x = tf.placeholder(tf.float32, [None, 4], 'x')
    weight = tf.constant(np.arange(8, dtype=np.float32).reshape(4, 2), name='weight')
    mask = tf.constant(np.float32([[1, 0]] * 4), name='mask')
    product = tf.matmul(x, tf.multiply(weight, mask, name='masked'))
    _, product = tf.while_loop(lambda i, _: i < 3, lambda i, v: [i + 1, v * 2], [0, product])
    tf.identity(product, 'y')
  graph_def = graph.as_graph_def()
  function = graph_def.library.function.add()
  function.signature.name = 'twice'
  function.signature.input_arg.add(name='a', type=1)
  function.signature.output_arg.add(name='r', type=1)
  node = function.node_def.add(name='add', op='AddV2', input=['a', 'a'])
  node.attr['T'].type = 1
  function.ret['r'] = 'add:z:0'
  call = graph_def.node.add(name='call', op='PartitionedCall', input=['y'])
  call.attr['f'].func.name = 'twice'
  call.attr['Tin'].list.type.append(1)
  call.attr['Tout'].list.type.append(1)
  return graph_def


def _node(graph_def, name):
  return next(node for node in graph_def.node if node.name == name)


def _set(graph_def, of, **fields):
  node = _node(graph_def, of)
  for key, value in fields.items():
    setattr(node, key, value)


def _input(graph_def, name, index, ref):
  _node(graph_def, name).input[index] = ref


def _tensor(graph_def):
  return _node(graph_def, 'weight').attr['value'].tensor


def _attr_shape(graph_def, dims):
  shape = _node(graph_def, 'x').attr['shape'].shape
  del shape.dim[:]
  for dim in dims:
    shape.dim.add().size = dim


def _function(graph_def):
  return graph_def.library.function[-1]


DAMAGE = {
    'an input is missing': lambda g: _input(g, 'y', 0, 'gone'),
    'a control input is missing': lambda g: _node(g, 'y').input.append('^gone'),
    'an input of a function is missing': lambda g: _function(g).node_def[0].input.append('gone'),
    'a dtype is 0': lambda g: _tensor(g).__setattr__('dtype', 0),
    'a dtype is unknown': lambda g: _node(g, 'masked').attr['T'].__setattr__('type', 77),
    'dtypes disagree': lambda g: _node(g, 'weight').attr['dtype'].__setattr__('type', 3),
    'a constant has no value': lambda g: _node(g, 'weight').attr['value'].Clear(),
    'a dimension is negative': lambda g: _tensor(g).tensor_shape.dim[0].__setattr__('size', -4),
    'a dimension is too large': lambda g: _tensor(g).tensor_shape.dim[0].__setattr__('size', 5),
    'a shape overflows': lambda g: _attr_shape(g, [2**40, 2**40]),
    'a shape is odd': lambda g: _attr_shape(g, [-7]),
    'a rank is too large': lambda g: _attr_shape(g, [1] * 300),
    'two nodes have one name': lambda g: g.node.add().CopyFrom(_node(g, 'weight')),
    'a node has no name': lambda g: _set(g, 'mask', name=''),
    'a node has no operation': lambda g: _set(g, 'mask', op=''),
    'inputs go in a circle': lambda g: _input(g, 'masked', 0, 'MatMul'),
    'a node is its own input': lambda g: _input(g, 'y', 0, 'y'),
    'an input has no number': lambda g: _input(g, 'y', 0, 'weight:a:b:c'),
    'an input is its number': lambda g: _input(g, 'y', 0, 'weight:99999999999'),
    'inputs are out of order': lambda g: _node(g, 'y').input.insert(0, '^x'),
    'the library is missing': lambda g: g.ClearField('library'),
    'a function is not there': lambda g: _node(g, 'call').attr['f'].func.__setattr__('name', 'no'),
    'a call has no function': lambda g: _node(g, 'call').attr.pop('f'),
    'a call passes too much': lambda g: _node(g, 'call').input.append('x'),
    'a function returns nothing': lambda g: _function(g).ret.clear(),
    'a function returns what is gone': lambda g: _function(g).ret.__setitem__('r', 'gone:z:0'),
    'two functions have one name': lambda g: g.library.function.add().CopyFrom(_function(g)),
    'a function is its own input': lambda g: _function(g).node_def[0].input.__setitem__(0, 'add:z'),
}


def test_the_graph_itself_is_fine():
  validation.check(_graph(), 'x')


@pytest.mark.sampled(8)
@pytest.mark.parametrize('damage', sorted(DAMAGE))
def test_damage_is_one_line_for_every_command(damage, tmp_path, capsys):
  graph_def = _graph()
  DAMAGE[damage](graph_def)
  with pytest.raises(errors.ModelFileError, match='the graph is damaged'):
    validation.check(graph_def, 'x')
  (tmp_path / 'x.pb').write_bytes(graph_def.SerializeToString())
  (tmp_path / 'x.pbtxt').write_text(str(graph_def))
  for path in (tmp_path / 'x.pb', tmp_path / 'x.pbtxt'):
    for words in (['report'], ['strip', '--output_node_names=y', '--output=%s' % (tmp_path / 'o')],
                  ['export', '--output_node_names=y', '--output=%s' % (tmp_path / 'o')],
                  ['plot', 'weights', '--output=%s' % (tmp_path / 'o.png')]):
      words.insert(2 if words[0] == 'plot' else 1, str(path))
      args = cli.parse_arguments(['model-pruning'] + words)
      assert cli.guarded(args.run, args) == 1
      error = capsys.readouterr().err
      assert len(error.splitlines()) == 1 and 'Unexpected' not in error, error
  assert sorted(os.listdir(str(tmp_path))) == ['x.pb', 'x.pbtxt']
  for function in (lambda: model_pruning.strip_pruning_vars_fn(graph_def, ['y']),
                   lambda: tflite.to_tflite(graph_def, tmp_path / 'o', 'x', 'y'),
                   lambda: saved_model.to_saved_model(graph_def, tmp_path / 'o', {}, {'y': 'y'})):
    with pytest.raises(errors.PruningError):
      function()


@pytest.mark.sampled(1)
@pytest.mark.parametrize('change', [
    lambda g: _node(g, 'masked').attr['no_such_attribute'].__setattr__('i', 3),
    lambda g: _set(g, 'y', op='NoSuchOperation'),
    lambda g: _node(g, 'MatMul').attr['transpose_a'].__setattr__('s', b'\xff\xfe'),
    lambda g: _node(g, 'MatMul').attr.pop('T'),
    lambda g: _input(g, 'MatMul', 1, 'weight:7'),
    lambda g: _node(g, 'MatMul').input.append('weight'),
    lambda g: _set(g, 'y', name='not a name'),
    lambda g: _set(g, 'y', device='nowhere:0'),
])
def test_what_only_tensorflow_knows_is_one_line_too(change, tmp_path, capsys):
  graph_def = _graph()
  change(graph_def)
  (tmp_path / 'x.pb').write_bytes(graph_def.SerializeToString())
  for command in ('strip', 'export'):
    args = cli.parse_arguments(['model-pruning', command, str(tmp_path / 'x.pb'),
                                '--output_node_names=call', '--output=%s' % (tmp_path / 'o')])
    code = cli.guarded(args.run, args)
    error = capsys.readouterr().err
    assert code in (0, 1) and 'Unexpected' not in error, error
    assert not code or len(error.splitlines()) == 1, error


# ---- Bombs. ----


def _doubling(depth):
  """Functions that each call the next one twice."""
  graph_def = tf.GraphDef()
  graph_def.versions.producer = 1000
  x = graph_def.node.add(name='x', op='Placeholder')
  x.attr['dtype'].type = 1
  for level in range(depth):
    function = graph_def.library.function.add()
    function.signature.name = 'f%d' % level
    function.signature.input_arg.add(name='a', type=1)
    function.signature.output_arg.add(name='r', type=1)
    ref = 'a'
    for number in range(2):
      node = function.node_def.add(name='n%d' % number, input=[ref])
      if level + 1 < depth:
        node.op = 'PartitionedCall'
        node.attr['f'].func.name = 'f%d' % (level + 1)
        for key in ('Tin', 'Tout'):
          node.attr[key].list.type.append(1)
        ref = 'n%d:output:0' % number
      else:
        node.op = 'Neg'
        node.attr['T'].type = 1
        ref = 'n%d:y:0' % number
    function.ret['r'] = ref
  y = graph_def.node.add(name='y', op='PartitionedCall', input=['x'])
  y.attr['f'].func.name = 'f0'
  for key in ('Tin', 'Tout'):
    y.attr[key].list.type.append(1)
  return graph_def


@pytest.mark.parametrize('depth', [30, 64, 300])
def test_functions_that_double_at_every_call(depth, tmp_path):
  graph_def = _doubling(depth)
  (tmp_path / 'x.pb').write_bytes(graph_def.SerializeToString())
  start = time.time()
  for function in (lambda: report.of(tmp_path / 'x.pb'),
                   lambda: model_pruning.strip_pruning_vars_fn(graph_def, ['y'])):
    with pytest.raises(errors.ModelFileError, match='call one another'):
      function()
  assert time.time() - start < 60


def test_functions_that_call_themselves(tmp_path):
  graph_def = _doubling(2)
  graph_def.library.function[1].node_def[0].CopyFrom(graph_def.library.function[0].node_def[0])
  with pytest.raises(errors.ModelFileError, match='call one another'):
    model_pruning.strip_pruning_vars_fn(graph_def, ['y'])
  (tmp_path / 'x.pb').write_bytes(graph_def.SerializeToString())
  assert report.of(tmp_path / 'x.pb').weights == ()


def _const(graph_def, name, value, shape=None):
  node = graph_def.node.add(name=name, op='Const')
  tensor = tf.make_tensor_proto(value)
  if shape is not None:
    tensor.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
  node.attr['dtype'].type = tensor.dtype
  node.attr['value'].tensor.CopyFrom(tensor)


def _op(graph_def, name, op, inputs, **types):
  node = graph_def.node.add(name=name, op=op, input=inputs)
  for key, value in dict(types, T=1).items():
    node.attr[key].type = value
  return node


def _splat(graph_def):
  _const(graph_def, 'c', np.float32(1), [15000, 15000])
  _const(graph_def, 'd', np.float32(2), [15000, 15000])
  _op(graph_def, 'z', 'Mul', ['c', 'd'])


def _too_large_splat(graph_def):
  _const(graph_def, 'c', np.float32(1), [2**15, 2**15])
  _op(graph_def, 'z', 'Identity', ['c'])


def _many_splats(graph_def):
  for number in range(50):
    _const(graph_def, 'c%d' % number, np.float32(number), [15000, 15000])
  _op(graph_def, 'z', 'Identity', ['c0'])


def _outer_product(graph_def):
  _const(graph_def, 'c', np.ones([1, 60000], np.float32))
  _const(graph_def, 'd', np.ones([60000, 1], np.float32))
  _op(graph_def, 'z', 'Mul', ['c', 'd'])


def _doubling_products(graph_def):
  _const(graph_def, 'c', np.float32([1, 0]))
  _op(graph_def, 'n0', 'Mul', ['c', 'c'])
  for number in range(200):
    _op(graph_def, 'n%d' % (number + 1), 'Mul', ['n%d' % number] * 2)
  _op(graph_def, 'z', 'Identity', ['n200'])


def _doubling_joins(graph_def):
  _const(graph_def, 'n0', np.ones([4, 4], np.float32))
  _const(graph_def, 'axis', np.int32(0))
  for number in range(40):
    node = _op(graph_def, 'n%d' % (number + 1), 'ConcatV2', ['n%d' % number] * 2 + ['axis'])
    node.attr['N'].i = 2
    node.attr['Tidx'].type = 3
  _op(graph_def, 'z', 'Mul', ['n40', 'n40'])


def _filled(graph_def):
  _const(graph_def, 'dims', np.int32([2**14, 2**15]))
  _const(graph_def, 'one', np.float32(1))
  _op(graph_def, 'filled', 'Fill', ['dims', 'one'], index_type=3)
  _op(graph_def, 'z', 'Mul', ['filled', 'filled'])


def _tiled(graph_def):
  _const(graph_def, 'c', np.float32([[0, 1]]))
  _const(graph_def, 'times', np.int32([2**15, 2**14]))
  _op(graph_def, 'tiled', 'Tile', ['c', 'times'], Tmultiples=3)
  _op(graph_def, 'z', 'Mul', ['tiled', 'tiled'])


BOMBS = {function.__name__: function for function in (
    _splat, _too_large_splat, _many_splats, _outer_product, _doubling_products, _doubling_joins,
    _filled, _tiled)}


@pytest.mark.sampled(1)
@pytest.mark.slow
@pytest.mark.legs('oldest')
@pytest.mark.parametrize('bomb', sorted(BOMBS))
def test_bombs_take_no_memory(bomb, tmp_path):
  graph_def = tf.GraphDef()
  graph_def.versions.producer = 1000
  x = graph_def.node.add(name='x', op='Placeholder')
  x.attr['dtype'].type = 1
  x.attr['shape'].shape.dim.add().size = 1
  BOMBS[bomb](graph_def)
  _op(graph_def, 'y', 'AddV2', ['x', 'z'])
  (tmp_path / 'graph').mkdir()
  (tmp_path / 'graph' / 'x.pb').write_bytes(graph_def.SerializeToString())
  assert os.path.getsize(str(tmp_path / 'graph' / 'x.pb')) < 10**6
  # The file as it is, in processes whose memory is measured.
  done = subprocess.run(
      [sys.executable, '-m', 'tests.fuzzing', str(tmp_path), 'graph', '-1', '1', '--every_command',
       '--memory=1300'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
      env=dict(os.environ, PYTHONPATH=ROOT, TF_CPP_MIN_LOG_LEVEL='3', MPLBACKEND='Agg'))
  assert done.returncode == 0, done.stderr
  assert len(done.stdout.splitlines()) == 1, done.stdout


def test_a_splat_is_reported_as_what_it_is(tmp_path):
  """As if its values were written out."""
  values = {'ones': np.float32(1), 'zeros': np.float32(0), 'half': np.float16(2)}
  found = []
  for written in (False, True):
    graph_def = tf.GraphDef()
    for name, value in values.items():
      if written:
        _const(graph_def, name, np.full([300, 50], value))
      else:
        _const(graph_def, name, value, [300, 50])
    _op(graph_def, 'y', 'Mul', ['ones', 'zeros'])
    (tmp_path / 'x.pb').write_bytes(graph_def.SerializeToString())
    found.append([report.of(tmp_path / 'x.pb', block) for block in (None, (4, 1), (-1, 7))])
  assert [one.weights for one in found[0]] == [one.weights for one in found[1]]
