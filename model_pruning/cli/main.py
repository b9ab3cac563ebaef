# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reads the command line, runs a command, and turns errors into one line and an exit code."""

import argparse
import logging as standard_logging
import os
import sys
from typing import Any, Callable, Iterable, List, NoReturn, Optional

from absl import app
from absl import flags
from absl import logging

from model_pruning import errors
from model_pruning.cli import channels
from model_pruning.cli import export
from model_pruning.cli import plan
from model_pruning.cli import plot
from model_pruning.cli import prune
from model_pruning.cli import report
from model_pruning.cli import schedule
from model_pruning.cli import sensitivity
from model_pruning.cli import shrink
from model_pruning.cli import strip
from model_pruning.util import quiet
from model_pruning.util import tables
from model_pruning.version import __version__

_COMMANDS = (schedule, report, plot, strip, export, prune, sensitivity, plan, channels,
             shrink)
_TRACEBACK = 'MODEL_PRUNING_TRACEBACK'


def run(main: Optional[Callable[[Any], Optional[int]]] = None,
        parse: Optional[Callable[[List[str]], Any]] = None, name: str = quiet.COMMAND) -> None:
  """Runs a command, then ends the process: with 0, or with one line on stderr and 1 (2: bad usage).

  Args:
    main: the function to call with the arguments; it returns the exit code, None for 0. By
      default the function of the command named on the command line.
    parse: parses sys.argv into arguments.
    name: prefix of error lines.
  """
  for closed in ('stdout', 'stderr'):
    if getattr(sys, closed) is None:  # It was closed by the program that started this one.
      setattr(sys, closed, open(os.devnull, 'w'))
  for stream in (sys.stdout, sys.stderr):
    if hasattr(stream, 'reconfigure'):  # The terminal's encoding may lack characters of names.
      stream.reconfigure(errors='backslashreplace')
  def parsed(argv: List[str]) -> Any:
    flags.FLAGS(argv[:1])  # Keep the flags of absl and TensorFlow out of the command line.
    return (parse or parse_arguments)(argv)

  app.run(lambda args: guarded(main or args.run, args, name), flags_parser=parsed)


def guarded(main: Callable[[Any], Optional[int]], args: argparse.Namespace,
            name: str = quiet.COMMAND) -> int:
  """Calls main(args), and turns errors into one line on stderr and an exit code.

  With MODEL_PRUNING_TRACEBACK=1, unexpected errors are raised.
  """
  logging.use_absl_handler()
  standard_logging.getLogger('tensorflow').setLevel(standard_logging.ERROR)
  try:
    with quiet.interruptible():
      code = main(args)
      sys.stdout.flush()
  except BrokenPipeError:  # For example the reader `head` has exited.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
  except errors.PruningError as error:
    return _fail(name, str(error))
  except MemoryError:
    return _fail(name, 'There is not enough memory for this model; run on a machine with more')
  except KeyboardInterrupt:
    print('%s: interrupted; nothing was written' % name, file=sys.stderr)
    return 130
  except Exception as error:
    if isinstance(error, (OSError, ImportError)) or _is_of_tensorflow(error):
      return _fail(name, errors.first_line(error))
    if os.environ.get(_TRACEBACK, '0') != '0':
      raise
    return _fail(name, 'Unexpected %s: %s. The input may be damaged: make or copy it again. If it '
                 'is intact, set %s=1, run the command again and report its output' % (
                     type(error).__name__, errors.first_line(error), _TRACEBACK))
  return code or 0


def _is_of_tensorflow(error: Exception) -> bool:
  """Whether one of TensorFlow's operations raised an error; does not load TensorFlow."""
  compat = sys.modules.get('model_pruning.compat')
  return hasattr(compat, 'tf') and isinstance(error, compat.tf.errors.OpError)  # type: ignore


def _fail(name: str, message: str) -> int:
  print('%s: error: %s' % (name, tables.printable(message)), file=sys.stderr)
  return 1


def parse_arguments(argv: List[str]) -> argparse.Namespace:
  """Returns the parsed arguments of a command line, whose first word is the program.

  Their attribute `run` is the function to call with them. As usual with argparse, bad usage
  ends the process with 2, and --help and --version with 0.
  """
  parser = argparse.ArgumentParser(
      prog=quiet.COMMAND, formatter_class=argparse.RawDescriptionHelpFormatter,
      description='Tools for pruning TensorFlow models, before, during and after training.',
      epilog='`%s COMMAND --help` shows the arguments of a command, and examples.' % quiet.COMMAND)
  parser.add_argument('--version', action='version',
                      version='%s %s' % (quiet.COMMAND, __version__))
  subparsers = parser.add_subparsers(metavar='COMMAND', title='commands')
  for command in _COMMANDS:
    command.add_parser(subparsers)
  words = argv[1:]
  if not words:
    parser.print_help(sys.stderr)
    sys.exit(2)
  _check_spelling(parser, subparsers.choices, words)
  args, further = parser.parse_known_args(words)
  if further:
    subparsers.choices.get(words[0], parser).error('unrecognized arguments: %s%s' % (
        ' '.join(map(tables.printable, further)), '; a blank ends an argument unless it is quoted'
        if any('=' in word and not word.startswith('-') for word in further) else ''))
  if not hasattr(args, 'run'):
    parser.error('no command; expected one of: %s' % ', '.join(subparsers.choices))
  return args


def _check_spelling(parser: argparse.ArgumentParser, commands: Any, words: List[str]) -> None:
  """Ends the process with a suggestion if a command or an option does not exist."""
  if words[0].startswith('-'):
    return
  command = commands.get(words[0])
  if command is None:
    _unknown(parser, 'command', words[0], commands, 'expected one of: ' + ', '.join(commands))
  for word in words[1:]:
    name = word.split('=')[0]
    if word == '--':
      return
    if name.startswith('--') and not any(
        option.startswith(name) for option in command._option_string_actions):
      _unknown(command, 'option', name, command._option_string_actions,
               '`%s --help` lists them' % command.prog)


def _unknown(parser: argparse.ArgumentParser, noun: str, name: str, known: Iterable[str],
             instead: str) -> NoReturn:
  near = errors.nearest(name, known)
  parser.error('there is no %s %s%s' % (noun, tables.printable(name), near or '; ' + instead))
  raise AssertionError  # parser.error() ends the process.
