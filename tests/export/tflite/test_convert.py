# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.export.tflite.convert: small files that compute what the graph does."""

import gzip
import json
import os

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.export.tflite import check as tflite_check
from model_pruning.export.tflite import convert as tflite
from model_pruning.export.tflite import kernels as tflite_kernels
from model_pruning.export.tflite import sparse as tflite_sparse

TF2 = not tensorflow.__version__.startswith('1.')
sparse_only = pytest.mark.skipif(not TF2, reason='TensorFlow 1.15 has no sparse TFLite models')

# Before, TensorFlow's own interpreter made quantized weights of dense layers dense at loading.
IS_LITERT = tuple(map(int, tensorflow.__version__.split('.')[:2])) >= (2, 22)

random = np.random.RandomState(0)


# ---- Models ----


def weight(shape, block=(1, 1), sparsity=0.0):
  """A kernel with exactly this fraction of its blocks zero, evenly in every output."""
  height, width = block
  rows, columns = int(np.prod(shape[:-1])) // height, shape[-1] // width
  zero = int(round(rows * sparsity))
  mask = np.stack([random.permutation(rows) >= zero for _ in range(columns)], axis=1)
  mask = np.repeat(np.repeat(mask, height, 0), width, 1).reshape(shape)
  value = random.randn(*shape) / np.sqrt(np.prod(shape[:-1]) * (1 - sparsity))
  return (value * mask).astype(np.float32)


def constant(name, value):
  return tf.constant(value, name=name + '/weights/masked_weight')


def graph_of(function, shape, dtype=tf.float32):
  with tf.Graph().as_default() as graph:
    tf.identity(function(tf.placeholder(dtype, shape, 'inputs')), 'outputs')
  return graph.as_graph_def()


def dense_layers(*kernels, **options):
  """A model of dense layers fc0, fc1, ..."""
  def model(values):
    for index, kernel in enumerate(kernels):
      values = tf.matmul(values, constant('net/fc%d' % index, kernel))
      values = tf.nn.relu(values + np.linspace(-1, 1, kernel.shape[1]).astype(np.float32))
    return values

  return graph_of(model, [None, kernels[0].shape[0]], **options)


def export(graph_def, path, *args, **options):
  return tflite.to_tflite(graph_def, str(path), 'inputs', 'outputs', *args, **options)


