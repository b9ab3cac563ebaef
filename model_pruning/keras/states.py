# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Variables that calling a layer changes: states of recurrent layers, seeds, moving averages."""

import contextlib
from typing import Callable, Iterator, List

from model_pruning.compat import tensorflow
from model_pruning.keras import backend
from model_pruning.keras import variables
from model_pruning.util.types import Layer
from model_pruning.util.types import Variable


def state_of(layer: Layer) -> List[Variable]:
  """Returns the variables that calling a layer may change."""
  # Keras 2 also lists the vocabulary of a TextVectorization, which is not a variable.
  return [*filter(variables.is_variable, layer.non_trainable_variables), *recurrent_states(layer)]


@contextlib.contextmanager
def unchanged(*layers: Layer) -> Iterator[Callable[[], None]]:
  """Restores at its end what calls change in layers; yields a function that does so earlier."""
  before = [(weight, variables.to_array(weight)) for layer in layers for weight in state_of(layer)
            if weight.dtype != 'string']

  def restore() -> None:
    for weight, value in before:
      weight.assign(value)

  try:
    yield restore
  finally:
    restore()


def recurrent_states(layer: Layer) -> List[Variable]:
  """Returns the states of stateful recurrent layers, which are in no list of weights."""
  states = [getattr(each, 'states', None) for each in backend.layers_in(layer)
            if getattr(each, 'stateful', False)]
  return [state for state in tensorflow.nest.flatten(states) if variables.is_variable(state)]


def random_states(layer: Layer) -> List[Variable]:
  """Returns the states of Keras 3's generators of random numbers, which are no weights."""
  return [generator.state for each in backend.layers_in(layer)
          for generator in getattr(each, '_seed_generators', ())]


def is_random_state(variable: Variable) -> bool:
  """Whether a variable is the state of a generator of Keras 3, also of the global one."""
  return backend.IS_KERAS_3 and 'seed_generator_state' in variable.name
