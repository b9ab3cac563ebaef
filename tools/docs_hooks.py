# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Hooks of mkdocs.yml: the API reference, and pages that are not in docs/.

The reference is made from the tables of public names in the package, so a new public name is in it
without another list. The build fails on a public name that has no docstring. Everything is read
from the sources; TensorFlow is not needed.
"""

import ast
import os
import posixpath
import re
from typing import Any, Dict, Iterator, List, Tuple

import griffe
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGE = 'model_pruning'

# Pages of the site that are files elsewhere in the checkout.
ELSEWHERE = {'changelog.md': 'CHANGELOG.md', 'contributing.md': 'CONTRIBUTING.md',
             'examples.md': 'examples/README.md'}

_LINK = re.compile(r'(!?\[[^\]]*\]\()([^)#\s]+)(#[^)]*)?(\))')


def _table(path: str, name: str) -> Dict[str, str]:
  """Returns a table of public names in a file: the module of each, relative to the package."""
  with open(os.path.join(ROOT, path), encoding='utf-8') as file:
    tree = ast.parse(file.read())
  for node in tree.body:
    if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', None) == name:
      found: Dict[str, str] = ast.literal_eval(node.value)
      return found
  raise PluginError('%s has no table %s' % (path, name))


def _keras() -> Dict[str, str]:
  """Returns the public names of the Keras API, and their modules."""
  with open(os.path.join(ROOT, PACKAGE, 'keras/__init__.py'), encoding='utf-8') as file:
    tree = ast.parse(file.read())
  places = {alias.asname or alias.name: node.module for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module for alias in node.names}
  public: List[str] = next(ast.literal_eval(node.value) for node in tree.body
                           if isinstance(node, ast.Assign) and
                           getattr(node.targets[0], 'id', None) == '__all__')
  schedules = _table(PACKAGE + '/__init__.py', '_LAZY')
  return {name: PACKAGE + '.' + schedules[name] if places[name] == PACKAGE + '.schedules'
          else places[name] for name in public}


def public_names() -> Dict[str, List[Tuple[str, str]]]:
  """Returns, by page of the reference, (public name, path of its definition)."""
  top = _table(PACKAGE + '/__init__.py', '_LAZY')
  export = _table(PACKAGE + '/export/__init__.py', '_LAZY')
  export['to_tflite'] = 'tflite.convert'
  modules = _table(PACKAGE + '/__init__.py', '_MODULES')
  registry = ('get_',)

  def defined(name: str, module: str) -> str:
    # The registry re-exports the functions that read the collections.
    if module == 'graph.registry' and name.startswith(registry):
      module = 'graph.records'
    return '%s.%s.%s' % (PACKAGE, module, name)

  return {
      'model_pruning': [('%s.%s' % (PACKAGE, name), defined(name, module))
                        for name, module in sorted(top.items(), key=lambda item: item[0].lower())],
      'keras': [('%s.keras.%s' % (PACKAGE, name), '%s.%s' % (module, name))
                for name, module in sorted(_keras().items(), key=lambda item: item[0].lower())],
      'export': [('%s.export.%s' % (PACKAGE, name), '%s.export.%s.%s' % (PACKAGE, module, name))
                 for name, module in sorted(export.items())],
      'reporting': [('%s.%s' % (PACKAGE, name), '%s.%s' % (PACKAGE, module))
                    for name, module in sorted(modules.items())
                    if name not in ('errors', 'export', 'keras')],
      'errors': [(PACKAGE + '.errors', PACKAGE + '.errors')],
      'contracts': [('Saliency', PACKAGE + '.engine.saliency.Saliency'),
                    ('Pattern', PACKAGE + '.engine.pattern.Pattern'),
                    ('Schedule', PACKAGE + '.schedules.schedule.Schedule')],
  }


_INTRODUCTIONS = {
    'model_pruning': 'The graph API, and what both APIs share.',
    'keras': 'The Keras API. [Keras](../keras.md) shows it at work.',
    'export': 'Models without masks. [Deploying](../deploying.md) shows which one to choose.',
    'reporting': 'Modules that read models and runs, and the one that prunes a checkpoint at once.',
    'errors': 'Every error of the library is a PruningError; there is one class per cause.',
    'contracts': 'The protocols that [extensions](../extending.md) implement.',
}


def reference_pages() -> Iterator[Tuple[str, str]]:
  """Yields (path, Markdown) of the pages of the API reference."""
  titles = {'reporting': 'Reports, pictures, one_shot', 'contracts': 'Contracts'}
  index = ['# Reference', '', 'Made from the docstrings.', '']
  for page, entries in public_names().items():
    title = titles.get(page, PACKAGE if page == PACKAGE else '%s.%s' % (PACKAGE, page))
    lines = ['# ' + title, '', _INTRODUCTIONS[page], '']
    index.append('- [%s](%s.md): %s' % (title, page, ', '.join(
        '`%s`' % name.rpartition('.')[2] for name, _ in entries)))
    for name, path in entries:
      lines += ['::: ' + path, '    options:', '      heading: "%s"' % name,
                '      toc_label: "%s"' % name.rpartition('.')[2], '']
    yield 'reference/%s.md' % page, '\n'.join(lines)
  yield 'reference/index.md', '\n'.join(index)


def undocumented() -> List[str]:
  """Returns the public names, and the public members of classes and modules, without docstrings."""
  package = griffe.load(PACKAGE, search_paths=[ROOT], resolve_aliases=True)
  found = []
  for entries in public_names().values():
    for name, path in entries:
      found.extend(_undocumented_in(name, package[path[len(PACKAGE) + 1:]]))
  return sorted(set(found))


def _undocumented_in(name: str, item: Any) -> Iterator[str]:
  if item.is_alias:
    return
  if not item.is_attribute and not item.has_docstring:
    yield name
  for member in item.members.values() if item.is_class or item.is_module else ():
    # Overridden methods inherit their docstring in the eyes of a reader.
    if not (member.name.startswith('_') or member.is_alias or member.is_attribute):
      yield from _undocumented_in('%s.%s' % (name, member.name), member)


# ---- What MkDocs calls. ----


def on_pre_build(config: Any) -> None:
  """Fails on a public name without a docstring."""
  del config
  bare = undocumented()
  if bare:
    raise PluginError('public names without a docstring: ' + ', '.join(bare))


def on_files(files: Any, config: Any) -> Any:
  """Adds the reference, and the pages from elsewhere."""
  for path, text in reference_pages():
    files.append(File.generated(config, path, content=text))
  for path, source in ELSEWHERE.items():
    with open(os.path.join(ROOT, source), encoding='utf-8') as file:
      files.append(File.generated(config, path, content=file.read()))
  return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
  """Leads links to files of the checkout, which are relative, to pages or to the repository."""
  del files
  path = page.file.src_uri
  source = ELSEWHERE.get(path, 'docs/' + path)
  pages = {target: name for name, target in ELSEWHERE.items()}

  def leads(match: Any) -> str:
    opening, target, anchor, closing = match.groups()
    if '://' in target or path.startswith('reference/'):
      return str(match.group(0))
    file = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    if not os.path.exists(os.path.join(ROOT, file)):
      return str(match.group(0))  # MkDocs reports it.
    if file in pages:
      target = pages[file]
    elif file.startswith('docs/'):
      target = posixpath.relpath(file[len('docs/'):], posixpath.dirname(path) or '.')
    else:
      target = '%s/blob/main/%s' % (config['repo_url'], file)
    return opening + target + (anchor or '') + closing

  return _LINK.sub(leads, markdown)
