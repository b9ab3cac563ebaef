# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The variables of layers, and how Keras 2 and Keras 3 differ in them."""

import contextlib
import functools
import inspect
import re
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Optional, Sequence

import numpy as np

from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.keras import backend
from model_pruning.keras.backend import keras
from model_pruning.util.types import Array
from model_pruning.util.types import DType
from model_pruning.util.types import Layer
from model_pruning.util.types import Optimizer
from model_pruning.util.types import Strategy
from model_pruning.util.types import Variable


def is_variable(value: Any) -> bool:
  """Whether a value is a Keras variable; for distributed ones, the whole variable."""
  return isinstance(value, keras.Variable if backend.IS_KERAS_3 else tensorflow.Variable)


def own_trainable_variables(layer: Layer) -> List[Variable]:
  """Returns the trainable variables that a layer owns directly, not through its sublayers.

  In Keras 2 the variables of a tf.Module in a layer are weights of the layer.
  """
  if backend.IS_KERAS_3:
    return list(layer._trainable_variables)
  modules = [each for each in getattr(layer, '_self_tracked_trackables', ())
             if isinstance(each, tensorflow.Module) and not isinstance(
                 each, (keras.layers.Layer, keras.metrics.Metric))]
  return list(layer._trainable_weights) + [
      variable for module in modules for variable in _trainable_in(module)]


def _trainable_in(module: Any) -> List[Variable]:
  try:
    return list(module.trainable_variables)
  except Exception:  # A module of Sonnet raises an error before its first call.
    return []


def variable_name(variable: Variable) -> str:
  """Returns the name that the keys of maps match, for example dense/kernel."""
  # The class is asked, as variables of a strategy read their value for an unknown attribute.
  return variable.path if hasattr(type(variable), 'path') else variable.name.split(':')[0]


def rename_like(variable: Variable, other: Any) -> None:
  """Gives a variable the name of another.

  The names of layers that a build() makes get new numbers in a copy.
  """
  if backend.IS_KERAS_3:
    variable._path, variable._name = other._path, other._name
    return
  variable, name = tf_variable(variable), other.name
  if getattr(variable, '_handle_name', name) != name:
    variable._handle_name = name


def dtype_of(variable: Variable) -> str:
  """Returns the dtype in which a variable is stored, which may differ from its compute dtype."""
  dtype = variable._dtype if backend.IS_KERAS_3 else getattr(variable, 'true_dtype', variable.dtype)
  return tensorflow.as_dtype(dtype).base_dtype.name


def make_weight(layer: Layer, name: str, shape: Any, dtype: DType, initializer: str) -> Variable:
  """Adds a weight to a layer that is neither trained nor cast to the compute dtype."""
  once_only = {'autocast': False} if backend.IS_KERAS_3 else {'experimental_autocast': False}
  with unlocked(layer):
    weight = layer.add_weight(name=name, shape=shape, dtype=dtype, initializer=initializer,
                              trainable=False, **once_only)
    if backend.IS_KERAS_3:  # TensorFlow's checkpoints find weights only by attributes.
      setattr(layer, '_added_' + name, weight)
    return weight


def on_host() -> ContextManager[None]:
  """Places variables and operations in host memory, unless a distribution strategy places them.

  Steps that are counted after each batch would else be on a GPU, and reading them would wait for
  all work that it has to do.
  """
  if tensorflow.distribute.has_strategy():
    return contextlib.nullcontext()
  return tensorflow.device('/CPU:0')


@contextlib.contextmanager
def named_by(layer: Layer) -> Iterator[None]:
  """Makes Keras 2 name weights as if the layer made them, hidden/mask. Keras 3 always does.
  """
  if backend.IS_KERAS_3:
    yield
    return
  scope = re.sub(r'[^\w./>-]', '_', layer.name, flags=re.ASCII).lstrip('_-/>')
  with tensorflow.name_scope(scope or 'layer'):
    yield


