# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Prints how many tests JUnit reports hold; fails if none ran in a report.

Reports of shards, test-NAME-shard1.xml and so on, count as one.
"""

import collections
import re
import sys
from typing import Counter, Sequence
import xml.etree.ElementTree as ElementTree


def main(paths: Sequence[str]) -> int:
  found: Counter[str] = collections.Counter()
  skipped: Counter[str] = collections.Counter()
  for path in paths:
    name = re.sub(r'-shard\d+(?=\.xml$)', '', path)
    for suite in ElementTree.parse(path).getroot().iter('testsuite'):
      found[name] += int(suite.get('tests', 0))
      skipped[name] += int(suite.get('skipped', 0))
  status = 0
  for name, number in found.items():
    print('%s: %d tests ran, %d skipped' % (name, number - skipped[name], skipped[name]))
    if number - skipped[name] < 1:
      print('no test ran at all: that is a failure', file=sys.stderr)
      status = 1
  return status


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
