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
from model_pruning.calibration.reconstruct import Fit
from model_pruning.calibration.result import fitted_rows
from model_pruning.calibration.result import FittedWeight
from model_pruning.calibration.selector import Weight
from model_pruning.calibration.subject import Subject
from model_pruning.compat import tf
from model_pruning.engine.layout import Layout
from model_pruning.export import checkpoint
from model_pruning.export import freeze
from model_pruning.export import saved_model
from model_pruning.export import unmasked
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
from model_pruning.reading import examples as files_of_examples
from model_pruning.util import files
from model_pruning.util.files import AnyPath
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
  if isinstance(examples, (str, bytes)) or hasattr(examples, '__fspath__'):
    examples = files_of_examples.columns(examples)
  if isinstance(examples, Mapping):
    examples = {names.get(key, key): value for key, value in examples.items()}
  pruned = prune_graph(graph_def, hparams, examples, sorted(names.values()), outputs,
                       include, exclude)
  saved_model.write(export_dir, pruned.graph_def, signatures, kept)
  return pruned.rows


def _is_slot(name: str, source: checkpoint.Checkpoint) -> bool:
  """Whether a variable is an optimizer slot: another variable's name is a prefix of its own."""
  while '/' in name:
    name = name.rpartition('/')[0]
    if name in source.shapes:
      return True
  return False
