# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The assets of a SavedModel: files, for example vocabularies, whose paths are in its graph."""

import os
from typing import Any, List, Mapping, Tuple

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.util.types import GraphDef
from model_pruning.util.types import MetaGraphDef


def listed(meta: MetaGraphDef) -> List[Tuple[str, str]]:
  """Returns (name of the tensor with the path, name of the file) of each asset of a meta graph.

  Raises:
    errors.ModelFileError: a file is outside the folder of assets.
  """
  return [(asset.tensor_info.name, _inside(asset.filename)) for asset in _definitions(meta)]


def _definitions(meta: MetaGraphDef) -> List[Any]:
  """Returns the AssetFileDefs of a meta graph, which TensorFlow 1 keeps in a collection."""
  found = list(meta.asset_file_def)
  key = tf.saved_model.constants.ASSETS_KEY
  for packed in meta.collection_def[key].any_list.value if key in meta.collection_def else ():
    asset = meta.asset_file_def.add()
    packed.Unpack(asset)
    if asset.tensor_info.name not in [known.tensor_info.name for known in found]:
      found.append(asset)
  return found


def _inside(filename: str) -> str:
  """Returns the name of an asset; raises errors.ModelFileError if it is outside their folder."""
  parts = filename.replace('\\', '/').split('/')
  if not filename or filename.startswith('/') or '..' in parts:
    raise errors.ModelFileError('The SavedModel has an asset %r, which is not in its folder of '
                                'assets; export it again' % filename)
  return filename


def in_constants(graph_def: GraphDef, folder: str,
                 assets: List[Tuple[str, str]]) -> List[Tuple[str, str]]:
  """Returns constants with paths of assets, which the loader stored in variables before."""
  by_path = {os.path.abspath(os.path.join(folder, tf.saved_model.constants.ASSETS_DIRECTORY, file)):
             file for _, file in assets}
  found = []
  for node in graph_def.node:
    if node.op != 'Const' or node.attr['dtype'].type != tf.string.as_datatype_enum:
      continue
    tensor = node.attr['value'].tensor
    path = tensor.string_val[0].decode('utf-8', 'replace') if len(tensor.string_val) == 1 else ''
    if path and not tensor.tensor_shape.dim and os.path.abspath(path) in by_path \
        and node.name + ':0' not in [name for name, _ in assets]:
      found.append((node.name + ':0', by_path[os.path.abspath(path)]))
  return found


def use_own(graph_def: GraphDef, folder: str, assets: Mapping[str, str]) -> None:
  """Sets the paths of assets, which were valid where the model was exported, to the copies here.

  Args:
    graph_def: the graph of a SavedModel. It is changed.
    folder: the folder of the SavedModel.
    assets: {name of the tensor with the path: name of the file}.
  """
  for node in graph_def.node:
    name = node.name
    if name + ':0' in assets:
      path = os.path.join(folder, tf.saved_model.constants.ASSETS_DIRECTORY, assets[name + ':0'])
      node.Clear()  # TensorFlow 2 has a placeholder here.
      node.name, node.op = name, 'Const'
      node.attr['dtype'].type = tf.string.as_datatype_enum
      node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(path))
