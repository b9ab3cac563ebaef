# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning sensitivity`: shows how much each weight of a trained model matters."""

import argparse
from typing import List

from model_pruning.cli import shared
from model_pruning.cli import subjects
from model_pruning.cli.shared import Subparsers
from model_pruning.util import tables


def add_parser(subparsers: Subparsers) -> None:
  """Adds the command to the command line."""
  parser = shared.command(
      subparsers, 'sensitivity', run, 'show how much each weight of a trained model matters',
      'prunes one weight at a time to several sparsities, refits it to the examples, and shows the '
      'loss of the model. Writes no model.',
      'model.keras --examples=images.npy --labels=labels.npy --output=sensitivity.png',
      'frozen.pb --output_node_names=scores --examples=images.npy --sparsities=0.8,0.9')
  subjects.add_arguments(parser)
  parser.add_argument('--sparsities', type=_numbers, default=[0.5, 0.8, 0.9, 0.95, 0.98],
                      metavar='NUMBER,...', help='default: 0.5,0.8,0.9,0.95,0.98')
  parser.add_argument('--output', metavar='FILE.png', help='a picture of the curves')
  shared.add_json(parser)


def run(args: argparse.Namespace) -> None:
  """Prints the sensitivities, and draws them."""
  kind, spec = subjects.begin(args, writes_model=False)
  from model_pruning.calibration import sensitivity
  from model_pruning.graph import trained
  subject, examples, labels = subjects.load(args, kind, spec)
  found = sensitivity.measure(subject, trained.at_once(spec), examples, labels, args.sparsities,
                              not args.regression)
  print(found.to_json() if args.json else found.table(shared.width()))
  if args.output:
    from model_pruning.reporting import plots
    plots.save(found.plot(), args.output)
    if not args.json:
      print('\nWritten to %s' % tables.printable(args.output))


def _numbers(text: str) -> List[float]:
  try:
    return [float(number) for number in shared.names(text)]
  except ValueError:
    raise argparse.ArgumentTypeError('expected numbers like 0.5,0.9, not %r' % text) from None
