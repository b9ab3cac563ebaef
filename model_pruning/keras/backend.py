# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The Keras that TensorFlow has, and the few places where Keras 2 and Keras 3 differ.

Which Keras is meant is what `tf.keras` means: Keras 2 up to TensorFlow 2.15, Keras 3
from 2.16 on, and there tf_keras, the Keras 2 that lives on, if TF_USE_LEGACY_KERAS=1 is
set. With topology.py, which reads the nodes of models, the only file that touches what
either has under no public name.
"""

import contextlib
import functools
import inspect
import os
import sys
import types
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from model_pruning import errors
from model_pruning.compat import could_possibly_record
from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  raise ImportError(
      'model_pruning.keras needs TensorFlow 2, and this is %s, whose Keras applies no constraints '
      'in graphs of functions; prune its models in graph mode, with masked_scope() (see the '
      'guide)' % tensorflow.__version__)

_OTHER_BACKEND = (
    'model_pruning.keras prunes Keras models that run on TensorFlow, and Keras is set to run on '
    '%r: set KERAS_BACKEND=tensorflow in the environment, or "backend": "tensorflow" in '
    '~/.keras/keras.json, before keras is imported')

try:
  keras = tensorflow.keras
  keras.layers  # noqa: B018  (what loads it)
except ImportError as error:
  if os.environ.get('KERAS_BACKEND', 'tensorflow') == 'tensorflow':
    raise
  raise ImportError(_OTHER_BACKEND % os.environ['KERAS_BACKEND']) from error

IS_KERAS_3 = int(getattr(keras, '__version__', '2').split('.')[0]) >= 3

if IS_KERAS_3 and keras.backend.backend() != 'tensorflow':
  raise ImportError(_OTHER_BACKEND % keras.backend.backend())


def is_layer(value: Any) -> bool:
  """Says whether it is a layer (a model is one) of the Keras in use."""
  return isinstance(value, keras.layers.Layer)


def is_functional(model: Any) -> bool:
  """Says whether a model is Sequential, or was made of inputs and outputs."""
  if isinstance(model, keras.Sequential):
    return True
  if IS_KERAS_3:
    # Of what Keras exports only models made of inputs and outputs have this.
    return isinstance(model, keras.Model) and getattr(model, 'operations', None) is not None
  return bool(getattr(model, '_is_graph_network', False))


def is_keras_own(item: Any) -> bool:
  """Says whether a class or a function comes with Keras."""
  return item.__module__.split('.')[0] in ('keras', 'tf_keras', 'tensorflow')


def functions_of(layer: Any) -> Dict[str, Any]:
  """Returns the functions that a layer and those in it hold, such as activations, by name.

  Keras finds those that are not its own by their names alone, where they are not registered.
  """
  return {value.__name__: value for each in layers_in(layer) for value in vars(each).values()
          if isinstance(value, types.FunctionType) and not is_keras_own(value)}


def layers_in(layer: Any) -> List[Any]:
  """Returns the layer itself and all that it consists of, each once."""
  found = {id(each): each for each in layer._flatten_layers()}
  return list(found.values())


def rename(layer: Any, name: str) -> None:
  """Gives a layer another name; weights that it has already keep theirs."""
  if IS_KERAS_3:
    layer.name = name
  else:
    layer._name = name


def layers_of(model: Any) -> List[Any]:
  """Returns the layers that a layer or model consists of directly, not those in them."""
  return list(model._flatten_layers(include_self=False, recursive=False))


def is_variable(value: Any) -> bool:
  """Says whether it is a variable, whole as Keras makes it."""
  return isinstance(value, keras.Variable if IS_KERAS_3 else tensorflow.Variable)


def state_of(layer: Any) -> List[Any]:
  """Returns the variables that calling a layer may change."""
  return list(layer.non_trainable_variables)


def plain_class(layer: Any) -> type:
  """Returns the class of a layer before it was pruned."""
  return getattr(layer, 'plain_class', type(layer))


def own_trainable_variables(layer: Any) -> List[Any]:
  """Returns the variables made to be trained that are the layer's own, and not of layers in it."""
  return list(layer._trainable_variables if IS_KERAS_3 else layer._trainable_weights)


def variable_name(variable: Any) -> str:
  """Returns the name that maps of regular expressions go by, such as dense/kernel."""
  return variable.path if IS_KERAS_3 else variable.name.split(':')[0]


def dtype_of(variable: Any) -> str:
  """Returns the dtype that a variable is kept in, where it may be cast for use, too."""
  dtype = variable._dtype if IS_KERAS_3 else getattr(variable, 'true_dtype', variable.dtype)
  return tensorflow.as_dtype(dtype).base_dtype.name


