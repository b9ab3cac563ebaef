# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
"""Groups, N of M and gradient saliency, from a spec to assigned variables, against NumPy."""

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables
from tests import legs
from tests import oracle

SHAPES = {'fc': (13, 10), 'out': (10, 6), 'conv': (2, 3, 7, 5)}
NOW = 'initial_sparsity=0.6,target_sparsity=0.6'


class Net:
  """Masked weights whose values and global step are set from outside.

  Attributes:
    records, graph, session, pruning: as named.
  """

  def __init__(self, spec, groups=None, cut=None, dtype='float32', use_resource=False,
               shapes=None, mask=None):
    """Builds it.

    Args:
      groups: group of each weight, by name; others are masked without one.
      cut: (axis, parts) of every weight, None for whole ones.
      mask: masks a weight, given name and variable, instead of apply_mask_with_group.
    """
    shapes, groups = shapes or SHAPES, groups or {}
    self.graph = tf.Graph()
    with self.graph.as_default():
      self.step = tf.train.get_or_create_global_step()
      self.names = sorted(shapes)
      self.placeholders = []
      assignments = []
      for name in self.names:
        partitioner = tf.fixed_size_partitioner(cut[1], cut[0]) if cut else None
        with tf.variable_scope(name, use_resource=use_resource, partitioner=partitioner):
          weight = tf.get_variable('weights', shapes[name], tf.as_dtype(dtype),
                                   initializer=tf.zeros_initializer())
          if mask is not None:
            mask(name, weight)
          else:
            model_pruning.apply_mask_with_group(weight, tf.get_variable_scope(),
                                                group_name=groups.get(name))
        for shard in variables.shards_of(weight):
          self.placeholders.append(tf.placeholder(tf.float32, shard.shape))
          assignments.append(tf.assign(shard, tf.cast(self.placeholders[-1], shard.dtype)).op)
      self.set_weights = tf.group(*assignments)
      self.pruning = model_pruning.Pruning(spec)
      self.update = self.pruning.mask_update_op()
      self.records = registry.masked_weights()
      self.cut = cut
      initialize = tf.global_variables_initializer()
    self.session = tf.Session(graph=self.graph)
    self.session.run(initialize)

  def set(self, values):
    feed = []
    for name in self.names:
      value = values[name]
      axis, parts = self.cut or (0, 1)
      if parts > 1:
        sizes = [shard.shape.as_list()[axis]
                 for shard in self.records[self.names.index(name)].weight_shards]
        feed.extend(np.split(value, np.cumsum(sizes)[:-1], axis))
      else:
        feed.append(value)
    self.session.run(self.set_weights, dict(zip(self.placeholders, feed)))

  def get(self, attribute):
    """Returns what the variables of that kind hold, as float32, by the names of the weights."""
    with self.graph.as_default():
      tensors = [tf.cast(tf.convert_to_tensor(getattr(record, attribute)), tf.float32)
                 for record in self.records]
    return dict(zip(self.names, self.session.run(tensors)))

  def pruned(self, values):
    """Sets the weights, updates, and returns masks (bool) and thresholds."""
    self.set(values)
    self.session.run(self.update)
    masks = {name: mask != 0 for name, mask in self.get('mask').items()}
    return masks, self.get('threshold')


def stored(value, dtype):
  """Returns what a variable of `dtype` makes of float32."""
  value = np.asarray(value, np.float32)
  if dtype == 'float16':
    return value.astype(np.float16).astype(np.float32)
  if dtype == 'bfloat16':  # The upper half of the bits, to the nearest and then the even one.
    bits = value.ravel().view(np.uint32)
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & np.uint32(0xffff0000)
    return bits.view(np.float32).reshape(value.shape)
  return value


def drawn(seed, dtype='float32', shapes=None, ties=False):
  """Draws the values of the weights, as float32 that `dtype` can hold."""
  rng = np.random.RandomState(seed)
  return {name: stored(rng.randint(-3, 4, shape) if ties else rng.standard_normal(shape), dtype)
          for name, shape in sorted((shapes or SHAPES).items())}


