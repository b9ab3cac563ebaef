# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`python -m model_pruning.strip_pruning_vars`: contrib's command, with its flags.

`model-pruning strip` does the same, and more.
"""

import os
from typing import Any

from absl.flags import argparse_flags

from model_pruning import cli
from model_pruning import errors
from model_pruning.export.freeze import graph_def_from_checkpoint
from model_pruning.export.strip import strip_pruning_vars_fn
from model_pruning.util import files
from model_pruning.util import tables


def strip_pruning_vars(checkpoint_dir: Any, output_node_names: str, output_dir: Any,
                       filename: Any) -> str:
  """Writes the graph of the latest checkpoint without its masks.

  Args:
    checkpoint_dir: a directory of checkpoints, or the path of one checkpoint.
    output_node_names: names of the operations to keep, separated by commas.
    output_dir: the folder to write to, made if it is not there.
    filename: the file to write in it, a binary GraphDef.

  Returns:
    The path of the file.

  Raises:
    errors.CheckpointError: there is no checkpoint, or it cannot be read.
    errors.OutputNodeError: no output is named, or one is not in the graph.
    errors.WriteError: the file cannot be written.
  """
  outputs = [name for name in output_node_names.replace(' ', '').split(',') if name]
  if not outputs:
    raise errors.OutputNodeError(
        'output_node_names is empty; name at least one operation to keep')
  path = os.path.join(files.as_path(output_dir), files.as_path(filename))
  files.check_output(path, [checkpoint_dir])
  stripped = strip_pruning_vars_fn(graph_def_from_checkpoint(checkpoint_dir, outputs), outputs)
  with files.replacing(path, [checkpoint_dir]) as temporary, open(temporary, 'wb') as f:
    f.write(stripped.SerializeToString(deterministic=True))
  return path


def _parse(argv: Any) -> Any:
  parser = argparse_flags.ArgumentParser(
      prog='strip_pruning_vars', description='Removes what pruning added to a graph.')
  parser.add_argument('--checkpoint_dir', default='', help='Path to the checkpoints.')
  parser.add_argument('--output_node_names', default='',
                      help='Names of the output nodes, separated by commas.')
  parser.add_argument('--output_dir', default='/tmp', help='Folder to write the graph to.')
  parser.add_argument('--filename', default='pruning_stripped.pb', help='Name of the file.')
  return parser.parse_args(argv[1:])


def _main(args: Any) -> None:
  print('Written to %s' % tables.printable(strip_pruning_vars(
      args.checkpoint_dir, args.output_node_names, args.output_dir, args.filename)))


def main() -> None:
  """Runs the command, and exits."""
  cli.run(_main, _parse, 'strip_pruning_vars')


if __name__ == '__main__':
  main()