def remove_weights(layer: Layer, added: Dict[str, Any]) -> None:
  """Removes weights that make_weight added from a layer. Args: see add_weights."""
  own = layer._non_trainable_variables if backend.IS_KERAS_3 else layer._non_trainable_weights
  ids = set(map(id, added.values()))
  for name, weight in added.items():
    if backend.IS_KERAS_3:
      layer._untrack_variable(weight)
      # Keras's own method runs the garbage collector each time.
      tensorflow.__internal__.tracking.AutoTrackable.__delattr__(layer, '_added_' + name)
    else:
      _stop_tracking(layer, name)
  if not backend.IS_KERAS_3:
    own[:] = [weight for weight in own if id(weight) not in ids]


def _stop_tracking(layer: Layer, name: str) -> None:
  """Takes a variable of Keras 2 out of checkpoints."""
  if hasattr(layer, '_delete_tracking'):
    layer._delete_tracking(name)
    return
  layer._self_unconditional_dependency_names.pop(name)  # Before TensorFlow 2.8.
  references = layer._self_unconditional_checkpoint_dependencies
  references[:] = [each for each in references if each.name != name]


def add_weights(layer: Layer, added: Dict[str, Any]) -> None:
  """Adds weights back to a layer after remove_weights.

  Args:
    layer: the layer.
    added: {name: variable}.
  """
  with unlocked(layer):
    for name, weight in added.items():
      if backend.IS_KERAS_3:
        layer._track_variable(weight)
        setattr(layer, '_added_' + name, weight)
      else:
        layer._non_trainable_weights.append(weight)
        layer._track_trackable(weight, name, overwrite=True)


@contextlib.contextmanager
def weights_watched(check: Callable[[str, Sequence[int], Any], None]) -> Iterator[None]:
  """Calls check(layer_name, shape, dtype) before any layer allocates a weight."""
  original = keras.layers.Layer.add_weight
  signature = inspect.signature(original)

  @functools.wraps(original)
  def add_weight(self: Any, *args: Any, **kwargs: Any) -> Any:
    given = signature.bind_partial(self, *args, **kwargs).arguments
    shape = given.get('shape')
    shape = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
    if all(isinstance(dim, int) for dim in shape):  # Keras itself refuses others.
      check(self.name, shape, given.get('dtype') or keras.backend.floatx())
    return original(self, *args, **kwargs)

  keras.layers.Layer.add_weight = add_weight
  try:
    yield
  finally:
    keras.layers.Layer.add_weight = original


@contextlib.contextmanager
def without(layer: Layer, hidden: Sequence[Any]) -> Iterator[None]:
  """Hides some of a layer's own non-trainable variables from its methods."""
  own = layer._non_trainable_variables if backend.IS_KERAS_3 else layer._non_trainable_weights
  everything, ids = list(own), set(map(id, hidden))
  own[:] = [variable for variable in own if id(variable) not in ids]
  try:
    yield
  finally:
    own[:] = everything


@contextlib.contextmanager
def unlocked(layer: Layer) -> Iterator[None]:
  """Allows adding weights to a layer that is built, which Keras 3 forbids."""
  tracker = getattr(layer, '_tracker', None) if backend.IS_KERAS_3 else None
  if tracker is None or not tracker.locked:
    yield
    return
  tracker.unlock()
  try:
    yield
  finally:
    tracker.lock()


def constraint_of(variable: Variable) -> Optional[Callable[[Any], Any]]:
  """Returns the constraint that optimizers apply to a variable after each step, or None."""
  return variable.constraint


def set_constraint(variable: Variable, constraint: Optional[Callable[[Any], Any]]) -> None:
  """Makes optimizers apply a constraint to a variable after each step.

  Raises:
    errors.WeightError: the variable is of a class that takes no constraint.
  """
  if backend.IS_KERAS_3:
    variable.constraint = constraint
    return
  # In Keras 2 the constraint is an attribute of TensorFlow's variable, set when it is made. A
  # variable that casts, or that another package makes to quantize, wraps such a variable.
  wrapped = variable
  while True:
    for replica in getattr(wrapped, 'values', None) or [wrapped]:
      replica._constraint = constraint
    if constraint_of(variable) is constraint:
      return
    inner = [each for each in vars(wrapped).values() if is_variable(each)]
    if not inner:
      raise errors.WeightError(
          'Weight %s is a %s, for which no constraint can be set, so that nothing would keep its '
          'zeros: leave its layer out by a pruning_policy' % (
              variable_name(variable), type(variable).__name__))
    wrapped = inner[0]


