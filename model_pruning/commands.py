# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the commands of the command line do, given their parsed arguments."""

import contextlib
import dataclasses
import json
import os
import shutil
import sys
import threading
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import tqdm

from model_pruning import errors
from model_pruning import events
from model_pruning import files
from model_pruning import one_shot
from model_pruning import plots
from model_pruning import quiet
from model_pruning import report as reports
from model_pruning import tables
from model_pruning import timeline
from model_pruning.export import checkpoint
from model_pruning.export import freeze
from model_pruning.export import saved_model
from model_pruning.export import strip as strip_lib
from model_pruning.export import tflite
from model_pruning.maps import expression
from model_pruning.reading import examples as examples_lib
from model_pruning.reading import kinds
from model_pruning.reading import models
from model_pruning.reading import sources
from model_pruning.reporting import page
from model_pruning.summaries import sparsity_table


_DEFAULT_TO = {kinds.SAVED_MODEL: 'saved_model', kinds.KERAS: 'keras'}


def strip(args: Any) -> None:
  """Writes a model without masks: a GraphDef, a checkpoint, a SavedModel or a Keras model."""
  kind = _kind(args.model)
  to = args.to or _DEFAULT_TO.get(kind, 'graph')
  if to == 'keras' and kind != kinds.KERAS:
    raise errors.ModelFileError('%s is a %s; only a Keras model (.keras, .h5) can be stripped to '
                                'a Keras model' % (args.model, kind))
  if to != 'checkpoint':  # That looks further, at what training would resume from.
    files.check_output(args.output, [args.model, args.meta_graph])
  warnings = _warnings(args)
  if kind == kinds.KERAS:
    with _stage('stripping'):
      folded = _strip_keras(args.model, to, args.output)
  elif to == 'checkpoint':
    with _stage('writing'):
      folded = [names.weight for names in checkpoint.strip_checkpoint(args.model, args.output)]
  elif to == 'saved_model' and kind == kinds.SAVED_MODEL:
    with _stage('stripping'):
      folded = saved_model.strip_saved_model(
          kinds.saved_model_folder(args.model), args.output)
  else:
    graph_def, inputs, outputs, folded = _stripped(args)
    if not folded:
      raise errors.NoMaskedWeightsError(
          '%s has no masked weights that these outputs need; is it stripped already?' % args.model)
    if to == 'saved_model':
      saved_model.to_saved_model(graph_def, args.output, _by_op(inputs), _by_op(outputs))
    else:
      _write_graph(graph_def, args.output, [args.model, args.meta_graph])
  if args.json:
    print(json.dumps(dict({'output': args.output, 'to': to, 'folded': folded,
                           'bytes': _size(args.output)},
                          **{'warnings': warnings} if warnings else {}), indent=2))
  else:
    print('Folded %d masked weight%s into %s (%s bytes)' % (
        len(folded), '' if len(folded) == 1 else 's', tables.printable(args.output),
        '{:,}'.format(_size(args.output))))


def _kind(path: str) -> str:
  """Returns the kind of a model that has masks and a graph, or raises errors.ModelFileError."""
  kind = kinds.kind_of(path)
  if kind == kinds.KERAS_WEIGHTS:
    raise errors.ModelFileError(
        '%s holds weights and no architecture; build the model, prune_low_magnitude() it, '
        'load_weights() the file, and save() the model as .keras, which this command takes' % path)
  if kind == kinds.TFLITE:
    raise errors.ModelFileError(
        '%s is a TFLite model, which has no masks; give the model that it was made from' % path)
  if kind == kinds.KERAS:
    models.check_keras(path)
  return kind


def _strip_keras(path: str, to: str, output: str) -> List[str]:
  """Writes a stripped Keras model; returns the names of the weights that had masks."""
  from model_pruning.keras import exporting  # Keras is loaded for its own files only.
  from model_pruning.keras import files as keras_files
  from model_pruning.keras.prune import strip_pruning
  if to == 'checkpoint':
    raise errors.ModelFileError(
        '%s is a Keras model, and checkpoints are of graphs; strip it to a Keras model, whose '
        'save_weights() writes one' % path)
  model = keras_files.load(path)
  folded = keras_files.weight_names(model)
  if not folded:
    raise errors.NoMaskedWeightsError('%s has no pruned layers; is it stripped already?' % path)
  if to == 'keras':
    keras_files.save(strip_pruning(model, in_place=True), output)
  elif to == 'saved_model':
    exporting.to_saved_model(model, output)
  else:
    _write_graph(exporting.freeze(model).graph_def, output, [path])
  return folded


