# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning shrink`: removes channels from a model."""

import argparse
import json
from typing import Any, Dict

from model_pruning import errors
from model_pruning.cli import channels
from model_pruning.cli import shared
from model_pruning.cli.shared import Subparsers
from model_pruning.reading import inputs
from model_pruning.reading import kinds
from model_pruning.util import files
from model_pruning.util import tables


_GOALS = ('fraction', 'max_flops', 'max_bytes', 'max_loss')


def add_parser(subparsers: Subparsers) -> None:
  """Adds the command to the command line."""
  parser = shared.command(
      subparsers, 'shrink', run, 'remove channels from a model, which makes it dense and smaller',
      'without a goal, those that do not affect the outputs, for example as pruning masked them. '
      'With --fraction or a budget, other channels go too, which changes the outputs; with '
      '--examples, the weights that stay are refitted, which restores most of them. Writes a model '
      'of the same kind, after comparing it with one that has zeros in place of the channels.',
      'frozen.pb --output_node_names=scores --output=small.pb',
      'saved_model_dir --fraction=0.5 --multiple_of=8 --examples=images.npy \\\n'
      '      --output=small_model_dir',
      'train/model.ckpt-1200 --output_node_names=scores --fraction=0.5 \\\n'
      '      --output=small/model.ckpt   # with the state of the optimizer',
      'model.keras --fraction=0.5 --output=small.keras')
  shared.add_graph(parser)
  goal = parser.add_mutually_exclusive_group()
  goal.add_argument('--fraction', type=float, metavar='NUMBER',
                    help='the fraction of the channels of each group to remove')
  goal.add_argument('--max_flops', type=float, metavar='NUMBER',
                    help='the most FLOPs per example that are left, two per multiply-add')
  goal.add_argument('--max_bytes', type=float, metavar='NUMBER',
                    help='the most bytes of weights that are left')
  goal.add_argument('--max_loss', type=float, metavar='NUMBER',
                    help='the most accuracy to lose; without --labels, the largest fraction of '
                    'answers that may change; with --regression, the largest relative error of the '
                    'outputs')
  parser.add_argument('--keep', metavar='REGEX',
                      help='names of groups to keep whole; `model-pruning channels` lists them')
  parser.add_argument('--multiple_of', type=int, default=1, metavar='NUMBER',
                      help='round the number of channels that stay up to a multiple of this')
  parser.add_argument('--examples', metavar='FILE',
                      help='inputs to choose the channels by and to refit the other weights to: a '
                      '.npy with an example per row, or a .npz with one array per input; 256 are '
                      'usually enough')
  parser.add_argument('--refit', choices=('yes', 'no'), default='yes',
                      help='no: with --examples, only compare the outputs on them; remove the '
                      'channels of smallest norm, and keep the other weights as they are')
  parser.add_argument('--joint_steps', type=int, default=0, metavar='NUMBER',
                      help='with --examples: refit all layers together in so many gradient steps, '
                      'after each was refitted on its own, for example 1000; give some thousand '
                      'examples, without labels')
  parser.add_argument('--labels', metavar='FILE',
                      help='for --max_loss, a .npy with the class of each example')
  parser.add_argument('--regression', action='store_true',
                      help='for --max_loss: the outputs are no scores of classes')
  parser.add_argument('--output', required=True, metavar='PATH', help='the model to write')
  shared.add_json(parser)


def run(args: argparse.Namespace) -> None:
  """Writes a smaller model, and prints the new shapes of its weights."""
  files.check_output(args.output, [args.model, args.examples, args.labels])
  for option in ('examples', 'labels'):
    path = getattr(args, option)
    if path is not None and not inputs.exists(inputs.check(path)):
      raise errors.ModelFileError('There is no file %s; --%s=FILE names a .npy or .npz file' % (
          path, option))
  if args.max_loss is not None and (args.examples is None or args.refit == 'no'):
    raise errors.ChannelError('--max_loss is measured on --examples, after a refit to them')
  if args.labels is not None and args.max_loss is None:
    raise errors.ChannelError('--labels is for --max_loss, which is not given')
  if args.refit == 'no' and args.examples is None:
    raise errors.ChannelError('--refit=no only compares the outputs on --examples; give some, or '
                              'leave it out')
  if args.joint_steps < 0:
    raise errors.ChannelError('--joint_steps=%d; expected a number of steps, 0 or more' %
                              args.joint_steps)
  if args.joint_steps and (args.examples is None or args.refit == 'no' or
                           not any(_goal(args).values())):
    raise errors.ChannelError('--joint_steps refits to --examples; give some, and a goal: one of '
                              '--fraction, --max_flops, --max_bytes and --max_loss')
  kind = channels.kind_of(args)
  if kind == kinds.GRAPH:
    kinds.check_graph_output(args.output)
  if kind == kinds.KERAS:
    kinds.check_keras_output(args.output)
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
    smaller = _shrunk(args, kind, graph_def, ends, signatures, examples)
  if kind == kinds.CHECKPOINT:
    channel_checkpoint.write(source, args.output, smaller)
  elif kind == kinds.GRAPH:
    shared.write_graph(smaller.graph_def, args.output, [args.model])
  else:
    from model_pruning.export import saved_model
    saved_model.write(files.check_output(args.output), smaller.graph_def, signatures, kept)
  _show(smaller, args)