def equal(masks, expected):
  assert sorted(masks) == sorted(expected)
  for name, mask in expected.items():
    np.testing.assert_array_equal(masks[name], mask, err_msg=name)


CUTS = {'whole': None, 'rows': (0, 2), 'columns': (1, 3)}
# Every pair of dtype, cut and selector; all of their combinations under `make soak`.
CROSSED = [('float32', 'whole', False), ('float32', 'rows', True), ('float32', 'columns', False),
           ('float16', 'whole', True), ('float16', 'rows', False), ('float16', 'columns', True),
           ('bfloat16', 'whole', False), ('bfloat16', 'rows', True), ('bfloat16', 'columns', False),
           ('float64', 'whole', True), ('float64', 'rows', False), ('float64', 'columns', True)]
if oracle.soak(1) > 1:
  CROSSED += [(dtype, cut, not use_tpu) for dtype, cut, use_tpu in CROSSED]
BLOCKS = [((1, 1), 'AVG'), ((2, 3), 'AVG'), ((-1, 2), 'MAX')]


def _options(use_tpu, block=(1, 1), pooling='AVG'):
  return 'use_tpu=%s,block_height=%d,block_width=%d,block_pooling_function=%s' % (
      (use_tpu,) + block + (pooling,))


# A convolution cut along its first two axes has parts enough.
def _shapes(cut):
  return {'fc': (13, 10), 'out': (10, 6), 'conv': (4, 3, 7, 5)} if cut else SHAPES


@pytest.mark.sampled(2)
@pytest.mark.parametrize('block, pooling, dtype, cut, use_tpu', legs.few([
    blocks + rest for blocks, rest in legs.product(BLOCKS, CROSSED)], 12), ids=str)
def test_a_group_has_the_masks_and_the_threshold_of_the_oracle(block, pooling, use_tpu, dtype, cut):
  cut = CUTS[cut]
  shapes = _shapes(cut)
  net = Net('%s,group_pruning=true,%s' % (NOW, _options(use_tpu, block, pooling)),
            {'fc': 'g', 'conv': 'g'}, cut, dtype, dtype != 'float32', shapes)
  for ties in (False, True):
    values = drawn(1, dtype, shapes, ties)
    masks, thresholds = net.pruned(values)
    # In order of registration, which is that of the names.
    (conv, fc), threshold = oracle.masks([np.abs(values[name]) for name in ('conv', 'fc')], 0.6,
                                         [block, block], pooling)
    out, own = oracle.mask(values['out'], 0.6, block, pooling)
    equal(masks, {'conv': conv, 'fc': fc, 'out': out})
    assert thresholds['conv'] == thresholds['fc'] == stored(threshold, dtype)
    assert thresholds['out'] == stored(own, dtype)


@pytest.mark.sampled(3)
@pytest.mark.parametrize('m, dtype, cut, use_tpu', legs.few([
    (m,) + rest for m, rest in legs.product([4, 5], CROSSED)], 8))
def test_n_of_m_has_the_masks_of_the_oracle(m, use_tpu, dtype, cut):
  cut = CUTS[cut]
  shapes = _shapes(cut)
  net = Net('%s,intra_block_sparsity=true,%s' % (NOW, _options(use_tpu, (1, m))), None, cut,
            dtype, dtype != 'float32', shapes)
  for ties in (False, True):
    values = drawn(2, dtype, shapes, ties)
    masks, thresholds = net.pruned(values)
    equal(masks, {name: oracle.n_of_m_mask(np.abs(value), m, 0.6)
                  for name, value in values.items()})
    assert set(thresholds.values()) == {0}


