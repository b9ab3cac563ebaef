# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The --pruning_hparams flag, which is checked when flags are parsed, before any graph is built."""

import contextlib
import logging as standard_logging
from typing import Any, Iterator, Optional

from absl import flags
from absl import logging

from model_pruning.hparams import spec
from model_pruning.hparams.defaults import get_pruning_hparams

# The flag belongs to the module that calls DEFINE_pruning_hparams, so that the program's --help
# shows it.
flags.disclaim_key_flags()


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
  """Suppresses log lines: the program will log them when it uses the value of the flag."""
  logger = logging.get_absl_logger()

  class Nothing(standard_logging.Filter):

    def filter(self, record: standard_logging.LogRecord) -> bool:
      return False

  nothing = Nothing()
  logger.addFilter(nothing)
  try:
    yield
  finally:
    logger.removeFilter(nothing)


class PruningHParamsParser(flags.ArgumentParser):  # type: ignore[type-arg]
  """Checks the syntax, names, types and ranges of an HParams string.

  Only the graph shows whether the keys of the maps match any weight; `Pruning` checks that.
  """
  syntactic_help = 'comma-separated name=value pairs'

  def parse(self, argument: str) -> str:
    """Returns `argument` unchanged.

    Raises:
      ValueError: it is not a valid pruning specification; the message has one line.
    """
    with _silenced():
      try:
        spec.PruningSpec.from_hparams(get_pruning_hparams().parse(argument))
      except ValueError as e:
        raise ValueError(' '.join(str(e).split())) from None
    return argument

  def flag_type(self) -> str:
    """Returns the name of the type in --help."""
    return 'pruning hparams'


def DEFINE_pruning_hparams(  # pylint: disable=invalid-name
    name: str = 'pruning_hparams',
    default: Optional[str] = '',
    help: str = (  # pylint: disable=redefined-builtin
        'Comma-separated name=value pairs of pruning hyperparameters, for example '
        'target_sparsity=0.9,weight_sparsity_map=[conv1:0.8,fc.*:0.95].'),
    flag_values: flags.FlagValues = flags.FLAGS,
    **args: Any) -> 'flags.FlagHolder[Optional[str]]':
  """Defines a string flag that holds pruning hyperparameters.

  The string is checked when the flags are parsed, and the default is checked in this call. An
  invalid string ends the program with a line that names the bad clause. The value of the flag is
  the string itself, for `get_pruning_hparams().parse(value)` or `Pruning(value)`.

  Args:
    name: the name of the flag.
    default: its default; '' means the default of every hyperparameter.
    help: its description in --help.
    flag_values: the FlagValues in which the flag is registered.
    **args: passed on to absl.flags.DEFINE.

  Returns:
    The absl FlagHolder.

  Raises:
    absl.flags.IllegalFlagValueError: the default is not valid.
  """
  return flags.DEFINE(PruningHParamsParser(), name, default, help, flag_values,
                      flags.ArgumentSerializer(), **args)
