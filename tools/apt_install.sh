#!/bin/sh
# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Installs Debian packages, for tests that need programs of the system; all it prints goes to stderr.
#
#   tools/apt_install.sh PACKAGE...

set -eu
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
$sudo apt-get install -y -qq "$@" >&2 || {
  $sudo apt-get update -qq >&2
  $sudo apt-get install -y -qq "$@" >&2
}
