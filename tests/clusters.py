# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Clusters of servers in the process of a test.

A server lives as long as its process, with some 80 threads and 40 MB. So tests share servers, whose
variables are freed in between.
"""

from typing import Dict, Tuple

from benchmarks import traffic

_started: Dict[Tuple[int, int], traffic.Cluster] = {}


def cluster(servers, workers=0):
  """Returns a cluster without variables: `servers` ps tasks, a chief, and workers."""
  key = (servers, workers)
  if key in _started:
    _started[key].free()
  else:
    _started[key] = traffic.Cluster(servers, workers)
  return _started[key]