def make_weight(layer: Any, name: str, shape: Any, dtype: Any, initializer: str) -> Any:
  """Adds a weight to a layer that is neither trained nor cast to the compute dtype."""
  once_only = {'autocast': False} if IS_KERAS_3 else {'experimental_autocast': False}
  with unlocked(layer):
    weight = layer.add_weight(name=name, shape=shape, dtype=dtype, initializer=initializer,
                              trainable=False, **once_only)
    if IS_KERAS_3:  # Where checkpoints of TensorFlow find weights by attributes alone.
      setattr(layer, '_added_' + name, weight)
    return weight


def remove_weights(layer: Any, added: Dict[str, Any]) -> None:
  """Takes weights that make_weight added off a layer again. Args: see add_weights."""
  own = layer._non_trainable_variables if IS_KERAS_3 else layer._non_trainable_weights
  ids = set(map(id, added.values()))
  for name, weight in added.items():
    if IS_KERAS_3:
      layer._untrack_variable(weight)
      # Keras's own method collects garbage each time.
      tensorflow.__internal__.tracking.AutoTrackable.__delattr__(layer, '_added_' + name)
    else:
      layer._delete_tracking(name)
  if not IS_KERAS_3:
    own[:] = [weight for weight in own if id(weight) not in ids]


def add_weights(layer: Any, added: Dict[str, Any]) -> None:
  """Puts weights on a layer that remove_weights took off it.

  Args:
    layer: the layer.
    added: {name: variable}.
  """
  with unlocked(layer):
    for name, weight in added.items():
      if IS_KERAS_3:
        layer._track_variable(weight)
        setattr(layer, '_added_' + name, weight)
      else:
        layer._non_trainable_weights.append(weight)
        layer._track_trackable(weight, name, overwrite=True)


@contextlib.contextmanager
def weights_watched(check: Callable[[str, Sequence[int], Any], None]) -> Iterator[None]:
  """Calls check(layer_name, shape, dtype) before memory is taken for a weight of any layer."""
  original = keras.layers.Layer.add_weight
  signature = inspect.signature(original)

  @functools.wraps(original)
  def add_weight(self: Any, *args: Any, **kwargs: Any) -> Any:
    given = signature.bind_partial(self, *args, **kwargs).arguments
    shape = given.get('shape')
    shape = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
    if all(isinstance(dim, int) for dim in shape):  # Of others Keras says that they are none.
      check(self.name, shape, given.get('dtype') or keras.backend.floatx())
    return original(self, *args, **kwargs)

  keras.layers.Layer.add_weight = add_weight
  try:
    yield
  finally:
    keras.layers.Layer.add_weight = original


@contextlib.contextmanager
def uncompiled(model: Any) -> Iterator[None]:
  """Has a model pass for one that is not compiled. Keras 3 compiles the copies of others."""
  was_compiled = IS_KERAS_3 and model.compiled
  if was_compiled:
    model.compiled = False
  try:
    yield
  finally:
    if was_compiled:
      model.compiled = True


def note_build_config(layer: Any, config: Any) -> None:
  """Has get_build_config() return what a layer was built by; Keras 2 may forget."""
  if not IS_KERAS_3 and config and layer.get_build_config() is None:
    layer._build_input_shape = config.get('input_shape')


def inputs_of(model: Any) -> Any:
  """Returns the inputs of a model in the structure that it takes them in; None of a subclass."""
  for name in ('input', 'inputs'):  # Keras 3 has the first for functional models alone.
    try:
      found = getattr(model, name)
    except (AttributeError, RuntimeError, ValueError):
      continue
    if found is not None:
      return found[0] if isinstance(found, list) and len(found) == 1 else found
  return None


def inputs_like(model: Any) -> Any:
  """Returns what clone_model takes as input_tensors for a copy with inputs of the same names.

  None where it makes such itself.
  """
  if not IS_KERAS_3 or isinstance(model, keras.Sequential):
    return None

  def like(tensor: Any) -> Any:
    layer = tensor._keras_history.operation
    return type(layer).from_config(layer.get_config()).output

  return keras.tree.map_structure(like, model.input)


@contextlib.contextmanager
def without(layer: Any, hidden: Sequence[Any]) -> Iterator[None]:
  """Hides some of a layer's own variables that are not trained from the layer's methods."""
  own = layer._non_trainable_variables if IS_KERAS_3 else layer._non_trainable_weights
  everything, ids = list(own), set(map(id, hidden))
  own[:] = [variable for variable in own if id(variable) not in ids]
  try:
    yield
  finally:
    own[:] = everything


@contextlib.contextmanager
def unlocked(layer: Any) -> Iterator[None]:
  """Lets weights be added to a layer that is built, which Keras 3 forbids."""
  tracker = getattr(layer, '_tracker', None) if IS_KERAS_3 else None
  if tracker is None or not tracker.locked:
    yield
    return
  tracker.unlock()
  try:
    yield
  finally:
    tracker.lock()


def constraint_of(variable: Any) -> Optional[Callable[[Any], Any]]:
  """Returns the constraint that optimizers apply to a variable after each step, or None."""
  return variable.constraint


