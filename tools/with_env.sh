#!/bin/sh
# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Runs the Python of a leg's virtual environment with the given arguments:
#
#   tools/with_env.sh tf2.15 -m pytest
#
# A missing interpreter is a skip with a message, and in CI (CI=true) a failure.

set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
leg=$1
shift
status=0
python=$("$root/tools/env.sh" "$leg") || status=$?
if [ "$status" -eq 3 ]; then
  case ${CI:-} in
    '' | false | 0)
      echo "SKIPPED: $leg: this machine has no Python for it" >&2
      exit 0 ;;
  esac
  echo "FAILED: $leg: no Python for it, and in CI that is a failure" >&2
fi
[ "$status" -eq 0 ] || exit "$status"

# Modules are compiled when they are first imported, and only then: TensorFlow's in seconds.
unset PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE
# TensorFlow's greeting about CPU instructions hides what matters.
PYTHONNOUSERSITE=1
TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-2}
# No display is needed to write a PNG.
MPLBACKEND=${MPLBACKEND:-Agg}
export PYTHONNOUSERSITE TF_CPP_MIN_LOG_LEVEL MPLBACKEND
exec "$python" "$@"
