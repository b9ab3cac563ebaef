# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""prune_graph: prunes a graph of constants at once, and refits it to examples."""

from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

from absl import logging
import numpy as np

from model_pruning import errors
from model_pruning.calibration import at_once as at_once_lib
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.reconstruct import reconstruct
from model_pruning.calibration.reconstruct import Reconstruction
from model_pruning.calibration.result import fitted_rows
from model_pruning.calibration.result import fitted_table
from model_pruning.calibration.result import FittedWeight
from model_pruning.calibration.selector import Weight
from model_pruning.calibration.subject import Masks
from model_pruning.calibration.subject import Subject
from model_pruning.calibration.wiring import Wiring
from model_pruning.compat import tf
from model_pruning.engine.layout import Layout
from model_pruning.export import unmasked
from model_pruning.graph import registry
from model_pruning.graph.pruning import Pruning
from model_pruning.graph.scope import masked_scope
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.maps import expression
from model_pruning.hparams.spec import PruningSpec
from model_pruning.names import WEIGHT_ATTRIBUTE
from model_pruning.reading import sources
from model_pruning.reading.inlining import inline
from model_pruning.reading.inlining import needed_for
from model_pruning.reading import tensors
from model_pruning.util import tables
from model_pruning.util.sparsity_table import WeightSparsity
from model_pruning.util.types import Array
from model_pruning.util.types import GraphDef


class PrunedGraph(NamedTuple):
  """A graph of constants that was pruned.

  Attributes:
    graph_def: the GraphDef, with zeros in its weights.
    rows: one FittedWeight for each weight.
  """
  graph_def: Any
  rows: List[FittedWeight]

  def table(self, width: int = tables.WIDTH) -> str:
    """Returns a table of the weights, with the errors of their layers."""
    return fitted_table(self.rows, width)


def prune_graph(graph_def: GraphDef, hparams: Union[HParams, PruningSpec, str],
                examples: Any = None, inputs: Sequence[str] = (), outputs: Sequence[str] = (),
                include: Optional[str] = None, exclude: Optional[str] = None) -> PrunedGraph:
  """Prunes a graph of constants, and refits it to examples.

      pruned = prune_graph(graph_def, 'target_sparsity=0.9,sparsity_distribution=lamp',
                           images[:256], outputs=['scores'])
      print(pruned.table())

  Args:
    graph_def: a GraphDef of constants, for example a frozen graph. It is not changed.
    hparams: an HParams, a PruningSpec or a string. Steps in it have no effect.
    examples: examples of the inputs, one per row; 256 are usually enough. An array, a dict of
      arrays by the names of the inputs, the path of a .npy or .npz file, or batches of these. None
      only masks the weights.
    inputs: names of the inputs; () for all placeholders that the outputs need.
    outputs: names of the outputs.
    include: a regular expression that matches the names of the weights from their start, of tables
      in which rows are looked up (embeddings), too; None for all kernels of matrix products and
      convolutions.
    exclude: a regular expression for names to leave dense, matched from their start.

  Raises:
    errors.ModelFileError: no weight matches, the graph has masks already, or TensorFlow cannot use
      it.
    errors.ExamplesError: the examples do not fit the model, or are too few.
    errors.OutputNodeError: an input or output is not in the graph.
    errors.SpecError: hparams use threshold_decay, which needs many updates, or gradient
      saliency, which needs the history of weights during training.
    errors.MapError, errors.BlockError, errors.GroupError: see Pruning.mask_update_op.
  """
  spec = at_once(PruningSpec.create(hparams))
  subject = subject_of(graph_def, inputs, outputs, include, exclude)
  constants = {record.name: constant for constant, record in subject.weights.items()}
  values = _values(subject)
  masked = mask_once(values, spec)
  if examples is None:
    changed = {constants[name]: value * masked.masks[name] for name, value in values.items()}
    return PrunedGraph(tensors.with_constants(subject.graph_def, changed),
                       fitted_rows(masked.rows, {}))
  found = refit(subject, {constants[name]: mask for name, mask in masked.masks.items()},
                spec, examples)
  fits = {subject.weights[fit.weight].name: fit for fit in found.fits}
  return PrunedGraph(tensors.with_constants(subject.graph_def, found.values),
                     fitted_rows(masked.rows, fits))


def refit(subject: Subject, masks: Masks, spec: PruningSpec, examples: Any) -> Reconstruction:
  """Returns the values of a model that is pruned by masks and refitted to examples.

  Raises:
    errors.PruningError: see prune_graph.
  """
  with subject.networks() as networks, subject.selector(spec) as selector:
    return reconstruct(networks, masks, Examples(examples, networks.inputs), selector)


