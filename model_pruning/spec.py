# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""PruningSpec: the validated, immutable meaning of a set of hyperparameters."""

import dataclasses
import json
import re
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from model_pruning import errors
from model_pruning.hparam import HParams

BlockDims = Tuple[int, int]

# Keys with which the research branch configured its low-rank compression.
# They turn up in job scripts that never compress; they do nothing here.
_COMPRESSION_KEYS = (
    'add_summary', 'alpha_decrement_value', 'begin_compression_step', 'block_compression_factor',
    'block_method', 'compression_frequency', 'compression_option', 'end_compression_step',
    'input_block_size', 'input_compression_factor', 'output_block_size',
    'output_compression_factor', 'pruning_fraction', 'rank', 'run_update_interval_check',
    'update_option', 'use_collection')

_NAME = re.compile(r'[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*')


def get_pruning_hparams() -> HParams:
  """Returns a new HParams object with every hyperparameter at its default.

  Sparsity follows, with p the share of the span that has passed,

      p = clip((step - sparsity_function_begin_step) /
               (sparsity_function_end_step - sparsity_function_begin_step), 0, 1)
      sparsity = target_sparsity + (initial_sparsity - target_sparsity) * (1 - p) ** exponent

  which is the gradual pruning of Zhu and Gupta, "To prune, or not to prune"
  (2017). (contrib's documentation gave a formula by update index; this is what
  its code computed.)

  Hyperparameters:
    name: scope of the library's variables, operations and summaries.
    begin_pruning_step: global step at which mask updates begin.
    end_pruning_step: last global step with a mask update; -1 for no end.
    weight_sparsity_map: list of regex:sparsity. A weight whose op name the
      regex is found in gets that target instead of target_sparsity.
    block_dims_map: list of regex:HEIGHTxWIDTH, block dimensions likewise.
    threshold_decay: share of the previous threshold kept at an update, [0, 1).
    pruning_frequency: global steps between two mask updates.
    nbins: number of bins of threshold_method=histogram.
    block_height, block_width: size of the blocks that are pruned together, in
      elements; -1 for the whole dimension of the weight at hand.
    block_pooling_function: AVG or MAX of the magnitudes in a block.
    initial_sparsity, target_sparsity: share of zeros before and after, [0, 1).
    sparsity_function_begin_step, sparsity_function_end_step: global steps
      between which the sparsity moves.
    sparsity_function_exponent: 1 is linear; more moves early.
    use_tpu: select thresholds with static shapes and without scatter.
    threshold_method: 'exact', or 'histogram', contrib's old estimate.
    prune_option, gradient_decay_rate, group_pruning, group_sparsity_map,
      group_block_dims_map, intra_block_sparsity: of the research branch.
  """
  hparams = HParams(
      name='model_pruning',
      begin_pruning_step=0,
      end_pruning_step=-1,
      weight_sparsity_map=[''],
      block_dims_map=[''],
      threshold_decay=0.0,
      pruning_frequency=10,
      nbins=256,
      block_height=1,
      block_width=1,
      block_pooling_function='AVG',
      initial_sparsity=0.0,
      target_sparsity=0.5,
      sparsity_function_begin_step=0,
      sparsity_function_end_step=100,
      sparsity_function_exponent=3.0,
      use_tpu=False,
      gradient_decay_rate=0.99,
      prune_option='weight',
      group_pruning=False,
      group_sparsity_map=[''],
      group_block_dims_map=[''],
      intra_block_sparsity=False,
      threshold_method='exact')
  hparams.accept_and_ignore(
      _COMPRESSION_KEYS, 'they configure low-rank compression, which this library does not do')
  return hparams


def _parse_map(hparam: str, entries: Iterable[str], form: str,
               parse: Callable[[str], Any]) -> Tuple[Tuple[str, Any], ...]:
  """Splits 'regex:value' entries; `parse` turns the text of a value into it."""
  parsed = []
  for entry in entries:
    if not entry:
      continue
    # A regular expression may itself hold a colon, the value never does.
    pattern, colon, text = entry.rpartition(':')
    if not colon or not pattern:
      raise errors.MapError('%s entry %r is not of the form %s' % (hparam, entry, form))
    try:
      re.compile(pattern)
    except re.error as error:
      raise errors.MapError('%s entry %r: %r is not a regular expression (%s)' %
                            (hparam, entry, pattern, error)) from error
    try:
      value = parse(text)
    except ValueError as error:
      raise errors.MapError('%s entry %r: %s; expected %s' %
                            (hparam, entry, error, form)) from error
    parsed.append((pattern, value))
  return tuple(parsed)


