# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the tests share."""

import gc
import os

import pytest

from tests import legs

# Read when TensorFlow is imported: leave out what it says about the processor.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')


@pytest.fixture(params=['control_flow_v1', 'control_flow_v2'])
def control_flow(request):
  """Runs a test with both kinds of tf.cond and tf.while_loop that graphs can have."""
  from model_pruning.compat import tf
  enabled = tf.control_flow_v2_enabled()
  if request.param == 'control_flow_v2':
    tf.enable_control_flow_v2()
  else:
    tf.disable_control_flow_v2()
  yield request.param
  if enabled:
    tf.enable_control_flow_v2()
  else:
    tf.disable_control_flow_v2()


@pytest.fixture(autouse=True, scope='session')
def graphs_run_as_they_are():
  """On the default leg sessions without a config optimize no graph. On all others they do.

  Optimizing takes longer than building and running the small graphs of most tests. Where
  `default` is the oldest or the newest TensorFlow, which are to optimize, it makes no difference.
  """
  if os.environ.get('MODEL_PRUNING_LEGS') != 'default other':
    yield
    return
  from model_pruning.compat import tf
  of_tensorflow = tf.Session.__init__

  def initialize(self, target='', graph=None, config=None):
    if config is None:
      config = tf.ConfigProto()
      config.graph_options.rewrite_options.disable_meta_optimizer = True
    of_tensorflow(self, target, graph, config)

  tf.Session.__init__ = initialize
  yield
  tf.Session.__init__ = of_tensorflow


@pytest.fixture(autouse=True, scope='module')
def nothing_of_a_module_stays(request):
  """Frees what a module of tests has cached: graphs and their sessions have megabytes each."""
  yield
  for value in vars(request.module).values():
    if hasattr(value, 'cache_clear') and value.__module__ == request.module.__name__:
      value.cache_clear()
  gc.collect()


def pytest_collection_modifyitems(config, items):
  """Leaves out the tests of other legs, and puts the long groups of processes first."""
  here = set(os.environ.get('MODEL_PRUNING_LEGS', '').split())
  if here:
    folder = os.path.dirname(os.path.abspath(__file__))
    others = [item for item in items if not here & legs.of_item(item, folder)]
    config.hook.pytest_deselected(items=others)
    others = set(others)
    items[:] = [item for item in items if item not in others]
  # A group stays on one worker: begun last, it would be waited for by the other one.
  items.sort(key=lambda item: item.get_closest_marker('xdist_group') is None)
