# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning prune`: prunes a trained model in one step, without its code."""

import argparse
import json
from typing import Any, List, Sequence

from model_pruning.cli import shared
from model_pruning.cli import subjects
from model_pruning.cli.shared import Subparsers
from model_pruning.hparams.spec import PruningSpec
from model_pruning.names import KERNELS
from model_pruning.reading import kinds
from model_pruning.util import tables

_WITHOUT = ('Kept weights have their old values. With --examples=FILE, a few hundred inputs '
            'without labels, they are refitted, and the model keeps most of its accuracy.')


def add_parser(subparsers: Subparsers) -> None:
  """Adds the command to the command line."""
  parser = shared.command(
      subparsers, 'prune', run, 'prune a trained model at once, without its code',
      'with --examples, the kept weights are refitted so that the model computes nearly what it '
      'did before. Writes a model of the same kind. A checkpoint or Keras model gets masks: '
      'training can continue from it, and `strip` removes them.',
      'model.keras target_sparsity=0.9,sparsity_distribution=lamp \\\n'
      '      --examples=images.npy --output=pruned.keras',
      'frozen.pb target_sparsity=0.9 --output_node_names=scores \\\n'
      '      --examples=inputs.npz --output=pruned.pb',
      'dense/model.ckpt-900 "target_sparsity=0.9,weight_sparsity_map=[conv1:0.5]" \\\n'
      '      --exclude=logits.* --output=pruned/model.ckpt')
  shared.add_graph(parser)
  parser.add_argument('hparams', metavar='HPARAMS',
                      help='a value for --pruning_hparams; its steps have no effect')
  subjects.add_weights(parser)
  _add_examples(parser)
  parser.add_argument('--output', required=True, metavar='PATH',
                      help='the model to write, in another folder if it is a checkpoint')
  shared.add_json(parser)


def _add_examples(parser: argparse.ArgumentParser) -> None:
  parser.add_argument('--examples', metavar='FILE',
                      help='inputs to refit the weights to: a .npy with an example per row, or a '
                      '.npz with one array per input; no labels; 256 are usually enough')
  parser.add_argument('--inputs', type=shared.names, default=[], metavar='NAME,...',
                      help='by default the placeholders, or the inputs of the signature')


def run(args: argparse.Namespace) -> None:
  """Writes a pruned model, and prints its sparsities."""
  show(pruned(args), args)


def pruned(args: argparse.Namespace) -> List[Any]:
  """Writes a pruned model; returns a FittedWeight for each weight."""
  kind, spec = subjects.begin(args)
  return _PRUNED[kind](args, spec)


def _prune_checkpoint(args: argparse.Namespace, spec: PruningSpec) -> List[Any]:
  from model_pruning import one_shot
  return one_shot.prune_checkpoint(
      args.model, args.output, spec, args.include or KERNELS, args.exclude, args.examples,
      args.inputs, args.output_node_names, args.meta_graph)


def _prune_graph(args: argparse.Namespace, spec: PruningSpec) -> List[Any]:
  from model_pruning import one_shot
  from model_pruning.reading import sources
  pruned = one_shot.prune_graph(sources.graph_def(args.model), spec, args.examples, args.inputs,
                                args.output_node_names, args.include, args.exclude)
  shared.write_graph(pruned.graph_def, args.output, [args.model])
  return pruned.rows


def _prune_saved_model(args: argparse.Namespace, spec: PruningSpec) -> List[Any]:
  from model_pruning import one_shot
  return one_shot.prune_saved_model(kinds.saved_model_folder(args.model), args.output, spec,
                                    args.examples, args.include, args.exclude)


def _prune_keras(args: argparse.Namespace, spec: PruningSpec) -> List[Any]:
  from model_pruning.keras import files as keras_files
  from model_pruning.keras import trained
  found = trained.prune_trained_with_rows(keras_files.load(args.model), spec, args.examples)
  keras_files.save(found.model, args.output)
  return found.rows


_PRUNED = {kinds.CHECKPOINT: _prune_checkpoint, kinds.GRAPH: _prune_graph,
           kinds.SAVED_MODEL: _prune_saved_model, kinds.KERAS: _prune_keras}


def show(rows: Sequence[Any], args: argparse.Namespace) -> None:
  """Prints the sparsities and where the model is."""
  from model_pruning.calibration.result import fitted_table
  from model_pruning.util.sparsity_table import sparsity_table
  if args.json:
    print(json.dumps({'output': args.output, 'weights': [
        {'name': row.name, 'shape': list(row.shape), 'target': row.target,
         'achieved': row.achieved, 'zeros': row.zeros, 'error_masked': row.error_masked,
         'error_refitted': row.error_refitted, 'reason': row.reason} for row in rows]}, indent=2))
    return
  refitted = args.examples is not None
  print((fitted_table if refitted else sparsity_table)(rows, shared.width()))
  print('\nWritten to %s' % tables.printable(args.output))
  if not refitted:
    for line in tables.wrapped(_WITHOUT, shared.width()):
      print(line)
