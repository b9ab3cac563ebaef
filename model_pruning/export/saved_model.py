# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes stripped SavedModels: a graph of constants with its signatures, tables and assets."""

import os
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from absl import logging

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.export import assets
from model_pruning.export import freeze
from model_pruning.export import strip
from model_pruning.export import writing
from model_pruning.reading import bundle
from model_pruning.reading import flops
from model_pruning.reading import inputs as inputs_lib
from model_pruning.reading import models
from model_pruning.reading import nodes as graphs
from model_pruning.reading import running
from model_pruning.reading import sources
from model_pruning.reading import validation
from model_pruning.util import files
from model_pruning.util.files import AnyPath
from model_pruning.util.types import Graph
from model_pruning.util.types import GraphDef
from model_pruning.util.types import MetaGraphDef

SERVING = tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY
_INIT = '__saved_model_init_op'  # Signature of the initialization, since TensorFlow 1.14.
# Operations that change a variable.
_ASSIGNS = re.compile(
    r'Assign(Add|Sub)?(VariableOp)?$|ResourceScatter|(Resource)?(Sparse)?Apply[A-Z]')
_NOT_CALLED = (_INIT, '__saved_model_train_op')


def strip_saved_model(saved_model_dir: AnyPath, export_dir: AnyPath,
                      tags: Optional[Sequence[str]] = None) -> List[str]:
  """Writes a SavedModel without masks and variables, with the same signatures.

  It keeps the initialization of tables, and the assets.

  Args:
    saved_model_dir: the SavedModel of a model with masks.
    export_dir: the folder to write; new or empty.
    tags: tags of the graph to take; by default the one for serving, or the only one.

  Returns:
    The names of the masked products that were folded.

  Raises:
    errors.ModelFileError: there is no SavedModel, or none with these tags.
    errors.NoMaskedWeightsError: it has no masks.
    errors.WriteError: the folder is not empty, or cannot be written.
  """
  saved_model_dir = files.as_path(saved_model_dir)
  export_dir = files.check_output(export_dir, [saved_model_dir])
  graph_def, signatures, kept, folded = read_stripped(saved_model_dir, tags)
  if not folded:  # The weights of a pruned Keras model have the zeros; masks are only variables.
    folded = [weight.name for weight in models.load(saved_model_dir).weights()
              if weight.kept is not None] or models.masks_that_keras_exported(saved_model_dir)
  if not folded:
    raise errors.NoMaskedWeightsError(
        '%s has no masked weights; is it stripped already?' % saved_model_dir)
  write(export_dir, graph_def, signatures, kept)
  return folded


def to_saved_model(graph_def: GraphDef, export_dir: AnyPath, inputs: Mapping[str, str],
                   outputs: Mapping[str, str], signature: str = SERVING) -> None:
  """Writes a graph of constants as a SavedModel with one signature.

  Args:
    graph_def: a GraphDef of constants, as returned by strip_pruning_vars_fn.
    export_dir: the folder to write; new or empty.
    inputs: the tensors ('images:0') that callers feed, by the names that callers use.
    outputs: the tensors that callers get, by the names that callers use.
    signature: the key of the signature.

  Raises:
    errors.OutputNodeError: a tensor is not in the graph.
    errors.ModelFileError: the graph is damaged.
    errors.WriteError: the folder is not empty, or cannot be written.
  """
  export_dir = files.check_output(export_dir)
  validation.check(graph_def, 'The GraphDef')
  known = [node.name for node in graph_def.node]
  for tensors in (inputs, outputs):
    sources.check_outputs(known, [name.split(':')[0] for name in tensors.values()])
  with tf.Graph().as_default() as graph, sources.by_tensorflow('the graph'):
    tf.import_graph_def(graph_def, name='')
    found = [{key: graph.get_tensor_by_name(name if ':' in name else name + ':0')
              for key, name in tensors.items()} for tensors in (inputs, outputs)]
    definition = tf.saved_model.signature_def_utils.predict_signature_def(*found)
  write(export_dir, graph_def, {signature: definition}, _Kept([], [], ''))


class _Kept:
  """The other parts of a SavedModel: initialization of tables, and assets."""

  def __init__(self, inits: List[str], paths: List[Tuple[str, str]], folder: str) -> None:
    self.inits = inits  # Names of the operations that fill tables.
    self.assets = paths  # (name of the tensor with the path, name of the file).
    self.folder = folder