def run_file(path, values, without_delegates=False):
  """What the interpreter of users makes of a file."""
  options = {}
  if without_delegates:
    options['experimental_op_resolver_type'] = (
        tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
  model = tf.lite.Interpreter(model_path=str(path), **options)
  model.allocate_tensors()
  results = []
  for value in values:
    model.set_tensor(model.get_input_details()[0]['index'], value)
    model.invoke()
    results.append(model.get_tensor(model.get_output_details()[0]['index']).copy())
  return np.stack(results)


def run_graph(graph_def, values):
  with tf.Graph().as_default(), tf.Session() as session:
    tf.import_graph_def(graph_def, name='')
    return np.stack([session.run('outputs:0', {'inputs:0': value}) for value in values])


def relative(actual, expected):
  return np.max(np.abs(actual - expected)) / np.max(np.abs(expected))


def samples(*shape):
  return random.randn(*shape).astype(np.float32)


def by_name(weights):
  return {one.stored.name: one for one in weights}


# ---- What is written ----


@pytest.mark.sampled(2)
@pytest.mark.parametrize('quantization, block', [('none', 4), ('dynamic', 16), ('int8', 16)])
@pytest.mark.parametrize('batch', [1, 3] if TF2 else [3])  # Its converter takes seconds.
def test_sparse_layers_compute_the_same_under_every_interpreter(
    tmp_path, quantization, block, batch):
  if quantization == 'int8' and not TF2:
    pytest.skip('TensorFlow 1.15 makes models of this that its interpreter does not take')
  graph_def = dense_layers(weight([512, 512], (block, 1), 0.96875),
                           weight([512, 96], (block, 1), 0.96875))
  values = samples(20, batch, 512)
  path = tmp_path / 'new' / 'model.tflite'
  written = export(graph_def, path, quantization, examples=values,
                   input_shapes={'inputs:0': [batch, 512]})
  expected = run_graph(graph_def, values)
  for without_delegates in (False, True)[:2 if TF2 else 1]:
    error = relative(run_file(path, values, without_delegates), expected)
    assert error <= written.tolerance
    assert error == pytest.approx(written.max_error, rel=0.5, abs=1e-5)
  assert written.tolerance == {'none': 1e-3, 'dynamic': 0.1, 'int8': 0.2}[quantization]
  assert (written.path, written.quantization, written.examples, written.runtime) == (
      str(path), quantization, 20, 'default')
  content = path.read_bytes()
  assert written.bytes == len(content)
  assert written.gzipped_bytes == len(gzip.compress(content))
  assert written.sparse == TF2
  assert os.listdir(str(path.parent)) == ['model.tflite']
  for one in written.weights:
    assert one.fast == TF2
    assert one.stored.block == ((block, 1) if TF2 else None)
    assert one.stored.sparsity == pytest.approx(0.96875, abs=0.01)


@pytest.mark.sampled(3)
@sparse_only
@pytest.mark.parametrize('quantization', tflite.QUANTIZATIONS)
def test_convolutions_and_dense_layers(tmp_path, quantization):
  kernels = [weight([3, 3, 8, 32], sparsity=0.75), weight([3, 3, 32, 2], sparsity=0.75),
             weight([1, 1, 64, 32], sparsity=0.75), weight([16 * 32, 48], (16, 1), 0.96875)]

  def model(images):
    images = tf.nn.relu(tf.nn.conv2d(images, constant('conv', kernels[0]), [1, 2, 2, 1], 'SAME'))
    images = tf.nn.depthwise_conv2d(images, constant('depth', kernels[1]), [1, 1, 1, 1], 'SAME')
    images = tf.nn.relu(tf.nn.conv2d(images, constant('point', kernels[2]), [1, 1, 1, 1], 'SAME'))
    # Over the last of three dimensions, too.
    rows = tf.reshape(images, [-1, 1, 16 * 32])
    return tf.tensordot(rows, constant('fc', kernels[3]), [[2], [0]])

  graph_def = graph_of(model, [None, 8, 8, 8])
  values = samples(10, 1, 8, 8, 8)
  path = tmp_path / 'model.tflite'
  written = export(graph_def, path, quantization, examples=values)
  assert relative(run_file(path, values), run_graph(graph_def, values)) <= written.tolerance
  found = by_name(written.weights)
  assert {name: one.stored.shape for name, one in found.items()} == {
      'conv/weights': (3, 3, 8, 32), 'depth/weights': (3, 3, 64, 1),
      'point/weights': (1, 1, 64, 32), 'fc/weights': (512, 48)}
  assert found['fc/weights'].fast == (quantization != 'float16')
  for name, op in (('conv', 'CONV_2D'), ('depth', 'DEPTHWISE_CONV_2D'), ('point', 'CONV_2D')):
    one = found[name + '/weights']
    assert not one.fast and not one.advice
    assert one.why == 'the runtime has no sparse kernel for ' + op
    assert one.stored.expanded == (one.stored.block is not None)
    assert not (quantization == 'dynamic' and one.stored.dtype == 'int8' and one.stored.expanded)
  if quantization == 'none':
    assert all(one.stored.block for one in written.weights)


VERDICTS = {
    # Inputs, outputs, block, sparsity: block it is stored in, fast, why, advice.
    'fast': ([64, 48], (4, 1), 0.875, (4, 1), True, '', ''),
    'coarser': ([256, 48], (16, 1), 0.875, (4, 1), True, '', ''),
    'few': ([256, 64], (1, 1), 0.984375, (4, 1), True, '', ''),
    'unstructured': ([64, 48], (1, 1), 0.875, (1, 1), False, 'not in blocks of 4x1',
                     'block_dims_map=[net/%s:4x1]'),
    'outputs': ([64, 32], (1, 4), 0.875, (1, 1), False, 'blocks lie along the outputs',
                'block_dims_map=[net/%s:4x1]'),
    'odd': ([66, 36], (1, 1), 0.875, (1, 1), False, '66 inputs are no multiple of 4', ''),
    'little': ([64, 36], (4, 1), 0.5, (4, 1), False, '50.0 % zeros, sparse kernels pay from 85 %',
               'weight_sparsity_map=[net/%s:0.85]'),
    'less': ([64, 40], (1, 1), 0.5, (1, 1), False, '50.0 % zeros, sparse kernels pay from 85 %',
             'block_dims_map=[net/%s:4x1],weight_sparsity_map=[net/%s:0.85]'),
    'none': ([64, 44], (1, 1), 0.0, None, False, '0.0 % zeros',
             'block_dims_map=[net/%s:4x1],weight_sparsity_map=[net/%s:0.85]'),
}


@pytest.fixture(scope='module')
def verdicts(tmp_path_factory):
  path = tmp_path_factory.mktemp('verdicts') / 'model.tflite'

  def model(values):
    parts = []
    for name, (shape, block, sparsity, *_) in VERDICTS.items():
      kernel = constant('net/' + name, weight(shape, block, sparsity))
      parts.append(tf.nn.relu(tf.matmul(values[:, :shape[0]], kernel)))
    turned = constant('net/turned', weight([64, 56], (1, 1), 0.875).T.copy())
    parts.append(tf.nn.relu(tf.matmul(values[:, :64], turned, transpose_b=True)))
    return tf.concat(parts, 1)

  return export(graph_of(model, [1, 256]), path)


@sparse_only
@pytest.mark.parametrize('name', VERDICTS)
def test_verdict(verdicts, name):
  shape, _, sparsity, block, fast, why, advice = VERDICTS[name]
  one = by_name(verdicts.weights)['net/%s/weights' % name]
  assert one.stored.shape == tuple(shape)
  assert one.stored.sparsity == pytest.approx(sparsity, abs=0.02)
  assert (one.fast, one.stored.block) == (fast, block if block != (4, 1) or fast
                                          else one.stored.block)
  assert one.stored.expanded == (one.stored.block is not None and not fast)
  assert why in one.why and bool(why) == bool(one.why)
  assert one.advice == advice.replace('%s', name)
  model_pruning.get_pruning_hparams().parse(one.advice)
  assert one.stored.dense_bytes == 4 * np.prod(shape)
  assert (one.stored.stored_bytes < one.stored.dense_bytes) == (one.stored.block is not None)


@sparse_only
def test_advice_is_in_terms_of_the_graphs_variable(verdicts):
  assert by_name(verdicts.weights)['net/turned/weights'].advice == 'block_dims_map=[net/turned:1x4]'


@sparse_only
def test_table(verdicts):
  table = verdicts.table().split('\n')
  assert [line for line in table if line.startswith('net/fast/weights')
          and 'sparse, 4x1' in line and line.endswith('yes')]
  assert [line for line in table if line.startswith('net/outputs/weights')
          and line.endswith('no')]
  reasons = ' '.join(table)
  assert ('Zeros of net/outputs/weights are not skipped: its blocks lie along the outputs; '
          'train with block_dims_map=[net/outputs:4x1].') in reasons
  assert all(len(line) <= 100 for line in table if line.startswith('Zeros'))
  assert any('{:,} bytes'.format(verdicts.bytes) in line for line in table)
  assert table[-1] == 'interpreter: default'


@sparse_only
def test_json(verdicts):
  written = json.loads(verdicts.to_json())
  assert written['bytes'] == os.path.getsize(verdicts.path) and written['sparse'] is True
  fast, = [one for one in written['weights'] if one['stored']['name'] == 'net/fast/weights']
  assert fast['fast'] is True and fast['stored']['block'] == [4, 1]


@pytest.mark.parametrize('in_function', [False, True])
def test_tables_are_refused_wherever_the_lookup_is(in_function, tmp_path):
  with tf.Graph().as_default() as graph:
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(
        tf.constant(['a', 'b']), tf.constant([1.0, 2.0])), 0.0)
    words = tf.placeholder(tf.string, [None], 'inputs')
    found = tensorflow.function(table.lookup)(words) if in_function else table.lookup(words)
    tf.identity(found, 'outputs')
  for examples in (None, [[np.array(['a', 'c'])]]):
    with pytest.raises(errors.ConversionError, match='looks up its inputs in tables'):
      export(graph.as_graph_def(), tmp_path / 'model.tflite', examples=examples)


