# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Prunes trained models in one step, without the code of the model and without training.

Masks come from a single update at the target sparsity, by the same engine as in training. With
examples of the inputs, the kept weights are then refitted so that the pruned model reproduces the
outputs of the dense one; see calibration/reconstruct.py.
"""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

import numpy as np

from model_pruning import errors
from model_pruning.calibration import shrinking
from model_pruning.calibration.named import Named
from model_pruning.calibration.reconstruct import Fit
from model_pruning.calibration.result import fitted_rows
from model_pruning.calibration.result import FittedWeight
from model_pruning.calibration.selector import Weight
from model_pruning.calibration.subject import Subject
from model_pruning.channels.analysis import analyse
from model_pruning.channels.choice import check_joint_steps
from model_pruning.channels.choice import Target
from model_pruning.compat import tf
from model_pruning.engine.layout import Layout
from model_pruning.export import channels
from model_pruning.export import checkpoint
from model_pruning.export import freeze
from model_pruning.export import saved_model
from model_pruning.export import unmasked
from model_pruning.export.smaller import Smaller
from model_pruning.graph.planning import plan_graph as plan_graph
from model_pruning.graph.planning import sensitivity_of_graph as sensitivity_of_graph
from model_pruning.graph.trained import at_once
from model_pruning.graph.trained import chosen
from model_pruning.graph.trained import mask_once
from model_pruning.graph.trained import prune_graph as prune_graph
from model_pruning.graph.trained import PrunedGraph as PrunedGraph
from model_pruning.graph.trained import refit
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.names import KERNELS
from model_pruning.reading import sources
from model_pruning.util import files
from model_pruning.util.files import AnyPath
from model_pruning.util.types import GraphDef
from model_pruning.util.types import MetaGraphDef

INCLUDE = KERNELS
_FLOATING = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


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
  source = unmasked.checkpoint(place)
  path = checkpoint.check_elsewhere(source, path)
  weights = [name for name, shape in sorted(source.shapes.items())
             if shape and source.dtypes[name] in _FLOATING and not _is_slot(name, source)]
  names = chosen(weights, include, exclude, source.path, errors.CheckpointError)
  if examples is not None:
    frozen = freeze.graph_def_from_checkpoint(source.path, outputs, meta_graph)
  values = {name: source.read(name) for name in source.shapes}
  masked = mask_once({name: values[name] for name in names}, spec)
  fits: Dict[str, Fit] = {}
  if examples is not None:
    records = {name: Weight(name, Layout.whole(source.shapes[name])) for name in names}
    subject = Subject(frozen, inputs, outputs, records, values)
    found = refit(subject, masked.masks, spec, examples)
    values.update({name: value for name, value in found.values.items() if name in values})
    fits = {fit.weight: fit for fit in found.fits}
    for name, mask in found.masks.items():
      variable = masked.names[name]
      masked.variables[variable] = mask.astype(masked.variables[variable].dtype)
  values.update(masked.variables)
  values[masked.last_update] = np.array(values.get(tf.GraphKeys.GLOBAL_STEP, 0), np.int32)
  checkpoint.write(path, values, [source.path])
  return fitted_rows(masked.rows, fits)


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
    errors.ModelFileError: there is no SavedModel, it has masks already, or no weight matches.
    errors.WriteError: the folder is not empty, or cannot be written.
    errors.PruningError: see prune_graph.
  """
  saved_model_dir = files.as_path(saved_model_dir)
  export_dir = files.check_output(export_dir, [saved_model_dir])
  graph_def, signatures, kept = unmasked.saved_model(saved_model_dir)
  names, outputs = saved_model.ends_of(saved_model.default_signature(signatures))
  saved_model.warn_of_others(graph_def, signatures, 'pruned and refitted')
  pruned = prune_graph(graph_def, hparams, _named(examples, names),
                       sorted(names.values()), outputs, include, exclude)
  saved_model.write(export_dir, pruned.graph_def, signatures, kept)
  return pruned.rows