def read_stripped(saved_model_dir: AnyPath, tags: Optional[Sequence[str]] = None
                  ) -> Tuple[Any, Dict[str, Any], _Kept, List[str]]:
  """Reads a SavedModel as a stripped GraphDef.

  Args:
    saved_model_dir: its folder.
    tags: tags of the graph to take; by default the one for serving, or the only one.

  Returns:
    The GraphDef, the signatures by their keys, the other parts to keep, and the names of the
    masked products that were folded.

  Raises:
    errors.ModelFileError: there is no SavedModel, or none with these tags; or a variable has no
      value.
  """
  saved_model_dir = files.as_path(saved_model_dir)
  wanted = _tags(saved_model_dir, tags)
  with tf.Graph().as_default(), tf.Session(config=running.once()) as session:
    variables = os.path.join(saved_model_dir, 'variables', 'variables')
    if tf.gfile.Exists(variables + '.index'):
      bundle.check(variables)
    try:
      with inputs_lib.silent_parsing():
        meta = tf.saved_model.load(session, wanted, saved_model_dir)
      inits = _table_initializers(session.graph, _init_op(meta))
      paths = assets.listed(meta)
    except (errors.PruningError, MemoryError):
      raise
    except Exception as error:  # TensorFlow raises many classes.
      raise errors.ModelFileError('The SavedModel in %s cannot be read (%s); export it again' % (
          saved_model_dir, errors.first_line(error))) from error
    signatures = {key: value for key, value in meta.signature_def.items()
                  if key not in _NOT_CALLED}
    outputs = sorted({info.name.split(':')[0] for signature in signatures.values()
                      for info in [*signature.outputs.values(), *signature.inputs.values()]})
    if not outputs:
      raise errors.ModelFileError('The SavedModel in %s has no signatures to keep' %
                                  saved_model_dir)
    needed = outputs + inits + [name.split(':')[0] for name, _ in paths]
    try:
      frozen = freeze.graph_def_from_session(session, needed)
    except tf.errors.FailedPreconditionError as error:
      raise errors.ModelFileError(
          'The SavedModel in %s has a variable without a value as it is read to be served (%s); '
          'write a Keras 3 model by model.export(), or with more signatures by '
          'keras.export.ExportArchive' % (
              saved_model_dir, errors.first_line(error))) from error
  try:
    stripped, folded = strip.strip(frozen, needed)
  except errors.ModelFileError:
    _check_reads_only(frozen, signatures, saved_model_dir)
    raise
  _check_reads_only(stripped, signatures, saved_model_dir)
  paths += assets.in_constants(stripped, saved_model_dir, paths)
  assets.use_own(stripped, saved_model_dir, dict(paths))
  return stripped, signatures, _Kept(inits, paths, saved_model_dir), folded


def _check_reads_only(graph_def: GraphDef, signatures: Mapping[str, Any], folder: str) -> None:
  """Raises errors.ModelFileError if a signature assigns to variables, which are constants now."""
  nodes = graphs.flatten(graph_def)
  for node in nodes.values():
    if _ASSIGNS.match(node.op):
      for key, signature in sorted(signatures.items()):
        # An assignment in a function is computed with it, whether or not a result needs it.
        if any(node.name == name or node.name.startswith(name + '/')
               for name in _computed_by(nodes, signature)):
          raise errors.ModelFileError(
              'Signature %s of the SavedModel in %s assigns to its variables (%s), and cannot be '
              'computed with constants; export the model again without this signature' % (
                  key, folder, node.op))


def _computed_by(nodes: graphs.Nodes, signature: Any) -> Set[str]:
  return set(graphs.needed_for(nodes, [
      info.name.split(':')[0] for info in signature.outputs.values()]))


def warn_of_others(graph_def: GraphDef, signatures: Mapping[str, Any], done: str) -> None:
  """Warns of signatures with layers that the default one does not compute.

  Args:
    graph_def: the GraphDef of constants.
    signatures: its SignatureDefs by their keys.
    done: what happens only to the layers of the default signature, a participle.
  """
  nodes = graphs.flatten(graph_def)
  default = default_signature(signatures)
  own = _computed_by(nodes, default)
  others = [key for key, signature in sorted(signatures.items())
            if _kernels(nodes, _computed_by(nodes, signature)) - own]
  if others:
    key, = [key for key, signature in signatures.items() if signature is default]
    logging.warning('Signature%s layers of %s own: only the layers of signature %s are %s',
                    ' %s has' % others[0] if len(others) == 1 else
                    's %s have' % ' and '.join(others),
                    'its' if len(others) == 1 else 'their', key, done)


