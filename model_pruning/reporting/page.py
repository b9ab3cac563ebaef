# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: data = reporting/page.html.j2 reporting/page.css reporting/page.js
"""A report as one HTML file for browsers, which loads no other file."""

import importlib
import json
import os
import pkgutil
import re
import typing
from typing import Any, Dict, List, Optional, Sequence, Tuple

from model_pruning import errors
from model_pruning.reporting import charts
from model_pruning.reporting import drawings
from model_pruning.reporting import events
from model_pruning.reporting import history as history_lib
from model_pruning.reporting import outlook
from model_pruning.reporting import rows as rows_lib
from model_pruning.reporting.finding import Finding
from model_pruning.reporting.headline import headline
from model_pruning.reporting.headline import tiles
from model_pruning.reporting.sketch import BINS
from model_pruning.reporting.weight import WeightReport
from model_pruning.util import files
from model_pruning.util import tables
from model_pruning.util.files import AnyPath
from model_pruning.version import __version__

if typing.TYPE_CHECKING:
  from model_pruning.reporting.report import Report

# Hyperparameters, calls and operations in a sentence, to be shown as code; not parts of names.
_CODE = re.compile(r"(?<![\w/.])(?:[\w.]+=(?:\[[^\]\s]*\]|[\w']+)"
                   r"(?:,[\w.]+=(?:\[[^\]\s]*\]|[\w']+))*|"
                   r'\w+\([^)\s]*\)|[A-Z]+(?:_[A-Z0-9]+)+(?![\w/]))')


def require() -> None:
  """Raises errors.MissingPackageError unless the packages for pages are installed."""
  for package in ('jinja2', 'matplotlib'):
    try:
      importlib.import_module(package)
    except ImportError as error:
      raise errors.MissingPackageError(
          'The page of a report needs the package %s, which cannot be imported (%s): pip install '
          'jinja2 matplotlib. Without it there are tables, JSON and CSV' % (
              package, errors.first_line(error))) from error


def write(report: 'Report', history: Optional[events.History], path: AnyPath) -> str:
  """Writes a report's page, whole or not at all, and returns the path.

  Args:
    report: a model_pruning.report.Report.
    history: sparsity and thresholds over the run; None if unknown.
    path: the file to write.

  Raises:
    errors.MissingPackageError: jinja2 or matplotlib is not installed.
    errors.WriteError, errors.PathError: see files.replacing.
  """
  require()
  is_file = os.path.exists(report.path) or os.path.exists(report.path + '.index')
  given = files.check_output(path, [report.path] if is_file else [])
  content = render(report, history)
  with files.replacing(given) as temporary, open(temporary, 'w', encoding='utf-8') as handle:
    handle.write(content)
  return given


def render(report: 'Report', history: Optional[events.History]) -> str:
  """Returns a report's page as HTML. Args and errors: see write."""
  require()
  import jinja2
  environment = jinja2.Environment(
      loader=jinja2.FunctionLoader(_source), autoescape=True, trim_blocks=True,
      lstrip_blocks=True, undefined=jinja2.StrictUndefined)
  tail = rows_lib.tail_of([weight.name for weight in report.weights])
  environment.filters.update(split=lambda name: _split(name, tail), code=_as_code,
                             big='{:,}'.format)
  findings = report.findings
  shown = rows_lib.rows_of(report.weights)
  template = environment.get_template('page.html.j2')
  return template.render(
      kind=report.kind, path=tables.printable(report.path), version=__version__,
      headline=headline(report), tiles=tiles(report), findings=findings,
      notes=[tables.printable(note) for note in report.notes],
      columns=rows_lib.columns_of(report.weights), rows=shown, bins=(BINS, drawings.HEIGHT),
      counts=_counts(report.weights), charts=_charts(report, history),
      outlook=outlook.groups_of(report.weights),
      data=_script(_data(report, findings)), css=_raw('page.css'), js=_raw('page.js'))


def _counts(weights: Sequence[WeightReport]) -> Dict[str, int]:
  return {'all': len(weights), 'pruned': sum(weight.masked for weight in weights),
          'dense': sum(not weight.masked for weight in weights),
          'missed': sum(weight.met is False for weight in weights),
          'targets': sum(weight.met is not None for weight in weights),
          'pictures': sum(weight.details.sketch is not None for weight in weights)}


def _charts(report: 'Report', history: Optional[events.History]) -> List[Dict[str, Any]]:
  """Returns the charts over the run; none if its history is unknown."""
  if history is None:
    return []
  weights = history_lib.by_weight(history, [weight.name for weight in report.weights])
  made = [('Sparsity', 'fraction of zeros', charts.sparsity(weights)),
          ('Threshold', 'magnitude below which weights are pruned', charts.thresholds(weights))]
  return [{'title': title, 'unit': unit, 'chart': chart, 'svg': _markup(chart.svg)}
          for title, unit, chart in made if chart.lines]


def _data(report: 'Report', findings: Sequence[Finding]) -> Dict[str, Any]:
  """Returns the data for the page's script: the report's JSON, with details for each weight."""
  content = json.loads(report.to_json())
  for values, weight in zip(content['weights'], report.weights):
    values['details'] = rows_lib.details_of(weight)
  return content


def _script(data: Any) -> Any:
  """Returns JSON that is safe inside a script element."""
  text = json.dumps(data, separators=(',', ':'))  # ASCII only: no U+2028 either.
  for char in '<>&':
    text = text.replace(char, '\\u%04x' % ord(char))
  return _markup(text)


def _split(name: str, tail: int) -> Tuple[Any, Any]:
  """Returns a name as HTML in two parts; if room is short, the first part loses its end."""
  name = tables.printable(name)
  tail = min(len(name) // 2, tail)
  return _breakable(name[:len(name) - tail]), _breakable(name[len(name) - tail:])


def _breakable(text: str) -> Any:
  """Returns a text as HTML that may be broken after each slash."""
  import markupsafe
  return markupsafe.Markup('/<wbr>').join(text.split('/'))


def _as_code(text: str) -> Any:
  """Returns a sentence as HTML, with hyperparameters and calls as code."""
  import markupsafe
  text, parts, end = tables.printable(text), [], 0
  for found in _CODE.finditer(text):
    parts += [markupsafe.escape(text[end:found.start()]), markupsafe.Markup('<code>'),
              markupsafe.escape(found.group()), markupsafe.Markup('</code>')]
    end = found.end()
  return markupsafe.Markup('').join(parts + [markupsafe.escape(text[end:])])


def _raw(name: str) -> Any:
  # Leave out the licence header of the source.
  return _markup(re.sub(r'\A(/\*.*?\*/\s*|//[^\n]*\n)+', '', _source(name), flags=re.DOTALL))


def _source(name: str) -> str:
  """Returns the text of a file of this package, which may be in a zip."""
  return (pkgutil.get_data(__package__, name) or b'').decode('utf-8')


def _markup(text: str) -> Any:
  import markupsafe
  return markupsafe.Markup(text)
