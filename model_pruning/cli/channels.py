# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning channels`: which channels of a model can be removed, and what they are worth."""

import argparse
from typing import Any, Dict, List, Mapping, Sequence, Tuple, TYPE_CHECKING

from model_pruning.cli import shared
from model_pruning.cli.shared import Subparsers
from model_pruning.reading import kinds
from model_pruning.util.types import GraphDef

if TYPE_CHECKING:
  from model_pruning.channels.analysis import Channels
  from model_pruning.keras.removal import Subject


def add_parser(subparsers: Subparsers) -> None:
  """Adds the command to the command line."""
  parser = shared.command(
      subparsers, 'channels', run, 'show which channels of a model can be removed',
      'in groups of channels with slices in the same weights, with the bytes and FLOPs of one '
      'channel; and which weights stay whole, and why. `shrink` removes them.',
      'frozen.pb --output_node_names=scores', 'train/model.ckpt-1200 --output_node_names=scores',
      'model.keras --json')
  shared.add_graph(parser)
  shared.add_json(parser)


def kind_of(args: argparse.Namespace) -> str:
  """Returns the kind of the model.

  Raises:
    errors.ModelFileError: there is no model with a graph.
    errors.OutputNodeError: the outputs are missing.
  """
  kind = shared.kind_with_masks(args.model)
  shared.check_outputs(kind, args.output_node_names)
  return kind


def read(args: argparse.Namespace, kind: str) -> Tuple[GraphDef, List[str], Dict[str, Any], Any]:
  """Returns a graph of constants, what has to stay in it, its signatures and its other parts.

  Args:
    args: the arguments.
    kind: the kind of the model; not Keras.
  """
  from model_pruning.export import saved_model
  from model_pruning.export import strip
  from model_pruning.reading import sources
  if kind == kinds.CHECKPOINT:
    from model_pruning.export import channel_checkpoint
    from model_pruning.export import checkpoint
    graph_def = channel_checkpoint.frozen(checkpoint.Checkpoint(args.model),
                                          args.output_node_names, args.meta_graph)
    return graph_def, args.output_node_names, {}, None
  if kind == kinds.GRAPH:
    graph_def, _ = strip.strip(sources.graph_def(args.model), args.output_node_names)
    return graph_def, args.output_node_names, {}, None
  graph_def, signatures, kept, _ = saved_model.read_stripped(
      kinds.saved_model_folder(args.model))
  return graph_def, saved_model.ends_to_keep(signatures, kept), signatures, kept


def counted(signatures: Mapping[str, Any]) -> Sequence[str]:
  """Returns the outputs whose FLOPs count: of the default signature; () for all."""
  from model_pruning.export import saved_model
  return saved_model.ends_of(saved_model.default_signature(signatures))[1] if signatures else ()


def _found(args: argparse.Namespace, kind: str) -> 'Channels':
  with shared.stage('reading'):
    graph_def, ends, signatures, _ = read(args, kind)
  with shared.stage('finding channels'):
    from model_pruning.channels import analysis
    return analysis.analyse(graph_def, ends, counted(signatures))


def _found_in_keras(args: argparse.Namespace) -> 'Subject':
  with shared.stage('reading'):
    from model_pruning.keras import files as keras_files  # Keras is loaded only for its own files.
    from model_pruning.keras import removal
    model = keras_files.load(args.model)
  with shared.stage('finding channels'):
    return removal.Subject(model)


def run(args: argparse.Namespace) -> None:
  """Prints the channels."""
  kind = kind_of(args)
  if kind == kinds.KERAS:
    subject = _found_in_keras(args)
    found, groups, whole = subject.channels, subject.groups, subject.kept
  else:
    found = _found(args, kind)
    groups, whole = found.groups, found.kept
  with shared.stage('finding channels'):
    from model_pruning.channels import exact
    from model_pruning.channels import shown
    unneeded = exact.unneeded(found)
  print(shown.to_json(groups, whole, unneeded) if args.json else
        shown.table(groups, whole, unneeded, shared.width()))