def gradients_after(history, option, decay):
  """Returns the averages after updates at which the weights had the values of `history`."""
  zero = {name: np.zeros_like(value) for name, value in history[0].items()}
  gradient, old, old_old = zero, zero, zero
  for values in history:
    for name, value in values.items():
      change = (value - old[name] if option == 'first_order_gradient'
                else value + old_old[name] - 2 * old[name])
      gradient = dict(gradient, **{name: oracle.next_gradient(gradient[name], np.abs(change),
                                                              decay)})
    old_old, old = old, values
  return gradient


FIRST, SECOND = 'first_order_gradient', 'second_order_gradient'
GRADIENTS = [(FIRST, 'float32', 'whole', False), (SECOND, 'float32', 'columns', False),
             (FIRST, 'float16', 'rows', True), (SECOND, 'float16', 'whole', False),
             (SECOND, 'bfloat16', 'rows', True), (FIRST, 'float64', 'columns', True)]
if oracle.soak(1) > 1:
  GRADIENTS = [(option,) + rest for option in (FIRST, SECOND) for rest in CROSSED]


@pytest.mark.sampled(2)
@pytest.mark.parametrize('form, option, dtype, cut, use_tpu', legs.few([
    (form,) + rest for form, rest in legs.product(
        ['alone', 'blocks', 'group of blocks', 'n of m'], GRADIENTS)], 8))
def test_gradient_saliency_has_the_masks_of_the_oracle(option, form, use_tpu, dtype, cut):
  cut = CUTS[cut]
  shapes = {'fc': (13, 10), 'conv': (4, 3, 7, 5)}
  block = {'alone': (1, 1), 'n of m': (1, 4)}.get(form, (2, 3))
  extra = {'group of blocks': ',global_pruning=true', 'n of m': ',intra_block_sparsity=true'}
  net = Net('%s,prune_option=%s,gradient_decay_rate=0.75,%s%s' % (
      NOW, option, _options(use_tpu, block, 'MAX'), extra.get(form, '')), None, cut, dtype,
            dtype != 'float32', shapes)
  history = [drawn(seed, dtype, shapes) for seed in (3, 4, 5)]
  for at in range(1, 4):
    masks, _ = net.pruned(history[at - 1])
    gradients = gradients_after(history[:at], option, 0.75)
    scores = {name: np.abs(history[at - 1][name]) * gradient
              for name, gradient in gradients.items()}
    if form == 'n of m':
      expected = {name: oracle.n_of_m_mask(score, 4, 0.6) for name, score in scores.items()}
    elif form == 'group of blocks':
      together, _ = oracle.masks([scores[name] for name in net.names], 0.6, [block] * 2, 'MAX')
      expected = dict(zip(net.names, together))
    else:
      expected = {name: oracle.masks([score], 0.6, [block], 'MAX')[0][0]
                  for name, score in scores.items()}
    equal(masks, expected)
    for name, gradient in net.get('gradient').items():
      np.testing.assert_allclose(gradient, gradients[name], rtol=1e-6, atol=1e-12)


# ---- Groups. ----


def test_one_threshold_over_the_whole_model_by_one_word():
  net = Net(NOW + ',global_pruning=true')
  values = drawn(6)
  masks, thresholds = net.pruned(values)
  together, threshold = oracle.masks([np.abs(values[name]) for name in net.names], 0.6)
  equal(masks, dict(zip(net.names, together)))
  assert set(thresholds.values()) == {threshold}


def test_groups_have_their_own_sparsity_and_blocks_and_others_the_target():
  net = Net('initial_sparsity=0.6,target_sparsity=0.6,group_pruning=true,'
            'group_sparsity_map=[a:0.9,ungrouped:0.2],group_block_dims_map=[a:2x2]',
            {'fc': 'a', 'conv': 'b'})
  values = drawn(7)
  net.session.run(tf_assign_step(net, 100))
  masks, _ = net.pruned(values)
  magnitudes = {name: np.abs(value) for name, value in values.items()}
  equal(masks, {'fc': oracle.mask(values['fc'], 0.9, (2, 2))[0],
                'conv': oracle.masks([magnitudes['conv']], 0.6)[0][0],
                'out': oracle.mask(values['out'], 0.2)[0]})


