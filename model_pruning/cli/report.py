# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning report`: sparsity, sizes and FLOPs of a model, or the history of a run."""

import argparse
import sys
from typing import Any

from model_pruning import errors
from model_pruning.cli import shared
from model_pruning.cli.shared import Subparsers
from model_pruning.reading import places
from model_pruning.util import files
from model_pruning.util import tables


def add_parser(subparsers: Subparsers) -> None:
  """Adds the command to the command line."""
  parser = shared.command(
      subparsers, 'report', run, 'show sparsity, sizes and FLOPs of each weight',
      "for a model or, with --history, sparsity and thresholds over time from a run's events.",
      'out/digits/seed0/pruned',
      'model.tflite --json',
      'out/digits/seed0/pruned --block=16x1 --csv > weights.csv',
      'out/digits/seed0/pruned --html=report.html',
      'out/digits/seed0/pruned --history')
  parser.add_argument('model', metavar='MODEL', help=shared.MODEL + ' or a TFLite model')
  parser.add_argument('--history', action='store_true',
                      help='read the event files in the folder instead')
  parser.add_argument('--block', type=shared.block, metavar='16x1',
                      help='blocks to count; by default the largest in which each weight is sparse')
  parser.add_argument('--input_shape', type=shared.shape, action='append', default=[],
                      metavar='NAME=1x28x28x1', help='for FLOPs, of inputs without a fixed shape')
  parser.add_argument('--output_node_names', type=shared.names, default=None, metavar='NAME,...',
                      help='count only the FLOPs that these operations need')
  parser.add_argument('--html', metavar='FILE.html',
                      help='also write a page for browsers, with pictures, findings and the '
                      'history of the run')
  parser.add_argument('--hparams', metavar='STRING',
                      help='the hyperparameters of the pruning, for the targets of a model that '
                      'does not store them')
  formats = parser.add_mutually_exclusive_group()
  shared.add_json(formats)
  formats.add_argument('--csv', action='store_true', help='print CSV instead of a table')


def run(args: argparse.Namespace) -> None:
  """Prints a report on a model or a run, and writes it as a page if requested."""
  if args.html is not None:
    if args.history:
      raise errors.WriteError(
          '--html=%s writes a report on a model, including the history of its run, but --history '
          'prints only the history; leave out one of them' % args.html)
    files.check_output(args.html, [args.model])
  if args.history:
    places.event_files(args.model)
  else:
    places.kind_at(args.model)
  with shared.stage('reading'):
    if args.history:
      from model_pruning.reporting import events
      result: Any = events.read(args.model)
    else:
      from model_pruning.reporting import report
      if args.html is not None:
        from model_pruning.reporting import page
        page.require()
      result = report.of(args.model, args.block, dict(args.input_shape), args.output_node_names,
                         args.hparams)
      if args.html is not None:
        result.html(args.html)
  shared.show(result, args)
  if args.html is not None:
    print('%sWritten to %s' % ('' if args.json or args.csv else '\n', tables.printable(args.html)),
          file=sys.stderr if args.json or args.csv else sys.stdout)
