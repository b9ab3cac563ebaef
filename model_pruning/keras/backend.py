# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The installed Keras, and the differences between Keras 2 and Keras 3.

It is the Keras of `tf.keras`: Keras 2 up to TensorFlow 2.15, and Keras 3 from 2.16 on, unless
TF_USE_LEGACY_KERAS=1 selects tf_keras, which continues Keras 2. Only this file, variables.py and
topology.py (the nodes of models) use private parts of Keras.
"""

import contextlib
import io
import logging as standard_logging
import os
import sys
import types
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple
import warnings

from absl import logging

from model_pruning import errors
from model_pruning.compat import could_possibly_record
from model_pruning.compat import tensorflow
from model_pruning.util.types import Layer
from model_pruning.util.types import Model
from model_pruning.util.types import Optimizer
from model_pruning.util.types import Tensor

if tuple(map(int, tensorflow.__version__.split('.')[:2])) < (2, 4):
  raise ImportError(
      'model_pruning.keras needs TensorFlow 2.4 or a newer one, but this is %s; prune its models '
      'in graph mode, with masked_scope() (see the guide)' % tensorflow.__version__)

_OTHER_BACKEND = (
    'model_pruning.keras prunes Keras models that run on TensorFlow, but Keras is set to run on '
    '%r: set KERAS_BACKEND=tensorflow in the environment, or "backend": "tensorflow" in '
    '~/.keras/keras.json, before keras is imported')

try:
  keras = tensorflow.keras
  keras.layers  # noqa: B018  (this loads Keras)
except ImportError as error:
  if os.environ.get('KERAS_BACKEND', 'tensorflow') == 'tensorflow':
    raise
  raise ImportError(_OTHER_BACKEND % os.environ['KERAS_BACKEND']) from error

IS_KERAS_3 = int(getattr(keras, '__version__', '2').split('.')[0]) >= 3

if IS_KERAS_3 and keras.backend.backend() != 'tensorflow':
  raise ImportError(_OTHER_BACKEND % keras.backend.backend())


def check_eager(subject: str) -> None:
  """Raises errors.EagerError unless TensorFlow executes eagerly.

  Args:
    subject: what was called, for the message.
  """
  if tensorflow.executing_eagerly():
    return
  if tensorflow.compat.v1.executing_eagerly_outside_functions():
    raise errors.EagerError(
        '%s was called in a tf.function, where it would run once, while the function is built; '
        'call it outside of the function, between the batches' % subject)
  raise errors.EagerError(
      '%s works on eager Keras models, but this code builds a graph: eager execution is disabled, '
      'or a `with tf.Graph().as_default()` block is open. Leave that out. Graphs are pruned '
      'without Keras, by a model_pruning.masked_scope() around layers of tf.layers or variables of '
      'tf.get_variable, and a model_pruning.PruningHook' % subject)


def compiles_with_xla() -> bool:
  """Whether the graph that is being built is for XLA, as in tf.function(jit_compile=True)."""
  graph = tensorflow.compat.v1.get_default_graph()
  while graph is not None:
    context = getattr(graph, '_get_control_flow_context', lambda: None)()
    while context is not None:
      if context.IsXLAContext():
        return True
      context = context.outer_context
    graph = getattr(graph, 'outer_graph', None)
  return False


def is_layer(value: Any) -> bool:
  """Whether a value is a layer of the Keras in use; models are layers."""
  return isinstance(value, keras.layers.Layer)


def is_functional(model: Model) -> bool:
  """Whether a model is Sequential or functional (made of inputs and outputs)."""
  if isinstance(model, keras.Sequential):
    return True
  if IS_KERAS_3:
    # Of the classes that Keras exports, only functional models have this attribute.
    return isinstance(model, keras.Model) and getattr(model, 'operations', None) is not None
  return bool(getattr(model, '_is_graph_network', False))


def is_compiled(model: Model) -> bool:
  """Whether compile() was called on a model."""
  return bool(model.compiled if IS_KERAS_3 else model._is_compiled)


def is_keras_own(item: Any) -> bool:
  """Whether a class or a function comes with Keras."""
  return item.__module__.split('.')[0] in ('keras', 'tf_keras', 'tensorflow')


def functions_of(layer: Layer) -> Dict[str, Any]:
  """Returns the functions, for example activations, in a layer and its sublayers, by name.

  Keras finds functions of users only by these names, unless they are registered.
  """
  return {value.__name__: value for each in layers_in(layer) for value in vars(each).values()
          if isinstance(value, types.FunctionType) and not is_keras_own(value)}


def layers_in(layer: Layer) -> List[Layer]:
  """Returns a layer and all its sublayers, at any depth, each once."""
  found = {id(each): each for each in layer._flatten_layers()}
  return list(found.values())


def is_distributed_in_time(layer: Any) -> bool:
  """Whether a layer, pruned or not, is Keras's own TimeDistributed."""
  return is_layer(layer) and plain_class(layer) is keras.layers.TimeDistributed