@sparse_only
def test_keys_of_advice_match_one_weight_only(tmp_path):
  kernels = [weight([64, 64], sparsity=0.875) for _ in range(11)]
  written = export(dense_layers(*kernels), tmp_path / 'model.tflite')
  names = [one.stored.name for one in written.weights]
  assert len(set(names)) == 11
  for one in written.weights:
    entry, = model_pruning.get_pruning_hparams().parse(one.advice).block_dims_map
    key = entry.rpartition(':')[0]
    spec = model_pruning.PruningSpec.create('block_dims_map=[%s:4x1]' % key)
    assert [name for name in names if spec.block_dims_for(name) == (4, 1)] == [one.stored.name]


@sparse_only
def test_sparse_false_true_and_auto(tmp_path):
  graph_def = dense_layers(weight([256, 1024], (4, 1), 0.9375), weight([1024, 64], sparsity=0.75))
  examples = samples(20, 256)
  sizes = {}
  quantizations = ['none'] + ['int8'] * (not IS_LITERT)
  for quantization in quantizations:
    for sparse in tflite.SPARSE:
      path = tmp_path / 'model.tflite'
      written = export(graph_def, path, quantization, sparse, examples=examples)
      sizes[quantization, sparse] = written.bytes, written.gzipped_bytes
      # LiteRT fails on quantized weights that are made dense at loading: only if asked.
      assert written.sparse == (sparse is True or sparse == 'auto' and quantization == 'none')
  for quantization in quantizations:
    dense, auto, most = (sizes[quantization, sparse] for sparse in (False, 'auto', True))
    assert most[0] <= auto[0] <= dense[0] and most[0] < dense[0] / 1.5
    assert auto[1] <= dense[1]
  assert sizes['none', 'auto'][0] < sizes['none', False][0] / 1.5
  if IS_LITERT:
    with pytest.raises(errors.ConversionError, match='none of them smaller .*93.. % zeros'):
      export(graph_def, tmp_path / 'none.tflite', 'int8', True, examples=examples)
  with pytest.raises(errors.ConversionError, match='none of them smaller or faster.*0.0 % zeros'):
    export(dense_layers(weight([64, 64])), tmp_path / 'none.tflite', sparse=True)
  # Dynamic: what is made dense at loading fails on some runtimes, so it stays dense.
  with pytest.raises(errors.ConversionError, match='net/fc0.*|not in blocks of 16x1'):
    export(dense_layers(weight([64, 64], sparsity=0.9375)), tmp_path / 'none.tflite', 'dynamic',
           sparse=True)
  assert os.listdir(str(tmp_path)) == ['model.tflite']


@sparse_only
def test_what_this_librarys_own_masks_become(tmp_path):
  with tf.Graph().as_default() as graph:
    tf.train.get_or_create_global_step()
    values = tf.placeholder(tf.float32, [None, 64], 'inputs')
    with model_pruning.masked_scope():
      for layer, columns in (('a', 64), ('b', 32)):
        with tf.variable_scope(layer):
          values = tf.matmul(values, tf.get_variable('kernel', [64, columns]))
    tf.identity(values, 'outputs')
    update = model_pruning.Pruning('initial_sparsity=0.9,target_sparsity=0.9,'
                                   'block_dims_map=[a/:4x1,b/:1x4]').mask_update_op()
    with tf.Session() as session:
      session.run(tf.global_variables_initializer())
      session.run(update)
      constants = tf.graph_util.convert_variables_to_constants(
          session, graph.as_graph_def(), ['outputs'])
  stripped = model_pruning.strip_pruning_vars_fn(constants, ['outputs'])
  before = stripped.SerializeToString(deterministic=True)
  written = export(stripped, tmp_path / 'model.tflite')
  assert stripped.SerializeToString(deterministic=True) == before
  first, second = sorted(written.weights, key=lambda one: one.stored.name)
  assert (first.stored.name, first.fast) == ('a/kernel', True)
  assert second.advice == 'block_dims_map=[b:4x1]'


