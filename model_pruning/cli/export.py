# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning export`: converts a model to TensorFlow Lite."""

import argparse
import dataclasses
from typing import Any

from model_pruning.cli import shared
from model_pruning.cli.shared import Subparsers
from model_pruning.export import options
from model_pruning.util import files
from model_pruning.util import quiet


def add_parser(subparsers: Subparsers) -> None:
  """Adds the command to the command line."""
  parser = shared.command(
      subparsers, 'export', run, 'convert to TensorFlow Lite, sparse where it helps',
      'masks are removed, and outputs are compared before anything is written.',
      'out/digits/seed0/pruned --output_node_names=scores --output=digits.tflite',
      'stripped.pb --output_node_names=scores --quantization=dynamic --output=digits.tflite',
      'exported/1 --quantization=int8 --examples=images.npy --output=digits.tflite',
      'model.keras --quantization=dynamic --output=small.tflite')
  shared.add_graph(parser)
  parser.add_argument('--inputs', type=shared.names, default=[], metavar='NAME,...',
                      help='by default the placeholders, or the inputs of the signature')
  parser.add_argument('--quantization', choices=options.QUANTIZATIONS, default='none',
                      help='none: floats; float16: weights of half the bytes; dynamic: int8 '
                      'weights; int8: int8 activations too, which needs --examples (default: none)')
  parser.add_argument('--sparse', choices=['auto', 'yes', 'no'], default='auto',
                      help='whether weights are stored sparse (default: where it helps)')
  parser.add_argument('--examples', metavar='FILE',
                      help='inputs on which to compare outputs: a .npy with an example per row, or '
                      'a .npz with one array per input')
  parser.add_argument('--input_shape', type=shared.shape, action='append', default=[],
                      metavar='NAME=1x28x28x1', help='for inputs whose shape is not fixed')
  parser.add_argument('--select_tf_ops', action='store_true',
                      help="use TensorFlow's kernels where TFLite has none")
  parser.add_argument('--litert', choices=['auto', 'yes', 'no'], default='auto',
                      help='whether to compare under LiteRT (ai-edge-litert) as well (default: '
                      'where it is installed)')
  parser.add_argument('--tolerance', type=float,
                      help="largest difference, as a fraction of the outputs' scale (default: %s)" %
                      ', '.join('%g %s' % (value, key)
                                for key, value in options.TOLERANCES.items()))
  parser.add_argument('--output', required=True, metavar='FILE.tflite', help='the file to write')
  shared.add_json(parser)


def run(args: argparse.Namespace) -> None:
  """Converts a model, and writes it as a TFLite model."""
  files.check_output(args.output, [args.model, args.meta_graph, args.examples])
  kind = shared.kind_with_masks(args.model)
  shared.check_outputs(kind, args.output_node_names)
  with shared.stage('reading and stripping'):
    from model_pruning.export.tflite import convert as tflite
    from model_pruning.reading import examples as examples_lib
    examples = None if args.examples is None else examples_lib.read(args.examples)
    warnings = shared.warnings(args.model)
    stripped = shared.stripped(args, kind)
    stripped.check_inputs()
    if stripped.signature and examples:
      examples = [{stripped.signature.get(name, name): value for name, value in example.items()}
                  if isinstance(example, dict) else example for example in examples]
  with shared.stage('converting and comparing'), quiet.muted():  # The converter logs a lot.
    result = tflite.to_tflite(
        stripped.graph_def, args.output, stripped.inputs, stripped.outputs,
        quantization=args.quantization,
        sparse=_choice(args.sparse), litert=_choice(args.litert), examples=examples,
        input_shapes=dict(args.input_shape), tolerance=args.tolerance,
        select_tf_ops=args.select_tf_ops, names={
            end: name for end, name in stripped.names.items()
            if end in stripped.inputs or end in stripped.outputs})
  result = dataclasses.replace(result, warnings=tuple(warnings) + result.warnings)
  print(result.to_json() if args.json else result.table(shared.width()))


def _choice(text: str) -> Any:
  """Returns True, False or 'auto' for yes, no and auto."""
  return {'yes': True, 'no': False}.get(text, text)
