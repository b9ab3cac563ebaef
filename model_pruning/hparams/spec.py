# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""PruningSpec: a validated, immutable set of hyperparameters."""

import dataclasses
import json
import numbers
import re
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Union

from model_pruning import errors
from model_pruning.hparams.choices import check_prune_option
from model_pruning.hparams.combinations import check_combinations
from model_pruning.hparams.defaults import get_pruning_hparams
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.maps import BlockDims
from model_pruning.hparams.maps import check_keys
from model_pruning.hparams.maps import is_block_dim
from model_pruning.hparams.maps import LARGEST_BLOCK_DIM
from model_pruning.hparams.maps import lookup
from model_pruning.hparams.maps import lookup_group
from model_pruning.hparams.maps import parse_block_dims
from model_pruning.hparams.maps import parse_map
from model_pruning.hparams.maps import parse_sparsity

# The group of all weights that share target_sparsity.
SHARED_GROUP_NAME = 'all_weights'

# The group of weights for which apply_mask_with_group has no name. Each is pruned separately.
UNGROUPED_GROUP_NAME = 'ungrouped'

# The largest step: the variable last_mask_update_step is an int32.
LARGEST_STEP = 2**31 - 1

# The most bins of the histogram estimate; float32 could not represent more of them exactly.
_MOST_BINS = 2**24

_NAME = re.compile(r'[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*')


