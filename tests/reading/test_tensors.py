# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Memory is taken for the contents of a file, not for the size that it declares."""

import tracemalloc

import numpy as np
import pytest

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.reading import tensors


def _proto(value, shape=None, dtype=None):
  proto = tf.make_tensor_proto(value, dtype=dtype)
  if shape is not None:
    proto.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
  return proto


@pytest.mark.parametrize('value', [
    1.5, [1, 2, 3], [[True, False]], np.float16([1, 2]), np.arange(6, dtype=np.int64).reshape(2, 3),
    [b'a', b'bc'], np.complex64([1j, 2]), np.uint8(7), np.zeros([0, 4], np.float32)])
def test_what_is_held_is_what_is_returned(value):
  expected = np.array(value, object) if isinstance(value, list) and isinstance(
      value[0], bytes) else tf.make_ndarray(tf.make_tensor_proto(value))
  found = tensors.to_array(tf.make_tensor_proto(value), 'x')
  assert found.shape == expected.shape and found.tolist() == expected.tolist()


@pytest.mark.parametrize('value', [1.0, 7, True, b'text', np.float64(0.5), 2j])
def test_one_value_for_all_elements_takes_no_memory(value):
  tracemalloc.start()
  found = tensors.to_array(_proto(value, [10000, 5000]), 'x')
  assert found.shape == (10000, 5000) and found[-1, -1] == value and tensors.is_repeated(found)
  assert tracemalloc.get_traced_memory()[1] < 10**6
  doubled = tensors.elementwise(lambda part: part == value, found)
  assert tensors.is_repeated(doubled) and doubled[3, 4] and doubled.shape == found.shape
  assert tracemalloc.get_traced_memory()[1] < 10**6
  tracemalloc.stop()
  assert tensors.distinct(found).size == 1


def test_no_value_is_zeros():
  proto = _proto(1.0, [3, 4])
  del proto.float_val[:]
  assert tensors.to_array(proto, 'x').tolist() == np.zeros([3, 4]).tolist()


@pytest.mark.parametrize('shape', [[2**14, 2**15], [2**40], [2**20, 2**20, 2**20], [2**62]])
def test_a_huge_shape_is_refused(shape):
  with pytest.raises(errors.ModelFileError, match='array kernel of shape .* would take .* bytes'):
    tensors.to_array(_proto(1.0, shape), 'kernel')


def test_a_mask_of_a_hundred_million_ones_is_no_bomb():
  mask = tensors.to_array(_proto(1.0, [10**4, 10**4]), 'mask')
  assert mask.size == 10**8 and mask.nbytes == 4 * 10**8


def _change(**fields):
  proto = _proto([1.0, 2.0])
  for name, value in fields.items():
    setattr(proto, name, value)
  return proto


@pytest.mark.parametrize('proto, message', [
    (_change(dtype=0), 'dtype 0'), (_change(dtype=99), 'dtype 99'),
    (_proto([1.0, 2.0, 3.0], [2]), 'has 2 elements, and the file has 3|takes 8 bytes, and'),
    (_change(tensor_content=b'abc'), 'takes 8 bytes, and the file has 3'),
])
def test_damage(proto, message):
  with pytest.raises(errors.ModelFileError, match=message):
    tensors.to_array(proto, 'x')


@pytest.mark.parametrize('dims', [[-1], [2, -5], [1] * 40])
def test_shapes_that_cannot_be(dims):
  proto = _proto(1.0)
  for dim in dims:
    proto.tensor_shape.dim.add().size = dim
  with pytest.raises(errors.ModelFileError, match='invalid shape'):
    tensors.to_array(proto, 'x')


@pytest.mark.parametrize('values', [
    np.broadcast_to(np.float32(3), [1000, 2000]), np.broadcast_to(np.float16(3), [2000, 3]),
    np.broadcast_to(True, [5000]), np.arange(5.0)])
def test_protos_of_repeated_values_are_small(values):
  proto = tensors.to_proto(values)
  assert proto.ByteSize() < 200
  np.testing.assert_array_equal(tensors.to_array(proto, 'x'), values)
  with tf.Graph().as_default(), tf.Session() as session:  # As TensorFlow reads it.
    node = tf.NodeDef(name='c', op='Const')
    node.attr['dtype'].type = proto.dtype
    node.attr['value'].tensor.CopyFrom(proto)
    tf.import_graph_def(tf.GraphDef(node=[node]), name='')
    np.testing.assert_array_equal(session.run('c:0'), values)
