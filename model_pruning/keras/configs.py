# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checks configs of Keras models, parsed from JSON, for faults that Keras itself mishandles."""

import collections
import sys
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

_KNOWN = ('builtins', 'keras', 'model_pruning', 'tensorflow', 'tf_keras')
_Node = Tuple[Any, Any]  # The name of a layer, and the index of its call.


def has_code(config: Any) -> bool:
  """Whether a config contains a function stored as Python bytecode.

  Keras itself refuses such code in .keras files, but not in .h5 files of every version.
  """
  return any(item.get('class_name') == '__lambda__' or 'lambda' in [
      value for key, value in item.items() if str(key).endswith('_type')]
      for item in _dicts(config))


def unknown_module(config: Any, registered: Callable[[str], bool]) -> Optional[str]:
  """Returns a module that a config names and Keras would import only for that reason.

  Importing a module runs its code, or may end the process. Returns None if there is none.

  Args:
    config: config of a model.
    registered: whether Keras knows a class or function by this name, without its module.
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
  """Returns a layer of a config whose inputs can never be computed, or None.

  It is part of a circle, or takes inputs that no layer produces. Keras 2 would wait forever.
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
      models.add(layer['name'])  # Keras numbers calls of models from 0 or from 1.
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
  """Yields (layer, index of the call) for the outputs a call takes, in the format of Keras 2."""
  pending = [node]
  while pending:
    item = pending.pop()
    if isinstance(item, dict):
      pending.extend(item.values())
    elif isinstance(item, list):
      if len(item) in (3, 4) and isinstance(item[0], str):
        if isinstance(item[1], (int, float, str, type(None))):  # Keras raises for others.
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
