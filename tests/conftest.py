# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the tests share."""

import functools
import gc
import os
import sys

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
  """On the default leg sessions without a config optimize no graph, nor do eager functions.

  On all other legs they do. Optimizing takes longer than building and running the small graphs of
  most tests. Where `default` is the oldest or the newest TensorFlow, which are to optimize, it
  makes no difference.
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
  if tf.executing_eagerly_outside_functions():
    tf.config.optimizer.set_experimental_options({'disable_meta_optimizer': True})
  yield
  tf.Session.__init__ = of_tensorflow


@pytest.fixture(autouse=True, scope='module')
def nothing_of_a_module_stays(request):
  """Frees what a module of tests has cached: graphs and their sessions have megabytes each."""
  yield
  for value in vars(request.module).values():
    if hasattr(value, 'cache_clear') and value.__module__ == request.module.__name__:
      value.cache_clear()
  _forget_gradients()
  gc.collect()


def _forget_gradients():
  """Removes the gradients that TensorFlow registered while it built functions.

  It never does. Each holds the graph of its function, with all of its constants.
  """
  ops = sys.modules.get('tensorflow.python.framework.ops')
  if not ops:
    return
  of_types = getattr(ops, 'gradient_registry', None) or ops._gradient_registry  # Of 1.15.
  registered = of_types._registry
  for name in [name for name in registered
               if name.startswith(('CustomGradient-', 'PartitionedCall-'))]:
    del registered[name]


def pytest_collection_finish():
  """Takes the objects of imported modules, a million of TensorFlow's, out of garbage collection."""
  gc.collect()
  gc.freeze()


# ---- Peak memory of a process of tests. ----

# In MiB. The aim is 2048.
_LIMIT = 4096


def _peak():
  """Returns the most memory that this process ever had, in MiB, or 0 where it is not known."""
  try:
    with open('/proc/self/status', encoding='ascii') as file:
      # Not by getrusage, which for a program counts the process that started it, too.
      return next(int(line.split()[1]) // 2**10 for line in file if line.startswith('VmHWM'))
  except (OSError, StopIteration):
    pass
  try:
    import resource
  except ImportError:  # On Windows.
    return 0
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return peak // (2**20 if sys.platform == 'darwin' else 2**10)


def pytest_configure(config):
  config.peaks_of_memory = {}


@pytest.hookimpl(optionalhook=True)  # Of pytest-xdist.
def pytest_testnodedown(node, error):
  del error
  peak = getattr(node, 'workeroutput', {}).get('peak_of_memory')
  if peak:
    node.config.peaks_of_memory[node.gateway.id] = peak


def pytest_sessionfinish(session):
  config = session.config
  if hasattr(config, 'workeroutput'):
    config.workeroutput['peak_of_memory'] = _peak()
    return
  if not config.peaks_of_memory:
    config.peaks_of_memory['tests'] = _peak()
  if os.environ.get('CI') and max(config.peaks_of_memory.values()) > _LIMIT:
    session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
  peaks = sorted(config.peaks_of_memory.items())
  terminalreporter.write_line('peak memory: ' + ', '.join(
      '%s %d MiB' % peak for peak in peaks))
  for name, peak in peaks:
    if peak > _LIMIT:
      terminalreporter.write_line('%s had more than %d MiB: %s' % (
          name, _LIMIT, 'that is a failure in CI' if not os.environ.get('CI') else 'FAILED'))


# ---- Which tests a process has. ----

_HERE = os.path.dirname(os.path.abspath(__file__))
# Files without one of these marks have no such tests: no conftest.py gives them.
_MARKS_IN_FILES = ('legacy_keras', 'long', 'slow')


def pytest_ignore_collect(collection_path, config):
  """Leaves out files before they are imported, which takes longer than many a file's tests.

  They are the files of other legs and of other shards, and those without the mark that -m asks for.
  MODEL_PRUNING_SHARD is 1/2 or 2/2, say.
  """
  path = str(collection_path)
  name = os.path.basename(path)
  if not (name.startswith('test_') and name.endswith('.py')):
    return None
  of_leg = _files(os.environ.get('MODEL_PRUNING_LEGS', ''))
  if path in of_leg:
    if not _in_shard(path):
      return True
    mark = config.getoption('markexpr', '')
    if mark in _MARKS_IN_FILES:
      with open(path, encoding='utf-8') as file:
        return True if 'mark.' + mark not in file.read() else None
    return None
  # Files of a test's own are outside.
  return True if path.startswith(_HERE + os.sep) else None


def _in_shard(path):
  """Whether a file is one of this process, or is no file of the leg."""
  of_leg = _files(os.environ.get('MODEL_PRUNING_LEGS', ''))
  shard, _, number = os.environ.get('MODEL_PRUNING_SHARD', '').partition('/')
  return not shard or path not in of_leg or path in of_leg[int(shard) - 1::int(number)]


@functools.lru_cache(maxsize=None)
def _files(names):
  """Returns the paths of the files of tests that have some for one of the legs, sorted."""
  here = set(names.split()) or set(legs.NAMES)
  found = [os.path.join(folder, name) for folder, _, files in os.walk(_HERE) for name in files
           if name.startswith('test_') and name.endswith('.py')]
  return sorted(path for path in found if here & legs.of_file(path, _HERE))


@pytest.hookimpl(hookwrapper=True)
def pytest_pycollect_makeitem():
  """Samples the cases of a test and divides them among legs, here, where there are all of them."""
  items = (yield).get_result()
  if isinstance(items, list) and items and isinstance(items[0], pytest.Function):
    legs.sample(items)
    legs.share_out(items, _HERE)


def pytest_collection_modifyitems(config, items):
  """Leaves out the tests of other legs, and puts the long groups of processes first."""
  # Files that the command line names are imported by all shards.
  others = [item for item in items if not _in_shard(str(item.fspath))]
  if others:
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if _in_shard(str(item.fspath))]
  # Taken out, as processes that tests start are to run all of their own.
  os.environ.pop('MODEL_PRUNING_SHARD', None)
  here = set(os.environ.get('MODEL_PRUNING_LEGS', '').split())
  if here:
    others = [item for item in items if not here & legs.of_item(item, _HERE)]
    config.hook.pytest_deselected(items=others)
    others = set(others)
    items[:] = [item for item in items if item not in others]
  # A group stays on one worker: begun last, it would be waited for by the other one.
  items.sort(key=lambda item: item.get_closest_marker('xdist_group') is None)
