# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning plot`: draws a run or a model."""

import argparse
from typing import Any, List, Optional

from model_pruning import errors
from model_pruning.cli import shared
from model_pruning.cli.shared import Subparsers
from model_pruning.hparams.maps import expression
from model_pruning.reading import places
from model_pruning.util import files
from model_pruning.util import tables


def add_parser(subparsers: Subparsers) -> None:
  """Adds the command to the command line."""
  parser = shared.command(
      subparsers, 'plot', run, 'draw sparsity over time, magnitudes, or masks', 'as a PNG.',
      'sparsity out/digits/seed0/pruned --output=sparsity.png',
      'weights out/digits/seed0/pruned --output=magnitudes.png',
      'masks out/model.ckpt-1200 --output=masks.png --weights=fc.*')
  parser.add_argument('kind', choices=['sparsity', 'weights', 'masks'],
                      help='sparsity: over time, from event files; weights: histograms of '
                      'magnitudes with the threshold; masks: which weights are kept')
  parser.add_argument('model', metavar='MODEL',
                      help=shared.MODEL + '; for sparsity the folder of a run')
  parser.add_argument('--weights', metavar='REGEX', help='only weights whose names it matches')
  parser.add_argument('--thresholds', action='store_true',
                      help='for sparsity: also draw the thresholds')
  parser.add_argument('--output', required=True, metavar='FILE.png', help='the file to write')


def run(args: argparse.Namespace) -> None:
  """Draws a run or a model, and writes the figure."""
  files.check_output(args.output, [args.model])
  if args.kind == 'sparsity':
    places.event_files(args.model)
  else:
    places.kind_at(args.model)
  with shared.stage('drawing'):
    from model_pruning.reporting import plots
    if args.kind == 'sparsity':
      from model_pruning.reporting import events
      figure = plots.sparsity(events.read(args.model), args.thresholds)
    else:
      draw = plots.magnitudes if args.kind == 'weights' else plots.masks
      figure = draw(_weights(args.model, args.weights))
    plots.save(figure, args.output, [args.model])
  print('Written to %s' % tables.printable(args.output))


def _weights(path: str, pattern: Optional[str]) -> List[Any]:
  """Returns the weights of a model whose names contain a match of `pattern`."""
  from model_pruning.reading import models
  wanted = expression('--weights', pattern or '')
  found = list(models.load(path).weights())
  weights = [weight for weight in found if wanted.search(weight.name)]
  if not weights:
    raise errors.ModelFileError('%s has no weights%s; there are: %s' % (
        path, ' whose names match %r' % pattern if pattern else '',
        ', '.join(weight.name for weight in found) or 'none'))
  return weights
