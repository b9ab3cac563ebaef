# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Configs of Keras models, as JSON has them: faults that Keras would not answer with an error."""

import collections
import sys
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

_KNOWN = ('builtins', 'keras', 'model_pruning', 'tensorflow', 'tf_keras')
_Node = Tuple[Any, Any]  # The name of a layer, and the number of the call.


def has_code(config: Any) -> bool:
  """Whether a config has a function that is stored as Python bytecode.

  Keras refuses that itself in .keras files, and not in .h5 files of every version.
  """
  return any(item.get('class_name') == '__lambda__' or 'lambda' in [
      value for key, value in item.items() if str(key).endswith('_type')]
      for item in _dicts(config))


def unknown_module(config: Any, registered: Callable[[str], bool]) -> Optional[str]:
  """Returns a module that Keras would import because a config names it, and nobody else did.

  Importing runs code, or ends the process. None if there is no such module.

  Args:
    config: of a model.
    registered: whether Keras knows a class or function by a name, without its module.
  """
  for item in _dicts(config):
    module = item.get('module')
    if isinstance(module, str) and 'class_name' in item and \
        module.split('.')[0] not in _KNOWN and module not in sys.modules and not any(
            isinstance(item.get(key), str) and registered(item[key])
            for key in ('registered_name', 'config')):
      return module
  return None


def unreachable_layer(config: Any) -> Optional[str]:
  """Returns a layer of a config whose inputs never come to be, or None.

  It is in a circle, or takes what no layer gives. Keras 2 waits for its inputs without an end.
  """
  for item in _dicts(config):
    layers = item.get('layers')
    if isinstance(layers, list) and all(
        isinstance(layer, dict) and isinstance(layer.get('name'), str) and
        isinstance(layer.get('inbound_nodes'), list) for layer in layers):
      found = _unreachable(layers)
      if found is not None:
        return found
  return None


def _unreachable(layers: List[Dict[str, Any]]) -> Optional[str]:
  calls: Dict[str, List[Any]] = collections.OrderedDict()
  inputs, models = set(), set()
  for layer in layers:
    calls.setdefault(layer['name'], []).extend(layer['inbound_nodes'])
    if layer.get('class_name') == 'InputLayer':
      inputs.add(layer['name'])
    elif isinstance(layer.get('config'), dict) and 'layers' in layer['config']:
      models.add(layer['name'])  # Their calls are numbered from 0 or from 1.
  missing: Dict[_Node, int] = {}
  waiting: Dict[_Node, List[_Node]] = collections.defaultdict(list)
  for name, nodes in calls.items():
    for number, node in enumerate(nodes):
      needed = [(name, number - 1)] if number else []
      for other, index in _references(node):
        if other in calls and other not in inputs:
          if other in models and isinstance(index, int) and index > 0:
            index -= 1
          needed.append((other, index))
      missing[name, number] = len(needed)
      for each in needed:
        waiting[each].append((name, number))
  ready = [node for node, count in missing.items() if not count]
  while ready:
    node = ready.pop()
    del missing[node]
    for each in waiting.pop(node, ()):
      missing[each] -= 1
      if not missing[each]:
        ready.append(each)
  return next(iter(missing))[0] if missing else None


def _references(node: Any) -> Iterator[_Node]:
  """Yields (layer, number of the call) of the outputs that a call takes, as Keras 2 writes them."""
  pending = [node]
  while pending:
    item = pending.pop()
    if isinstance(item, dict):
      pending.extend(item.values())
    elif isinstance(item, list):
      if len(item) in (3, 4) and isinstance(item[0], str):
        if isinstance(item[1], (int, float, str, type(None))):  # Keras raises over others.
          yield item[0], item[1]
        pending.extend(item[3:])
      else:
        pending.extend(item)


def _dicts(config: Any) -> Iterator[Dict[str, Any]]:
  pending = [config]
  while pending:
    item = pending.pop()
    if isinstance(item, dict):
      yield item
      pending.extend(item.values())
    elif isinstance(item, list):
      pending.extend(item)