def _kernels(nodes: graphs.Nodes, computed: Set[str]) -> Set[str]:
  """Returns the constants, of floats, that layers read among some nodes."""
  return {found.name for name in computed if nodes[name].op in flops.LAYERS
          for ref in nodes[name].inputs for found in graphs.sources(nodes, ref)
          if tf.as_dtype(found.definition.attr['dtype'].type).is_floating}


def _tags(saved_model_dir: str, tags: Optional[Sequence[str]]) -> List[str]:
  """Returns the tags of the graph to take."""
  known = [sorted(meta.meta_info_def.tags) for meta in sources.meta_graphs(saved_model_dir)]
  if tags is not None:
    if sorted(tags) in known:
      return list(tags)
  elif len(known) == 1:
    return known[0]
  elif [tf.saved_model.tag_constants.SERVING] in known:
    return [tf.saved_model.tag_constants.SERVING]
  raise errors.ModelFileError('The SavedModel in %s has graphs with the tags %s, none with %s' % (
      saved_model_dir, ' and '.join(map(repr, known)), tags or "['serve'] alone"))


def _init_op(meta: MetaGraphDef) -> Optional[str]:
  """Returns the name of the operation that initializes tables; None if there is none."""
  if _INIT in meta.signature_def:
    return str(meta.signature_def[_INIT].outputs[_INIT].name)
  for key in ('saved_model_main_op', 'legacy_init_op'):
    names = meta.collection_def[key].node_list.value if key in meta.collection_def else []
    if names:
      return str(names[0])
  return None


def _table_initializers(graph: Graph, init_op: Optional[str]) -> List[str]:
  """Returns the names of the operations that fill tables, among all that initialize a SavedModel.

  The initialization of variables is dropped, as they are constants now.
  """
  if init_op is None:
    return []
  pending, seen = [graph.get_operation_by_name(init_op)], set()
  while pending:
    op = pending.pop()
    if op.name not in seen:
      seen.add(op.name)
      pending.extend([*op.control_inputs, *(tensor.op for tensor in op.inputs)])
  # TensorFlow 2 fills tables in functions.
  fills = ('InitializeTable', 'LookupTableImport', 'PartitionedCall', 'StatefulPartitionedCall')
  return [name for name in sorted(seen)
          if graph.get_operation_by_name(name).type.startswith(fills)]


def default_signature(signatures: Mapping[str, Any]) -> Any:
  """Returns the SignatureDef that serving uses by default: serving_default, or else the first."""
  return signatures.get(SERVING, sorted(signatures.items())[0][1])


def ends_of(signature: Any) -> Tuple[Dict[str, str], List[str]]:
  """Returns {name of an input: its operation}, and the output tensors, of a SignatureDef."""
  return ({key: info.name.split(':')[0] for key, info in signature.inputs.items()},
          [info.name for _, info in sorted(signature.outputs.items())])


def ends_to_keep(signatures: Mapping[str, Any], kept: _Kept) -> List[str]:
  """Returns all that has to stay in the graph of a SavedModel: names of tensors and operations."""
  ends = [info.name for signature in signatures.values()
          for infos in (signature.outputs, signature.inputs) for info in infos.values()]
  return list(dict.fromkeys([*ends, *kept.inits, *(name for name, _ in kept.assets)]))


def write(export_dir: str, graph_def: GraphDef, signatures: Dict[str, Any], kept: _Kept) -> None:
  """Writes a SavedModel.

  Args:
    export_dir: the folder to write; new or empty.
    graph_def: a GraphDef of constants.
    signatures: its SignatureDefs by their keys.
    kept: the other parts, from read_stripped.

  Raises:
    errors.WriteError: the folder is not empty, or cannot be written.
  """
  with writing.by_tensorflow(export_dir), files.new_folder(
      export_dir, [kept.folder or None]) as temporary, tf.Graph().as_default() as graph:
    with sources.by_tensorflow('the graph'):
      tf.import_graph_def(graph_def, name='')
    builder = tf.saved_model.builder.SavedModelBuilder(temporary)
    for name, _ in kept.assets:
      tf.add_to_collection(tf.GraphKeys.ASSET_FILEPATHS, graph.get_tensor_by_name(name))
    with tf.Session(graph=graph) as session:
      builder.add_meta_graph_and_variables(
          session, [tf.saved_model.tag_constants.SERVING], signature_def_map=signatures,
          assets_collection=tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS) or None,
          main_op=tf.group(*map(graph.get_operation_by_name, kept.inits)) if kept.inits else None,
          strip_default_attrs=True)
    builder.save()