def shrink_graph(graph_def: GraphDef, outputs: Sequence[str], examples: Any = None,
                 fraction: float = 0.0, max_flops: Optional[float] = None,
                 max_bytes: Optional[float] = None, max_loss: Optional[float] = None,
                 keep: Optional[str] = None, multiple_of: int = 1, inputs: Sequence[str] = (),
                 labels: Any = None, classes: bool = True, ends: Sequence[str] = (),
                 joint_steps: int = 0) -> Smaller:
  """Removes channels from a graph of constants, and refits the weights that stay to examples.

      smaller = one_shot.shrink_graph(graph_def, ['scores'], images[:256], max_flops=2e9)
      print(smaller.table())

  Give one goal: `fraction`, `max_flops`, `max_bytes` or `max_loss`. The channels go whose work the
  others can do best. With a budget, groups lose as much as does the least damage to the outputs of
  the layers. Without a goal, only channels go that do not affect the outputs, and nothing is
  refitted.

  Args:
    graph_def: a GraphDef of constants. It is not changed.
    outputs: names of the outputs.
    examples: examples of the inputs; see prune_graph. None: channels of small norms go, and nothing
      is refitted, as in export.shrink.
    fraction: the largest fraction of the channels of each group to remove, in [0, 1).
    max_flops, max_bytes: the most FLOPs per example, or bytes of weights, that are left.
    max_loss: the most accuracy that may be lost, or, without labels, the largest fraction of
      answers that may change, or, for a model without classes, the largest relative error. Channels
      are removed, those first that do the least damage per FLOP, as long as it is met on a half of
      the examples that the weights are not refitted to.
    keep: a regular expression for names of groups to keep whole, matched from their start.
    multiple_of: the number of channels that stay is rounded up to a multiple of this number.
    inputs: names of the inputs for examples; () for all placeholders that the outputs need.
    labels: for max_loss: the right class of each example, integers; None if they are unknown.
    classes: False if the outputs are other numbers than scores of classes.
    ends: names of other operations and tensors that stay, for example outputs to ignore here.
    joint_steps: the number of gradient steps in which all layers are refitted together, after each
      was refitted on its own. They need no labels, but more examples: some thousand.

  Returns:
    The smaller graph; with examples and a goal, a calibration.shrinking.Shrunk.

  Raises:
    errors.ChannelError: a number is out of range; the goal cannot be met; or the outputs of the
      smaller graph differ from those with zeros in place of the channels.
    errors.ExamplesError: the examples do not fit the model, or are too few.
    errors.PruningError: see export.remove_channels.
  """
  target = Target(fraction, max_flops, max_bytes, max_loss, keep, multiple_of)
  check_joint_steps(joint_steps, examples is not None and not target.removes_nothing_needed)
  if examples is None and max_loss is not None:
    raise errors.ChannelError('max_loss=%s is measured on examples; give some' % max_loss)
  sources.check_list(outputs, 'outputs')
  sources.check_list(inputs, 'inputs')
  found = analyse(graph_def, list(dict.fromkeys([*outputs, *inputs, *ends])),
                  outputs if ends else ())
  if examples is None or target.removes_nothing_needed:
    return channels.without_smallest(found, target)
  return shrinking.shrink(found, target, examples, outputs, inputs, labels, classes,
                          joint_steps=joint_steps)


def shrink_saved_model(saved_model_dir: AnyPath, export_dir: AnyPath, examples: Any = None,
                       **options: Any) -> Smaller:
  """Removes channels from a SavedModel, and writes it as one of constants with the same signatures.

  Args:
    saved_model_dir: its folder.
    export_dir: the folder to write; new or empty.
    examples: see shrink_graph; of the inputs of the default signature, by the names of its inputs.
    **options: the goal and the other options of shrink_graph.

  Raises:
    errors.ModelFileError: there is no SavedModel.
    errors.WriteError: the folder is not empty, or cannot be written.
    errors.PruningError: see shrink_graph.
  """
  saved_model_dir = files.as_path(saved_model_dir)
  export_dir = files.check_output(export_dir, [saved_model_dir])
  graph_def, signatures, kept, _ = saved_model.read_stripped(saved_model_dir)
  names, outputs = saved_model.ends_of(saved_model.default_signature(signatures))
  if examples is not None:
    saved_model.warn_of_others(graph_def, signatures, 'refitted to the examples')
  smaller = shrink_graph(
      graph_def, outputs, _named(examples, names), inputs=sorted(names.values()),
      ends=saved_model.ends_to_keep(signatures, kept), **options)
  saved_model.write(export_dir, smaller.graph_def, signatures, kept)
  return smaller


def _named(examples: Any, names: Mapping[str, str]) -> Any:
  return None if examples is None else Named(examples, names)


def _is_slot(name: str, source: checkpoint.Checkpoint) -> bool:
  """Whether a variable is an optimizer slot: another variable's name is a prefix of its own."""
  while '/' in name:
    name = name.rpartition('/')[0]
    if name in source.shapes:
      return True
  return False
