# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The Keras that TensorFlow has, and the few places where Keras 2 and Keras 3 differ.

Which Keras is meant is what `tf.keras` means: Keras 2 up to TensorFlow 2.15, Keras 3
from 2.16 on, and there tf_keras, the Keras 2 that lives on, if TF_USE_LEGACY_KERAS=1 is
set. With topology.py, which reads the nodes of models, the only file that touches what
either has under no public name.
"""

import contextlib
import os
import sys
import types
from typing import Any, Dict, Iterator, List, Optional

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


def plain_class(layer: Any) -> type:
  """Returns the class of a layer before it was pruned."""
  return getattr(layer, 'plain_class', type(layer))


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


def refuses_constraints(optimizer: Any, layer: Any) -> bool:
  """Says whether an optimizer fails for want of a constraint's meaning to a layer's gradients.

  The legacy ones of Keras 2 do where gradients are sparse, as those of embeddings are.
  """
  if IS_KERAS_3 or not isinstance(layer, keras.layers.Embedding):
    return False
  legacy = getattr(keras.optimizers, 'legacy', None)
  return legacy is not None and isinstance(optimizer, legacy.Optimizer)


def forget_functions(layer: Any) -> None:
  """Has the models in a layer trace their training steps anew."""
  for each in layers_in(layer):
    if isinstance(each, keras.Model) and getattr(each, 'train_function', None) is not None:
      each.train_function = None


def steps_per_execution(model: Any) -> int:
  """Returns how many batches fit() trains on between two callbacks."""
  # Keras 2 keeps it in a variable, which exists once a model is compiled.
  steps = getattr(model, 'steps_per_execution' if IS_KERAS_3 else '_steps_per_execution', None)
  return 1 if steps is None else int(steps.numpy() if hasattr(steps, 'numpy') else steps)


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
  return errors.shortened(' '.join(first.split())) or type(error).__name__
