#!/bin/sh
# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Builds everything with Bazel, offline, and runs a few tests, with the Python of the environment
# that `make test` uses: a string parser without TensorFlow, the engine, and a program that needs
# data files. The other tests would only repeat what pytest has run; `tools/bazel_test.sh //...`
# runs them all. Without Bazel: installed in CI, otherwise a skip with advice.

set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

if ! command -v bazel >/dev/null 2>&1; then
  case ${CI:-} in
    '' | false | 0)
      echo "SKIPPED: there is no bazel (Debian, Ubuntu: apt-get install bazel-bootstrap)" >&2
      exit 0 ;;
  esac
  tools/apt_install.sh bazel-bootstrap
fi

python=$(tools/env.sh auto)
status=0
[ $# -gt 0 ] || set -- //tests:hparams/test_hparam //tests:engine/test_selection //tests:repository/test_imports
bazel build //... --python_path="$python" || status=$?
bazel test --python_path="$python" --test_env=MODEL_PRUNING_LEGS=default "$@" || status=$?
bazel shutdown  # Its server would hold on to memory that the next stage needs.
exit "$status"