def _parse_sparsity(text: str) -> float:
  value = float(text)
  if not 0.0 <= value < 1.0:
    raise ValueError('sparsity %s is outside [0, 1)' % text)
  return value


def _parse_block_dims(text: str) -> BlockDims:
  dims = text.split('x')
  if len(dims) != 2:
    raise ValueError('block dimensions %r are not two numbers joined by x' % text)
  height, width = (int(dim) for dim in dims)
  for dim in (height, width):
    if dim == 0 or dim < -1:
      raise ValueError('block dimension %d is neither positive nor -1' % dim)
  return height, width


@dataclasses.dataclass(frozen=True)
class PruningSpec:
  """What to prune, how far and when. Immutable, and valid by construction.

  The fields are the hyperparameters of `get_pruning_hparams`, with the maps
  parsed into tuples of (regular expression, value).

  Raises (all subclasses of ValueError):
    errors.SpecError: a value is outside its range.
    errors.BlockError: block dimensions or pooling function are impossible.
    errors.MapError: a map entry cannot be read, or its value is out of range.
  """
  name: str = 'model_pruning'
  begin_pruning_step: int = 0
  end_pruning_step: int = -1
  weight_sparsity_map: Tuple[Tuple[str, float], ...] = ()
  block_dims_map: Tuple[Tuple[str, BlockDims], ...] = ()
  threshold_decay: float = 0.0
  pruning_frequency: int = 10
  nbins: int = 256
  block_height: int = 1
  block_width: int = 1
  block_pooling_function: str = 'AVG'
  initial_sparsity: float = 0.0
  target_sparsity: float = 0.5
  sparsity_function_begin_step: int = 0
  sparsity_function_end_step: int = 100
  sparsity_function_exponent: float = 3.0
  use_tpu: bool = False
  threshold_method: str = 'exact'

  @classmethod
  def from_hparams(cls, hparams: HParams) -> 'PruningSpec':
    """Returns the spec that `hparams` means. `hparams` is left as it is.

    An HParams without some of the names, such as one built for contrib, gets
    the defaults for them; other names than the library's are passed over.

    Raises:
      errors.HParamTypeError: a value is of another type than the default.
    """
    checked = get_pruning_hparams()
    # Assigned attributes may be of any type; assigned here, they are checked and cast.
    checked.override_from_dict(
        {name: value for name, value in hparams.values().items() if name in checked})
    values: Dict[str, Any] = checked.values()
    _refuse_unserved(values)
    values['weight_sparsity_map'] = _parse_map(
        'weight_sparsity_map', values['weight_sparsity_map'], 'regex:sparsity', _parse_sparsity)
    values['block_dims_map'] = _parse_map(
        'block_dims_map', values['block_dims_map'], 'regex:HEIGHTxWIDTH', _parse_block_dims)
    fields = {field.name for field in dataclasses.fields(cls)}
    return cls(**{name: value for name, value in values.items() if name in fields})

  @classmethod
  def create(cls, spec: Union['PruningSpec', HParams, str, None] = None) -> 'PruningSpec':
    """Returns the spec for what users pass: an HParams, a string, None or a spec."""
    if isinstance(spec, cls):
      return spec
    if spec is None or isinstance(spec, str):
      spec = get_pruning_hparams().parse(spec or '')
    if not callable(getattr(spec, 'values', None)):
      raise errors.SpecError('spec is %r; expected an HParams, a string of name=value clauses, '
                             'or None for the defaults' % (spec,))
    return cls.from_hparams(spec)  # type: ignore[arg-type]

  def __post_init__(self) -> None:
    def require(rule: bool, name: str, allowed: str) -> None:
      if not rule:
        raise errors.SpecError('Illegal value for %s: %r; it must be %s' %
                               (name, getattr(self, name), allowed))

    require(_NAME.fullmatch(self.name) is not None, 'name',
            'a TensorFlow scope name (letters, digits, _ . / -)')
    require(self.begin_pruning_step >= 0, 'begin_pruning_step', '0 or more')
    require(self.end_pruning_step == -1 or self.end_pruning_step > self.begin_pruning_step,
            'end_pruning_step', 'greater than begin_pruning_step=%d, or -1 to prune until '
            'training stops' % self.begin_pruning_step)
    require(self.sparsity_function_begin_step >= 0, 'sparsity_function_begin_step', '0 or more')
    require(self.sparsity_function_end_step > self.sparsity_function_begin_step,
            'sparsity_function_end_step', 'greater than sparsity_function_begin_step=%d' %
            self.sparsity_function_begin_step)
    for name in ('threshold_decay', 'initial_sparsity', 'target_sparsity'):
      require(0.0 <= getattr(self, name) < 1.0, name, 'in [0, 1)')
    require(0.0 < self.sparsity_function_exponent < float('inf'), 'sparsity_function_exponent',
            'positive and finite')
    require(self.pruning_frequency >= 1, 'pruning_frequency', '1 or more')
    require(self.nbins >= 1, 'nbins', '1 or more')
    require(self.threshold_method in ('exact', 'histogram'), 'threshold_method',
            "'exact' or 'histogram'")
    for name in ('block_height', 'block_width'):
      dim = getattr(self, name)
      if dim == 0 or dim < -1:
        raise errors.BlockError('Illegal value for %s: %d; it must be positive, or -1 for the '
                                'whole dimension of the weight' % (name, dim))
    if self.block_pooling_function not in ('AVG', 'MAX'):
      raise errors.BlockError('Unknown pooling function for block sparsity: %r; '
                              "block_pooling_function is 'AVG' or 'MAX'" %
                              self.block_pooling_function)

  def to_json(self) -> str:
    """Returns the fields as a JSON object."""
    return json.dumps(dataclasses.asdict(self))

  def mapped_sparsity(self, weight_name: str) -> Optional[float]:
    """Returns the target that weight_sparsity_map gives a weight, None if it gives none."""
    return _lookup('weight_sparsity_map', self.weight_sparsity_map, weight_name)

  def target_for(self, weight_name: str) -> float:
    """Returns the target sparsity of the weight of that op name."""
    mapped = self.mapped_sparsity(weight_name)
    return self.target_sparsity if mapped is None else mapped

  def block_dims_for(self, weight_name: str) -> BlockDims:
    """Returns (height, width) of the blocks of the weight of that op name; -1 unresolved."""
    mapped = _lookup('block_dims_map', self.block_dims_map, weight_name)
    return (self.block_height, self.block_width) if mapped is None else mapped

  def check_weights(self, weight_names: Sequence[str]) -> None:
    """Holds the maps against the weights there are.

    Raises:
      errors.MapError: a key of a map matches no weight, or two keys of one map
        match the same weight.
    """
    for hparam in ('weight_sparsity_map', 'block_dims_map'):
      entries = getattr(self, hparam)
      for name in weight_names:
        _lookup(hparam, entries, name)
      for pattern, _ in entries:
        if not any(re.search(pattern, name) for name in weight_names):
          raise errors.MapError('%s key %r matches no masked weight%s; the masked weights are: %s' %
                                (hparam, pattern, errors.nearest(pattern, weight_names),
                                 ', '.join(weight_names) or '(none)'))


