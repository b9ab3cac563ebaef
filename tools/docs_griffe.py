# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Has the API reference show <scope>/mask in docstrings, which Markdown would take for HTML."""

import re
from typing import Any

import griffe

# Outside of `code`, and of lines of code, which are indented by four blanks or more.
_TAG = re.compile(r'<(?=[a-z][\w. ]*>)')


def _escaped(line: str) -> str:
  if line.startswith('    ') and not line.lstrip().startswith(('-', '*')) and ':' not in line:
    return line
  parts = line.split('`')
  return '`'.join(part if index % 2 else _TAG.sub('&lt;', part)
                  for index, part in enumerate(parts))


class EscapeTags(griffe.Extension):
  """Escapes the opening brackets of placeholders in docstrings."""

  def on_object(self, *, obj: Any, **kwargs: Any) -> None:
    """Rewrites the docstring of an object, once it is loaded."""
    del kwargs
    if obj.docstring is not None:
      obj.docstring.value = '\n'.join(map(_escaped, obj.docstring.value.split('\n')))
