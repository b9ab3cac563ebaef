# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning schedule`: predicts the mask updates of a run. Needs no TensorFlow without a model.
"""

import argparse
import dataclasses

from model_pruning.cli import shared
from model_pruning.cli.shared import Subparsers
from model_pruning.reading import places


def add_parser(subparsers: Subparsers) -> None:
  """Adds the command to the command line."""
  parser = shared.command(
      subparsers, 'schedule', run, 'show when masks will be updated, and to which sparsity',
      'before a run is started. Warns if the target will not be reached.',
      'target_sparsity=0.9,pruning_frequency=100,sparsity_function_end_step=2000',
      '"target_sparsity=0.9,weight_sparsity_map=[conv1:0.8]" --num_steps=5000 --output=plan.png',
      'target_sparsity=0.9,end_pruning_step=90 --strict   # exits with 1: it falls short',
      'target_sparsity=0.9,sparsity_distribution=lamp --model=out/digits/seed0/dense')
  parser.add_argument('hparams', metavar='HPARAMS', help='a value for --pruning_hparams')
  parser.add_argument('--num_steps', type=int, metavar='N',
                      help='the last step of training; by default the end of the schedule')
  parser.add_argument('--strict', action='store_true',
                      help='exit with 1 if a target is missed, for job scripts')
  parser.add_argument('--output', metavar='FILE.png', help='also draw it')
  parser.add_argument('--model', metavar='MODEL', help='also show the final sparsity of each '
                      'weight of a trained model: ' + shared.MODEL)
  formats = parser.add_mutually_exclusive_group()
  shared.add_json(formats)
  formats.add_argument('--csv', action='store_true', help='print CSV instead of a table')


def run(args: argparse.Namespace) -> int:
  """Prints and draws the mask updates for an HParams string; returns 1 if --strict is missed."""
  from model_pruning.reporting import timeline
  result = timeline.of(args.hparams, args.num_steps)
  if args.model is not None:
    places.kind_at(args.model)
    with shared.stage('reading'):
      from model_pruning.reporting import allotment
      result = dataclasses.replace(result, allotment=allotment.of(args.model, result.spec))
  if args.output:
    with shared.stage('drawing'):
      from model_pruning.reporting import plots
      plots.save(plots.schedule(result), args.output)
  shared.show(result, args)
  return int(args.strict and result.shortfall() is not None)
