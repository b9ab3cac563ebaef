# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The command line, `model-pruning`: its arguments, and what becomes of errors."""

import argparse
import logging as standard_logging
import os
import sys
from typing import Any, Callable, List, Optional

from absl import app
from absl import logging
from absl.flags import argparse_flags

from model_pruning import commands
from model_pruning import errors
from model_pruning import one_shot
from model_pruning import quiet
from model_pruning import tables
from model_pruning.compat import tf
from model_pruning.export import tflite

_MODEL = ('a folder of checkpoints (its latest is taken), one checkpoint, the folder of a '
          'SavedModel, a Keras model (.keras, .h5), or a file with a GraphDef')
_TRACEBACK = 'MODEL_PRUNING_TRACEBACK'
_LARGEST_DIMENSION = 2**31 - 1


def run(main: Optional[Callable[[Any], None]] = None,
        parse: Optional[Callable[[List[str]], Any]] = None, name: str = quiet.COMMAND) -> None:
  """Runs a command to the end of the process: 0, or one line on stderr and 1 (2 for bad usage).

  Args:
    main: what to do with the arguments. By default what the command line says.
    parse: makes arguments of sys.argv.
    name: what the errors begin with.
  """
  for stream in (sys.stdout, sys.stderr):
    if hasattr(stream, 'reconfigure'):  # A terminal's encoding may lack characters of names.
      stream.reconfigure(errors='backslashreplace')
  app.run(lambda args: guarded(main or args.run, args, name), flags_parser=parse or parse_arguments)


def guarded(main: Callable[[Any], None], args: Any, name: str = quiet.COMMAND) -> int:
  """Calls main(args), and turns errors into one line on stderr and an exit code.

  With MODEL_PRUNING_TRACEBACK=1 errors that nothing foresaw are raised.
  """
  logging.use_absl_handler()
  standard_logging.getLogger('tensorflow').setLevel(standard_logging.ERROR)
  try:
    with quiet.interruptible():
      main(args)
      sys.stdout.flush()
  except BrokenPipeError:  # `| head` has seen enough.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
  except errors.PruningError as error:
    return _fail(name, str(error))
  except MemoryError:
    return _fail(name, 'There is not enough memory for this model; run on a machine with more')
  except (OSError, tf.errors.OpError) as error:
    return _fail(name, errors.first_line(error))
  except KeyboardInterrupt:
    print('%s: interrupted; nothing was written' % name, file=sys.stderr)
    return 130
  except Exception as error:
    if os.environ.get(_TRACEBACK, '0') != '0':
      raise
    return _fail(name, 'Unexpected %s: %s. The input may be damaged: make or copy it again. If it '
                 'is whole, set %s=1 and report what this prints then' % (
                     type(error).__name__, errors.first_line(error), _TRACEBACK))
  return 0


def _fail(name: str, message: str) -> int:
  print('%s: error: %s' % (name, tables.printable(message)), file=sys.stderr)
  return 1


def parse_arguments(argv: List[str]) -> Any:
  """Returns the arguments of a command line, whose first word is the program.

  Their `run` is what to call with them. Bad usage ends the process with 2, and
  --help with 0, as argparse does it.
  """
  parser = argparse_flags.ArgumentParser(
      prog=quiet.COMMAND, formatter_class=argparse.RawDescriptionHelpFormatter,
      description='What comes after, and before, training with masks. '
      '`%s COMMAND --help` has examples.' % quiet.COMMAND)
  subparsers = parser.add_subparsers(metavar='COMMAND')
  for add in (_strip, _export, _report, _plot, _schedule, _prune):
    add(subparsers)
  args = parser.parse_args(argv[1:])
  if not hasattr(args, 'run'):
    parser.error('no command; expected one of: %s' % ', '.join(subparsers.choices))
  return args


def _command(subparsers: Any, function: Callable[[Any], None], summary: str, description: str,
             *examples: str) -> Any:
  name = function.__name__
  parser = subparsers.add_parser(
      name, help=summary, inherited_absl_flags=None,
      description='%s: %s' % (summary[0].upper() + summary[1:], description),
      formatter_class=argparse.RawDescriptionHelpFormatter,
      epilog='examples:\n' + '\n'.join('  %s %s %s' % (quiet.COMMAND, name, example)
                                       for example in examples))
  parser.set_defaults(run=function)
  return parser


def _names(text: str) -> List[str]:
  return [name for name in text.replace(' ', '').split(',') if name]