def called(layer: Any) -> Any:
  """Returns the layer that a TimeDistributed calls at each time step; any other layer itself."""
  while is_distributed_in_time(layer):
    layer = layer.layer
  return layer


def rename(layer: Layer, name: str) -> None:
  """Renames a layer; weights it already has keep their names."""
  if IS_KERAS_3:
    layer.name = name
  else:
    layer._name = name


def layers_of(model: Model) -> List[Layer]:
  """Returns the direct sublayers of a layer or model."""
  return list(model._flatten_layers(include_self=False, recursive=False))


def plain_class(layer: Layer) -> type:
  """Returns the class of a layer before it was pruned."""
  return getattr(layer, 'plain_class', type(layer))


@contextlib.contextmanager
def uncompiled(model: Model) -> Iterator[None]:
  """Makes a model appear uncompiled within, as Keras 3 compiles copies of compiled models."""
  was_compiled = IS_KERAS_3 and model.compiled
  if was_compiled:
    model.compiled = False
  try:
    yield
  finally:
    if was_compiled:
      model.compiled = True


def build_config(layer: Layer) -> Any:
  """Returns the config for build_from_config, the shapes of a layer's inputs; None if unknown."""
  if hasattr(layer, 'get_build_config'):
    return layer.get_build_config()
  shape = layer._build_input_shape  # Before TensorFlow 2.12. Not all layers note it.
  if shape is None:
    spec: Any = getattr(layer, '_saved_model_inputs_spec', None)
    try:
      shape = spec.shape if hasattr(spec, 'shape') else layer.input_shape
    except (AttributeError, RuntimeError):  # It was not called with a tensor of Keras's.
      return None
  return {'input_shape': shape}


def build_from_config(layer: Layer, config: Any) -> None:
  """Builds a layer with the result of build_config."""
  if hasattr(layer, 'build_from_config'):
    layer.build_from_config(config)
  else:
    layer.build(config['input_shape'])


def note_build_config(layer: Layer, config: Any) -> None:
  """Makes build_config() return the config a layer was built with, which Keras 2 may lose."""
  if not IS_KERAS_3 and config and build_config(layer) is None:
    layer._build_input_shape = config.get('input_shape')


def inputs_of(model: Model) -> Any:
  """Returns a model's inputs, in the structure in which it takes them; None for a subclass."""
  for name in ('input', 'inputs'):  # Keras 3 has `input` only for functional models.
    try:
      found = getattr(model, name)
    except (AttributeError, RuntimeError, ValueError):
      continue
    if found is not None:
      return found[0] if isinstance(found, list) and len(found) == 1 else found
  return None


def inputs_like(model: Model) -> Any:
  """Returns new inputs with the same names, as input_tensors for clone_model.

  Returns None if clone_model makes such inputs itself.
  """
  if not IS_KERAS_3 or isinstance(model, keras.Sequential):
    return None

  def like(tensor: Tensor) -> Any:
    layer = tensor._keras_history.operation
    return type(layer).from_config(layer.get_config()).output

  return keras.tree.map_structure(like, model.input)


def inputs_of_shapes(model: Model, shapes: Sequence[Sequence[Optional[int]]]) -> Any:
  """Returns new inputs with the names of a functional model's, but other shapes.

  Args:
    model: the model.
    shapes: the shape of each input, with the batch, in the order of model.inputs.
  """
  made = []
  for tensor, shape in zip(model.inputs, shapes):
    history = tensor._keras_history
    layer = history.operation if IS_KERAS_3 else history.layer
    made.append(keras.Input(tuple(shape[1:]), shape[0], dtype=tensor.dtype, name=layer.name))
  return tensorflow.nest.pack_sequence_as(model.input, made) if len(made) > 1 else made[0]


