# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The loss of a pruned model: the distance of its outputs from the outputs of the dense model."""

from typing import Any, List, Mapping, NamedTuple, Optional, Sequence

from absl import logging
import numpy as np

from model_pruning import errors
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.networks import Networks
from model_pruning.util.types import Array


class Loss(NamedTuple):
  """The difference between the pruned and the dense model on some examples.

  Attributes:
    error: ||pruned - dense||^2 / ||dense - mean||^2 over all outputs.
    changed: fraction of answers that differ, in the output where most do; None if the model does
      not classify. An answer is the class with the largest output.
    accuracy: fraction of right answers in the first output of the pruned model; None without
      labels.
    lost: accuracy of the dense model minus accuracy of the pruned one; None without labels.
  """
  error: float
  changed: Optional[float] = None
  accuracy: Optional[float] = None
  lost: Optional[float] = None

  @property
  def loss(self) -> float:
    """The number that max_loss bounds: lost accuracy, else changed answers, else the error."""
    return next(float(value) for value in (self.lost, self.changed, self.error)
                if value is not None)

  @property
  def name(self) -> str:
    """What `loss` is, in words."""
    return ('lost accuracy' if self.lost is not None else
            'changed answers' if self.changed is not None else 'relative error of the outputs')


def at_most(fraction: float, count: int) -> float:
  """Returns the upper bound of a fraction, with 95 % confidence, that was seen in `count` examples.

  Wilson's score interval (1927), one-sided.

  >>> '%.3f' % at_most(0.0, 128)
  '0.021'
  """
  z = 1.645
  middle = fraction + z * z / (2 * count)
  spread = z * (fraction * (1 - fraction) / count + z * z / (4 * count * count))**0.5
  return (middle + spread) / (1 + z * z / count)


class Judge:
  """Compares the outputs of a pruned and a dense model.

  Attributes:
    accuracy: of the dense model; None without labels.
  """

  def __init__(self, networks: Networks, examples: Examples, labels: Any = None,
               fraction: Sequence[float] = (0, 1), classes: bool = True) -> None:
    """Runs the dense model.

    Args:
      networks: the two models.
      examples: examples of the inputs.
      labels: the right class of each example in the first output, integers; None if they are
        unknown.
      fraction: which examples to judge by, from one fraction of their number to another.
      classes: whether the last dimension of an output, if larger than 1, counts classes; False if
        the outputs are other numbers.

    Raises:
      errors.ExamplesError: the labels do not fit the examples or the outputs.
    """
    self._networks, self._examples = networks, examples.part(*fraction)
    self._dense = _joined(networks.outputs(self._examples, pruned=False))
    self._warn_of_random_outputs()
    self._answers = [_answers(each) if classes else None for each in self._dense]
    self._labels: Optional[Array] = None
    self.accuracy: Optional[float] = None
    if labels is not None:
      given = _checked_labels(labels, examples, self._answers[0] if self._answers else None,
                              self._dense)
      first, last = (int(round(each * examples.count)) for each in fraction)
      self._labels = given[first:last][:len(self._dense[0])]
      self.accuracy = float(np.mean(self._answers[0] == self._labels))

  def _warn_of_random_outputs(self) -> None:
    operations = self._networks.random_operations()
    error = self._error(_joined(self._networks.outputs(self._examples, pruned=False))
                        ) if operations else 0.0
    if error > 1e-6:
      logging.warning(
          'The outputs of the model are random (%s): two runs of the dense model on the same '
          'examples differ by an error of %.3g, and so may any loss here. Measure the model '
          'without its noise', ', '.join(operations[:3]), error)

  def _error(self, outputs: Sequence[Array]) -> float:
    """Returns the squared error of outputs relative to the variance of the dense model's."""
    wrong = sum(np.sum((each.astype(np.float64) - dense)**2)
                for each, dense in zip(outputs, self._dense))
    scale = sum(np.sum((dense.astype(np.float64) - dense.mean(axis=0))**2)
                for dense in self._dense)
    return float(wrong / scale) if scale > 0 else float(wrong > 0)

  @property
  def classifies(self) -> bool:
    """Whether losses are fractions of the examples."""
    return any(answers is not None for answers in self._answers)

  def loss(self) -> Loss:
    """Returns the loss of the pruned model as it is now."""
    pruned = _joined(self._networks.outputs(self._examples))
    error = self._error(pruned)
    if not self.classifies:
      return Loss(error)
    changed = max(float(np.mean(_answers(each) != answers))
                  for each, answers in zip(pruned, self._answers) if answers is not None)
    if self._labels is None or self.accuracy is None:
      return Loss(error, changed)
    accuracy = float(np.mean(_answers(pruned[0]) == self._labels))
    return Loss(error, changed, accuracy, self.accuracy - accuracy)


def _joined(batches: Any) -> List[Array]:
  """Returns the floating outputs over all batches, the first one first."""
  columns = [np.concatenate(column) for column in zip(*batches)]
  return [np.asarray(column, np.float32) for column in columns if column.dtype.kind not in 'biuOSU']


def _answers(outputs: Array) -> Optional[Array]:
  """Returns the class with the largest output; None if the last dimension is no set of classes."""
  return np.argmax(outputs, axis=-1) if outputs.ndim >= 2 and outputs.shape[-1] >= 2 else None


def _checked_labels(labels: Any, examples: Examples, answers: Optional[Array],
                    dense: List[Array]) -> Array:
  if isinstance(labels, Mapping):
    raise errors.ExamplesError('The labels are %d arrays by name (%s, ...); give one array with '
                               'the class of each example, or a .npy file' % (
                                   len(labels), next(iter(labels), 'none')))
  array = np.asarray(labels)
  if array.dtype.kind not in 'biuf' or not array.ndim:
    raise errors.ExamplesError('The labels are %s; give one array with the class of each example, '
                               'or a .npy file' % type(labels).__name__)
  if answers is None:
    raise errors.ExamplesError('There are labels, but the outputs are no classes (shape %s)' %
                               ([list(each.shape) for each in dense[:1]] or 'none'))
  if array.ndim == answers.ndim + 1 and array.shape[-1] == 1:
    array = array[..., 0]
  if array.ndim == answers.ndim + 1 and array.shape[-1] == dense[0].shape[-1]:
    if not np.all((array == 0) | (array == 1)) or not np.all(array.sum(axis=-1) == 1):
      raise errors.ExamplesError(
          'The labels are other numbers than classes; for a model whose outputs are no classes '
          'leave labels out, and pass classes=False (--regression)')
    array = np.argmax(array, axis=-1)  # One-hot.
  if len(array) != examples.count or array.shape[1:] != answers.shape[1:]:
    raise errors.ExamplesError(
        'The labels have shape %s, but there are %d examples, so that labels of shape %s are needed'
        % (list(np.shape(labels)), examples.count, [examples.count, *answers.shape[1:]]))
  if array.dtype.kind not in 'iu':
    raise errors.ExamplesError('The labels have dtype %s; they must be integers, the numbers of '
                               'the classes' % array.dtype)
  if array.size and not 0 <= array.min() <= array.max() < dense[0].shape[-1]:
    raise errors.ExamplesError('The labels are from %d to %d, but the model has the classes 0 to %d'
                               % (array.min(), array.max(), dense[0].shape[-1] - 1))
  return array