def tf_assign_step(net, step):
  with net.graph.as_default():
    return tf.assign(net.step, step).op


def test_without_group_pruning_members_are_pruned_each_on_its_own():
  net = Net(NOW, {'fc': 'g', 'conv': 'g'})
  values = drawn(8)
  masks, _ = net.pruned(values)
  equal(masks, {name: oracle.mask(value, 0.6)[0] for name, value in values.items()})


def test_a_group_of_masked_scope_is_that_of_apply_mask_with_group():
  with tf.Graph().as_default():
    with tf.variable_scope('a'), model_pruning.masked_scope(group_name='g'):
      masked = tf.get_variable('kernel', [3, 4])
    with tf.variable_scope('b'):
      model_pruning.apply_mask_with_group(tf.get_variable('kernel', [3, 4]),
                                          tf.get_variable_scope(), group_name='g')
    with tf.variable_scope('c'):
      model_pruning.apply_mask(tf.get_variable('kernel', [3, 4]))
    assert [record.group for record in registry.masked_weights()] == ['g', 'g', None]
    assert [mask.op.name for mask in model_pruning.get_masks('g')] == ['a/mask', 'b/mask']
    assert model_pruning.get_masked_weights('g')[0] is masked
    assert len(model_pruning.get_thresholds('g')) == len(model_pruning.get_weights('g')) == 2
    assert sorted(key for key in tf.get_default_graph().get_all_collection_keys()
                  if key.endswith('_g')) == ['kernel_g', 'masked_weights_g', 'masks_g',
                                             'thresholds_g']


def test_a_weight_enters_a_group_once_and_only_one():
  with tf.Graph().as_default():
    weight = tf.get_variable('kernel', [3, 4])
    for _ in range(2):
      with tf.variable_scope('', reuse=tf.AUTO_REUSE):
        model_pruning.apply_mask_with_group(weight, group_name='g')
    assert len(model_pruning.get_masks('g')) == len(model_pruning.get_masks()) == 1
    with tf.variable_scope('', reuse=tf.AUTO_REUSE):
      with pytest.raises(errors.GroupError, match="kernel is in group 'g'.*group 'h'"):
        model_pruning.apply_mask_with_group(weight, group_name='h')


@pytest.mark.parametrize('name', ['a b', 'a,b', 'a:b', '', '[a]'])
def test_names_that_a_map_could_not_hold_are_refused(name):
  with tf.Graph().as_default():
    with pytest.raises(errors.GroupError, match='group_name='):
      model_pruning.apply_mask_with_group(tf.get_variable('kernel', [3, 4]), group_name=name)
    with pytest.raises(errors.GroupError, match='group_name='):
      with model_pruning.masked_scope(group_name=name):
        pass
    assert not model_pruning.get_masks()


def test_the_threshold_of_a_group_is_smoothed_as_one():
  net = Net(NOW + ',group_pruning=true,threshold_decay=0.5', {'fc': 'g', 'conv': 'g'})
  values = drawn(9)
  _, thresholds = net.pruned(values)
  _, current = oracle.masks([np.abs(values[name]) for name in ('conv', 'fc')], 0.6)
  assert thresholds['fc'] == thresholds['conv'] == np.float32(0.5) * current
  _, thresholds = net.pruned(values)
  assert thresholds['fc'] == np.float32(0.5) * current + np.float32(0.5) * (
      np.float32(0.5) * current)


