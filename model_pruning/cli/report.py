# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning report`: sparsity, sizes and FLOPs of a model, or the history of a run."""

from typing import Any

from model_pruning.cli import shared
from model_pruning.reading import places


def add_parser(subparsers: Any) -> None:
  """Adds the command to the command line."""
  parser = shared.command(
      subparsers, 'report', run, 'show sparsity, sizes and FLOPs of each weight',
      "of a model, or, with --history, sparsity and thresholds over time from a run's events.",
      'out/digits',
      'model.tflite --json',
      'out/digits --block=16x1 --csv > weights.csv',
      'out/digits --history')
  parser.add_argument('model', metavar='MODEL', help=shared.MODEL + ' or a TFLite model')
  parser.add_argument('--history', action='store_true',
                      help='read the event files in the folder instead')
  parser.add_argument('--block', type=shared.block, metavar='16x1',
                      help='blocks to count; by default those in which each weight is sparse')
  parser.add_argument('--input_shape', type=shared.shape, action='append', default=[],
                      metavar='NAME=1x28x28x1', help='for FLOPs, of inputs that leave theirs open')
  parser.add_argument('--output_node_names', type=shared.names, default=None, metavar='NAME,...',
                      help='count the FLOPs of what these need only')
  formats = parser.add_mutually_exclusive_group()
  shared.add_json(formats)
  formats.add_argument('--csv', action='store_true', help='print CSV instead of a table')


def run(args: Any) -> None:
  """Prints a report on a model, or on a run."""
  if args.history:
    places.event_files(args.model)
  else:
    places.kind_at(args.model)
  with shared.stage('reading'):
    if args.history:
      from model_pruning import events
      result: Any = events.read(args.model)
    else:
      from model_pruning import report
      result = report.of(args.model, args.block, dict(args.input_shape), args.output_node_names)
  shared.show(result, args)
