# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning plan`: chooses the sparsity of each weight of a trained model."""

import argparse
import sys
from typing import Any

from model_pruning import errors
from model_pruning.cli import prune
from model_pruning.cli import shared
from model_pruning.cli import subjects
from model_pruning.cli.shared import Subparsers

_GOALS = ('max_loss', 'target_sparsity', 'max_bytes', 'max_flops')


def add_parser(subparsers: Subparsers) -> None:
  """Adds the command to the command line."""
  parser = shared.command(
      subparsers, 'plan', run, 'choose the sparsity of each weight of a trained model',
      'by what it costs the outputs on examples. Prints a value for --pruning_hparams, which a '
      'training job or `prune` takes as it is, and what to expect of it.',
      'model.keras --examples=images.npy --max_loss=0.01',
      'frozen.pb --output_node_names=scores --examples=images.npy --target_sparsity=0.9 \\\n'
      '      --prune --output=pruned.pb')
  subjects.add_arguments(parser)
  goal = parser.add_mutually_exclusive_group(required=True)
  goal.add_argument('--max_loss', type=float, metavar='NUMBER',
                    help='the most accuracy to lose; without --labels, the largest fraction of '
                    'answers that may change; for a model without classes, the largest relative '
                    'error of the outputs')
  goal.add_argument('--target_sparsity', type=float, metavar='NUMBER',
                    help='the fraction of zeros over all weights')
  goal.add_argument('--max_bytes', type=float, metavar='NUMBER',
                    help='the most bytes of the weights to prune, each stored sparse if that is '
                    'smaller')
  goal.add_argument('--max_flops', type=float, metavar='NUMBER',
                    help='the most FLOPs per example by kept elements of these weights, two per '
                    'multiply-add')
  parser.add_argument('--prune', action='store_true',
                      help='prune and refit by the plan at once, and write the model to --output')
  parser.add_argument('--output', metavar='PATH', help='the model to write, with --prune')
  shared.add_json(parser)


def run(args: argparse.Namespace) -> None:
  """Prints a plan; with --prune, writes the model."""
  if args.prune != bool(args.output):
    raise errors.WriteError('--prune and --output=PATH belong together: the plan alone is printed, '
                            'and only a pruned model is written')
  kind, spec = subjects.begin(args)
  from model_pruning.calibration import planning
  from model_pruning.graph import trained
  goal = planning.Goal(**{name: getattr(args, name) for name in _GOALS})
  subject, examples, labels = subjects.load(args, kind, spec)
  found = planning.plan(subject, trained.at_once(spec), examples, goal, labels,
                        not args.regression)
  if args.json:
    print(found.to_json())
  else:
    print(found.table(shared.width()))
    print('\n' + found.hparams)  # One line, to be copied.
  if args.prune:
    _prune(args, found)


def _prune(args: argparse.Namespace, found: Any) -> None:
  given = argparse.Namespace(**{**vars(args), 'hparams': found.hparams, 'json': False})
  rows = prune.pruned(given)
  if not args.json:
    print()
    prune.show(rows, given)
  else:
    print('Written to %s' % args.output, file=sys.stderr)