def test_a_group_falls_short_as_a_whole():
  net = Net(NOW + ',group_pruning=true', {'fc': 'g', 'conv': 'g'})
  values = drawn(10)
  # All that is pruned is pruned of one member; the group as a whole has its sparsity.
  values['conv'] *= 100
  net.pruned(values)
  with net.graph.as_default():
    rows = {row.name: row for row in net.pruning.sparsity_report(net.session)}
  assert rows['conv/weights'].achieved == 0.0 or rows['fc/weights'].achieved == 1.0
  assert not any(row.short for row in rows.values())
  assert {row.target for row in rows.values()} == {0.6}


# ---- N of M. ----


def test_n_of_m_follows_the_schedule():
  net = Net('target_sparsity=0.75,intra_block_sparsity=true,block_width=4,'
            'sparsity_function_end_step=100,sparsity_function_exponent=1', shapes={'fc': (8, 3)})
  values = drawn(11, shapes={'fc': (8, 3)})
  for step, dropped in ((0, 0), (30, 0), (40, 1), (70, 2), (99, 2), (100, 3), (1000, 3)):
    net.session.run(tf_assign_step(net, step))
    masks, _ = net.pruned(values)
    assert (masks['fc'].reshape(2, 4, 3).sum(axis=1) == 4 - dropped).all(), step


def test_n_of_m_leaves_what_is_mapped_to_1x1_elementwise():
  net = Net(NOW + ',intra_block_sparsity=true,block_width=4,block_dims_map=[bias:1x1,out:1x2]',
            shapes={'fc': (8, 3), 'bias': (9,), 'out': (8, 2)})
  values = drawn(12, shapes={'fc': (8, 3), 'bias': (9,), 'out': (8, 2)})
  masks, _ = net.pruned(values)
  equal(masks, {'fc': oracle.n_of_m_mask(np.abs(values['fc']), 4, 0.6),
                'bias': oracle.mask(values['bias'], 0.6)[0],
                'out': oracle.n_of_m_mask(np.abs(values['out']), 2, 0.6)})


@pytest.mark.parametrize('spec, shape, message', [
    ('block_width=4', (7,), r'w/weights: N of M.*rank 2 or 4.*shape \(7,\).*w?1x1'),
    ('block_width=4', (2, 3, 4), r'rank 2 or 4.*shape \(2, 3, 4\)'),
    ('block_width=4', (1, 8),
     r'w/weights: N of M.*at least two input channels.*shape \(1, 8\) with 1'),
    ('block_width=4,target_sparsity=0.2', (8, 3), r'floor\(4 \* 0.2\) = 0 of every 4.*0.25'),
    ('block_width=100,target_sparsity=0.2', (4, 3), r'floor\(4 \* 0.2\) = 0 of every 4'),
])
def test_weights_and_sparsities_that_n_of_m_cannot_serve_are_named(spec, shape, message):
  with pytest.raises(errors.BlockError, match=message):
    Net('intra_block_sparsity=true,' + spec, shapes={'w': shape})


def test_n_of_m_at_a_sparsity_of_zero_keeps_all():
  net = Net('target_sparsity=0,intra_block_sparsity=true,block_width=4')
  masks, _ = net.pruned(drawn(13))
  assert all(mask.all() for mask in masks.values())


# ---- Gradient saliency. ----

GRADIENT_LEAVES = ('gradient', 'old_weight', 'old_old_weight')


def leaves(prefix):
  """Returns the names of the variables of the history under a scope."""
  return [variable.op.name for variable in tf.global_variables()
          if variable.op.name.startswith(prefix) and
          variable.op.name.split('/')[-1].endswith(GRADIENT_LEAVES)]