def _shape(text: str) -> Any:
  """Reads images=28x28x1."""
  name, _, dims = text.rpartition('=')
  try:
    shape = [int(dim) for dim in dims.split('x')] if dims else []
    if not name or any(not 1 <= dim <= _LARGEST_DIMENSION for dim in shape):
      raise ValueError(text)
    return name, shape
  except ValueError:
    raise argparse.ArgumentTypeError(
        '%r is not NAME=SHAPE; write images=1x28x28x1' % text) from None


def _block(text: str) -> Any:
  """Reads 16x1."""
  try:
    height, width = (int(dim) for dim in text.split('x'))
    return height, width
  except ValueError:
    raise argparse.ArgumentTypeError('%r is not HEIGHTxWIDTH; write 16x1' % text) from None


def _add_model(parser: Any, outputs: bool = True) -> None:
  parser.add_argument('model', metavar='MODEL', help=_MODEL)
  if outputs:
    parser.add_argument('--output_node_names', type=_names, default=[], metavar='NAME,...',
                        help='the operations to keep, with all they need; of a SavedModel those '
                        'of its signatures are kept')
    parser.add_argument('--meta_graph', metavar='FILE',
                        help="a checkpoint's graph, where it is not beside it as .meta")


def _add_json(parser: Any) -> None:
  parser.add_argument('--json', action='store_true', help='print JSON instead of a table')


def _strip(subparsers: Any) -> None:
  parser = _command(
      subparsers, commands.strip, 'remove masks and everything else of pruning',
      'weights are multiplied\nby their masks, and the masks, thresholds and updates are gone.',
      'out/digits --output_node_names=scores --output=stripped.pb',
      'out/model.ckpt-1200 --to=checkpoint --output=dense/model.ckpt',
      'exported/1 --output=stripped   # a SavedModel keeps its signatures',
      'model.keras --output=small.keras')
  _add_model(parser)
  parser.add_argument('--to', choices=['graph', 'checkpoint', 'saved_model', 'keras'],
                      help='what to write; by default a SavedModel of a SavedModel, a Keras model '
                      'of a Keras model, and a GraphDef of everything else')
  parser.add_argument('--inputs', type=_names, default=[], metavar='NAME,...',
                      help='for --to=saved_model: the inputs of its signature; by default the '
                      'placeholders')
  parser.add_argument('--output', required=True, metavar='PATH', help='what to write')
  _add_json(parser)


def _export(subparsers: Any) -> None:
  parser = _command(
      subparsers, commands.export, 'convert to TensorFlow Lite, sparse where it helps',
      'masks are removed\non the way. Outputs are compared before anything is written.',
      'out/digits --output_node_names=scores --output=digits.tflite',
      'stripped.pb --output_node_names=scores --quantization=dynamic --output=digits.tflite',
      'exported/1 --quantization=int8 --examples=images.npy --output=digits.tflite',
      'model.keras --quantization=dynamic --output=small.tflite')
  _add_model(parser)
  parser.add_argument('--inputs', type=_names, default=[], metavar='NAME,...',
                      help='by default the placeholders, or what the signature says')
  parser.add_argument('--quantization', choices=tflite.QUANTIZATIONS, default='none',
                      help='none: floats; dynamic: weights of int8; int8: activations too, which '
                      'needs --examples (default: none)')
  parser.add_argument('--sparse', choices=['auto', 'yes', 'no'], default='auto',
                      help='whether weights are stored sparse (default: where it helps)')
  parser.add_argument('--examples', metavar='FILE',
                      help='inputs to compare outputs on: a .npy with an example per row, or a '
                      '.npz with one array per input')
  parser.add_argument('--input_shape', type=_shape, action='append', default=[],
                      metavar='NAME=1x28x28x1', help='for inputs that leave theirs open')
  parser.add_argument('--select_tf_ops', action='store_true',
                      help="use TensorFlow's kernels where TFLite has none")
  parser.add_argument('--litert', choices=['auto', 'yes', 'no'], default='auto',
                      help='whether to compare under LiteRT (ai-edge-litert) as well (default: '
                      'where it is installed)')
  parser.add_argument('--tolerance', type=float,
                      help="largest difference, as a share of the outputs' scale (default: %s)" %
                      ', '.join('%g %s' % (value, key) for key, value in tflite.TOLERANCES.items()))
  parser.add_argument('--output', required=True, metavar='FILE.tflite', help='the file to write')
  _add_json(parser)


