# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Lookup tables of Keras models: StringLookup, IntegerLookup, TextVectorization."""

from typing import Any, NamedTuple, Optional, Tuple

from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.util.types import Tensor


class Table(NamedTuple):
  """The contents of a table.

  Attributes:
    name: a name in a graph.
    keys: a vector without duplicates.
    values: a vector of the same length.
  """
  name: str
  keys: Any
  values: Any

  def made(self) -> Tuple[Tensor, str]:
    """Adds the table to the default graph.

    Returns:
      Its handle, and the name of the operation that fills it.
    """
    raw = tensorflow.raw_ops
    # Of the kinds of tables, the one for which TensorFlow infers the shapes of what is looked up.
    table = raw.MutableHashTableV2(
        key_dtype=self.keys.dtype, value_dtype=self.values.dtype, name=self.name)
    fill = raw.LookupTableImportV2(
        table_handle=table, keys=tf.constant(self.keys.numpy()),
        values=tf.constant(self.values.numpy()), name=self.name + '/fill')
    return table, fill.name


def table_of(handle: Tensor, placeholder: Tensor) -> Optional[Table]:
  """Returns the contents of a table; None for another resource.

  Args:
    handle: an eager tensor.
    placeholder: the tensor that stands for it in a traced function.
  """
  for op in placeholder.consumers():
    if op.type == 'LookupTableFindV2':
      return Table(op.name + '/table', *tensorflow.raw_ops.LookupTableExportV2(
          table_handle=handle, Tkeys=op.get_attr('Tin'), Tvalues=op.get_attr('Tout')))
  return None
