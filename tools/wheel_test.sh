#!/bin/sh
# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Builds the source distribution, the wheel from it, installs the wheel into an empty
# folder and imports it far from the checkout: with TensorFlow, and without.

set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Two calls, so that a missing interpreter is a skip outside CI and not an error here.
tools/with_env.sh lint -c 'pass'
lint=$(tools/env.sh lint 2>/dev/null) || exit 0
leg=$(tools/env.sh auto)

echo "building"
"$lint" -m build --no-isolation --outdir "$work/dist" . >"$work/build.log" 2>&1 || {
  cat "$work/build.log" >&2
  exit 1
}
ls "$work/dist"
"$leg" -m pip install --quiet --no-deps --no-index --target "$work/site" "$work"/dist/*.whl

cp tools/wheel_check.py "$work/"
cd "$work"  # Away from the checkout, which would otherwise be imported instead.
unset PYTHONPATH
PYTHONPATH=$work/site
TF_CPP_MIN_LOG_LEVEL=2
export PYTHONPATH TF_CPP_MIN_LOG_LEVEL
"$leg" wheel_check.py with_tensorflow "$work/site"
"$lint" wheel_check.py without_tensorflow "$work/site"
