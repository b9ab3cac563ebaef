# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Replaces masked products and reads of constants with constants, in a graph and its functions."""

import collections
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.export.folding import bodies
from model_pruning.export.folding import signatures
from model_pruning.export.folding.bodies import Body
from model_pruning.export.folding.bodies import data_inputs
from model_pruning.export.folding.bodies import producer
from model_pruning.export.folding.constants import Constants
from model_pruning.export.folding.constants import COPIES
from model_pruning.export.folding.constants import may_be_constant
from model_pruning.export.folding.constants import port_of
from model_pruning.names import WEIGHT_ATTRIBUTE
from model_pruning.reading import tensors
from model_pruning.reading.stored import is_mask
from model_pruning.reading.stored import without_part
from model_pruning.util.types import GraphDef
from model_pruning.util.types import NodeDef


def fold_masks(graph_def: GraphDef, output_node_names: Sequence[str]) -> Tuple[Any, List[str]]:
  """Replaces each product of a mask and a weight with a constant.

  A mask is a constant of zeros and ones with the shape of the other factor. A constant of
  ones alone counts as a mask only if the other factor is stored, not computed: the scale of
  a batch normalization may be all ones, too.

  Args:
    graph_def: a GraphDef whose variables are constants. It is not changed.
    output_node_names: operations whose outputs must keep their positions.

  Returns:
    A GraphDef, and the names of the folded products.
  """
  body = bodies.read(graph_def)
  constants = Constants()
  known: Dict[int, Dict[str, str]] = {}
  plain: Dict[int, Set[str]] = {}
  products: List[Tuple[Body, Any, List[str]]] = []
  uses: Dict[str, Set[Tuple[int, str]]] = collections.defaultdict(set)

  def visit(body: Body, bound: Dict[str, str], plain_arguments: Set[str]) -> None:
    found, stored = constants.add(body, bound, plain_arguments)
    known[id(body)], plain[id(body)] = found, stored
    for name, user in _uses(body, found):
      uses[name].add((id(body), user))
    for node in body.nodes.values():
      if node.op == 'Mul' and node.name in found:
        products.append((body, node, [found[producer(ref)] + port_of(
            body.nodes.get(producer(ref)), ref) for ref in data_inputs(node)]))
    _into_calls(body, found, stored, visit)

  visit(body, {}, set())
  stored = [[producer(ref) in plain[id(owner)] for ref in data_inputs(node)]
            for owner, node, _ in products]
  # Evaluate stored factors first; anything else is computed only where a mask was found.
  values = constants.evaluate({name for (_, _, factors), known_stored in zip(products, stored)
                               for name, is_stored in zip(factors, known_stored) if is_stored})
  chosen = [index for index, (_, _, factors) in enumerate(products) if any(
      name in values and is_mask(values[name]) for name in factors)]
  products, stored = [products[i] for i in chosen], [stored[i] for i in chosen]
  values = constants.evaluate({name for _, node, factors in products for name in factors} |
                              {known[id(owner)][node.name] for owner, node, _ in products})
  folded: Dict[int, Dict[str, np.ndarray]] = {}
  weights: Dict[int, Dict[str, str]] = {}
  alike: Dict[str, List[Tuple[Body, Any, int]]] = collections.defaultdict(list)
  for (owner, node, factors), known_stored in zip(products, stored):
    mask = _mask_among([values[name] for name in factors], known_stored)
    if mask is not None:
      alike[factors[1 - mask]].append((owner, node, 1 - mask))
      weights.setdefault(id(owner), {})[node.name] = without_part(
          constants.stored_name(factors[1 - mask]))
      # A hidden negative weight becomes -0.0; make all zeros +0.0, which compresses better.
      folded.setdefault(id(owner), {})[node.name] = zeros_alike(
          values[known[id(owner)][node.name]])
  names = [node.name for owner, node, _ in products if node.name in folded.get(id(owner), {})]
  for name in output_node_names:
    if name in known[id(body)]:
      uses[known[id(body)][name]].add((id(body), ''))
  passed = _keep_shared(body, known[id(body)], alike, uses, folded)
  return _replace(body, graph_def, folded, output_node_names, weights, passed), names