def refuses_constraints(optimizer: Optimizer, layer: Layer) -> bool:
  """Whether an optimizer cannot apply a constraint to a layer, whose gradients are sparse.

  Keras 2's legacy optimizers, which are all before TensorFlow 2.11, cannot, and the gradients of
  embeddings are sparse.
  """
  if IS_KERAS_3 or not isinstance(layer, keras.layers.Embedding):
    return False
  return any(base.__name__ == 'OptimizerV2' for base in type(optimizer).__mro__)


def legacy_advice(optimizer: Optimizer) -> Tuple[str, str]:
  """Returns where an optimizer that refuses constraints is from, and what to do instead."""
  if '.legacy.' in type(optimizer).__module__:
    return ', of keras.optimizers.legacy,', 'compile with tf.keras.optimizers.%s' % (
        type(optimizer).__name__)
  return ' of this TensorFlow', 'use TensorFlow 2.11 or a newer one'


def register_as(package: str, name: str) -> Callable[[type], None]:
  """Returns a function that registers classes under one name; configs with it make the first one.

  Args:
    package: of the name.
    name: without the package.
  """
  register = keras.utils.register_keras_serializable
  first: List[type] = []

  def register_class(added: type) -> None:
    if not first:
      register(package, name)(added)
      first.append(added)
    elif IS_KERAS_3:
      register(package, name)(added)
      register(package, name)(first[0])  # Reading a config takes the last one.
    else:  # Keras 2 before TensorFlow 2.12 raises an error if the name has a class.
      sys.modules[register.__module__]._GLOBAL_CUSTOM_NAMES[added] = '%s>%s' % (package, name)

  return register_class


def forget_functions(layer: Layer) -> None:
  """Makes the models in a layer trace their training steps again."""
  for each in layers_in(layer):
    if isinstance(each, keras.Model) and getattr(each, 'train_function', None) is not None:
      each.train_function = None


def steps_per_execution(model: Model) -> int:
  """Returns the number of batches on which fit() trains between two callbacks."""
  # Keras 2 keeps the number in a variable, which exists once a model is compiled.
  steps = getattr(model, 'steps_per_execution' if IS_KERAS_3 else '_steps_per_execution', None)
  return 1 if steps is None else int(steps.numpy() if hasattr(steps, 'numpy') else steps)


def iterations(model: Model) -> Optional[int]:
  """Returns the number of batches a model's optimizer has seen; None if it does not count them."""
  optimizer = getattr(model, 'optimizer', None)
  if not IS_KERAS_3 or optimizer is None or hasattr(optimizer, 'inner_optimizer'):
    return None  # Loss scaling skips batches whose gradients are not finite.
  # Not `iterations`, which counts updates, not batches, if gradients are accumulated.
  return int(optimizer._iterations.numpy())


def is_trained(layer: Layer, training: Optional[bool]) -> bool:
  """Whether a call of a layer is the forward pass of a training step.

  Args:
    layer: the layer that is called.
    training: the call's argument of that name; None if it has none.
  """
  if training is None and IS_KERAS_3:
    context = layer._get_call_context() if hasattr(layer, '_get_call_context') else None
    get = getattr(context, 'get_value', lambda name: getattr(context, name, None))
    training = get('training')
  elif training is None:
    training = sys.modules[keras.layers.Layer.__module__].base_layer_utils.call_context().training
  # Predictions may be made with training=True, to see their spread under dropout.
  return training is True and could_possibly_record()


def in_function(error: ValueError) -> ValueError:
  """Returns the error to raise where AutoGraph may be converting the caller.

  AutoGraph keeps the types of TensorFlow's and Python's own errors. It replaces ours with a
  class that is not a ValueError.
  """
  return error if tensorflow.executing_eagerly() else ValueError(str(error))


def reason(error: BaseException) -> str:
  """Returns the sentence that states the problem in an error of Keras, which may quote configs."""
  _, inner, text = str(error).rpartition('Exception encountered: ')
  first = text.split('. ')[0] if inner else errors.first_line(error)
  return errors.shortened(' '.join(first.split())) or type(error).__name__


@contextlib.contextmanager
def quietly() -> Iterator[None]:
  """Drops what Keras prints, logs and warns within, for example about legacy formats."""
  level, keras_logger = logging.get_verbosity(), standard_logging.getLogger('tensorflow')
  keras_level = keras_logger.level
  logging.set_verbosity(logging.ERROR)
  keras_logger.setLevel(standard_logging.ERROR)
  try:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
      warnings.simplefilter('ignore')
      yield
  finally:
    logging.set_verbosity(level)
    keras_logger.setLevel(keras_level)
