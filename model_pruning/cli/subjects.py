# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Trained models of every kind, as `prune`, `sensitivity` and `plan` take them."""

import argparse
from typing import Any, List, Tuple

from model_pruning import errors
from model_pruning.cli import shared
from model_pruning.hparams.spec import PruningSpec
from model_pruning.names import KERNELS
from model_pruning.reading import inputs
from model_pruning.reading import kinds
from model_pruning.reading import places
from model_pruning.util import files


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments of `sensitivity` and `plan`."""
  shared.add_graph(parser)
  parser.add_argument('--examples', metavar='FILE', required=True,
                      help='inputs: a .npy with an example per row, or a .npz with one array per '
                      'input; 256 are usually enough')
  parser.add_argument('--labels', metavar='FILE',
                      help='a .npy with the class of each example; without it, the answers of the '
                      'dense model count as right')
  parser.add_argument('--regression', action='store_true',
                      help='the outputs are no scores of classes: the loss is their relative '
                      'error')
  parser.add_argument('--inputs', type=shared.names, default=[], metavar='NAME,...',
                      help='by default the placeholders, or the inputs of the signature')
  add_weights(parser)
  parser.add_argument('--hparams', default='', metavar='HPARAMS',
                      help='the pattern of the zeros, for example block_height=16')


def add_weights(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments that choose weights."""
  parser.add_argument('--include', metavar='REGEX',
                      help='names of weights to prune (default: in checkpoints %s, otherwise all '
                      'kernels of layers; in graphs and SavedModels embeddings need --include)' %
                      KERNELS)
  parser.add_argument('--exclude', metavar='REGEX', help='names of weights to leave dense')


def begin(args: argparse.Namespace, writes_model: bool = True) -> Tuple[str, PruningSpec]:
  """Returns the kind of the model and the hyperparameters; loads TensorFlow once all is checked.

  Args:
    args: the arguments.
    writes_model: whether --output is a model.

  Raises:
    errors.PruningError: an argument is missing or wrong, or --output would overwrite an input.
  """
  spec = PruningSpec.create(args.hparams)
  if args.output:
    files.check_output(args.output, [args.model, args.meta_graph, args.examples,
                                     getattr(args, 'labels', None)])
  kind = _kind(args)
  if kind == kinds.KERAS and args.output and writes_model:
    kinds.check_keras_output(args.output)
  shared.load_tensorflow()
  return kind, spec


def _kind(args: argparse.Namespace) -> str:
  """Returns the kind of the model after checking the arguments; needs no TensorFlow.

  Raises:
    errors.PruningError: something is missing or of the wrong kind.
  """
  kind = kinds.kind_of(inputs.check(args.model))
  for option in ('examples', 'labels'):
    path = getattr(args, option, None)
    if path is not None and not inputs.exists(inputs.check(path)):
      raise errors.ModelFileError('There is no file %s; --%s=FILE names a .npy or .npz file' % (
          path, option))
  if kind == kinds.CHECKPOINT:
    places.checkpoint_path(args.model)
  else:
    kind = shared.kind_with_masks(args.model)
  if kind == kinds.GRAPH or kind == kinds.CHECKPOINT and args.examples is not None:
    shared.check_outputs(kind, args.output_node_names)
  if kind == kinds.KERAS:
    for name in ('include', 'exclude'):
      if getattr(args, name):
        raise errors.SpecError(
            '--%s does not apply to Keras models, whose layers say which weights can be pruned; to '
            'leave weights dense, write weight_sparsity_map=[REGEX:0]' % name)
  return kind


def load(args: argparse.Namespace, kind: str, spec: PruningSpec) -> Tuple[Any, Any, Any]:
  """Returns (subject, examples, labels); see calibration.subject.

  Raises:
    errors.PruningError: the model or a file cannot be read, or has masks.
  """
  from model_pruning.reading import examples as files_of_examples
  examples = files_of_examples.columns(args.examples)
  labels = args.labels and files_of_examples.columns(args.labels)
  if kind == kinds.KERAS:
    from model_pruning.keras import files as keras_files
    from model_pruning.keras import trained
    return trained.subject_of(keras_files.load(args.model), spec, examples), examples, labels
  from model_pruning.calibration.named import Named
  from model_pruning.graph import trained as trained_graph
  graph_def, given, outputs = _graph(args, kind)
  if given:
    examples = Named(examples, given)
  include = args.include or (KERNELS if kind == kinds.CHECKPOINT else None)
  subject = trained_graph.subject_of(graph_def, args.inputs or sorted(given.values()), outputs,
                                     include, args.exclude)
  return subject, examples, labels


def _graph(args: argparse.Namespace, kind: str) -> Tuple[Any, Any, List[str]]:
  """Returns a graph of constants, {name of an input: placeholder}, and the outputs."""
  from model_pruning.export import freeze
  from model_pruning.export import saved_model
  from model_pruning.export import unmasked
  from model_pruning.reading import sources
  if kind == kinds.GRAPH:
    return sources.graph_def(args.model), {}, args.output_node_names
  if kind == kinds.CHECKPOINT:
    unmasked.checkpoint(args.model)  # Its graph may be one without masks.
    return (freeze.graph_def_from_checkpoint(args.model, args.output_node_names, args.meta_graph),
            {}, args.output_node_names)
  graph_def, signatures, _ = unmasked.saved_model(kinds.saved_model_folder(args.model))
  return (graph_def, *saved_model.ends_of(saved_model.default_signature(signatures)))