def _keep_shared(body: Body, known: Dict[str, str],
                 alike: Dict[str, List[Tuple[Body, Any, int]]],
                 uses: Dict[str, Set[Tuple[int, str]]],
                 folded: Dict[int, Dict[str, np.ndarray]]) -> Dict[int, Dict[str, int]]:
  """Moves zeros into weights that several functions multiply by the same mask.

  Such a weight stays the single constant that all of them get, if they use it for nothing else.
  Otherwise each function would get a copy of the masked weight.

  Args:
    body: the graph.
    known: the names of its constant expressions by node.
    alike: the masked products of each weight: their bodies, nodes, and the operand that it is.
    uses: the bodies and nodes that use each expression.
    folded: the values of folded nodes, by the id of their body and name; is changed.

  Returns:
    The products that become copies of an operand, by the id of their body and name.
  """
  passed: Dict[int, Dict[str, int]] = {}
  for name, weight in known.items():
    same = alike.get(weight, []) if name in body.nodes and body.nodes[name].op == 'Const' else []
    owners = {id(owner) for owner, _, _ in same}
    results = [folded[id(owner)][node.name] for owner, node, _ in same]
    if (len(owners) > 1 and uses[weight] == {(id(owner), node.name) for owner, node, _ in same} and
        all(np.array_equal(result, results[0]) for result in results[1:])):
      for owner, node, operand in same:
        del folded[id(owner)][node.name]
        passed.setdefault(id(owner), {})[node.name] = operand
      folded.setdefault(id(body), {})[name] = results[0]
  return passed


def _uses(body: Body, found: Dict[str, str]) -> Iterator[Tuple[str, str]]:
  """Yields the constant expressions that a body uses, each with the node that uses it.

  Copies use nothing, and calls only the arguments that change in a loop. A result of a function
  is used by '', as its user may be anywhere.
  """
  fixed = {call.node.name: [call.first + index for index in call.constant_arguments()]
           for call in body.calls}
  for node in body.nodes.values():
    if node.name not in found or node.op not in COPIES:
      for index, ref in enumerate(data_inputs(node)):
        if producer(ref) in found and index not in fixed.get(node.name, ()):
          yield found[producer(ref)] + port_of(body.nodes.get(producer(ref)), ref), node.name
  for ref in body.function.ret.values() if body.function else ():
    if producer(ref) in found:
      yield found[producer(ref)] + port_of(body.nodes.get(producer(ref)), ref), ''


def zeros_alike(values: np.ndarray) -> np.ndarray:
  """Returns floats, of any dtype of TensorFlow, with 0.0 for each -0.0."""
  if tensors.is_repeated(values):
    return np.broadcast_to(zeros_alike(tensors.distinct(values)), values.shape)
  size = values.dtype.itemsize
  bits = np.array(values).view('u%d' % size)  # NumPy itself may not have this half precision.
  bits[bits == np.array(1 << (8 * size - 1), bits.dtype)] = 0
  return bits.view(values.dtype)


def fold_reads(graph_def: GraphDef, output_node_names: Sequence[str]) -> GraphDef:
  """Replaces each ReadVariableOp with a constant if its variable has become one."""
  if not any(node.op == 'ReadVariableOp' for function in graph_def.library.function
             for node in function.node_def):
    return graph_def
  body = bodies.read(graph_def)
  constants = Constants()
  reads: List[Tuple[Body, str, str]] = []

  def visit(body: Body, bound: Dict[str, str], plain: Set[str]) -> None:
    found, stored = constants.add(body, bound, plain)
    reads.extend((body, node.name, found[node.name]) for node in body.nodes.values()
                 if node.op == 'ReadVariableOp' and node.name in found)
    _into_calls(body, found, stored, visit)

  visit(body, {}, set())
  values = constants.evaluate({name for _, _, name in reads})
  folded: Dict[int, Dict[str, np.ndarray]] = {}
  for owner, name, constant in reads:
    folded.setdefault(id(owner), {})[name] = values[constant]
  return _replace(body, graph_def, folded, output_node_names, {})


def _into_calls(body: Body, found: Dict[str, str], plain: Set[str], visit: Any) -> None:
  """Visits the bodies that `body` calls, with what is known about their arguments."""
  for call in body.calls:
    passed, fixed = call.passed(), call.constant_arguments()
    for callee in call.bodies:
      sources = {callee.arguments[i]: producer(passed[i]) for i in fixed}
      visit(callee, {arg: found[source] for arg, source in sources.items() if source in found},
            {arg for arg, source in sources.items() if source in plain})


def _mask_among(factors: List[np.ndarray], stored: List[bool]) -> Optional[int]:
  """Returns the index of the mask, 0 or 1, in a masked product; None for any other product."""
  if factors[0].shape != factors[1].shape:
    return None
  for mask, other in ((0, 1), (1, 0)):
    if stored[mask] and is_mask(factors[mask]):
      ones = tensors.distinct(factors[mask]) == 1
      hides = not np.all(ones) and np.any(ones)
      if stored[other] or hides:
        return mask
  return None


# ---- Constants that replace folded nodes. ----