@dataclasses.dataclass(frozen=True)
class PruningSpec:
  """The hyperparameters of pruning, immutable and validated on construction.

  The fields are the hyperparameters of `get_pruning_hparams`, with the maps
  parsed into tuples of (regular expression, value).

  Raises (all subclasses of ValueError):
    errors.SpecError: a value is outside its range.
    errors.BlockError: the block dimensions or the pooling function are invalid.
    errors.MapError: a map entry cannot be parsed, or its value is out of range.
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
  prune_option: str = 'weight'
  gradient_decay_rate: float = 0.99
  group_pruning: bool = False
  group_sparsity_map: Tuple[Tuple[str, float], ...] = ()
  group_block_dims_map: Tuple[Tuple[str, BlockDims], ...] = ()
  global_pruning: bool = False
  intra_block_sparsity: bool = False
  sparsity_distribution: str = 'uniform'
  channel_pruning: bool = False
  min_channels: int = 1
  channels_multiple_of: int = 1
  channel_outputs: Tuple[str, ...] = ()

  @classmethod
  def from_hparams(cls, hparams: HParams) -> 'PruningSpec':
    """Returns the spec for `hparams`, which does not change.

    Names that are missing, for example in an HParams built for contrib, get their defaults. Names
    unknown to the library are ignored.

    Raises:
      errors.HParamTypeError: a value does not have the type of the default.
    """
    checked = get_pruning_hparams()
    # Assigned attributes may have any type; this checks and casts them.
    checked.override_from_dict(
        {name: _whole(name, value) if isinstance(checked.get(name), int) else value
         for name, value in hparams.values().items() if name in checked})
    values: Dict[str, Any] = checked.values()
    for hparam in ('weight_sparsity_map', 'group_sparsity_map'):
      values[hparam] = parse_map(hparam, values[hparam], 'regex:sparsity', parse_sparsity)
    for hparam in ('block_dims_map', 'group_block_dims_map'):
      values[hparam] = parse_map(hparam, values[hparam], 'regex:HEIGHTxWIDTH', parse_block_dims)
    values['channel_outputs'] = tuple(filter(None, values['channel_outputs']))
    fields = {field.name for field in dataclasses.fields(cls)}
    return cls(**{name: value for name, value in values.items() if name in fields})

  @classmethod
  def create(cls, spec: Union['PruningSpec', HParams, str, None] = None) -> 'PruningSpec':
    """Returns the spec for an HParams, a string, None (the defaults) or a spec.

    Raises:
      errors.SpecError: `spec` is something else.
    """
    if isinstance(spec, cls):
      return spec
    if spec is None or isinstance(spec, str):
      spec = get_pruning_hparams().parse(spec or '')
    if isinstance(spec, Mapping) or not callable(getattr(spec, 'values', None)):
      raise errors.SpecError('spec is %r; expected an HParams, a string of name=value clauses, or '
                             'None for the defaults%s' % (
                                 spec, '; the string of a flag is in .value'
                                 if hasattr(spec, 'value') else ''))
    return cls.from_hparams(spec)  # type: ignore[arg-type]

  def __post_init__(self) -> None:
    def require(rule: bool, name: str, allowed: str) -> None:
      if not rule:
        raise errors.SpecError('Illegal value for %s: %r; it must be %s' %
                               (name, getattr(self, name), allowed))

    require(_NAME.fullmatch(self.name) is not None, 'name',
            'a TensorFlow scope name (letters, digits, _ . / -)')
    for name in ('begin_pruning_step', 'end_pruning_step', 'pruning_frequency',
                 'sparsity_function_begin_step', 'sparsity_function_end_step'):
      require(getattr(self, name) <= LARGEST_STEP, name, 'at most %d, the largest step that '
              'last_mask_update_step can hold%s' % (LARGEST_STEP, '; -1 means no end'
                                                    if name == 'end_pruning_step' else ''))
    require(self.begin_pruning_step >= 0, 'begin_pruning_step', '0 or more')
    require(self.end_pruning_step == -1 or self.end_pruning_step > self.begin_pruning_step,
            'end_pruning_step', 'greater than begin_pruning_step=%d, or -1 to prune until '
            'training stops' % self.begin_pruning_step)
    require(self.sparsity_function_begin_step >= 0, 'sparsity_function_begin_step', '0 or more')
    require(self.sparsity_function_end_step > self.sparsity_function_begin_step,
            'sparsity_function_end_step', 'greater than sparsity_function_begin_step=%d' %
            self.sparsity_function_begin_step)
    for name in ('threshold_decay', 'initial_sparsity', 'target_sparsity', 'gradient_decay_rate'):
      require(0.0 <= getattr(self, name) < 1.0, name, 'in [0, 1)')
    require(0.0 < self.sparsity_function_exponent < float('inf'), 'sparsity_function_exponent',
            'positive and finite')
    require(self.pruning_frequency >= 1, 'pruning_frequency', '1 or more')
    require(self.nbins >= 1, 'nbins', '1 or more')
    require(self.nbins <= _MOST_BINS, 'nbins', 'at most %d' % _MOST_BINS)
    require(self.threshold_method in ('exact', 'histogram'), 'threshold_method',
            "'exact' or 'histogram'")
    for name in ('block_height', 'block_width'):
      dim = getattr(self, name)
      if not is_block_dim(dim):
        raise errors.BlockError('Illegal value for %s: %d; it must be positive%s, or -1 for the '
                                'whole dimension of the weight' % (
                                    name, dim, ' and at most %d' % LARGEST_BLOCK_DIM
                                    if dim > 0 else ''))
    if self.block_pooling_function not in ('AVG', 'MAX'):
      raise errors.BlockError('Unknown pooling function for block sparsity: %r; '
                              "block_pooling_function is 'AVG' or 'MAX'" %
                              self.block_pooling_function)
    check_prune_option(self.prune_option)
    for name in ('min_channels', 'channels_multiple_of'):
      require(1 <= getattr(self, name) <= LARGEST_STEP, name, '1 or more')
    check_combinations(self)

  @property
  def distribution(self) -> str:
    """The name of the distribution: sparsity_distribution, or 'global' with global_pruning."""
    return 'global' if self.global_pruning else self.sparsity_distribution

  @property
  def shares_target(self) -> bool:
    """Whether the weights without a target in a map share target_sparsity."""
    return self.distribution != 'uniform'

  def to_json(self) -> str:
    """Returns the fields as a JSON object."""
    return json.dumps(dataclasses.asdict(self))

  def group_for(self, registered: Optional[str], weight_name: str = '') -> Optional[str]:
    """Returns the group with which a weight is pruned; None if it is pruned separately.

    Args:
      registered: the group given when the weight was masked, or None.
      weight_name: its op name; a weight in weight_sparsity_map does not share target_sparsity.
    """
    if self.shares_target:
      own = lookup('weight_sparsity_map', self.weight_sparsity_map, weight_name)
      return SHARED_GROUP_NAME if own is None else None
    if self.group_pruning and registered != UNGROUPED_GROUP_NAME:
      return registered
    return None

  def pool_for(self, registered: Optional[str]) -> Optional[str]:
    """Returns the group that shares a target with a weight, which can have none of its own.

    Beside a sparsity_distribution weight_sparsity_map can give it one.

    Args:
      registered: see group_for.
    """
    return self.group_for(registered) if self.sparsity_distribution == 'uniform' else None

  def mapped_sparsity(self, weight_name: str, group: Optional[str] = None) -> Optional[float]:
    """Returns the target of a weight or its group in a map; None if no map matches."""
    if group is not None:
      return lookup_group('group_sparsity_map', self.group_sparsity_map, group)
    own = lookup('weight_sparsity_map', self.weight_sparsity_map, weight_name)
    return dict(self.group_sparsity_map).get(UNGROUPED_GROUP_NAME) if own is None else own

  def target_for(self, weight_name: str, group: Optional[str] = None) -> float:
    """Returns the target sparsity of the weight with a given op name, or of its group."""
    mapped = self.mapped_sparsity(weight_name, group)
    return self.target_sparsity if mapped is None else mapped

  def block_dims_for(self, weight_name: str, group: Optional[str] = None) -> BlockDims:
    """Returns (height, width) of the blocks of the weight with a given op name; may contain -1."""
    mapped = lookup('block_dims_map', self.block_dims_map, weight_name)
    if mapped is None and group is not None:
      mapped = lookup_group('group_block_dims_map', self.group_block_dims_map, group)
    elif mapped is None:
      mapped = dict(self.group_block_dims_map).get(UNGROUPED_GROUP_NAME)
    return (self.block_height, self.block_width) if mapped is None else mapped

  def check_weights(self, weight_names: Sequence[str],
                    groups: Sequence[Optional[str]] = (), whole: bool = True) -> None:
    """Checks the maps against the masked weights.

    Args:
      weight_names: the op names of the weights.
      groups: the group of each weight, or None; empty if no weight is in a group.
      whole: whether these are all weights that keys of maps of weights may match.

    Raises:
      errors.MapError: a key of a map matches no weight or group, two keys of a map match the same
        weight or group, or weight_sparsity_map has a sparsity for a member of a group.
      errors.GroupError: group_pruning is true, but no weight is in a group.
    """
    groups = list(groups) or [None] * len(weight_names)
    for name, group in zip(weight_names, groups):
      # Look up every weight in every map, because several matches are an error.
      own = lookup('weight_sparsity_map', self.weight_sparsity_map, name)
      together = self.group_for(group, name)
      self.target_for(name, together)
      self.block_dims_for(name, together)
      if own is not None and together is not None:
        raise errors.MapError('weight_sparsity_map gives weight %s a sparsity of %g, but it is in '
                              'group %s, which has one threshold; use group_sparsity_map' %
                              (name, own, together))
    for hparam in ('weight_sparsity_map', 'block_dims_map') if whole else ():
      check_keys(hparam, getattr(self, hparam), weight_names, 'masked weight')
    if not self.group_pruning:
      return
    if not any(groups):
      raise errors.GroupError('group_pruning=true, but no masked weight is in a group; set groups '
                              'with masked_scope(group_name=...) or apply_mask_with_group, or use '
                              'global_pruning=true for one threshold over all weights')
    names = sorted({group for group in map(self.group_for, groups) if group is not None})
    has_ungrouped = any(self.group_for(group) is None for group in groups)
    for hparam in ('group_sparsity_map', 'group_block_dims_map'):
      # UNGROUPED_GROUP_NAME means the ungrouped weights and need not match a group.
      entries = [entry for entry in getattr(self, hparam)
                 if not has_ungrouped or entry[0] != UNGROUPED_GROUP_NAME]
      check_keys(hparam, entries, names, 'group')


def _whole(name: str, value: Any) -> Any:
  """Returns an int for a float without a fractional part, as contrib did; else the value itself.

  Raises:
    errors.HParamTypeError: a float with a fractional part, infinite or NaN.
  """
  if not isinstance(value, numbers.Real) or isinstance(value, (bool, numbers.Integral)):
    return value
  number = float(value)
  if not number.is_integer():
    raise errors.HParamTypeError(
        "Could not cast hparam '%s' of type '%s' from value %r; allowed: a whole number; round it "
        'first, with int(...) or round(...)' % (name, int, value))
  return int(number)
