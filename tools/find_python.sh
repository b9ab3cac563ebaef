#!/bin/sh
# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Prints the path of a Python that really runs.
#
#   tools/find_python.sh 3.7            that minor version
#   tools/find_python.sh 3.13 3.12      the first of these that is installed
#   tools/find_python.sh default        python3 as the PATH has it, any version
#
# Every candidate is executed before it is believed: a version manager's shim may
# stand on the PATH for a version that is not selected, and then only fails.
# Fails with 3 when there is none.

set -u

# Prints the minor version of interpreter $1 and its real path, or fails.
probe() {
  [ -x "$1" ] && [ ! -d "$1" ] || return 1
  "$1" -c '
import sys
print("%d.%d %s" % (sys.version_info[0], sys.version_info[1], sys.executable))
' 2>/dev/null </dev/null
}

# Can $1 make virtual environments? Distributions ship interpreters that cannot.
has_venv() {
  "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

# One candidate path per line, best first, for minor version $1 ('' is any).
candidates() {
  old_ifs=$IFS
  IFS=:
  for dir in $PATH; do
    [ -n "$1" ] && echo "${dir:-.}/python$1"
    echo "${dir:-.}/python3"
  done
  IFS=$old_ifs
  [ -n "$1" ] || return 0
  roots=${PYENV_ROOT:-$HOME/.pyenv}
  if command -v pyenv >/dev/null 2>&1; then
    roots="$(pyenv root 2>/dev/null) $roots"
  fi
  for root in $roots; do
    for path in "$root"/versions/"$1".*/bin/"python$1" "$root"/versions/"$1"/bin/"python$1"; do
      echo "$path"
    done
  done
  for path in /usr/local/bin/"python$1" /opt/python*/bin/"python$1" \
      "$HOME"/.local/share/uv/python/cpython-"$1".*/bin/"python$1"; do
    echo "$path"
  done
}

# Prints the first interpreter of minor version $1 that runs. One that can make
# virtual environments is preferred to an earlier one that cannot.
find_one() {
  fallback=
  while IFS= read -r path; do
    found=$(probe "$path") || continue
    version=${found%% *}
    real=${found#* }
    [ -z "$1" ] || [ "$version" = "$1" ] || continue
    if has_venv "$real"; then
      echo "$real"
      return 0
    fi
    [ -n "$fallback" ] || fallback=$real
  done <<EOF
$(candidates "$1")
EOF
  [ -n "$fallback" ] && echo "$fallback"
}

if [ $# -eq 0 ]; then
  echo "usage: $0 default | MINOR_VERSION..." >&2
  exit 2
fi
for wanted in "$@"; do
  if [ "$wanted" = default ]; then
    find_one '' && exit 0
  else
    find_one "$wanted" && exit 0
  fi
done
echo "no working Python found of version: $* (looked on the PATH, by running each" \
  "candidate, and among pyenv's versions)" >&2
exit 3
