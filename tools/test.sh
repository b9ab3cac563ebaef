#!/bin/sh
# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests in the environment of a leg:
#
#   tools/test.sh LEG [pytest arguments]
#
# and fails when none ran, be it that none was found or that all were skipped. With SHARDS=3 the
# files of tests are divided among three processes, one after the other; SHARD=2 runs one of them.
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
name=out/test-${NAME:-$leg}
mkdir -p out
# shellcheck disable=SC2086
rm -f "$name.xml" "$name"-shard${SHARD:-*}.xml
echo "testing on $leg"
status=0
if [ "${SHARDS:-1}" = 1 ]; then
  tools/with_env.sh "$leg" -m pytest --junitxml="$name.xml" "$@" || status=$?
  reports=$name.xml
else
  # One process after the other: TensorFlow keeps memory of every function that a process has run.
  reports=
  for shard in ${SHARD:-$(seq "$SHARDS")}; do
    code=0
    MODEL_PRUNING_SHARD=$shard/$SHARDS \
      tools/with_env.sh "$leg" -m pytest --junitxml="$name-shard$shard.xml" "$@" || code=$?
    # 5: no test of this shard was chosen.
    [ "$code" = 0 ] || [ "$code" = 5 ] || status=$code
    [ ! -f "$name-shard$shard.xml" ] || reports="$reports $name-shard$shard.xml"
  done
fi
# shellcheck disable=SC2086
if ! ls $reports >/dev/null 2>&1 || [ -z "$reports" ]; then
  # Either a skipped leg (0) or something that failed before the first test.
  exit "$status"
fi
# shellcheck disable=SC2086
tools/with_env.sh "$leg" tools/count_tests.py $reports || exit 1
exit "$status"