@pytest.mark.parametrize('by', ['apply_mask', 'masked_scope', 'Pruning.apply_mask', 'Pruning'])
def test_the_history_is_made_where_the_option_asks_for_it(by):
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    with tf.variable_scope('a'):
      model_pruning.apply_mask(tf.get_variable('kernel', [3, 4]), tf.get_variable_scope())
    assert not leaves('')
    pruning = model_pruning.Pruning('prune_option=first_order_gradient')
    with tf.variable_scope('w'):
      if by == 'masked_scope':
        with model_pruning.masked_scope(prune_option='first_order_gradient'):
          tf.get_variable('kernel', [3, 4])
      elif by == 'Pruning.apply_mask':
        pruning.apply_mask(tf.get_variable('kernel', [3, 4]), tf.get_variable_scope())
      else:
        model_pruning.apply_mask(tf.get_variable('kernel', [3, 4]), tf.get_variable_scope(),
                                 prune_option='first_order_gradient' if by == 'apply_mask'
                                 else 'weight')
    assert len(leaves('w/')) == (0 if by == 'Pruning' else 3)
    with tf.variable_scope('elsewhere'):
      pruning.conditional_mask_update_op()
    assert leaves('') and sorted(leaves('w/')) == ['w/' + leaf for leaf in sorted(GRADIENT_LEAVES)]
    assert sorted(leaves('a/')) == ['a/' + leaf for leaf in sorted(GRADIENT_LEAVES)]
    assert not {variable.op.name for variable in tf.trainable_variables()} & set(leaves(''))
    assert len(model_pruning.get_gradients()) == len(model_pruning.get_old_weights()) == 2
    assert len(model_pruning.get_old_old_weights()) == 2


def test_magnitude_pruning_makes_no_history():
  net = Net(NOW)
  with net.graph.as_default():
    assert not leaves('')
    assert not [variable for variable in tf.global_variables()
                if variable.op.name.endswith('last_gradient_update_step')]
    before = len(net.session.run(tf.report_uninitialized_variables()))
    for build in (net.pruning.gradient_update_op, net.pruning.conditional_gradient_update_op,
                  net.pruning.old_weight_update_op, net.pruning.old_old_weight_update_op):
      assert build().type == 'NoOp'
      net.session.run(build())
    assert before == 0


@pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])
def test_each_part_of_the_history_moves_by_its_own_operation(use_resource):
  net = Net('prune_option=second_order_gradient,gradient_decay_rate=0.5,end_pruning_step=50',
            use_resource=use_resource, shapes={'fc': (3, 4)})
  zero = np.zeros((3, 4), np.float32)
  first, second = (drawn(seed, shapes={'fc': (3, 4)}) for seed in (14, 15))
  with net.graph.as_default():
    old, old_old = net.pruning.old_weight_update_op(), net.pruning.old_old_weight_update_op()
    gradient = net.pruning.gradient_update_op()
    conditional = net.pruning.conditional_gradient_update_op()
    last, = [variable for variable in tf.global_variables()
             if variable.op.name == 'model_pruning/last_gradient_update_step']
  net.set(first)
  net.session.run(old)
  np.testing.assert_array_equal(net.get('old_weight')['fc'], first['fc'])
  np.testing.assert_array_equal(net.get('old_old_weight')['fc'], zero)
  net.session.run(old_old)
  net.set(second)
  net.session.run(old)
  np.testing.assert_array_equal(net.get('old_weight')['fc'], second['fc'])
  np.testing.assert_array_equal(net.get('old_old_weight')['fc'], first['fc'])
  np.testing.assert_array_equal(net.get('gradient')['fc'], zero)

  expected = zero
  for step, operation, changes in ((7, gradient, True), (8, conditional, True),
                                   (51, conditional, False), (52, gradient, True)):
    net.session.run(tf_assign_step(net, step))
    net.session.run(operation)
    if changes:
      change = second['fc'] + first['fc'] - 2 * second['fc']
      expected = oracle.next_gradient(expected, np.abs(change), 0.5)
      assert net.session.run(last) == step
    np.testing.assert_allclose(net.get('gradient')['fc'], expected, rtol=1e-6)
  assert net.get('mask')['fc'].all()


