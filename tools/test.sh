#!/bin/sh
# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests in the environment of a leg:
#
#   tools/test.sh LEG [pytest arguments]
#
# and fails when none ran, be it that none was found or that all were skipped.
# Writes out/test-$NAME.xml (NAME is the leg unless given), and reports the number of
# tests it found there.

set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
leg=$1
shift
[ "$leg" != auto ] || leg=$(tools/env.sh --leg auto)
report=out/test-${NAME:-$leg}.xml
mkdir -p out
rm -f "$report"
echo "testing on $leg"
status=0
tools/with_env.sh "$leg" -m pytest --junitxml="$report" "$@" || status=$?
if [ ! -f "$report" ]; then
  # Either a skipped leg (0) or something that failed before the first test.
  exit "$status"
fi
tools/with_env.sh "$leg" tools/count_tests.py "$report" || exit 1
exit "$status"
