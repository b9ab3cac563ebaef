# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Shared parts of the commands: arguments, checks of models, progress, and printing."""

import argparse
import contextlib
import importlib
import os
import shutil
import sys
import textwrap
import threading
from typing import Any, Callable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from model_pruning import errors
from model_pruning.reading import inputs
from model_pruning.reading import kinds
from model_pruning.reading import places
from model_pruning.util import files
from model_pruning.util import quiet
from model_pruning.util import tables
from model_pruning.util.types import GraphDef

MODEL = ('a folder of checkpoints (its latest is taken), one checkpoint, the folder of a '
         'SavedModel, a Keras model (.keras, .h5), or a file with a GraphDef')
# Made by ArgumentParser.add_subparsers, whose class has no public name.
Subparsers = Any

_LARGEST_DIMENSION = 2**31 - 1


# ---- Arguments. ----


def command(subparsers: Subparsers, name: str, run: Callable[[Any], Optional[int]], summary: str,
            description: str, *examples: str) -> Any:
  """Adds a command to the command line, and returns its parser.

  Args:
    subparsers: the object to add it to.
    name: name of the command.
    run: takes the arguments; returns the exit code, None for 0.
    summary: a line of help, which begins with a small letter.
    description: text that follows the summary in the command's own help.
    *examples: example arguments, without the command's name.
  """
  parser = subparsers.add_parser(
      name, help=summary,
      description=textwrap.fill('%s: %s' % (summary[0].upper() + summary[1:], description), 78),
      formatter_class=argparse.RawDescriptionHelpFormatter,
      epilog='examples:\n' + '\n'.join('  %s %s %s' % (quiet.COMMAND, name, example)
                                       for example in examples))
  parser.set_defaults(run=run)
  return parser


def names(text: str) -> List[str]:
  """Parses a list of names: 'a,b,c'."""
  return [name for name in text.replace(' ', '').split(',') if name]


def shape(text: str) -> Tuple[str, List[int]]:
  """Parses a name and a shape: 'images=1x28x28x1'."""
  name, _, dims = text.rpartition('=')
  try:
    sizes = [int(dim) for dim in dims.split('x')] if dims else []
    if not name or any(not 1 <= dim <= _LARGEST_DIMENSION for dim in sizes):
      raise ValueError(text)
    return name, sizes
  except ValueError:
    raise argparse.ArgumentTypeError(
        '%r is not NAME=SHAPE; write images=1x28x28x1' % text) from None


def block(text: str) -> Tuple[int, int]:
  """Parses a block: '16x1'."""
  try:
    height, width = (int(dim) for dim in text.split('x'))
    return height, width
  except ValueError:
    raise argparse.ArgumentTypeError('%r is not HEIGHTxWIDTH; write 16x1' % text) from None


def add_graph(parser: argparse.ArgumentParser) -> None:
  """Adds the arguments for a model whose graph is needed."""
  parser.add_argument('model', metavar='MODEL', help=MODEL)
  parser.add_argument('--output_node_names', type=names, default=[], metavar='NAME,...',
                      help='the operations to keep, with all they need; by default, for a '
                      'SavedModel, the outputs of its signatures')
  parser.add_argument('--meta_graph', metavar='FILE',
                      help="a checkpoint's graph, if it has no .meta file beside it")


def add_json(parser: argparse.ArgumentParser) -> None:
  """Adds --json."""
  parser.add_argument('--json', action='store_true', help='print JSON instead of a table')


# ---- Progress. ----


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
  """Shows on a terminal which stage is running, and for how long, once it takes over a second.

  First loads TensorFlow if necessary, which takes seconds.
  """
  load_tensorflow()
  with _shown(name):
    yield


def load_tensorflow() -> None:
  """Loads TensorFlow; shows that on a terminal once it takes over a second."""
  with _shown('loading TensorFlow'):
    importlib.import_module('model_pruning.compat')


@contextlib.contextmanager
def _shown(name: str) -> Iterator[None]:
  done = threading.Event()

  def show() -> None:
    if done.wait(1):
      return
    import tqdm
    # disable=None: show nothing if stderr is not a terminal.
    with tqdm.tqdm(desc=name, bar_format='{desc} ... {elapsed}', leave=False, disable=None,
                   file=terminal) as bar:
      while not done.wait(0.2):
        bar.refresh()

  terminal = os.fdopen(os.dup(2), 'w')  # A copy of stderr, which muting does not affect.
  thread = threading.Thread(target=show, daemon=True)
  thread.start()
  try:
    yield
  finally:
    done.set()
    thread.join()
    terminal.close()


# ---- Models. ----


def kind_with_masks(path: str) -> str:
  """Returns the kind of a model, or raises errors.ModelFileError if it cannot have masks."""
  kind = kinds.kind_of(inputs.check(path))
  if kind == kinds.KERAS_WEIGHTS:
    raise errors.ModelFileError(
        '%s holds weights and no architecture; build the model, prune_low_magnitude() it, '
        'load_weights() the file, and save() the model as .keras, which this command accepts' %
        path)
  if kind == kinds.TFLITE:
    raise errors.ModelFileError(
        '%s is a TFLite model, which cannot be changed any more; give the model it was made from' %
        path)
  places.kind_at(path)
  if kind == kinds.KERAS:
    with stage('reading'):
      from model_pruning.reading import models
      models.check_keras(path)
  return kind


