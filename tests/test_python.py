# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The import paths of the predecessors lead to the same objects.

Those of the research branch are written out; tests/differential/test_names.py has
contrib's from the real modules.
"""

import inspect

import pytest

import model_pruning
from model_pruning.python import hparam
from model_pruning.python import pruning
from model_pruning.python import pruning_hook
from model_pruning.python import pruning_interface
from model_pruning.python import pruning_utils
from model_pruning.python import strip_pruning_vars
from model_pruning.python import strip_pruning_vars_lib

PUBLIC = ['apply_mask', 'apply_mask_and_return', 'apply_mask_with_group', 'get_gradients',
          'get_masked_weights', 'get_masks', 'get_old_old_weights', 'get_old_weights',
          'get_pruning_hparams', 'get_thresholds', 'get_weights', 'get_weight_sparsity', 'Pruning']

CONSTANTS = {
    'MASK_COLLECTION': 'masks', 'THRESHOLD_COLLECTION': 'thresholds',
    'MASKED_WEIGHT_COLLECTION': 'masked_weights', 'WEIGHT_COLLECTION': 'kernel',
    'MASKED_WEIGHT_NAME': 'weights/masked_weight',
    'WEIGHT_GRADIENT_COLLECTION': 'gradient_weights', 'OLD_WEIGHT_COLLECTION': 'old_weights',
    'OLD_OLD_WEIGHT_COLLECTION': 'old_old_weights', 'UNGROUPED_GROUP_NAME': 'ungrouped',
}

# Parameters, in order; those with a default are written with it.
RESEARCH = [
    (pruning, 'attach_group_suffix', "collection_name, group_name=None, separator='_'"),
    (pruning, 'add_to_pruning_collections',
     'mask, threshold, weight, masked_weight, gradient=None, old_weight=None, '
     'old_old_weight=None, group_name=None'),
    (pruning, 'apply_mask', "x, scope='', prune_option='weight'"),
    (pruning, 'apply_mask_with_group',
     "x, scope='', prune_option='weight', group_name='ungrouped'"),
    (pruning, 'apply_mask_and_return', "x, scope='', prune_option='weight'"),
    (pruning, 'get_masked_weights', 'group_name=None'),
    (pruning, 'get_masks', 'group_name=None'),
    (pruning, 'get_thresholds', 'group_name=None'),
    (pruning, 'get_weights', 'group_name=None'),
    (pruning, 'get_gradients', 'group_name=None'),
    (pruning, 'get_old_weights', 'group_name=None'),
    (pruning, 'get_old_old_weights', 'group_name=None'),
    (pruning, 'get_weight_sparsity', ''),
    (pruning, 'get_pruning_hparams', ''),
    (pruning, 'Pruning', 'spec=None, global_step=None, sparsity=None'),
    (strip_pruning_vars, 'strip_pruning_vars',
     'checkpoint_dir, output_node_names, output_dir, filename'),
    (pruning_utils, 'weight_mask_variable', 'var, scope'),
    (pruning_utils, 'weight_gradient_variable', 'var, scope'),
    (pruning_utils, 'old_weight_variable', 'var, scope'),
    (pruning_utils, 'old_old_weight_variable', 'var, scope'),
    (pruning_utils, 'weight_threshold_variable', 'var, scope'),
    (pruning_utils, 'kronecker_product', 'mat1, mat2'),
    (pruning_utils, 'expand_tensor', 'tensor, block_dims'),
    (pruning_utils, 'factorized_pool',
     'input_tensor, window_shape, pooling_type, strides, padding, name=None'),
    (pruning_utils, 'determine_partitioned_axis', 'partitioned_variable'),
    (pruning_utils, 'variable_assign', 'var, new_value'),
    (pruning_utils, 'partitioned_variable_assign', 'partitioned_var, new_value'),
    (pruning_interface, 'get_matrix_compression_object',
     'hparams, global_step=None, sparsity=None'),
    (pruning_interface, 'apply_matrix_compression', "matrix_compression_obj, weight, scope=''"),
    (pruning_interface, 'apply_pruning',
     'pruning_obj, pruning_hparams, weight_params_fn, weight_init_obj, lstmobj, wm_pc, dtype'),
    (pruning_interface, 'get_pruning_update', 'pruning_obj, pruning_hparams'),
    (pruning_interface, 'get_matrix_compression_update_op', 'matrix_compression_obj'),
    (pruning_interface, 'run_update_step', 'matrix_compression_obj, session, step_number=None'),
    (pruning_hook, 'ModelPruningListener', 'pruning_obj'),
    (pruning_hook, 'ModelPruningHook', 'every_steps=None, listeners=None'),
    (hparam, 'parse_values', 'values, type_map, ignore_unknown=False'),
    (strip_pruning_vars_lib, 'graph_def_from_checkpoint', 'checkpoint_dir, output_node_names'),
    (strip_pruning_vars_lib, 'strip_pruning_vars_fn', 'input_graph_def, output_node_names'),
]


@pytest.mark.parametrize('name', PUBLIC)
def test_python_pruning_has_the_public_objects(name):
  found, public = getattr(pruning, name), getattr(model_pruning, name)
  # Pruning has contrib's private names here, and nowhere else.
  assert issubclass(found, public) if name == 'Pruning' else found is public


def test_python_pruning_has_the_names_of_the_collections():
  assert {name: getattr(pruning, name) for name in CONSTANTS} == CONSTANTS
  assert pruning_interface.UPDATE_OP_COLLECTION == 'update_op'


def _ids(value):
  return value if isinstance(value, str) and ',' not in value else ''


@pytest.mark.parametrize('module, name, parameters', RESEARCH, ids=_ids)
def test_what_was_passed_to_the_research_branch_is_taken_here(module, name, parameters):
  # A string annotation would do as well, but this is how people call it.
  theirs = inspect.signature(eval('lambda %s: 0' % parameters)).parameters.values()
  ours = list(inspect.signature(getattr(module, name)).parameters.values())
  assert [p.name for p in ours][:len(theirs)] == [p.name for p in theirs]
  for our, their in zip(ours, theirs):
    assert our.default == their.default, our.name
  assert all(p.default is not p.empty for p in ours[len(theirs):])


@pytest.mark.parametrize('module, name', [
    (hparam, 'HParams'), (hparam, 'parse_values'),
    (strip_pruning_vars_lib, 'strip_pruning_vars_fn'),
    (strip_pruning_vars_lib, 'graph_def_from_checkpoint')])
def test_the_other_modules_have_theirs(module, name):
  assert callable(getattr(module, name))


def test_strip_functions_are_at_the_top_too():
  assert callable(model_pruning.strip_pruning_vars_fn)
  assert callable(model_pruning.graph_def_from_checkpoint)


@pytest.mark.parametrize('group_name, separator, expected', [
    (None, '_', 'masks'), ('first', '_', 'masks_first'), ('first', '/', 'masks/first')])
def test_attach_group_suffix(group_name, separator, expected):
  assert pruning.attach_group_suffix('masks', group_name, separator) == expected


def test_masks_made_elsewhere_are_pruned_once_they_are_in_the_collections():
  from model_pruning.compat import tf
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.train.get_or_create_global_step()
    with tf.variable_scope('layer') as scope:
      weight = tf.get_variable('weights', [4, 5])
      mask = pruning_utils.weight_mask_variable(weight, scope)
      threshold = pruning_utils.weight_threshold_variable(weight, scope)
    for group_name in (None, 'first'):
      pruning.add_to_pruning_collections(mask, threshold, weight, mask * weight,
                                         group_name=group_name)
    assert pruning.get_masks() == pruning.get_masks('first') == [mask]
    assert pruning.get_gradients() == []
    update = pruning.Pruning('initial_sparsity=0.5').conditional_mask_update_op()
    session.run(tf.global_variables_initializer())
    step.load(10, session)
    session.run(update)
    assert session.run(mask).sum() == 10