def set_constraint(variable: Any, constraint: Callable[[Any], Any]) -> None:
  """Has optimizers apply a constraint to a variable after each step."""
  if IS_KERAS_3:
    variable.constraint = constraint
    return
  # Keras 2 leaves it to TensorFlow's variables, whose constraint is given when they are made.
  variable = getattr(variable, '_variable', variable)  # One that casts wraps another.
  for replica in getattr(variable, 'values', None) or [variable]:
    replica._constraint = constraint


def average_of(optimizer: Any, variable: Any) -> Any:
  """Returns the moving average that an optimizer keeps of a variable; None if it keeps none."""
  optimizer = getattr(optimizer, 'inner_optimizer', optimizer)  # One that scales the loss.
  if not getattr(optimizer, 'use_ema', False):
    return None
  averages = getattr(optimizer, '_model_variables_moving_average', None) or []
  if IS_KERAS_3:
    for trained, average in zip(optimizer._trainable_variables, averages):
      if trained is variable:
        return average
    return None
  index = getattr(optimizer, '_index_dict', {}).get(optimizer._var_key(variable))
  return None if index is None or index >= len(averages) else averages[index]


def refuses_constraints(optimizer: Any, layer: Any) -> bool:
  """Says whether an optimizer fails for want of a constraint's meaning to a layer's gradients.

  The legacy ones of Keras 2 do where gradients are sparse, as those of embeddings are.
  """
  if IS_KERAS_3 or not isinstance(layer, keras.layers.Embedding):
    return False
  legacy = getattr(keras.optimizers, 'legacy', None)
  return legacy is not None and isinstance(optimizer, legacy.Optimizer)


@contextlib.contextmanager
def scope_of(layer: Any) -> Iterator[None]:
  """Enters the scope of the distribution strategy under which a layer was built."""
  current = tensorflow.distribute.get_strategy()
  strategy = strategy_of(layer.weights[0]) if layer.weights else current
  if strategy is current:
    yield
    return
  with strategy.scope():
    yield


def forget_functions(layer: Any) -> None:
  """Has the models in a layer trace their training steps anew."""
  for each in layers_in(layer):
    if isinstance(each, keras.Model) and getattr(each, 'train_function', None) is not None:
      each.train_function = None


def strategy_of(variable: Any) -> Any:
  """Returns the distribution strategy under which a variable was made."""
  return (getattr(tf_variable(variable), 'distribute_strategy', None) or
          tensorflow.distribute.get_strategy())


def tf_variable(variable: Any) -> Any:
  """Returns the variable of TensorFlow that a variable of Keras keeps its value in."""
  value = variable.value if IS_KERAS_3 else variable
  return getattr(value, '_variable', value)  # One that casts wraps another.


def steps_per_execution(model: Any) -> int:
  """Returns how many batches fit() trains on between two callbacks."""
  # Keras 2 keeps it in a variable, which exists once a model is compiled.
  steps = getattr(model, 'steps_per_execution' if IS_KERAS_3 else '_steps_per_execution', None)
  return 1 if steps is None else int(steps.numpy() if is_variable(steps) else steps)


def iterations(model: Any) -> Optional[int]:
  """Returns how many batches the optimizer of a model has seen; None if it cannot tell."""
  optimizer = getattr(model, 'optimizer', None)
  if not IS_KERAS_3 or optimizer is None or hasattr(optimizer, 'inner_optimizer'):
    return None  # Scaling the loss leaves out batches whose gradients are not finite.
  # Not `iterations`, which with accumulated gradients counts the updates.
  return int(optimizer._iterations.numpy())


def is_trained(layer: Any, training: Optional[bool]) -> bool:
  """Says whether a call of a layer is the forward pass of a training step.

  Args:
    layer: what is called.
    training: its argument of that name, if it is given one.
  """
  if training is None and IS_KERAS_3:
    context = layer._get_call_context() if hasattr(layer, '_get_call_context') else None
    get = getattr(context, 'get_value', lambda name: getattr(context, name, None))
    training = get('training')
  elif training is None:
    training = sys.modules[keras.layers.Layer.__module__].base_layer_utils.call_context().training
  # Predictions may be made as in training, for their spread under dropout.
  return training is True and could_possibly_record()


def in_function(error: ValueError) -> ValueError:
  """Returns the error to raise where AutoGraph may be converting the caller.

  That keeps the type of TensorFlow's and Python's own errors, and makes another of ours,
  which is no ValueError.
  """
  return error if tensorflow.executing_eagerly() else ValueError(str(error))


def reason(error: BaseException) -> str:
  """Returns the sentence of an error of Keras that says what is wrong; configs come before it."""
  _, inner, text = str(error).rpartition('Exception encountered: ')
  first = text.split('. ')[0] if inner else errors.first_line(error)
  return ' '.join(first.split()) or type(error).__name__
