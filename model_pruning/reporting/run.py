# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The page that training writes when it ends."""

import os
import sys
from typing import Any, Callable

from absl import logging

from model_pruning import errors
from model_pruning.reporting import page
from model_pruning.reporting.history import Recorder
from model_pruning.util import files
from model_pruning.util import tables
from model_pruning.util.files import AnyPath


class RunPage:
  """Records a run, and writes its page when the run is over.

  Attributes:
    path: the file to write.
    recorder: the sparsities and thresholds so far.
  """

  def __init__(self, path: AnyPath) -> None:
    """Checks that the page can be written, before hours of training.

    Args:
      path: the file to write.

    Raises:
      errors.MissingPackageError: jinja2 or matplotlib is not installed.
      errors.WriteError, errors.PathError: nothing can be written to that path.
    """
    page.require()
    self.path = files.check_output(path)
    if os.path.isdir(self.path) or self.path.endswith(os.sep):
      raise errors.WriteError('report=%r is a folder; give the path of a file to write: '
                              '%s' % (path, os.path.join(self.path, 'report.html')))
    self.recorder = Recorder()

  def write(self, name: str, make: Callable[[], Any]) -> None:
    """Writes the page. A failure is only a warning, as training is already over.

    Args:
      name: name of the model or spec, with which log lines begin.
      make: returns the model_pruning.report.Report.
    """
    try:
      make().html(self.path)
    except Exception as error:  # No failure here may lose the model that was trained.
      logging.warning('%s: the report %s was not written (%s: %s); make it from the '
                      'saved model: model-pruning report MODEL --html=report.html', name,
                      tables.printable(self.path), type(error).__name__, errors.first_line(error))
    else:
      line = '%s: report written to %s' % (name, tables.printable(self.path))
      logging.info(line)
      if not logging.level_info():  # Whoever requested a page needs its path.
        print(line, file=sys.stderr)