def check_outputs(kind: str, outputs: Sequence[str]) -> None:
  """Raises errors.OutputNodeError if outputs are required for this kind, and none are given."""
  if kind in (kinds.CHECKPOINT, kinds.GRAPH) and not outputs:
    raise errors.OutputNodeError(
        '--output_node_names is missing; %s does not say which operations to keep, so name them, '
        'for example softmax' % ('a frozen graph, for which the file is taken,' if
                                 kind == kinds.GRAPH else 'a checkpoint'))
  if kind == kinds.KERAS and outputs:
    raise errors.OutputNodeError(
        '--output_node_names is for graphs; a Keras model knows its outputs: leave it out')


class Stripped(NamedTuple):
  """A model without masks.

  Attributes:
    graph_def: its GraphDef.
    inputs, outputs: their names in the graph.
    folded: the names of the weights whose masks were folded into them.
    signature: the names of the inputs in the graph, by their names in the signature, if there is
      one.
    names: the names of inputs and outputs for callers, by those in the graph, where they differ.
  """
  graph_def: Any
  inputs: List[str]
  outputs: List[str]
  folded: List[str]
  signature: Mapping[str, str] = {}
  names: Mapping[str, str] = {}

  def check_inputs(self) -> None:
    """Raises errors.ConversionError if there are no inputs."""
    if not self.inputs:
      read = [node.name for node in self.graph_def.node if node.op.startswith('Iterator')]
      raise errors.ConversionError(
          'The graph has no placeholders for its inputs%s; name the operations whose outputs are '
          'to be the inputs (--inputs), or build the graph for serving, with placeholders' % (
              ': it reads %s' % ', '.join(read) if read else ''))


def stripped(args: argparse.Namespace, kind: str) -> Stripped:
  """Returns a model without masks."""
  from model_pruning.export import freeze
  from model_pruning.export import saved_model
  from model_pruning.export import strip
  from model_pruning.reading import sources
  given, outputs = list(args.inputs), list(args.output_node_names)
  if kind == kinds.KERAS:
    from model_pruning.keras import exporting  # Keras is loaded only for its own files.
    from model_pruning.keras import files as keras_files
    model = keras_files.load(args.model)
    frozen = exporting.freeze(model, dict(args.input_shape), batch_size=1)
    return Stripped(frozen.graph_def, given or frozen.inputs, outputs or frozen.outputs,
                    keras_files.weight_names(model), {}, frozen.names)
  if kind == kinds.SAVED_MODEL:
    graph_def, signatures, _, folded = saved_model.read_stripped(
        kinds.saved_model_folder(args.model))
    signature = saved_model.default_signature(signatures)
    given = given or [info.name for _, info in sorted(signature.inputs.items())]
    outputs = outputs or [info.name for _, info in sorted(signature.outputs.items())]
    return Stripped(graph_def, given, outputs, folded, saved_model.ends_of(signature)[0], {
        info.name: key for infos in (signature.inputs, signature.outputs)
        for key, info in infos.items()})
  if kind == kinds.GRAPH:
    masked = sources.graph_def(args.model)
  else:
    masked = freeze.graph_def_from_checkpoint(args.model, outputs, args.meta_graph)
  graph_def, folded = strip.strip(masked, outputs)
  return Stripped(graph_def, given or _placeholders(graph_def), outputs, folded)


def _placeholders(graph_def: GraphDef) -> List[str]:
  return [node.name for node in graph_def.node if node.op.startswith('Placeholder')]


def warnings(model: str) -> List[str]:
  """Returns warnings about the model that a command reads, after printing them to stderr."""
  from model_pruning.reading import models
  try:
    found = models.load(model).warnings()
  except errors.PruningError:
    return []  # The command itself will report why the model cannot be read.
  for warning in found:
    print('%s: warning: %s' % (quiet.COMMAND, tables.printable(warning)), file=sys.stderr)
  return found


def write_graph(graph_def: GraphDef, path: str, sources_of_it: Sequence[Optional[str]]) -> None:
  """Writes a GraphDef, whole or not at all; as text if the name ends in .pbtxt."""
  kinds.check_graph_output(path)
  content = graph_def.SerializeToString(deterministic=True)
  if path.endswith('.pbtxt'):
    from google.protobuf import text_format  # Installed with TensorFlow.
    content = text_format.MessageToString(graph_def).encode()
  with files.replacing(path, sources_of_it) as temporary, open(temporary, 'wb') as f:
    f.write(content)


# ---- Printing. ----


def show(result: Any, args: argparse.Namespace) -> None:
  """Prints a result in the format that args request: JSON, CSV, or a table for the terminal."""
  if args.csv:
    lines = result.to_csv().rstrip('\n')
    # Escape names only on a terminal; files and programs get them unchanged.
    print('\n'.join(map(tables.printable, lines.split('\n'))) if sys.stdout.isatty() else lines)
  elif args.json:
    print(result.to_json())
  else:
    print(result.table(width=width()))


def width() -> int:
  """Returns the width of tables in columns."""
  return shutil.get_terminal_size().columns if sys.stdout.isatty() else tables.WIDTH
