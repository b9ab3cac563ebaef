# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python import hparam`, for code written for the research branch."""

from model_pruning.hparams.hparam import HParams as HParams
from model_pruning.hparams.hparam import parse_values as parse_values
