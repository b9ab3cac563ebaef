# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The errors of this library: one class per cause, each a ValueError.

Code that catches ValueError, as users of tf.contrib.model_pruning do, keeps
working. Every message names the value received, the rule it breaks and the
way to mend it.
"""

from typing import Iterable


class PruningError(ValueError):
  """Base of every error this library raises on purpose."""


class HParamSyntaxError(PruningError):
  """A clause of an HParams string does not follow the grammar."""


class UnknownHParamError(PruningError, KeyError):
  """A hyperparameter of that name does not exist.

  Also a KeyError, which is what contrib's `set_hparam` raised.
  """

  def __str__(self) -> str:  # KeyError would show the repr of the message.
    return str(self.args[0]) if self.args else ''


class HParamTypeError(PruningError):
  """A hyperparameter was given a value of another type."""


class HParamReuseError(PruningError):
  """A hyperparameter is assigned twice in one string."""


class SpecError(PruningError):
  """A hyperparameter has a value outside its range."""


class ScheduleError(PruningError):
  """A schedule of the sparsity was given a value, or a use, that it cannot have."""


class MapError(PruningError):
  """An entry of a map of the hyperparameters is unusable."""


class BlockError(PruningError):
  """Block dimensions or a pooling function that cannot be served."""


class GroupError(PruningError):
  """A group of weights cannot be named so, or cannot have that member."""


class WeightError(PruningError):
  """A tensor cannot be masked: its dtype or its shape rules it out."""


class LayerError(PruningError):
  """A masked layer was given an argument, or inputs, that it cannot serve."""


class GlobalStepError(PruningError):
  """The graph has no global step to schedule the pruning by."""


class NoMaskedWeightsError(PruningError):
  """A mask update was asked for in a graph without masked weights."""


class ChiefError(PruningError):
  """More than one task of a cluster updates the masks."""


class SpecMismatchError(PruningError):
  """The tasks of a cluster were given different hyperparameters."""


class EagerError(PruningError):
  """What builds a graph was called where TensorFlow executes eagerly."""


class FinalizedGraphError(PruningError, RuntimeError):
  """Operations were to be added to a graph that is finalized."""


class GraphMismatchError(PruningError):
  """Tensors or variables of two different graphs were mixed."""


class CheckpointError(PruningError):
  """A checkpoint is missing, truncated, or lacks what was asked of it."""


class OutputNodeError(PruningError):
  """A named output node does not exist in the graph."""


class ModelFileError(PruningError):
  """A file that should hold a model is missing, damaged, or of another kind."""


class WriteError(PruningError):
  """A file or folder cannot be written where it was asked for."""


class PathError(PruningError, TypeError):
  """A path is not one, or is one that TensorFlow cannot open."""


class ConversionError(PruningError):
  """A model cannot be converted, or computes something else once it is."""


class MissingPackageError(PruningError, ImportError):
  """A package that only this feature needs is not installed."""


class PolicyError(PruningError):
  """A Keras model is not such as a pruning policy can serve."""


def first_line(error: BaseException) -> str:
  """Returns the line of an error's message that says what: TensorFlow adds pages of where."""
  lines = [line.strip() for line in str(error).splitlines() if line.strip()]
  if lines and lines[0] == 'Graph execution error:':
    nodes = [i for i, line in enumerate(lines) if line.startswith('Node:')]
    lines = lines[nodes[-1] + 1 if nodes else 1:]
  return lines[0] if lines else type(error).__name__


def shortened(text: str, length: int = 160) -> str:
  """Returns a text, or as many whole words of it as so many characters hold."""
  return text if len(text) <= length else text[:length - 4].rsplit(' ', 1)[0] + ' ...'


def nearest(name: str, known: Iterable[str]) -> str:
  """Returns ' (did you mean x?)' for the known name closest to `name`, or ''."""
  import difflib  # Only ever needed on the way to an error.
  close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
  return ' (did you mean %s?)' % close[0] if close else ''


class CloneError(PruningError):
  """A Keras layer or model cannot be copied."""


class MissingCallbackError(PruningError):
  """A pruned Keras model is trained, and nothing updates its masks."""