def _goal(args: argparse.Namespace) -> Dict[str, float]:
  return {name: getattr(args, name) for name in _GOALS if getattr(args, name) is not None}


def _labels(args: argparse.Namespace) -> Any:
  from model_pruning.reading import examples as files_of_examples
  return args.labels and files_of_examples.columns(args.labels)


def _shrink_keras(args: argparse.Namespace) -> Any:
  """Writes a smaller Keras model; returns the removal."""
  with shared.stage('reading'):
    from model_pruning.channels.choice import Target
    from model_pruning.keras import files as keras_files
    from model_pruning.keras import removal
    from model_pruning.keras.prune import strip_pruning
    from model_pruning.reading import examples as files_of_examples
    target = Target(keep=args.keep, multiple_of=args.multiple_of, **_goal(args))
    model = keras_files.load(args.model)
    if keras_files.weight_names(model):
      model = strip_pruning(model, in_place=True)
    refits = args.examples is not None and args.refit == 'yes'
    examples = files_of_examples.columns(args.examples) if refits else None
  with shared.stage('removing channels'):
    removed = removal.removed(model, target, None, examples, _labels(args), not args.regression,
                              joint_steps=args.joint_steps)
  keras_files.save(removed.model, args.output)
  return removed.smaller


def _shrunk(args: argparse.Namespace, kind: str, graph_def: Any, ends: Any, signatures: Any,
            examples: Any) -> Any:
  """Returns the smaller graph: refitted to examples, if there are any and a goal."""
  goal = _goal(args)
  if examples is None or args.refit == 'no' or not any(goal.values()):
    from model_pruning.channels.analysis import analyse
    from model_pruning.channels.choice import Target
    from model_pruning.export import channels as removal
    target = Target(keep=args.keep, multiple_of=args.multiple_of, **goal)
    # Training goes on from a checkpoint, so no bias takes constants that may still change.
    found = analyse(graph_def, ends, channels.counted(signatures))
    return removal.without_smallest(found, target, examples,
                                    () if kind == kinds.CHECKPOINT else None)
  from model_pruning import one_shot
  if signatures:
    from model_pruning.export import saved_model
    saved_model.warn_of_others(graph_def, signatures, 'refitted to the examples')
  return one_shot.shrink_graph(
      graph_def, channels.counted(signatures) or args.output_node_names, examples, keep=args.keep,
      multiple_of=args.multiple_of, labels=_labels(args), inputs=sorted(examples),
      classes=not args.regression, ends=ends, joint_steps=args.joint_steps, **goal)


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
  before, after = [getattr(smaller, name, None) for name in ('before', 'after')]
  if args.json:
    print(json.dumps({
        'output': args.output, 'removed': smaller.removed, 'difference': smaller.difference,
        'bytes': list(smaller.bytes), 'flops': smaller.flops and list(smaller.flops),
        'loss': after and before and {
            'name': after.name, 'before': before.loss, 'after': after.loss},
        'weights': [{'name': each.name, 'before': list(each.before), 'after': list(each.after)}
                    for each in smaller.widths]}, indent=2))
    return
  print(smaller.table(shared.width()))
  print('%d channels of %d group%s are removed; the outputs differ by %.1e of their largest value '
        'from those with zeros there' % (
            sum(map(len, smaller.removed.values())), len(smaller.removed),
            '' if len(smaller.removed) == 1 else 's', smaller.difference))
  print('Written to %s' % tables.printable(args.output))