def _report(subparsers: Any) -> None:
  parser = _command(
      subparsers, commands.report, 'show sparsity, sizes and FLOPs of each weight',
      'of a model, or,\nwith --history, sparsity and thresholds over time from a run\'s events.',
      'out/digits',
      'model.tflite --json',
      'out/digits --block=16x1 --csv > weights.csv',
      'out/digits --html=report.html',
      'out/digits --history')
  parser.add_argument('model', metavar='MODEL', help=_MODEL + ' or a TFLite model')
  parser.add_argument('--history', action='store_true',
                      help='read the event files in the folder instead')
  parser.add_argument('--block', type=_block, metavar='16x1',
                      help='blocks to count; by default those in which each weight is sparse')
  parser.add_argument('--input_shape', type=_shape, action='append', default=[],
                      metavar='NAME=1x28x28x1', help='for FLOPs, of inputs that leave theirs open')
  parser.add_argument('--output_node_names', type=_names, default=None, metavar='NAME,...',
                      help='count the FLOPs of what these need only')
  parser.add_argument('--html', metavar='FILE.html',
                      help='also write a page for browsers, with pictures, findings and the '
                      'history of the run')
  parser.add_argument('--hparams', metavar='STRING',
                      help='the hyperparameters of the pruning, for its targets, of a model that '
                      'does not say them')
  formats = parser.add_mutually_exclusive_group()
  _add_json(formats)
  formats.add_argument('--csv', action='store_true', help='print CSV instead of a table')


def _plot(subparsers: Any) -> None:
  parser = _command(
      subparsers, commands.plot, 'draw sparsity over time, magnitudes, or masks',
      'as a PNG.',
      'sparsity out/digits --output=sparsity.png',
      'weights out/digits --output=magnitudes.png',
      'masks out/model.ckpt-1200 --output=masks.png --weights=fc.*')
  parser.add_argument('kind', choices=['sparsity', 'weights', 'masks'],
                      help='sparsity: over time, from event files; weights: histograms of '
                      'magnitudes with the threshold; masks: which weights are kept')
  parser.add_argument('model', metavar='MODEL', help=_MODEL + '; for sparsity the folder of a run')
  parser.add_argument('--weights', metavar='REGEX', help='only weights whose name it is found in')
  parser.add_argument('--thresholds', action='store_true',
                      help='for sparsity: draw the thresholds too')
  parser.add_argument('--output', required=True, metavar='FILE.png', help='the file to write')


def _schedule(subparsers: Any) -> None:
  parser = _command(
      subparsers, commands.schedule, 'show when masks will be updated, and to which sparsity',
      'before a\nrun is started. Says so when the target will not be reached.',
      'target_sparsity=0.9,pruning_frequency=100,sparsity_function_end_step=2000',
      '"target_sparsity=0.9,weight_sparsity_map=[conv1:0.8]" --num_steps=5000 --output=plan.png')
  parser.add_argument('hparams', metavar='HPARAMS', help='what --pruning_hparams would be')
  parser.add_argument('--num_steps', type=int, metavar='N',
                      help='the last step of training; by default as long as the schedule takes')
  parser.add_argument('--output', metavar='FILE.png', help='draw it too')
  formats = parser.add_mutually_exclusive_group()
  _add_json(formats)
  formats.add_argument('--csv', action='store_true', help='print CSV instead of a table')


def _prune(subparsers: Any) -> None:
  parser = _command(
      subparsers, commands.prune, 'prune a dense checkpoint at once, without its code',
      'writes a checkpoint\nwith masks, which training code with masks goes on from, and '
      '`strip --to=checkpoint` takes.',
      'dense/ target_sparsity=0.8 --output=pruned/model.ckpt',
      'dense/model.ckpt-900 "target_sparsity=0.9,weight_sparsity_map=[conv1:0.5]" \\\n'
      '      --exclude=logits.* --output=pruned/model.ckpt')
  parser.add_argument('model', metavar='CHECKPOINT',
                      help='a checkpoint without masks, or a folder, whose latest is taken')
  parser.add_argument('hparams', metavar='HPARAMS',
                      help='what --pruning_hparams would be; its steps do not matter')
  parser.add_argument('--include', default=one_shot.INCLUDE, metavar='REGEX',
                      help='names of weights to prune (default: %s)' % one_shot.INCLUDE)
  parser.add_argument('--exclude', metavar='REGEX', help='names of weights to leave dense')
  parser.add_argument('--output', required=True, metavar='PATH',
                      help='the checkpoint to write, in a folder of its own')
  _add_json(parser)