def _write_graph(graph_def: Any, path: str, sources_of_it: Sequence[Optional[str]]) -> None:
  with files.replacing(path, sources_of_it) as temporary, open(temporary, 'wb') as f:
    f.write(graph_def.SerializeToString(deterministic=True))


def export(args: Any) -> None:
  """Writes a TFLite model."""
  files.check_output(args.output, [args.model, args.meta_graph, args.examples])
  examples = None if args.examples is None else examples_lib.read(args.examples)
  warnings = _warnings(args)
  graph_def, inputs, outputs, _ = _stripped(args)
  with _stage('converting and comparing'), quiet.muted():  # The converter has much to say.
    result = tflite.to_tflite(
        graph_def, args.output, inputs, outputs, quantization=args.quantization,
        sparse=_choice(args.sparse), litert=_choice(args.litert), examples=examples,
        input_shapes=dict(args.input_shape), tolerance=args.tolerance,
        select_tf_ops=args.select_tf_ops)
  result = dataclasses.replace(result, warnings=tuple(warnings) + result.warnings)
  print(result.to_json() if args.json else result.table())


def report(args: Any) -> None:
  """Prints a report on a model, or on a run; writes it as a page too, if asked to."""
  if args.html:
    if args.history:
      raise errors.WriteError('--html=%s is for a report on a model, which shows the history of '
                              'its run too, and --history prints that alone; leave out one of '
                              'them' % args.html)
    page.require()
    files.check_output(args.html, [args.model])
  with _stage('reading'):
    result: Any
    if args.history:
      result = events.read(args.model)
    else:
      result = reports.of(args.model, args.block, dict(args.input_shape), args.output_node_names,
                          args.hparams)
      if args.html:
        result.html(args.html)
  # In a file or a pipe nothing is gained by a second table.
  width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 100
  _print(result, args, width=width)
  if args.html:
    print('%sWritten to %s' % ('' if args.json or args.csv else '\n', tables.printable(args.html)),
          file=sys.stderr if args.json or args.csv else sys.stdout)


def plot(args: Any) -> None:
  """Draws a run or a model."""
  files.check_output(args.output, [args.model])
  with _stage('drawing'):
    if args.kind == 'sparsity':
      figure = plots.sparsity(events.read(args.model), args.thresholds)
    else:
      draw = plots.magnitudes if args.kind == 'weights' else plots.masks
      figure = draw(_weights(args.model, args.weights))
    plots.save(figure, args.output, [args.model])
  print('Written to %s' % tables.printable(args.output))


def schedule(args: Any) -> None:
  """Prints, and draws, the mask updates of an HParams string."""
  result = timeline.of(args.hparams, args.num_steps)
  if args.output:
    plots.save(plots.schedule(result), args.output)
  _print(result, args)


def prune(args: Any) -> None:
  """Writes a checkpoint with masks."""
  with _stage('pruning'):
    rows = one_shot.prune_checkpoint(args.model, args.output, args.hparams, args.include,
                                     args.exclude)
  if args.json:
    print(json.dumps({'output': args.output, 'weights': [
        {'name': row.name, 'shape': list(row.shape), 'asked': row.asked, 'achieved': row.achieved,
         'zeros': row.zeros} for row in rows]}, indent=2))
  else:
    print(sparsity_table(rows))
    print('\nWritten to %s' % tables.printable(args.output))


# ---- What they share. ----


def _print(result: Any, args: Any, **width: int) -> None:
  if args.csv:
    lines = result.to_csv().rstrip('\n')
    # A file or a program gets names to the byte.
    print('\n'.join(map(tables.printable, lines.split('\n'))) if sys.stdout.isatty() else lines)
  else:
    print(result.to_json() if args.json else result.table(**width))


