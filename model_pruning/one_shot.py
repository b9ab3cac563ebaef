# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Prunes trained models in one step, without the code of the model and without training.

Masks come from a single update at the target sparsity, by the same engine as in training. With
examples of the inputs, the kept weights are then refitted so that the pruned model reproduces the
outputs of the dense one; see calibration/reconstruct.py.
"""

import dataclasses
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

import numpy as np

from model_pruning import errors
from model_pruning.calibration.networks import needed_for
from model_pruning.calibration.reconstruct import Fit
from model_pruning.calibration.reconstruct import reconstruct
from model_pruning.calibration.result import fitted_rows
from model_pruning.calibration.result import fitted_table
from model_pruning.calibration.result import FittedWeight
from model_pruning.calibration.wiring import Wiring
from model_pruning.compat import tf
from model_pruning.engine.saliency import keeps_history
from model_pruning.export import checkpoint
from model_pruning.export import freeze
from model_pruning.export import saved_model
from model_pruning.graph import registry
from model_pruning.graph.pruning import Pruning
from model_pruning.graph.scope import masked_scope
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.maps import expression
from model_pruning.hparams.spec import PruningSpec
from model_pruning.names import KERNELS
from model_pruning.names import WEIGHT_ATTRIBUTE
from model_pruning.reading import examples as files_of_examples
from model_pruning.reading import tensors
from model_pruning.util import files
from model_pruning.util import tables
from model_pruning.util.files import AnyPath
from model_pruning.util.sparsity_table import WeightSparsity
from model_pruning.util.types import Array
from model_pruning.util.types import GraphDef
from model_pruning.util.types import MetaGraphDef

INCLUDE = KERNELS
_FLOATING = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


class PrunedGraph(NamedTuple):
  """A graph of constants that was pruned.

  Attributes:
    graph_def: the GraphDef, with zeros in its weights.
    rows: one FittedWeight for each weight.
  """
  graph_def: Any
  rows: List[FittedWeight]

  def table(self, width: int = tables.WIDTH) -> str:
    """Returns a table of the weights, with the errors of their layers."""
    return fitted_table(self.rows, width)


def prune_checkpoint(place: AnyPath, path: AnyPath, hparams: Union[HParams, PruningSpec, str],
                     include: str = INCLUDE, exclude: Optional[str] = None, examples: Any = None,
                     inputs: Sequence[str] = (), outputs: Sequence[str] = (),
                     meta_graph: Optional[MetaGraphDef] = None) -> List[FittedWeight]:
  """Adds masks to a checkpoint that has none, and writes the result as a new checkpoint.

  Masks are stored under the names that masked_scope uses. Training code that masks the same
  weights can therefore continue from the result. strip_checkpoint turns it into a checkpoint
  for code without masks. Without examples, weights keep their values; with examples, the kept
  weights and the biases are refitted. Everything else is copied.

  Args:
    place: a checkpoint without masks, or a directory, whose latest checkpoint is used.
    path: the path of the checkpoint to write, for example 'folder/model.ckpt'.
    hparams: an HParams, a PruningSpec or a string. Steps in it have no effect.
    include: a regular expression that matches the names of the weights from their start.
    exclude: a regular expression for names to leave dense, matched from their start.
    examples: see prune_graph.
    inputs, outputs: with examples: names in the graph of the checkpoint; see prune_graph.
    meta_graph: with examples: the file with the graph, for inference and not for training; None
      takes the checkpoint's own .meta file.

  Returns:
    One row per weight, for sparsity_table.

  Raises:
    errors.CheckpointError: there is no checkpoint, it cannot be read, it already has
      masks, or no weight matches.
    errors.SpecError: hparams use threshold_decay, which needs many updates, or gradient
      saliency, which needs the history of weights during training.
    errors.MapError, errors.BlockError, errors.GroupError: see Pruning.mask_update_op.
    errors.ExamplesError, errors.OutputNodeError: see prune_graph.
    errors.WriteError: nothing can be written to `path`.
  """
  spec = at_once(PruningSpec.create(hparams))
  source = checkpoint.Checkpoint(place)
  path = checkpoint.check_elsewhere(source, path)
  if source.masked():
    raise errors.CheckpointError(
        'Checkpoint %s has masks already (%s, ...); strip it first, or continue training it' %
        (source.path, source.masked()[0].mask))
  weights = [name for name, shape in sorted(source.shapes.items())
             if shape and source.dtypes[name] in _FLOATING and not _is_slot(name, source)]
  names = _chosen(weights, include, exclude, source.path, errors.CheckpointError)
  if examples is not None:
    frozen = freeze.graph_def_from_checkpoint(source.path, outputs, meta_graph)
  values = {name: source.read(name) for name in source.shapes}
  masked = _masked({name: values[name] for name in names}, spec)
  fits: Dict[str, Fit] = {}
  if examples is not None:
    found = reconstruct(frozen, masked.masks, examples, inputs, outputs, values)
    values.update({name: value for name, value in found.values.items() if name in values})
    fits = {fit.weight: fit for fit in found.fits}
  values.update(masked.variables)
  values[masked.last_update] = np.array(values.get(tf.GraphKeys.GLOBAL_STEP, 0), np.int32)
  checkpoint.write(path, values, [source.path])
  return fitted_rows(masked.rows, fits)


def prune_graph(graph_def: GraphDef, hparams: Union[HParams, PruningSpec, str],
                examples: Any = None, inputs: Sequence[str] = (), outputs: Sequence[str] = (),
                include: Optional[str] = None, exclude: Optional[str] = None) -> PrunedGraph:
  """Prunes a graph of constants, and refits it to examples.

      pruned = prune_graph(graph_def, 'target_sparsity=0.9,sparsity_distribution=lamp',
                           images[:256], outputs=['scores'])
      print(pruned.table())

  Args:
    graph_def: a GraphDef of constants, for example a frozen graph. It is not changed.
    hparams: an HParams, a PruningSpec or a string. Steps in it have no effect.
    examples: examples of the inputs, one per row; 256 are usually enough. An array, a dict of
      arrays by the names of the inputs, the path of a .npy or .npz file, or batches of these. None
      only masks the weights.
    inputs: names of the inputs; () for all placeholders that the outputs need.
    outputs: names of the outputs.
    include: a regular expression that matches the names of the weights from their start; None for
      all kernels of matrix products and convolutions.
    exclude: a regular expression for names to leave dense, matched from their start.

  Raises:
    errors.ModelFileError: no weight matches, or TensorFlow cannot use the graph.
    errors.ExamplesError: the examples do not fit the model, or are too few.
    errors.OutputNodeError: an input or output is not in the graph.
    errors.SpecError, errors.MapError, errors.BlockError, errors.GroupError: see prune_checkpoint.
  """
  spec = at_once(PruningSpec.create(hparams))
  wiring = Wiring(needed_for(graph_def, outputs))
  constants = {_name_of(wiring, constant): constant for constant in wiring.kernels()}
  names = _chosen(list(constants), include or '.*', exclude, 'the graph', errors.ModelFileError)
  values = {name: tensors.to_array(
      wiring.nodes[constants[name]].attr['value'].tensor, constants[name]) for name in names}
  masked = _masked(values, spec)
  masks = {constants[name]: mask for name, mask in masked.masks.items()}
  if examples is None:
    changed = {constants[name]: values[name] * masked.masks[name] for name in names}
    return PrunedGraph(_with_constants(graph_def, changed), fitted_rows(masked.rows, {}))
  found = reconstruct(graph_def, masks, examples, inputs, outputs)
  fits = {_name_of(wiring, fit.weight): fit for fit in found.fits}
  return PrunedGraph(_with_constants(graph_def, found.values), fitted_rows(masked.rows, fits))


def prune_saved_model(saved_model_dir: AnyPath, export_dir: AnyPath,
                      hparams: Union[HParams, PruningSpec, str], examples: Any = None,
                      include: Optional[str] = None,
                      exclude: Optional[str] = None) -> List[FittedWeight]:
  """Prunes a SavedModel, and writes it as one of constants with the same signatures.

  Args:
    saved_model_dir: its folder.
    export_dir: the folder to write; new or empty.
    hparams, examples, include, exclude: see prune_graph. Examples are of the inputs of the default
      signature, by the names of its inputs.

  Returns:
    One FittedWeight for each weight.

  Raises:
    errors.ModelFileError: there is no SavedModel, or no weight matches.
    errors.WriteError: the folder is not empty, or cannot be written.
    errors.PruningError: see prune_graph.
  """
  saved_model_dir = files.as_path(saved_model_dir)
  export_dir = files.check_output(export_dir, [saved_model_dir])
  graph_def, signatures, kept, folded = saved_model.read_stripped(saved_model_dir)
  if folded:
    raise errors.ModelFileError('The SavedModel in %s has masks already (%s, ...); strip it first' %
                                (saved_model_dir, folded[0]))
  signature = saved_model.default_signature(signatures)
  names = {key: info.name.split(':')[0] for key, info in signature.inputs.items()}
  if isinstance(examples, (str, bytes)) or hasattr(examples, '__fspath__'):
    examples = files_of_examples.columns(examples)
  if isinstance(examples, Mapping):
    examples = {names.get(key, key): value for key, value in examples.items()}
  pruned = prune_graph(graph_def, hparams, examples, sorted(names.values()),
                       [info.name for _, info in sorted(signature.outputs.items())],
                       include, exclude)
  saved_model.write(export_dir, pruned.graph_def, signatures, kept)
  return pruned.rows


def at_once(spec: PruningSpec) -> PruningSpec:
  """Returns the spec changed so that one update at step 1 prunes every weight to its target.

  Raises:
    errors.SpecError: the spec needs many updates, or the history of weights.
  """
  if spec.threshold_decay:
    raise errors.SpecError(
        'threshold_decay=%s smooths the threshold over many mask updates, but this makes only one: '
        'leave it out' % spec.threshold_decay)
  if keeps_history(spec.prune_option):
    raise errors.SpecError(
        'prune_option=%s needs the history of weights during training, which a checkpoint does '
        'not contain; use prune_option=weight' % spec.prune_option)
  return dataclasses.replace(spec, begin_pruning_step=0, end_pruning_step=-1,
                             sparsity_function_begin_step=0, sparsity_function_end_step=1)


def _chosen(weights: List[str], include: str, exclude: Optional[str], place: str,
            error: Callable[[str], errors.PruningError]) -> List[str]:
  """Returns the names of the weights to prune."""
  patterns = [expression(option, pattern) if pattern else None
              for option, pattern in (('include', include), ('exclude', exclude))]
  names = [name for name in weights if patterns[0] and patterns[0].match(name)
           and not (patterns[1] and patterns[1].match(name))]
  if not names:
    raise error(
        'No weight in %s matches include=%r%s; there are: %s' % (
            place, include, ' and not exclude=%r' % exclude if exclude else '',
            ', '.join(weights[:20]) + (', ...' if len(weights) > 20 else '') or 'none'))
  return names


def _is_slot(name: str, source: checkpoint.Checkpoint) -> bool:
  """Whether a variable is an optimizer slot: another variable's name is a prefix of its own."""
  while '/' in name:
    name = name.rpartition('/')[0]
    if name in source.shapes:
      return True
  return False


