# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning shrink`: removes channels from a model."""

import argparse
import json
from typing import Any

from model_pruning import errors
from model_pruning.cli import channels
from model_pruning.cli import shared
from model_pruning.cli.shared import Subparsers
from model_pruning.reading import inputs
from model_pruning.reading import kinds
from model_pruning.util import files
from model_pruning.util import tables


def add_parser(subparsers: Subparsers) -> None:
  """Adds the command to the command line."""
  parser = shared.command(
      subparsers, 'shrink', run, 'remove channels from a model, which makes it dense and smaller',
      'without --fraction, those that do not affect the outputs, for example as pruning masked '
      'them; with it, the channels of smallest norm in each group, which changes the outputs. '
      'Writes a model of the same kind, after comparing it with one that has zeros there instead.',
      'frozen.pb --output_node_names=scores --output=small.pb',
      'saved_model_dir --fraction=0.5 --multiple_of=8 --keep=.*block1.* \\\n'
      '      --output=small_model_dir',
      'train/model.ckpt-1200 --output_node_names=scores --fraction=0.5 \\\n'
      '      --output=small/model.ckpt   # with the state of the optimizer',
      'model.keras --fraction=0.5 --output=small.keras')
  shared.add_graph(parser)
  parser.add_argument('--fraction', type=float, default=0.0, metavar='NUMBER',
                      help='the fraction of the channels of each group to remove')
  parser.add_argument('--keep', metavar='REGEX',
                      help='names of groups to keep whole; `model-pruning channels` lists them')
  parser.add_argument('--multiple_of', type=int, default=1, metavar='NUMBER',
                      help='round the number of channels that stay up to a multiple of this')
  parser.add_argument('--examples', metavar='FILE',
                      help='inputs to compare the outputs on: a .npy, or a .npz with one array per '
                      'input; by default random values')
  parser.add_argument('--output', required=True, metavar='PATH', help='the model to write')
  shared.add_json(parser)


def run(args: argparse.Namespace) -> None:
  """Writes a smaller model, and prints the new shapes of its weights."""
  files.check_output(args.output, [args.model, args.examples])
  if args.examples is not None and not inputs.exists(inputs.check(args.examples)):
    raise errors.ModelFileError('There is no file %s; --examples=FILE names a .npy or .npz file' %
                                args.examples)
  kind = channels.kind_of(args)
  if kind == kinds.KERAS:
    _show(_shrink_keras(args), args)
    return
  with shared.stage('reading'):
    if kind == kinds.CHECKPOINT:
      from model_pruning.export import channel_checkpoint
      from model_pruning.export import checkpoint
      source = checkpoint.Checkpoint(args.model)
      checkpoint.check_elsewhere(source, args.output)
    graph_def, ends, signatures, kept = channels.read(args, kind)
    examples = _examples(args, graph_def, signatures)
  with shared.stage('removing channels'):
    from model_pruning.export import channels as removal
    smaller = removal.shrink(graph_def, ends, args.fraction, args.keep, args.multiple_of, examples)
  if kind == kinds.CHECKPOINT:
    channel_checkpoint.write(source, args.output, smaller)
  elif kind == kinds.GRAPH:
    shared.write_graph(smaller.graph_def, args.output, [args.model])
  else:
    from model_pruning.export import saved_model
    saved_model.write(files.check_output(args.output), smaller.graph_def, signatures, kept)
  _show(smaller, args)


def _shrink_keras(args: argparse.Namespace) -> Any:
  """Writes a smaller Keras model; returns the removal."""
  with shared.stage('reading'):
    from model_pruning.keras import files as keras_files
    from model_pruning.keras import removal
    from model_pruning.keras.prune import strip_pruning
    model = keras_files.load(args.model)
    if keras_files.weight_names(model):
      model = strip_pruning(model, in_place=True)
  with shared.stage('removing channels'):
    removed = removal.removed(model, args.fraction, args.keep, args.multiple_of)
  keras_files.save(removed.model, args.output)
  return removed.smaller


def _examples(args: argparse.Namespace, graph_def: Any, signatures: Any) -> Any:
  """Returns arrays by the names of placeholders; None for random ones."""
  if args.examples is None:
    return None
  from model_pruning.export import saved_model
  from model_pruning.reading import examples
  found = examples.columns(args.examples)
  names = (saved_model.ends_of(saved_model.default_signature(signatures))[0] if signatures else
           {node.name: node.name for node in graph_def.node if node.op.startswith('Placeholder')})
  if isinstance(found, dict):
    return {names.get(name, name): array for name, array in found.items()}
  if len(names) != 1:
    raise errors.ExamplesError('%s has one array, and the model has the inputs %s; give a .npz '
                               'with an array for each' % (args.examples, ', '.join(sorted(names))))
  return {next(iter(names.values())): found}


def _show(smaller: Any, args: argparse.Namespace) -> None:
  if args.json:
    print(json.dumps({
        'output': args.output, 'removed': smaller.removed, 'difference': smaller.difference,
        'bytes': list(smaller.bytes), 'flops': smaller.flops and list(smaller.flops),
        'weights': [{'name': each.name, 'before': list(each.before), 'after': list(each.after)}
                    for each in smaller.widths]}, indent=2))
    return
  print(smaller.table(shared.width()))
  print('%d channels of %d groups are removed; the outputs differ by %.1e of their largest value '
        'from those with zeros there' % (
            sum(map(len, smaller.removed.values())), len(smaller.removed), smaller.difference))
  print('Written to %s' % tables.printable(args.output))
