# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Prints how many tests a JUnit report holds; fails when none of them ran."""

import sys
import xml.etree.ElementTree as ElementTree


def main(path: str) -> int:
  suites = list(ElementTree.parse(path).getroot().iter('testsuite'))
  found = sum(int(s.get('tests', 0)) for s in suites)
  skipped = sum(int(s.get('skipped', 0)) for s in suites)
  print('%s: %d tests ran, %d skipped' % (path, found - skipped, skipped))
  if found - skipped < 1:
    print('no test ran at all: that is a failure', file=sys.stderr)
    return 1
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1]))