@contextlib.contextmanager
def _stage(name: str) -> Iterator[None]:
  """Shows on a terminal what is being done, and for how long, once that takes over a second."""
  done = threading.Event()

  def show() -> None:
    if done.wait(1):
      return
    # disable=None: nothing where stderr is no terminal.
    with tqdm.tqdm(desc=name, bar_format='{desc} ... {elapsed}', leave=False, disable=None,
                   file=terminal) as bar:
      while not done.wait(0.2):
        bar.refresh()

  terminal = os.fdopen(os.dup(2), 'w')  # What is muted meanwhile is not this.

  thread = threading.Thread(target=show, daemon=True)
  thread.start()
  try:
    yield
  finally:
    done.set()
    thread.join()
    terminal.close()


def _stripped(args: Any) -> Tuple[Any, List[str], List[str], List[str]]:
  """Returns a stripped GraphDef, its inputs and outputs, and the names of what was folded."""
  inputs, outputs = list(args.inputs), list(args.output_node_names)
  with _stage('reading and stripping'):
    kind = _kind(args.model)
    if kind == kinds.KERAS:
      from model_pruning.keras import exporting  # Keras is loaded for its own files only.
      from model_pruning.keras import files as keras_files
      model = keras_files.load(args.model)
      frozen = exporting.freeze(model, dict(args.input_shape), batch_size=1)
      return (frozen.graph_def, inputs or frozen.inputs, outputs or frozen.outputs,
              keras_files.weight_names(model))
    if kind == kinds.SAVED_MODEL:
      graph_def, signatures, _, folded = saved_model.read_stripped(
          kinds.saved_model_folder(args.model))
      signature = signatures.get(saved_model.SERVING, sorted(signatures.items())[0][1])
      inputs = inputs or [info.name for _, info in sorted(signature.inputs.items())]
      outputs = outputs or [info.name for _, info in sorted(signature.outputs.items())]
      return graph_def, inputs, outputs, folded
    if not outputs:
      raise errors.OutputNodeError(
          '--output_node_names is missing; name the operations to keep, such as softmax')
    if kind == kinds.GRAPH:
      masked = sources.graph_def(args.model)
    else:
      masked = freeze.graph_def_from_checkpoint(args.model, outputs, args.meta_graph)
    graph_def, folded = strip_lib.strip(masked, outputs)
  return graph_def, inputs or _placeholders(graph_def), outputs, folded


def _warnings(args: Any) -> List[str]:
  """Returns warnings about the model that a command reads, after printing them to stderr."""
  try:
    with _stage('reading'):
      warnings = models.load(args.model).warnings()
  except errors.PruningError:
    return []  # The command itself is about to say why the model cannot be read.
  for warning in warnings:
    print('%s: warning: %s' % (quiet.COMMAND, warning), file=sys.stderr)
  return warnings


def _weights(path: str, pattern: Optional[str]) -> List[Any]:
  """Returns the weights in a model whose names `pattern` is found in."""
  wanted = expression('--weights', pattern or '')
  found = list(models.load(path).weights())
  weights = [weight for weight in found if wanted.search(weight.name)]
  if not weights:
    raise errors.ModelFileError('%s has no weights%s; there are: %s' % (
        path, ' whose name %r is found in' % pattern if pattern else '',
        ', '.join(weight.name for weight in found) or 'none'))
  return weights


def _placeholders(graph_def: Any) -> List[str]:
  return [node.name for node in graph_def.node if node.op.startswith('Placeholder')]


def _choice(text: str) -> Any:
  """Returns True, False or 'auto' for yes, no and auto."""
  return {'yes': True, 'no': False}.get(text, text)


def _by_op(names: Sequence[str]) -> Dict[str, str]:
  """Returns tensors by the names that callers of a signature use: those of their operations.

  Without their scopes, where these are not needed to tell them apart.
  """
  short = [name.split(':')[0].split('/')[-1] for name in names]
  unique = len(set(short)) == len(short)
  return {(leaf if unique else name.replace(':0', '')): name for leaf, name in zip(short, names)}


def _size(path: str) -> int:
  """Returns the bytes of a file, a folder, or a checkpoint."""
  if os.path.isfile(path):
    return os.path.getsize(path)
  if os.path.isdir(path):
    return sum(os.path.getsize(os.path.join(folder, name))
               for folder, _, names in os.walk(path) for name in names)
  folder, prefix = os.path.split(os.path.abspath(path))
  return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)
             if name.startswith(prefix + '.'))
