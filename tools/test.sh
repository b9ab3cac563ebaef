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
# Which tests those are: see tests/legs.py. Empty, and in `make soak`, it is all of them.
if [ -z "${MODEL_PRUNING_LEGS+set}" ] && [ "${MODEL_PRUNING_SOAK:-1}" = 1 ]; then
  case $leg:${TF_USE_LEGACY_KERAS:-} in
    tf2.21:1 | tf2.21:[Tt]rue) MODEL_PRUNING_LEGS=tf_keras ;;
    tf2.21:* | nightly:*) MODEL_PRUNING_LEGS=newest ;;
    tf1.15:*) MODEL_PRUNING_LEGS=oldest ;;
    *) MODEL_PRUNING_LEGS=other ;;
  esac
  if [ "$leg" = "$(tools/env.sh --leg auto)" ] && [ "$MODEL_PRUNING_LEGS" != tf_keras ]; then
    MODEL_PRUNING_LEGS="default $MODEL_PRUNING_LEGS"
  fi
  export MODEL_PRUNING_LEGS
fi
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