class _Masked(NamedTuple):
  """The result of one mask update.

  Attributes:
    masks: by the names of the weights.
    variables: masks and thresholds by their own names.
    last_update: name of the variable with the step of the update.
    rows: the sparsities.
  """
  masks: Dict[str, Array]
  variables: Dict[str, Array]
  last_update: str
  rows: List[WeightSparsity]


def _masked(values: Mapping[str, Array], spec: PruningSpec) -> _Masked:
  """Updates masks of weights with these values once, in a graph of their own."""
  with tf.Graph().as_default(), tf.Session() as session:
    with masked_scope(include='.*'):
      for name, value in values.items():
        tf.get_variable(name, value.shape, tf.as_dtype(value.dtype),
                        initializer=tf.zeros_initializer(), use_resource=True)
    one = tf.get_variable('one_shot/step', initializer=np.int64(1), trainable=False)
    pruning = Pruning(spec, global_step=one)
    update = pruning.mask_update_op()
    session.run(tf.global_variables_initializer())
    records = registry.masked_weights()
    for record in records:
      value = tf.placeholder(record.weight.dtype.base_dtype, record.weight.shape)
      session.run(record.weight.assign(value).op, {value: values[record.name]})
    session.run(update)
    found = {variable.op.name: session.run(variable) for record in records
             for variable in (record.mask, record.threshold)}
    return _Masked({record.name: found[record.mask.op.name] for record in records}, found,
                   pruning.last_mask_update_step.op.name, pruning.sparsity_report(session))


def _name_of(wiring: Wiring, constant: str) -> str:
  """Returns the name of a weight, which stripping stores beside its constant."""
  return wiring.nodes[constant].attr[WEIGHT_ATTRIBUTE].s.decode('utf-8', 'replace') or constant


def _with_constants(graph_def: GraphDef, values: Mapping[str, Array]) -> GraphDef:
  """Returns a graph with other values of some constants."""
  result = tf.GraphDef()
  result.CopyFrom(graph_def)
  for node in result.node:
    if node.name in values:
      node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(values[node.name]))
  return result

