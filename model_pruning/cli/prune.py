# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning prune`: adds masks to a dense checkpoint in one step."""

import argparse
import json

from model_pruning.cli import shared
from model_pruning.cli.shared import Subparsers
from model_pruning.hparams.spec import PruningSpec
from model_pruning.names import KERNELS
from model_pruning.reading import places
from model_pruning.util import tables


def add_parser(subparsers: Subparsers) -> None:
  """Adds the command to the command line."""
  parser = shared.command(
      subparsers, 'prune', run, 'prune a dense checkpoint at once, without its code',
      'writes a checkpoint with masks. Training code with masks can continue from it, and '
      '`strip --to=checkpoint` accepts it.',
      'dense/ target_sparsity=0.8 --output=pruned/model.ckpt',
      'dense/model.ckpt-900 "target_sparsity=0.9,weight_sparsity_map=[conv1:0.5]" \\\n'
      '      --exclude=logits.* --output=pruned/model.ckpt')
  parser.add_argument('model', metavar='CHECKPOINT',
                      help='a checkpoint without masks, or a folder, whose latest one is taken')
  parser.add_argument('hparams', metavar='HPARAMS',
                      help='a value for --pruning_hparams; its steps have no effect')
  parser.add_argument('--include', default=KERNELS, metavar='REGEX',
                      help='names of weights to prune (default: %s)' % KERNELS)
  parser.add_argument('--exclude', metavar='REGEX', help='names of weights to leave dense')
  parser.add_argument('--output', required=True, metavar='PATH',
                      help='the checkpoint to write, in another folder')
  shared.add_json(parser)


def run(args: argparse.Namespace) -> None:
  """Writes a checkpoint with masks, and prints its sparsities."""
  spec = PruningSpec.create(args.hparams)
  places.checkpoint_path(args.model)
  with shared.stage('pruning'):
    from model_pruning import one_shot
    from model_pruning.util.sparsity_table import sparsity_table
    rows = one_shot.prune_checkpoint(args.model, args.output, spec, args.include, args.exclude)
  if args.json:
    print(json.dumps({'output': args.output, 'weights': [
        {'name': row.name, 'shape': list(row.shape), 'target': row.target,
         'achieved': row.achieved, 'zeros': row.zeros} for row in rows]}, indent=2))
  else:
    print(sparsity_table(rows, shared.width()))
    print('\nWritten to %s' % tables.printable(args.output))
