# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Schedules: when the masks are updated, and how sparse they get.

A schedule object says both in one value,

    should_prune, sparsity = schedule(step)

ConstantSparsity and PolynomialDecay have the arguments and attributes that they have in
tfmot.sparsity.keras. For a Python number a schedule returns a bool and a float, for an array
arrays, and for a tensor tensors (bool and float32): in a graph, eagerly and in a tf.function.
"""

import typing

from model_pruning.util import lazy as _lazy

# Imported when asked for: gradual.py and clock.py serve the command line without TensorFlow.
SCHEDULES = {  # The classes that deserialize() knows, and the files they are in.
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

__getattr__ = _lazy.getter(globals(), _LAZY)


def __dir__() -> typing.List[str]:
  return sorted({*globals(), *_LAZY})
