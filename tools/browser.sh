#!/bin/sh
# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Prints the paths of Chromium and of its driver, one a line, for the tests that open pages in a
# browser. Where they are missing they are installed in CI; elsewhere it fails with 3, and says
# what to install.

set -eu

find_both() {
  browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || return 1
  driver=$(command -v chromedriver) || return 1
}

if ! find_both; then
  case ${CI:-} in
    '' | false | 0)
      echo "there is no chromium with its driver (Debian: apt-get install chromium chromium-driver)" >&2
      exit 3 ;;
  esac
  "$(dirname "$0")/apt_install.sh" chromium chromium-driver
  find_both
fi
echo "$browser"
echo "$driver"