def _lookup(hparam: str, entries: Sequence[Tuple[str, Any]], weight_name: str) -> Any:
  matches: List[Tuple[str, Any]] = [
      entry for entry in entries if re.search(entry[0], weight_name)]
  if len(matches) > 1:
    raise errors.MapError('Multiple matches in %s for weight %s: %s; let only one of them match' %
                          (hparam, weight_name, ', '.join(repr(key) for key, _ in matches)))
  return matches[0][1] if matches else None


def _refuse_unserved(values: Dict[str, Any]) -> None:
  """Says no to what the research branch could do and this version cannot."""
  option = values['prune_option']
  if option == 'compression':
    raise errors.SpecError(
        "prune_option='compression' asks for low-rank compression, which belongs to the research "
        "branch's compression library and not to model_pruning; use prune_option='weight'")
  if option != 'weight':
    raise errors.SpecError("Illegal value for prune_option: %r; this version prunes by magnitude: "
                           "'weight'" % option)
  for name in ('group_pruning', 'intra_block_sparsity'):
    if values[name]:
      raise errors.SpecError('%s=True is not available in this version; leave it False' % name)
  for name in ('group_sparsity_map', 'group_block_dims_map'):
    if any(values[name]):
      raise errors.SpecError('%s=%s needs group_pruning, which is not available in this version' %
                             (name, values[name]))