@pytest.mark.parametrize('quantization', tflite.QUANTIZATIONS if TF2 else ['dynamic'])
def test_weights_and_outputs_that_are_all_zero(tmp_path, quantization):
  kernels = [weight([64, 64]) for _ in range(3)]
  kernels[0][:, :32] = 0  # Outputs of their bias alone.
  kernels[2][:] = 0
  graph_def = dense_layers(*kernels)
  values = samples(10, 1, 64)
  path = tmp_path / 'model.tflite'
  written = export(graph_def, path, quantization, examples=values)
  assert relative(run_file(path, values), run_graph(graph_def, values)) < 0.01
  assert 1.0 in [one.stored.sparsity for one in written.weights]


def test_float16_takes_half_the_bytes_and_hardly_changes_the_outputs(tmp_path):
  graph_def = dense_layers(weight([256, 128], sparsity=0.9), weight([128, 64], (16, 1), 0.875))
  values = samples(20, 1, 256)
  floats = export(graph_def, tmp_path / 'floats.tflite', sparse=False, examples=values)
  path = tmp_path / 'half.tflite'
  written = export(graph_def, path, 'float16', examples=values)
  assert written.quantization == 'float16' and written.tolerance == 0.01
  assert 0.45 < written.bytes / floats.bytes < 0.6
  assert relative(run_file(path, values), run_graph(graph_def, values)) < 2e-3
  for one in written.weights:
    assert (one.stored.dtype, one.fast, one.advice) == ('float16', False, '')
    assert one.stored.sparsity == pytest.approx(0.9, abs=0.03)
    assert 'no sparse kernel for weights of float16' in one.why
  with pytest.raises(errors.ConversionError, match='weights of float16' if TF2 else 'TensorFlow 2'):
    export(graph_def, path, 'float16', sparse=True)


def test_several_inputs_outputs_and_dtypes(tmp_path, monkeypatch):
  monkeypatch.setattr(tflite_check, '_CHEAP', float('inf'))  # However busy the machine is.
  with tf.Graph().as_default() as graph:
    left = tf.placeholder(tf.float32, [None, 8], 'left')
    right = tf.placeholder(tf.int32, [None, 8], 'right')
    total = left + 10 * tf.cast(right, tf.float32)
    tf.nn.relu(tf.matmul(total, constant('fc', weight([8, 16]))), name='activation')
    tf.argmax(total, axis=1, name='best', output_type=tf.int32)
  examples = [(samples(8), random.randint(0, 2, 8)) for _ in range(5)]
  names = ['activation', 'best:0']
  path = str(tmp_path / 'model.tflite')
  written = tflite.to_tflite(graph.as_graph_def(), path, ['left', 'right:0'], names,
                             examples=examples)
  assert written.examples == 5 and written.max_error < 1e-5
  by_dict = [{'right': one[1], 'left:0': one[0]} for one in examples]
  again = tflite.to_tflite(graph.as_graph_def(), path, ['left', 'right:0'], names,
                           examples=by_dict)
  assert again.max_error == pytest.approx(written.max_error)
  made_up = tflite.to_tflite(graph.as_graph_def(), path, ['left', 'right:0'], names)
  assert made_up.examples == 100 and made_up.max_error < 1e-5


# ---- Weights that the runtime's sparse kernels do not take ----


