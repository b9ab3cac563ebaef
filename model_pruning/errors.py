# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The errors of this library: one class per cause, each a ValueError.

Code that catches ValueError, as users of tf.contrib.model_pruning do, keeps
working. Every message gives the value received, the rule it breaks and the
way to fix it.
"""

import re
from typing import Iterable


class PruningError(ValueError):
  """Base of every error this library raises on purpose."""


class HParamSyntaxError(PruningError):
  """A clause of an HParams string does not follow the grammar."""


class UnknownHParamError(PruningError, KeyError):
  """The name of a hyperparameter does not exist.

  Also a KeyError, because contrib's `set_hparam` raised one.
  """

  def __str__(self) -> str:  # KeyError would show the repr of the message.
    return str(self.args[0]) if self.args else ''


class HParamTypeError(PruningError):
  """A hyperparameter was given a value of the wrong type."""


class HParamReuseError(PruningError):
  """A hyperparameter is assigned twice in one string."""


class SpecError(PruningError):
  """A hyperparameter has a value outside its range, or one that does not apply."""


class ScheduleError(PruningError):
  """A sparsity schedule was given an invalid value, or was used in a way it does not support."""


class MapError(PruningError):
  """An entry of a map of the hyperparameters is unusable."""


class BlockError(PruningError):
  """Block dimensions or a pooling function are invalid or unsupported."""


class GroupError(PruningError):
  """The name of a group is invalid, or a weight cannot be a member of the group."""


class WeightError(PruningError):
  """A tensor cannot be masked because of its dtype or shape."""


class LayerError(PruningError):
  """A masked layer was given an argument, or inputs, that it does not support."""


class GlobalStepError(PruningError):
  """The graph has no global step, which the schedule needs."""


class NoMaskedWeightsError(PruningError):
  """A graph or a model has no masked weights to update, strip or export."""


class ChiefError(PruningError):
  """More than one task of a cluster updates the masks."""


class SpecMismatchError(PruningError):
  """The tasks of a cluster were given different hyperparameters."""


class EagerError(PruningError):
  """A function of the graph API was called in eager code, or one of the Keras API in a graph."""


class FinalizedGraphError(PruningError, RuntimeError):
  """Operations cannot be added because the graph is finalized."""


class GraphMismatchError(PruningError):
  """Tensors or variables of two different graphs were mixed."""


class CheckpointError(PruningError):
  """A checkpoint is missing, truncated, or lacks required variables."""


class OutputNodeError(PruningError):
  """A named output node does not exist in the graph."""


class ModelFileError(PruningError):
  """A file that should hold a model is missing, damaged, or of another kind."""


class WriteError(PruningError):
  """A file or folder cannot be written to the given path."""


class PathError(PruningError, TypeError):
  """A value is not a path, or is a path that TensorFlow cannot open."""


class ConversionError(PruningError):
  """A model cannot be converted, or the converted model computes something else."""


class ExamplesError(PruningError):
  """Examples of a model's inputs do not fit it, are unusable, or are too few."""


class ChannelError(PruningError):
  """A group of channels does not exist, or channels cannot be removed."""


class MissingPackageError(PruningError, ImportError):
  """An optional package that a feature needs is not installed."""


class PolicyError(PruningError):
  """A pruning policy does not support a Keras model."""


def first_line(error: BaseException) -> str:
  """Returns the line of an error's message that states the problem; TensorFlow adds tracebacks."""
  # str() of a KeyError is the repr() of its message.
  text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
  text = re.sub('\x1b\\[[0-9;]*m', '', text)  # Keras 3 prints the problem in bold.
  # TensorFlow explains at length before it says which variable a checkpoint lacks.
  text = text.partition('Original error:')[2].strip() or text
  lines = [line.strip() for line in text.splitlines() if line.strip()]
  if len(lines) > 1 and lines[0].startswith('Exception encountered when calling'):
    lines = lines[1:]
  if lines and lines[0] == 'Graph execution error:':
    nodes = [i for i, line in enumerate(lines) if line.startswith('Node:')]
    lines = lines[nodes[-1] + 1 if nodes else 1:]
  if isinstance(error, KeyError) and lines:
    return 'there is no %r' % lines[0]
  return lines[0] if lines else type(error).__name__


def shortened(text: str, length: int = 160) -> str:
  """Returns a text, cut after a whole word if it is longer than `length` characters."""
  return text if len(text) <= length else text[:length - 4].rsplit(' ', 1)[0] + ' ...'


def nearest(name: str, known: Iterable[str]) -> str:
  """Returns ' (did you mean x?)' for the known name closest to `name`, or ''."""
  import difflib  # Needed only for errors.
  alike = {each.lower(): each for each in known}
  close = difflib.get_close_matches(name.lower(), list(alike), n=1, cutoff=0.6)
  return ' (did you mean %s?)' % alike[close[0]] if close else ''


class CloneError(PruningError):
  """A Keras layer or model cannot be copied."""


class MissingCallbackError(PruningError):
  """A pruned Keras model is trained without a callback that updates its masks."""