def test_a_weight_that_does_not_move_is_pruned_first():
  net = Net(NOW + ',prune_option=first_order_gradient,gradient_decay_rate=0', shapes={'fc': (2, 5)})
  start = {'fc': np.arange(1, 11, dtype=np.float32).reshape(2, 5)}
  net.pruned(start)
  moved = {'fc': start['fc'] + np.array([[1, 1, 1, 1, 0]] + [[0] * 5], np.float32)}
  masks, _ = net.pruned(moved)
  np.testing.assert_array_equal(masks['fc'], [[1, 1, 1, 1, 0], [0] * 5])


def test_summaries_have_the_norm_of_each_gradient():
  net = Net(NOW + ',prune_option=first_order_gradient', shapes={'fc': (3, 4)})
  values = drawn(16, shapes={'fc': (3, 4)})
  net.pruned(values)
  with net.graph.as_default():
    merged = net.pruning.add_pruning_summaries()
  found = {value.tag: value.simple_value
           for value in tf.Summary.FromString(net.session.run(merged)).value}
  tag, = [tag for tag in found if tag.endswith('fc/gradient/gradient')]
  np.testing.assert_allclose(found[tag], 0.01, rtol=1e-5)
  assert any(tag.endswith('last_gradient_update_step') for tag in found)


@pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])
def test_what_is_remembered_is_what_the_change_was_taken_of_although_the_run_trains(use_resource):
  """An update reads before or after the training step of its run, but never both."""
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    with tf.variable_scope('fc', use_resource=use_resource) as scope:
      weight = tf.get_variable('weights', [300, 1000], initializer=tf.ones_initializer())
      model_pruning.apply_mask(weight, scope)
    pruning = model_pruning.Pruning('prune_option=first_order_gradient,gradient_decay_rate=0')
    update = pruning.mask_update_op()
    train = tf.assign_add(weight, tf.random_uniform(weight.shape)).op
    history = [model_pruning.get_old_weights()[0], model_pruning.get_gradients()[0]]
    session.run(tf.global_variables_initializer())
    before, _ = session.run(history)
    for _ in range(10):
      session.run([train, update])
      after, gradient = session.run(history)
      expected = oracle.next_gradient(np.zeros_like(after), np.abs(after - before), 0)
      np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-9)
      before = after


def test_an_initializer_made_after_the_pruning_object_knows_the_history():
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    with tf.variable_scope('fc') as scope:
      model_pruning.apply_mask(tf.get_variable('weights', [4, 5]), scope)
    pruning = model_pruning.Pruning('prune_option=second_order_gradient')
    initialize = tf.global_variables_initializer()
    update = pruning.mask_update_op()
    session.run(initialize)
    session.run(update)


@pytest.mark.parametrize('cut', [False, True], ids=['whole', 'partitioned'])
def test_the_history_is_in_the_scope_of_the_mask_for_every_name(cut):
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    setter = tf.train.replica_device_setter(ps_tasks=2)
    partitioner = tf.fixed_size_partitioner(2) if cut else None
    with tf.device(setter), tf.variable_scope('m/part_3', partitioner=partitioner) as scope:
      model_pruning.apply_mask(tf.get_variable('weights', [8, 6]), scope)
    model_pruning.Pruning('prune_option=first_order_gradient').mask_update_op()
    record, = registry.masked_weights()
    for leaf in GRADIENT_LEAVES:
      shards = variables.shards_of(getattr(record, leaf))
      assert [shard.device for shard in shards] == [shard.device for shard in record.mask_shards]


def test_a_member_has_its_history_in_the_collections_of_its_group():
  with tf.Graph().as_default():
    with tf.variable_scope('fc', reuse=tf.AUTO_REUSE) as scope:
      weight = tf.get_variable('weights', [4, 5])
      model_pruning.apply_mask(weight, scope, 'first_order_gradient')
      model_pruning.apply_mask_with_group(weight, scope, group_name='g')
    assert model_pruning.get_gradients('g') == model_pruning.get_gradients()
    assert len(model_pruning.get_old_weights('g')) == len(model_pruning.get_masks('g')) == 1