def blocks(inputs, kept, height=16):
  """A kernel with an output for each list of indices of blocks in `kept`."""
  kernel = np.zeros([inputs // height, height, len(kept)], np.float32)
  for column, rows in enumerate(kept):
    kernel[rows, :, column] = samples(len(rows), height) / 16
  return kernel.reshape(inputs, len(kept))


WIDE = {
    # Quantization, inputs, indices of the blocks kept by the outputs: why it is not fast.
    'widest': ('dynamic', 4096,
               [list(range(255)), list(range(1, 256))] + [[0, 255], [7], []] * 6, ''),
    'too wide': ('dynamic', 4112, [[0, 100], [3, 256], [255], []] * 3,
                 'int8 weights and float inputs accepts at most 4096 inputs, but this has 4112'),
    'much too wide': ('dynamic', 8192, [[3, 300, 511], [128, 256], [0], [510]] * 3,
                      'accepts at most 4096 inputs, but this has 8192'),
    'a dense output': ('dynamic', 4096, [[5], list(range(256))] + [[7, 200]] * 10,
                       'at most 255 blocks of 16x1 per output, but this has one with 256'),
    'int8': ('int8', 8192, [[3, 300, 511], list(range(20, 276)), [], list(range(250, 506))] +
             [[5, 400]] * 40, ''),
    'float': ('none', 65600 * 4, [[3, 300, 65599], list(range(256)), list(range(65300, 65556)),
                                  [65535, 65536]], ''),
}


@pytest.mark.sampled(3)
@sparse_only
@pytest.mark.parametrize('name', WIDE)
def test_wide_layers(tmp_path, name):
  quantization, inputs, kept, why = WIDE[name]
  kernel = blocks(inputs, kept, 4 if quantization == 'none' else 16)
  graph_def = graph_of(lambda values: tf.matmul(values, constant('fc', kernel)), [1, inputs])
  values = samples(10, 1, inputs)
  path = tmp_path / 'model.tflite'
  # The comparison would find it, too, where the outputs tell.
  written = export(graph_def, path, quantization, examples=values)
  one, = written.weights
  assert one.fast == (one.stored.block is not None) == (not why)
  assert why in one.why and bool(why) == bool(one.why)
  assert not one.advice
  for without_delegates in (False, True):
    error = relative(run_file(path, values, without_delegates), run_graph(graph_def, values))
    assert error < {'none': 1e-5, 'dynamic': 0.04, 'int8': 0.05}[quantization]
  if why:
    with pytest.raises(errors.ConversionError, match='Storing all weights sparse makes .*at most'):
      export(graph_def, path, quantization, True, examples=values)


def softmax_of(kernel):
  return graph_of(lambda values: tf.nn.softmax(tf.matmul(values, constant('fc', kernel)) * 0.05),
                  [1, kernel.shape[0]])


@sparse_only
def test_garbage_within_the_tolerance_is_found(tmp_path, monkeypatch):
  """A softmax can hide it: here it is 0.089 of the scale on 2.15, and 0.1 is tolerated."""
  monkeypatch.setattr(tflite_kernels, '_BYTE', 10**6)  # As if the kernel's limit were unknown.
  generator = np.random.RandomState(0)
  mask = np.kron(generator.rand(512, 64) >= 0.9, np.ones([16, 1]))
  kernel = (generator.randn(8192, 64) * mask * 0.01).astype(np.float32)
  path = tmp_path / 'model.tflite'
  written = export(softmax_of(kernel), path, 'dynamic')
  one, = written.weights
  assert (one.fast, one.stored.block) == (False, None)
  assert one.why == 'the runtime computes something else with it stored sparse'
  assert written.max_error < 0.01
  assert path.read_bytes() == _dense(softmax_of(kernel), tmp_path / 'dense.tflite', 'dynamic')
  with pytest.raises(errors.ConversionError, match='none of them .*computes something else'):
    export(softmax_of(kernel), path, 'dynamic', True)


def _dense(graph_def, path, *args, **options):
  export(graph_def, path, *args, sparse=False, **options)
  return path.read_bytes()


@sparse_only
@pytest.mark.parametrize('quantization', ['none', 'dynamic', 'int8'])
def test_only_the_weight_that_is_computed_wrong_is_stored_dense(
    tmp_path, monkeypatch, quantization):
  compress = tflite_sparse._compress

  def wrong(values, block):
    """Takes the outputs of the weight with 96 of them in another order."""
    return compress(values[::-1] if len(values) == 96 else values, block)

  monkeypatch.setattr(tflite_sparse, '_compress', wrong)
  graph_def = dense_layers(weight([512, 512], (16, 1), 0.96875),
                           weight([512, 96], (16, 1), 0.96875), weight([96, 64]))
  values = samples(20, 1, 512)
  path = tmp_path / 'model.tflite'
  written = export(graph_def, path, quantization, examples=values, tolerance=1)
  assert {name: one.fast for name, one in by_name(written.weights).items()} == {
      'net/fc0/weights': True, 'net/fc1/weights': False, 'net/fc2/weights': False}
  assert 'something else' in by_name(written.weights)['net/fc1/weights'].why
  assert relative(run_file(path, values), run_graph(graph_def, values)) < 0.06


@pytest.mark.sampled(1)
@sparse_only
@pytest.mark.parametrize('quantization, block', [('none', 4), ('dynamic', 16), ('int8', 16)])
@pytest.mark.parametrize('classes', [False, True])
def test_rounding_in_many_layers_is_not_taken_for_a_fault(
    tmp_path, quantization, block, classes):
  size = 32 * block  # One block is kept of 32.
  kernels = [weight([size, size], (block, 1), 0.96875) for _ in range(12)]

  def model(values):
    for index, kernel in enumerate(kernels):
      values = 1.4 * tf.nn.relu(tf.matmul(values, constant('net/fc%d' % index, kernel)))
    return tf.argmax(values, 1, output_type=tf.int32) if classes else values

  graph_def = graph_of(model, [1, size])
  written = export(graph_def, tmp_path / 'model.tflite', quantization, examples=samples(50, size),
                   tolerance=1)
  assert len(written.weights) == 12 and all(one.fast for one in written.weights)


# ---- Conversions that compute something else ----


def converting_to(monkeypatch, change):
  """Makes TensorFlow's converter hand over `change(its model)`."""
  convert = tf.lite.TFLiteConverter.convert
  monkeypatch.setattr(tf.lite.TFLiteConverter, 'convert', lambda self: change(convert(self)))


def test_a_corrupted_conversion_is_refused(tmp_path, monkeypatch):
  kernel = weight([32, 32])
  path = tmp_path / 'model.tflite'
  path.write_bytes(b'what was before')

  def corrupt(content):
    place = content.index(np.ascontiguousarray(kernel.T).tobytes())
    return content[:place] + np.float32(3).tobytes() + content[place + 4:]

  converting_to(monkeypatch, corrupt)
  with pytest.raises(errors.ConversionError, match=r'outputs differ by .* Nothing was written'):
    export(dense_layers(kernel), path)
  assert path.read_bytes() == b'what was before'
  assert os.listdir(str(tmp_path)) == ['model.tflite']


@pytest.mark.parametrize('poison', [np.nan, np.inf][:2 if TF2 else 1])
def test_nan_is_different(tmp_path, monkeypatch, poison):
  kernel = weight([32, 32])

  def corrupt(content):
    place = content.index(np.ascontiguousarray(kernel.T).tobytes())
    return content[:place] + np.float32(poison).tobytes() + content[place + 4:]

  converting_to(monkeypatch, corrupt)
  graph_def = graph_of(lambda values: tf.matmul(values, constant('fc', kernel)), [1, 32])
  with pytest.raises(errors.ConversionError, match='contain NaN or infinity'):
    export(graph_def, tmp_path / 'model.tflite', tolerance=1e9)
  assert not os.listdir(str(tmp_path))


@sparse_only
def test_the_converters_own_sparse_models_are_checked(tmp_path, monkeypatch):
  """On TensorFlow 2.21 they compute garbage under the default delegate."""
  convert = tf.lite.TFLiteConverter.convert

  def convert_sparse(self):
    if self.optimizations:
      self.optimizations = [tf.lite.Optimize.DEFAULT, tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    return convert(self)

  graph_def = dense_layers(*[weight([256, 256], (16, 1), 0.9375) for _ in range(2)])
  values = samples(5, 1, 256)
  expected = run_graph(graph_def, values)
  path = tmp_path / 'model.tflite'
  monkeypatch.setattr(tf.lite.TFLiteConverter, 'convert', convert_sparse)
  try:
    export(graph_def, path, 'dynamic', False, examples=values)
  except errors.ConversionError as error:
    right = str(error).split('These settings work: ')[1]
    settings = [one.split(' (differs by')[0] for one in right.split('; ')]
    # One only where the runtime makes it right, and none twice that is the same file.
    assert settings == [
        'quantization none, sparse auto',
        'quantization none, all stored dense (sparse=False, --sparse=no)',
        'quantization dynamic, sparse auto, in an interpreter without its default delegates',
    ] + settings[3:] and all(one.startswith('quantization int8, ') for one in settings[3:])
    assert str(error).startswith('The converted model (quantization dynamic, all stored dense '
                                 '(sparse=False, --sparse=no)) does not compute')
    assert not os.listdir(str(tmp_path))
    written = export(graph_def, path, 'dynamic', False, examples=values,
                     runtime='without_default_delegates')
    assert written.runtime == 'without_default_delegates'
    assert relative(run_file(path, values, without_delegates=True), expected) < 0.1
  else:
    assert relative(run_file(path, values), expected) < 0.1
    assert tensorflow.__version__.startswith('2.15')
  assert all(one.block == (16, 1) for one in tflite.weights_of(str(path)))


def test_tolerance(tmp_path):
  graph_def = dense_layers(weight([64, 64]))
  with pytest.raises(errors.ConversionError, match=r"tolerance 1e-09.*"):
    export(graph_def, tmp_path / 'model.tflite', 'dynamic', tolerance=1e-9)
  assert not os.listdir(str(tmp_path))
  written = export(graph_def, tmp_path / 'model.tflite', 'dynamic', tolerance=0.5)
  assert written.tolerance == 0.5 and 1e-4 < written.max_error < 0.1


def test_a_graph_that_computes_nan_is_not_compared_with(tmp_path):
  with pytest.raises(errors.ConversionError, match='graph itself computes NaN .* generated'):
    export(graph_of(tf.log, [1, 4]), tmp_path / 'model.tflite')
  written = export(graph_of(tf.log, [1, 4]), tmp_path / 'model.tflite', examples=[[1, 2, 3, 4.5]])
  assert written.examples == 1 and not written.weights


@sparse_only
@pytest.mark.parametrize('quantization', ['none', 'dynamic'])
@pytest.mark.parametrize('names', [{}, {'inputs': 'images', 'outputs:0': 'scores'}])
def test_the_signature(tmp_path, names, quantization):
  path = str(tmp_path / 'model.tflite')
  kernel = weight([64, 32], (4, 1), 0.9)
  examples = random.randn(10, 64).astype(np.float32)
  tflite.to_tflite(dense_layers(kernel, weight([32, 10])), path, 'inputs', 'outputs', quantization,
                   names=names, examples=examples)
  interpreter = tensorflow.lite.Interpreter(path)
  given, returned = names.get('inputs', 'inputs'), names.get('outputs:0', 'outputs')
  assert interpreter.get_signature_list() == {
      'serving_default': {'inputs': [given], 'outputs': [returned]}}
  found = interpreter.get_signature_runner()(**{given: examples[:1]})[returned]
  plain = tensorflow.lite.Interpreter(path)
  plain.allocate_tensors()
  plain.set_tensor(plain.get_input_details()[0]['index'], examples[:1])
  plain.invoke()
  np.testing.assert_allclose(found, plain.get_tensor(plain.get_output_details()[0]['index']),
                             atol=1e-6)


def test_two_outputs_of_one_name_are_refused(tmp_path):
  graph_def = graph_of(lambda values: tf.tanh(values, name='more'), [None, 8])
  with pytest.raises(errors.ConversionError, match='have one name.*: y, y'):
    tflite.to_tflite(graph_def, str(tmp_path / 'x'), 'inputs', ['outputs', 'more'],
                     names={'outputs': 'y', 'more': 'y'})


# ---- Arguments that do not fit ----


@pytest.mark.parametrize('options, error, message', [
    (dict(outputs='output'), errors.OutputNodeError, r"no operation 'output'.*mean outputs\?"),
    (dict(outputs='outputs:1'), errors.OutputNodeError, 'outputs:1'),
    (dict(outputs=[]), errors.ConversionError, 'outputs is .*expected names'),
    (dict(outputs=['outputs', 'outputs:0']), errors.ConversionError, 'each once'),
    (dict(inputs='input'), errors.ConversionError,
     r"no input 'input'.*mean inputs\?.*placeholders: inputs"),
    (dict(quantization='float8'), errors.ConversionError, "one of 'none', 'float16', 'dynamic'"),
    (dict(sparse='yes'), errors.ConversionError, "'yes'; expected one of 'auto', True, False"),
    (dict(sparse=1), errors.ConversionError, 'sparse is 1'),
    (dict(names={'x': 'images'}), errors.ConversionError,
     'for x, which is no input or output; they are: inputs, outputs'),
    (dict(runtime='gpu'), errors.ConversionError, "'gpu'.*'default'"),
    (dict(tolerance=-1), errors.ConversionError, 'at least 0'),
    (dict(tolerance=float('nan')), errors.ConversionError, 'at least 0'),
    (dict(quantization='int8'), errors.ConversionError,
     r'^Quantization int8 needs examples \(examples=, --examples\): .* use quantization dynamic$'),
    (dict(examples=[]), errors.ConversionError, r'^No examples are given \(examples=, --exam'),
    (dict(examples=[np.zeros(7)]), errors.ConversionError, r'shape \[7\]; expected \[1, 8\]'),
    (dict(examples=[(np.zeros(8), np.zeros(8))]), errors.ConversionError,
     'Example 0 has 2 values; there are 1 inputs: inputs'),
    (dict(examples=[{'images': np.zeros(8)}]), errors.ConversionError, 'values for images'),
    (dict(examples=[['a'] * 8]), errors.ConversionError, 'expected float32'),
    (dict(input_shapes={'input': [1, 8]}), errors.ConversionError,
     r"\(input_shapes=, --input_shape\) for 'input', which is no input"),
    (dict(input_shapes={'inputs': [1, 9]}), errors.ConversionError, r'\[1, 9\]; the graph has'),
    (dict(input_shapes={'inputs': [0, 8]}), errors.ConversionError, r'\[0, 8\]'),
    (dict(input_shapes={'inputs': [-1, 8]}), errors.ConversionError,
     r"'inputs' \(input_shapes=, --input_shape\) is \[-1, 8\]; the graph has .*of at least 1$"),
    (dict(input_shapes={'inputs': [None, 8]}), errors.ConversionError, r'\[None, 8\]; the graph'),
    (dict(input_shapes={'inputs': [1.5, 8]}), errors.ConversionError, r'\[1.5, 8\]; the graph'),
    (dict(input_shapes={'inputs': ['1', 8]}), errors.ConversionError, r"\['1', 8\]; the graph"),
    (dict(input_shapes={'inputs': [8]}), errors.ConversionError, r'\[8\]; the graph'),
    (dict(input_shapes={'inputs': 8}), errors.ConversionError, 'is 8; the graph'),
    (dict(input_shapes={'inputs': [2**31, 8]}), errors.ConversionError,
     r"'inputs' of shape \[2147483648, 8\] takes 68.7 GB; inputs of up to 2 GB"),
    (dict(input_shapes={'inputs': [10**20, 8]}), errors.ConversionError, 'GB; inputs of up to'),
])
def test_bad_arguments(tmp_path, options, error, message):
  arguments = dict(inputs='inputs', outputs='outputs', path=str(tmp_path / 'model.tflite'))
  arguments.update(options)
  with pytest.raises(error, match=message):
    tflite.to_tflite(dense_layers(weight([8, 8])), **arguments)
  assert not os.listdir(str(tmp_path))


def test_memory_for_made_up_examples(monkeypatch):
  def fails(examples):
    raise MemoryError

  with pytest.raises(errors.ConversionError, match=r'not enough memory for inputs of \[2, 3\]'):
    tflite_check.generated(fails, [[2, 3]], [np.float32], 0)
  monkeypatch.setattr(tflite_check, '_MEMORY', 4 * 4 * 600)
  for size, number in ((600, 4), (6000, 2), (6, 100)):
    examples = tflite_check.generated(lambda examples: None, [[1, size]], [np.int32], 0)
    assert len(examples) == number


def test_made_up_examples_are_indices_where_others_fail():
  def looks_up(examples):
    for example in examples:
      if any((part < 0).any() or (part % 1).any() for part in example):
        raise errors.ConversionError('no such row')

  examples = tflite_check.generated(looks_up, [[1, 6]], [np.float32], 0)
  assert len(examples) == 100 and {float(x) for part, in examples for x in part.flat} == {0.0, 1.0}


def test_bad_graphs(tmp_path):
  path = tmp_path / 'model.tflite'
  with pytest.raises(errors.ConversionError, match=r'of shape \(0, 4\) has no elements'):
    export(graph_of(tf.nn.relu, [0, 4]), path)
  with pytest.raises(errors.ConversionError,
                     match=r"shape of input .* unknown.*\(input_shapes=.*, --input_shape inputs="):
    export(graph_of(tf.nn.relu, None), path)
  with pytest.raises(errors.ConversionError, match='give the whole shape'):
    export(graph_of(tf.nn.relu, [None, None]), path)
  assert export(graph_of(tf.nn.relu, None), path, input_shapes={'inputs': [2, 3]}).max_error == 0
  os.remove(str(path))
  with pytest.raises(errors.ConversionError, match=r'variables \(.*strip_pruning_vars_fn'):
    export(graph_of(lambda values: values * tf.get_variable('v', [4]), [1, 4]), path)
  with pytest.raises(errors.ConversionError, match='placeholders that are not .*: other'):
    export(graph_of(lambda values: values + tf.placeholder(tf.float32, [4], 'other'), [1, 4]), path)
  with pytest.raises(errors.ConversionError, match='do not depend on inputs: inputs'):
    export(graph_of(lambda values: tf.placeholder(tf.float32, [4], 'other') + 1, [1, 4]), path)
  with pytest.raises(errors.ConversionError,
                     match=r'some of the graph \(MatrixDeterminant\).*select_tf_ops'):
    export(graph_of(tf.linalg.det, [1, 4, 4]), path)
  with pytest.raises(errors.ConversionError, match='graph itself fails'):
    export(graph_of(lambda values: tf.gather(weight([4, 4]), values + 9), [3], tf.int32), path)
  with pytest.raises(errors.WriteError, match='folder'):
    export(graph_of(tf.nn.relu, [1, 4]), tmp_path)
  assert not os.listdir(str(tmp_path))


@pytest.mark.skipif(TF2, reason='of TensorFlow 1.15')
def test_tensorflow_1_says_what_it_lacks(tmp_path):
  graph_def = dense_layers(weight([64, 64], (4, 1), 0.875))
  with pytest.raises(errors.ConversionError, match='Sparse TFLite models need TensorFlow 2'):
    export(graph_def, tmp_path / 'model.tflite', sparse=True)
  with pytest.raises(errors.ConversionError, match="1.15.5 has: 'default'"):
    export(graph_def, tmp_path / 'model.tflite', runtime='without_default_delegates')
  one, = export(graph_def, tmp_path / 'model.tflite').weights
  assert (one.fast, one.stored.block, one.why) == (
      False, None, 'sparse models need TensorFlow 2')


# ---- Reading files ----


def test_small_kernels_are_weights_and_small_tables_are_not(tmp_path):
  rng = np.random.RandomState(0)
  with tf.Graph().as_default() as graph:
    x = tf.placeholder(tf.float32, [1, 2, 2, 3], 'x')
    kernel = tf.constant(rng.randn(1, 1, 3, 2), tf.float32, name='c')
    x = tf.pad(tf.nn.conv2d(x, kernel, [1, 1, 1, 1], 'VALID'), [[0, 0], [0, 0], [0, 0], [1, 1]])
    row = tf.gather(tf.constant(rng.randn(4, 5), tf.float32), tf.placeholder(tf.int32, [1], 'ids'))
    fc = tf.constant(rng.randn(16, 3), tf.float32, name='fc')
    tf.identity(tf.matmul(tf.reshape(x, [1, 16]), fc) + row[:, :3], 'y')
  path = str(tmp_path / 'small.tflite')
  tflite.to_tflite(graph.as_graph_def(), path, ['x', 'ids'], ['y'])
  assert sorted(one.shape for one in tflite.weights_of(path)) == [(1, 1, 3, 2), (16, 3)]


@sparse_only
def test_weights_of_a_file(verdicts):
  stored = tflite.weights_of(verdicts.path)
  assert stored == [one.stored for one in verdicts.weights]
  with open(verdicts.path, 'rb') as handle:
    content = handle.read()
  assert tflite.weights_of(content) == stored
  assert tflite.weights_of(content, min_size=10**6) == []
  fast, = [one for one in stored if one.name == 'net/fast/weights']
  blocks = 64 // 4 * 48 // 8  # Of four floats, each with an index of one byte.
  assert fast.stored_bytes == blocks * (4 * 4 + 1) + 49 * 1
  assert (fast.op, fast.dtype, fast.size) == ('FULLY_CONNECTED', 'float32', 64 * 48)


def test_weights_of_a_dense_file(tmp_path):
  kernel = weight([32, 16], sparsity=0.5)
  with tf.Graph().as_default(), tf.Session() as session:
    values = tf.placeholder(tf.float32, [1, 32], 'inputs')
    outputs = tf.matmul(values, tf.constant(kernel))
    path = os.environ.get('PATH', '')
    os.environ['PATH'] = os.path.dirname(os.sys.executable) + os.pathsep + path
    try:
      content = tf.lite.TFLiteConverter.from_session(session, [values], [outputs]).convert()
    finally:
      os.environ['PATH'] = path
  one, = tflite.weights_of(content)
  assert (one.shape, one.sparsity, one.block, one.expanded) == ((32, 16), 0.5, None, False)
  assert one.dense_bytes == one.stored_bytes == 32 * 16 * 4


def test_files_of_another_kind(tmp_path):
  path = tmp_path / 'model.tflite'
  with pytest.raises(errors.ModelFileError, match='Cannot read'):
    tflite.weights_of(str(path))
  for content in (b'', b'TFL3', b'PK\3\4 a zip file', bytes(100)):
    path.write_bytes(content)
    with pytest.raises(errors.ModelFileError, match='not a TFLite model'):
      tflite.weights_of(str(path))
  export(dense_layers(weight([16, 16])), path)
  content = path.read_bytes()
  for length in range(8, len(content) - 700, 97):
    with pytest.raises(errors.ModelFileError, match='damaged'):
      tflite.weights_of(content[:length])


def test_damaged_files_raise_the_one_error(verdicts):
  with open(verdicts.path, 'rb') as handle:
    content = handle.read()
  generator = np.random.RandomState(1)
  for _ in range(300):
    damaged = bytearray(content)
    for place in generator.randint(8, len(content), 20):
      damaged[place] = generator.randint(256)
    try:
      tflite.weights_of(bytes(damaged))
    except errors.ModelFileError:
      pass
