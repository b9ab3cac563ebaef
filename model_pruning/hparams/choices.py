# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The names that a hyperparameter chooses from. The engine has the implementations."""

from model_pruning import errors

# The names of the saliencies in engine/saliency.py.
PRUNE_OPTIONS = ('weight', 'first_order_gradient', 'second_order_gradient')

# The names of the distributions in engine/distributions.py.
DISTRIBUTIONS = ('uniform', 'erk', 'lamp', 'global')


def check_prune_option(option: str) -> None:
  """Raises errors.SpecError if there is no such prune_option."""
  if option == 'compression':
    raise errors.SpecError(
        "prune_option='compression' requests low-rank compression, which is part of the research "
        "branch's compression library and not of model_pruning; use one of: %s" %
        ', '.join(map(repr, PRUNE_OPTIONS)))
  if option not in PRUNE_OPTIONS:
    raise errors.SpecError('Illegal value for prune_option: %r%s; it is one of: %s' % (
        option, errors.nearest(str(option), PRUNE_OPTIONS), ', '.join(map(repr, PRUNE_OPTIONS))))


def check_distribution(name: str) -> None:
  """Raises errors.SpecError if there is no such sparsity_distribution."""
  if name not in DISTRIBUTIONS:
    raise errors.SpecError('Illegal value for sparsity_distribution: %r%s; it is one of: %s' % (
        name, errors.nearest(str(name), DISTRIBUTIONS), ', '.join(map(repr, DISTRIBUTIONS))))
