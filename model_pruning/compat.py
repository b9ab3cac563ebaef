# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The only module that imports TensorFlow; it checks the version.

The package does not declare TensorFlow as a dependency: that would replace a user's
tensorflow-cpu, -gpu or nightly build. This module looks for it instead.
"""

import inspect
import re
from typing import Any, Callable, Sequence

from model_pruning.util import quiet

_MINIMUM = (1, 15)
_ADVICE = ('model_pruning works with TensorFlow 1.15.5 and newer. Install one with '
           '`pip install tensorflow` (or tensorflow-cpu)')

try:
  with quiet.loading_tensorflow():
    import tensorflow
except ImportError as error:
  raise ImportError('TensorFlow could not be imported (%s). %s' % (error, _ADVICE)) from error

_version = tuple(int(part) for part in re.findall(r'\d+', tensorflow.__version__)[:2])
if _version < _MINIMUM:
  raise ImportError('TensorFlow %s is too old. %s' % (tensorflow.__version__, _ADVICE))

import tensorflow.compat.v1 as tf  # noqa: E402  (only once the version is known to have it)

# Parts of every TensorFlow from 1.15 on that have no public name: functions that the runtime does
# not inline, the class of what a Saver saves, the protocol buffers of attributes, checkpoints and
# SavedModels, and the registry of operations.
from google.protobuf.internal import api_implementation  # noqa: E402
from tensorflow.core.framework.attr_value_pb2 import AttrValue  # noqa: E402
from tensorflow.core.protobuf import tensor_bundle_pb2 as tensor_bundle  # noqa: E402
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel  # noqa: E402
from tensorflow.python.framework import kernels  # noqa: E402
from tensorflow.python.framework import op_def_registry  # noqa: E402
from tensorflow.python.framework.function import Defun  # noqa: E402
from tensorflow.python.training.saver import BaseSaverBuilder  # noqa: E402

try:
  from tensorflow.python.eager.record import could_possibly_record
except ImportError:
  def could_possibly_record() -> bool:
    """Whether a gradient tape may be recording; True if this TensorFlow cannot tell."""
    return True

__all__ = ['AttrValue', 'BaseSaverBuilder', 'Defun', 'SavedModel', 'api_implementation',
           'could_possibly_record', 'has_kernel', 'is_stateful', 'not_inlined', 'op_def_of',
           'tensor_bundle', 'tensorflow', 'tf', 'tflite_schema']


def op_def_of(op: str) -> Any:
  """Returns the OpDef of a type of operation; None for an unknown type."""
  if hasattr(op_def_registry, 'get'):
    return op_def_registry.get(op)
  return op_def_registry.get_registered_ops().get(op)  # TensorFlow 1.


def has_kernel(op: str, dtype: Any, device: str = 'CPU') -> bool:
  """Whether there is a kernel of a type of operation with T=dtype for a type of device."""
  return any(kernel.device_type == device and all(
      constraint.name != 'T' or dtype.as_datatype_enum in constraint.allowed_values.list.type
      for constraint in kernel.constraint) for kernel in kernels.get_registered_kernels_for_op(
          op).kernel)


def is_stateful(op: str) -> bool:
  """Whether operations of a type may have side effects; True for unknown types."""
  found = op_def_of(op)
  return found is None or bool(found.is_stateful)


def not_inlined(function: Callable[..., Any], signature: Sequence[Any]) -> Any:
  """Returns a tf.function that the runtime calls as one node, without inlining it.

  Args:
    function: a function of tensors.
    signature: the TensorSpecs of these tensors.
  """
  attributes = {'experimental_attributes': {'_noinline': True}} if (
      'experimental_attributes' in inspect.signature(tensorflow.function).parameters) else {}
  return tensorflow.function(function, input_signature=signature, autograph=False, **attributes)


def tflite_schema() -> Any:
  """Returns the module with the classes for TFLite files; None in TensorFlow 1."""
  try:
    from tensorflow.lite.python import schema_py_generated
  except ImportError:
    return None
  return schema_py_generated
