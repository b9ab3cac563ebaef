# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The one place that imports TensorFlow, and checks that it will do.

TensorFlow is not a dependency of the package: naming it there would replace a
user's tensorflow-cpu, -gpu or nightly build. So it is looked for here.
"""

import re

_MINIMUM = (1, 15)
_ADVICE = ('model_pruning works with TensorFlow 1.15.5 and newer. Install one with '
           '`pip install tensorflow` (or tensorflow-cpu), or with '
           '`pip install "model_pruning[tensorflow]"`.')

try:
  import tensorflow
except ImportError as error:
  raise ImportError('TensorFlow could not be imported (%s). %s' % (error, _ADVICE)) from error

_version = tuple(int(part) for part in re.findall(r'\d+', tensorflow.__version__)[:2])
if _version < _MINIMUM:
  raise ImportError('TensorFlow %s is too old. %s' % (tensorflow.__version__, _ADVICE))

import tensorflow.compat.v1 as tf  # noqa: E402  (only once the version is known to have it)

# Two things that graphs of every TensorFlow from 1.15 on have, but under no public name:
# functions that the runtime does not inline, and the class of what a Saver saves.
from tensorflow.python.framework.function import Defun  # noqa: E402
from tensorflow.python.training.saver import BaseSaverBuilder  # noqa: E402

__all__ = ['BaseSaverBuilder', 'Defun', 'tf']
