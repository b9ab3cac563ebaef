# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning strip`: removes everything that pruning added to a model."""

import argparse
import json
import os
from typing import Dict, List, Sequence

from model_pruning import errors
from model_pruning.cli import shared
from model_pruning.cli.shared import Subparsers
from model_pruning.reading import kinds
from model_pruning.util import files
from model_pruning.util import tables

_DEFAULT_TO = {kinds.SAVED_MODEL: 'saved_model', kinds.KERAS: 'keras'}


def add_parser(subparsers: Subparsers) -> None:
  """Adds the command to the command line."""
  parser = shared.command(
      subparsers, 'strip', run, 'remove masks and everything else that pruning added',
      'weights are multiplied by their masks; masks, thresholds and mask updates are removed.',
      'out/digits/seed0/pruned --output_node_names=scores --output=stripped.pb',
      'out/model.ckpt-1200 --to=checkpoint --output=dense/model.ckpt',
      'exported/1 --output=stripped   # a SavedModel keeps its signatures',
      'model.keras --output=small.keras')
  shared.add_graph(parser)
  parser.add_argument('--to', choices=['graph', 'checkpoint', 'saved_model', 'keras'],
                      help='the format to write; by default a SavedModel for a SavedModel, a Keras '
                      'model for a Keras model, and otherwise a GraphDef')
  parser.add_argument('--inputs', type=shared.names, default=[], metavar='NAME,...',
                      help='for --to=saved_model: the inputs of its signature; by default the '
                      'placeholders')
  parser.add_argument('--output', required=True, metavar='PATH', help='the file or folder to write')
  shared.add_json(parser)


def run(args: argparse.Namespace) -> None:
  """Writes a model without masks: a GraphDef, a checkpoint, a SavedModel or a Keras model."""
  kind = shared.kind_with_masks(args.model)
  to = args.to or _DEFAULT_TO.get(kind, 'graph')
  if to == 'keras' and kind != kinds.KERAS:
    raise errors.ModelFileError('%s is a %s; only a Keras model (.keras, .h5) can be stripped to '
                                'a Keras model' % (args.model, kind))
  if to != 'checkpoint':  # strip_checkpoint also checks the folder that training resumes from.
    files.check_output(args.output, [args.model, args.meta_graph])
    shared.check_outputs(kind, args.output_node_names)
  with shared.stage('stripping'):
    warnings = shared.warnings(args.model)
    folded = _write(args, kind, to)
  if args.json:
    print(json.dumps(dict({'output': args.output, 'to': to, 'folded': folded,
                           'bytes': _size(args.output)},
                          **{'warnings': warnings} if warnings else {}), indent=2))
  else:
    print('Folded %d masked weight%s into %s (%s bytes)' % (
        len(folded), '' if len(folded) == 1 else 's', tables.printable(args.output),
        '{:,}'.format(_size(args.output))))


def _write(args: argparse.Namespace, kind: str, to: str) -> List[str]:
  """Writes a stripped model; returns the names of the weights that had masks."""
  from model_pruning.export import checkpoint
  from model_pruning.export import saved_model
  if kind == kinds.KERAS:
    return _write_keras(args.model, to, args.output)
  if to == 'checkpoint':
    return [names.weight for names in checkpoint.strip_checkpoint(args.model, args.output)]
  if to == 'saved_model' and kind == kinds.SAVED_MODEL:
    return saved_model.strip_saved_model(kinds.saved_model_folder(args.model), args.output)
  stripped = shared.stripped(args, kind)
  if not stripped.folded:
    raise errors.NoMaskedWeightsError(
        '%s has no masked weights that these outputs need; is it stripped already?' % args.model)
  if to == 'saved_model':
    stripped.check_inputs()
    saved_model.to_saved_model(stripped.graph_def, args.output, _by_op(stripped.inputs),
                               _by_op(stripped.outputs))
  else:
    shared.write_graph(stripped.graph_def, args.output, [args.model, args.meta_graph])
  return stripped.folded


def _write_keras(path: str, to: str, output: str) -> List[str]:
  """Writes a stripped Keras model; returns the names of the weights that had masks."""
  from model_pruning.keras import exporting  # Keras is loaded only for its own files.
  from model_pruning.keras import files as keras_files
  from model_pruning.keras.prune import strip_pruning
  if to == 'checkpoint':
    raise errors.ModelFileError(
        '%s is a Keras model, but only graphs have checkpoints to strip to; strip it to a Keras '
        'model, and write one with its save_weights()' % path)
  model = keras_files.load(path)
  folded = keras_files.weight_names(model)
  if not folded:
    raise errors.NoMaskedWeightsError('%s has no pruned layers; is it stripped already?' % path)
  if to == 'keras':
    keras_files.save(strip_pruning(model, in_place=True), output)
  elif to == 'saved_model':
    exporting.to_saved_model(model, output)
  else:
    shared.write_graph(exporting.freeze(model).graph_def, output, [path])
  return folded


def _by_op(names: Sequence[str]) -> Dict[str, str]:
  """Returns tensors by the names of their operations, for the callers of a signature.

  Scopes are left out if the names are still unique without them.
  """
  short = [name.split(':')[0].split('/')[-1] for name in names]
  unique = len(set(short)) == len(short)
  return {(leaf if unique else name.replace(':0', '')): name for leaf, name in zip(short, names)}


def _size(path: str) -> int:
  """Returns the size in bytes of a file, a folder, or a checkpoint."""
  path = os.path.realpath(files.as_path(path))  # As the file was written: 'new/../' may not exist.
  if os.path.isfile(path):
    return os.path.getsize(path)
  if os.path.isdir(path):
    return sum(os.path.getsize(os.path.join(folder, name))
               for folder, _, names in os.walk(path) for name in names)
  folder, prefix = os.path.split(os.path.abspath(path))
  return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)
             if name.startswith(prefix + '.'))
