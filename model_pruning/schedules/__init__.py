# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Schedules: when the masks are updated, and how sparse they are then.

A schedule object returns both:

    should_prune, sparsity = schedule(step)

ConstantSparsity and PolynomialDecay have the same arguments and attributes as in
tfmot.sparsity.keras. For a Python number a schedule returns a bool and a float, for an array
arrays, and for a tensor tensors (bool and float32). It works in a graph, eagerly and in a
tf.function.
"""

import typing

from model_pruning.util import lazy as _lazy

# Imported lazily: the command line uses gradual.py and clock.py without TensorFlow.
SCHEDULES = {  # The classes that deserialize() knows, and their files.
    'ConstantSparsity': 'constant',
    'PolynomialDecay': 'polynomial',
    'PolynomialDecaySchedule': 'polynomial',
}
_LAZY = {
    **SCHEDULES,
    'deserialize': 'serialization',
    'PruningSchedule': 'base',
    'serialize': 'serialization',
}

if typing.TYPE_CHECKING:
  from model_pruning.schedules.base import PruningSchedule as PruningSchedule
  from model_pruning.schedules.constant import ConstantSparsity as ConstantSparsity
  from model_pruning.schedules.polynomial import PolynomialDecay as PolynomialDecay
  from model_pruning.schedules.polynomial import PolynomialDecaySchedule as PolynomialDecaySchedule
  from model_pruning.schedules.serialization import deserialize as deserialize
  from model_pruning.schedules.serialization import serialize as serialize

__getattr__, __dir__, __all__ = _lazy.attributes(globals(), _LAZY)