def subject_of(graph_def: GraphDef, inputs: Sequence[str], outputs: Sequence[str],
               include: Optional[str] = None, exclude: Optional[str] = None) -> Subject:
  """Returns a graph of constants, and the weights to prune in it; see prune_graph."""
  sources.check_list(outputs, 'outputs')
  unmasked.check_graph(graph_def, outputs)
  wiring = Wiring(needed_for(graph_def, outputs))
  constants = {_name_of(wiring, constant): constant for constant in wiring.kernels()}
  embeddings = {_name_of(wiring, constant): constant for constant in wiring.tables()
                if constant not in constants.values()}
  if include:
    constants.update(embeddings)
  elif embeddings:
    dense = sorted(embeddings)
    logging.warning(
        'Embeddings, from which rows are looked up, stay dense: %s%s; include (--include) with '
        'their names prunes them', ', '.join(dense[:3]), ', ...' * (len(dense) > 3))
  if not set(constants.values()) <= {node.name for node in graph_def.node}:
    graph_def = inline(graph_def)  # Functions hold some, for example after freezing with 2.4.
  names = chosen(list(constants), include or '.*', exclude, 'the graph', errors.ModelFileError)
  weights = {constants[name]: Weight(name, Layout.whole(wiring.shape_of(constants[name]) or ()))
             for name in names}
  return Subject(graph_def, inputs, outputs, weights)


def _values(subject: Subject) -> Dict[str, Array]:
  """Returns the values of the weights by their names."""
  nodes = {node.name: node for node in subject.graph_def.node}
  return {record.name: tensors.to_array(nodes[constant].attr['value'].tensor, constant)
          for constant, record in subject.weights.items()}


def _name_of(wiring: Wiring, constant: str) -> str:
  """Returns the name of a weight, which stripping stores beside its constant."""
  return wiring.nodes[constant].attr[WEIGHT_ATTRIBUTE].s.decode('utf-8', 'replace') or constant


def at_once(spec: PruningSpec) -> PruningSpec:
  """Returns the spec changed so that one update at step 1 prunes every weight to its target.

  Raises:
    errors.SpecError: the spec needs many updates, or the history of weights; or it prunes channels.
  """
  return at_once_lib.at_once(
      spec, 1, 'model-pruning shrink, or model_pruning.export.shrink(..., fraction=%g)' %
      spec.target_sparsity)


def chosen(weights: List[str], include: str, exclude: Optional[str], place: str,
           error: Callable[[str], errors.PruningError]) -> List[str]:
  """Returns the names of the weights to prune.

  Args:
    weights: all names.
    include, exclude: see prune_graph.
    place: names the model in errors.
    error: the class of the error if no weight is chosen.
  """
  patterns = [expression(option, pattern) if pattern else None
              for option, pattern in (('include', include), ('exclude', exclude))]
  names = [name for name in weights if patterns[0] and patterns[0].match(name)
           and not (patterns[1] and patterns[1].match(name))]
  if not names:
    raise error(
        'No weight in %s matches include=%r%s; there are: %s' % (
            place, include, ' and not exclude=%r' % exclude if exclude else '',
            ', '.join(weights[:20]) + (', ...' if len(weights) > 20 else '') or 'none'))
  return names


class Masked(NamedTuple):
  """The result of one mask update.

  Attributes:
    masks: by the names of the weights.
    names: names of the mask variables by the names of the weights.
    variables: masks and thresholds by their own names.
    last_update: name of the variable with the step of the update.
    rows: the sparsities.
  """
  masks: Dict[str, Array]
  names: Dict[str, str]
  variables: Dict[str, Array]
  last_update: str
  rows: List[WeightSparsity]


def mask_once(values: Mapping[str, Array], spec: PruningSpec) -> Masked:
  """Updates the masks of weights with these values once, in a graph of their own.

  Args:
    values: arrays by the names of the weights.
    spec: the hyperparameters, the result of at_once.

  Raises:
    errors.MapError, errors.BlockError, errors.GroupError: see Pruning.mask_update_op.
  """
  with tf.Graph().as_default(), tf.Session() as session:
    with masked_scope(include='.*'):
      for name, value in values.items():
        tf.get_variable(name, value.shape, tf.as_dtype(value.dtype),
                        initializer=tf.zeros_initializer(), use_resource=True)
    one = tf.get_variable('one_shot/step', initializer=np.int64(1), trainable=False)
    pruning = Pruning(spec, global_step=one)
    update = pruning.mask_update_op()
    session.run(tf.global_variables_initializer())
    records = registry.masked_weights()
    for record in records:
      value = tf.placeholder(record.weight.dtype.base_dtype, record.weight.shape)
      session.run(record.weight.assign(value).op, {value: values[record.name]})
    session.run(update)
    found = {variable.op.name: session.run(variable) for record in records
             for variable in (record.mask, record.threshold)}
    names = {record.name: record.mask.op.name for record in records}
    return Masked({name: found[mask] for name, mask in names.items()}, names, found,
                  pruning.last_mask_update_step.op.name, pruning.sparsity_report(session))