def _replace(body: Body, graph_def: GraphDef, folded: Dict[int, Dict[str, np.ndarray]],
             output_node_names: Sequence[str], weights: Dict[int, Dict[str, str]],
             passed: Optional[Dict[int, Dict[str, int]]] = None) -> Any:
  """Returns `graph_def` with constants for the folded nodes, by the id of their body and name.

  An attribute of each constant has the name of the weight, if `weights` has it; the node itself
  has the name of the masked product. The products in `passed` return one of their operands.
  """
  passed = passed or {}
  changed: Set[int] = set()

  def rewrite(body: Body, kept: Sequence[str]) -> bool:
    for name, value in folded.get(id(body), {}).items():
      replacement = _constant_in_place_of(body.nodes[name], value, body)
      weight = weights.get(id(body), {}).get(name)
      if weight:
        replacement[0].attr[WEIGHT_ATTRIBUTE].s = weight.encode()
      del body.nodes[name]
      body.nodes.update({node.name: node for node in replacement})
    for name, operand in passed.get(id(body), {}).items():
      _pass_on(body.nodes[name], operand)
    if body.function:  # References in functions name the output: mul:z:0.
      names = {**folded.get(id(body), {}), **passed.get(id(body), {})}
      body.redirect(lambda ref: producer(ref) + ':output:0' if producer(ref) in names else ref)
    for call in body.calls:
      if any([rewrite(callee, ()) for callee in call.bodies]):  # A list, so that all are rewritten.
        signatures.drop_arguments(body, call, kept, may_be_constant)
        # An argument of a loop or branch is dropped from both of its functions.
        changed.update(id(callee) for callee in call.bodies)
        changed.add(id(body))
    if id(body) in folded or id(body) in passed:
      changed.add(id(body))
    return id(body) in changed

  rewrite(body, output_node_names)
  result = bodies.write(body, graph_def, changed)
  return tf.graph_util.extract_sub_graph(result, list(output_node_names))


def _pass_on(node: NodeDef, operand: int) -> None:
  """Makes a product return one of its operands."""
  kept = [data_inputs(node)[operand]] + [ref for ref in node.input if ref.startswith('^')]
  del node.input[:]
  node.input.extend(kept)
  node.op = 'Identity'


def _constant_in_place_of(node: NodeDef, value: np.ndarray, body: Body) -> List[NodeDef]:
  """Returns the nodes that provide `value` in place of `node`."""
  constant = tf.NodeDef(name=node.name, op='Const')
  constant.attr['dtype'].type = tf.as_dtype(value.dtype).as_datatype_enum
  constant.attr['value'].tensor.CopyFrom(tensors.to_proto(value))
  gates = _gates_before(node, body)
  if not gates:
    constant.input.extend(_pivots(node, body))
    return [constant]
  # Inside a loop or a branch, the constant must enter through the same nodes as the factors.
  constant.name = node.name + '/outside'
  result, source = [constant], constant.name
  for i, (gate, port) in enumerate(gates):
    copy = tf.NodeDef()
    copy.CopyFrom(gate)
    copy.name = '%s/gate_%d' % (node.name, i)
    copy.input[0] = source
    copy.attr.pop('_class', None)
    result.append(copy)
    source = copy.name + port
  inside = tf.NodeDef(name=node.name, op='Identity')
  inside.attr['T'].CopyFrom(constant.attr['dtype'])
  inside.input.append(source)
  return result + [inside]


def _pivots(node: NodeDef, body: Body) -> List[str]:
  """Returns the control inputs that tie a constant to the branch or loop of the node.

  Without them, a branch that is not taken would produce the constant.
  """
  found, pending, seen = set(), [node], set()
  while pending:
    for ref in pending.pop().input:
      source = body.nodes.get(producer(ref))
      if source is None or source.name in seen:
        continue
      if not ref.startswith('^'):
        seen.add(source.name)
        pending.append(source)
      elif source.op == 'Switch' or source.op == 'Identity' and source.input and \
          body.nodes.get(producer(source.input[0]), source).op == 'Switch':
        found.add(ref)
  return sorted(found)


def _gates_before(node: NodeDef, body: Body) -> List[Tuple[Any, str]]:
  """Returns the Enter and Switch nodes on the way to a factor, outermost first, with ports."""
  best: List[Tuple[Any, str]] = []
  for ref in data_inputs(node):
    path: List[Tuple[Any, str]] = []
    at: Optional[str] = ref
    while at is not None:
      found = body.nodes.get(producer(at))
      if found is not None and found.op in ('Enter', 'Switch'):
        port = at.split(':')[-1]
        path.insert(0, (found, ':1' if found.op == 'Switch' and port == '1' else ''))
      refs = data_inputs(found) if found is not None else []
      # All joined parts enter in the same way; the last input is the axis.
      at = refs[0] if refs else None
    if len(path) > len(best):
      best = path
  return best