def keeps_averages(optimizer: Optimizer) -> bool:
  """Whether an optimizer keeps moving averages of variables; None is no optimizer."""
  return bool(getattr(_inner(optimizer), 'use_ema', False))


def _inner(optimizer: Optimizer) -> Optimizer:
  """Returns the optimizer that a loss-scaling one wraps, and any other as it is."""
  return getattr(optimizer, 'inner_optimizer', optimizer)


def average_of(optimizer: Optimizer, variable: Variable) -> Variable:
  """Returns the moving average that an optimizer keeps of a variable; None if it keeps none."""
  if not keeps_averages(optimizer):
    return None
  optimizer = _inner(optimizer)
  averages = getattr(optimizer, '_model_variables_moving_average', None) or []
  if backend.IS_KERAS_3:
    for trained, average in zip(optimizer._trainable_variables, averages):
      if trained is variable:
        return average
    return None
  index = getattr(optimizer, '_index_dict', {}).get(optimizer._var_key(variable))
  return None if index is None or index >= len(averages) else averages[index]


@contextlib.contextmanager
def scope_of(layer: Layer) -> Iterator[None]:
  """Enters the scope of the distribution strategy under which a layer was built."""
  current = tensorflow.distribute.get_strategy()
  # By single layers: Keras 2 does not list the weights of a layer that contains an unbuilt model.
  weight = next((weight for each in backend.layers_in(layer)
                 for weight in own_trainable_variables(each)), None)
  strategy = current if weight is None else strategy_of(weight)
  if strategy is current:
    yield
    return
  with strategy.scope():
    yield


def check_strategy(name: str, variable: Variable) -> None:
  """Raises errors.LayerError if Keras cannot apply constraints under a variable's strategy.

  Args:
    name: of the pruned layer.
    variable: a weight of the layer.
  """
  if type(strategy_of(variable)).__name__.startswith('CentralStorageStrategy'):
    raise errors.LayerError(
        'Layer %s is pruned, and was made under CentralStorageStrategy, under which Keras cannot '
        'apply the constraint that keeps pruned weights at zero; make the model under '
        'MirroredStrategy' % name)


def check_whole(layer_name: str, name: str, value: Any) -> None:
  """Raises errors.LayerError if a weight of a layer is cut into parts on parameter servers.

  Args:
    layer_name: the name of the layer.
    name: the attribute with the weight.
    value: its value.
  """
  if type(value).__name__ == 'ShardedVariable':
    raise errors.LayerError(
        'The %s of layer %s is in %d parts on parameter servers, by the variable_partitioner of '
        'the ParameterServerStrategy. Keras models are pruned weight by weight, and a weight must '
        'be whole: make the strategy without variable_partitioner, or leave out the layer by a '
        'pruning_policy' % (name, layer_name, len(value.variables)))


def strategy_of(variable: Variable) -> Strategy:
  """Returns the distribution strategy under which a variable was made."""
  return (getattr(tf_variable(variable), 'distribute_strategy', None) or
          tensorflow.distribute.get_strategy())


def to_array(value: Any) -> Array:
  """Returns the value of a variable or a tensor. An array stays as it is.

  In the scope of a distribution strategy, NumPy cannot read a variable of Keras 2 by itself.
  """
  return np.asarray(value.numpy() if hasattr(value, 'numpy') else value)


def is_distributed(variable: Variable) -> bool:
  """Whether a variable was made under a distribution strategy."""
  return getattr(tf_variable(variable), 'distribute_strategy', None) is not None


def handles_of(variable: Variable) -> List[Any]:
  """Returns the resource handle of a variable; of one on several replicas, the handle on each.

  Vocabularies, which Keras 2 lists among the variables, have none.
  """
  inner = tf_variable(variable)
  return [each.handle for each in getattr(inner, 'values', None) or [inner]
          if hasattr(each, 'handle')]


def tf_variable(variable: Variable) -> Variable:
  """Returns the TensorFlow variable that holds the value of a Keras variable."""
  is_of_keras = backend.IS_KERAS_3 and not isinstance(variable, tensorflow.Variable)
  value = variable.value if is_of_keras else variable
  return getattr(value, '_variable', value)  # A casting variable wraps another one.
