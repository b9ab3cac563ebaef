#!/bin/sh
# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Makes the virtual environment of a leg, or finds it made, and prints the path of
# its Python. Everything else goes to stderr.
#
#   tools/env.sh tf1.15 | tf2.8 | tf2.13 | tf2.15 | tf2.21 | tf2.15-cuda | tf2.21-cuda | tfmot | tpu |
#                litert | lint | docs | nightly
#   tools/env.sh auto           the leg that fits the python3 on the PATH
#   tools/env.sh --leg auto     only prints the name of the leg
#
# Environments live in .envs (or $MODEL_PRUNING_ENVS) under a name that holds a hash
# of the requirement file and of the Python version: change either and a new one is
# made. Fails with 3 when the machine has no interpreter for the leg, so that callers
# can tell "skip" from "broken".

set -eu

# The environments are closed worlds: nothing of the caller's may shine through.
unset PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE
PYTHONNOUSERSITE=1
PIP_DISABLE_PIP_VERSION_CHECK=1
export PYTHONNOUSERSITE PIP_DISABLE_PIP_VERSION_CHECK

# The installer; pip serves where it does not.
UV=0.13.9

root=$(cd "$(dirname "$0")/.." && pwd)
envs=${MODEL_PRUNING_ENVS:-$root/.envs}

# The Python minor versions of leg $1, in the order in which they are looked for.
# 2.15 looks for 3.11 first because CI machines have it; 2.21 for those that no
# earlier TensorFlow serves.
versions_of() {
  case $1 in
    tf1.15 | tf2.8) echo 3.7 ;;
    tf2.13) echo 3.8 ;;
    tf2.15 | tf2.15-cuda) echo 3.11 3.10 3.9 ;;
    tf2.21 | tf2.21-cuda | tfmot | nightly) echo 3.12 3.13 3.11 3.10 ;;
    tpu) echo 3.12 3.13 3.11 ;;
    litert) echo 3.11 3.12 3.13 ;;
    lint | docs) echo 3.11 3.12 3.13 3.10 ;;
    *)
      echo "unknown leg: $1 (one of: tf1.15 tf2.8 tf2.13 tf2.15 tf2.21 tf2.15-cuda tf2.21-cuda tfmot tpu litert lint docs nightly auto)" >&2
      return 2 ;;
  esac
}

minor_of() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

leg_of_version() {
  case $1 in
    3.7) echo tf1.15 ;;
    3.8) echo tf2.13 ;;
    3.9 | 3.10 | 3.11) echo tf2.15 ;;  # Still has Estimator.
    3.12 | 3.13) echo tf2.21 ;;
    *) return 1 ;;
  esac
}

# Sets $python and $leg from the python3 on the PATH, or, when no TensorFlow serves
# that one, from the best other Python of this machine.
choose_leg() {
  python=$("$root/tools/find_python.sh" default) || exit 3
  leg=$(leg_of_version "$(minor_of "$python")") && return 0
  echo "python3 is $(minor_of "$python"), which no supported TensorFlow serves:" \
    "looking for Python 3.7 to 3.13" >&2
  python=$("$root/tools/find_python.sh" 3.11 3.10 3.9 3.12 3.13 3.8 3.7) || exit 3
  leg=$(leg_of_version "$(minor_of "$python")")
}

only_leg=
if [ "${1:-}" = --leg ]; then
  only_leg=1
  shift
fi
leg=${1:?which leg? see the head of $0}
python=
if [ "$leg" = auto ]; then
  choose_leg
else
  versions=$(versions_of "$leg") || exit 2
fi
if [ -n "$only_leg" ]; then
  echo "$leg"
  exit 0
fi
if [ -z "$python" ]; then
  # The python3 on the PATH serves if it can, otherwise any that can. The 2.21 leg
  # prefers a Python that no other leg would use, and the peer the same one.
  default=$("$root/tools/find_python.sh" default 2>/dev/null) || default=
  if [ -n "$default" ] && [ "$leg" != tf2.21 ] && [ "$leg" != tfmot ]; then
    case " $versions " in
      *" $(minor_of "$default") "*) python=$default ;;
    esac
  fi
  # shellcheck disable=SC2086
  [ -n "$python" ] || python=$("$root/tools/find_python.sh" $versions) || exit 3
fi

# Makes the environment with uv, which takes a quarter of the time, or fails: uv may not run here, or
# have no access to packages that pip's own settings lead to. Wheels that several environments need
# are on the disk once: as hard links.
with_uv() (
  UV_CACHE_DIR=$envs/uv-cache
  UV_PYTHON_DOWNLOADS=never
  export UV_CACHE_DIR UV_PYTHON_DOWNLOADS
  uv=$envs/uv-$UV/bin/uv
  if [ ! -x "$uv" ]; then
    # Moved into place, so that several makers at once do not meet half of it.
    part=$envs/uv-$UV.$$
    trap 'rm -rf "$part"' EXIT
    # It makes environments of Python 3.7, but does not install there.
    newer=$("$root/tools/find_python.sh" 3.11 3.12 3.13 3.10 3.9 3.8 2>/dev/null) || exit 1
    PIP_ROOT_USER_ACTION=ignore "$newer" -m pip install --quiet --no-compile --no-deps \
      --only-binary :all: --target "$part" "uv==$UV" >&2 || exit 1
    mv "$part" "$envs/uv-$UV" 2>/dev/null || [ -x "$uv" ] || exit 1
  fi
  rm -rf "$env"
  "$uv" venv --quiet --no-config --seed --python "$python" "$env" >&2 || exit 1
  # shellcheck disable=SC2086
  "$uv" pip install --quiet --no-config --python "$env/bin/python" $deps -r "$requirements" >&2
)

requirements=$root/requirements/$leg.txt
hash=$("$python" - "$requirements" <<'EOF'
import hashlib, platform, sys
digest = hashlib.sha256(open(sys.argv[1], 'rb').read())
digest.update(('%s %s' % (sys.version, platform.machine())).encode())
print(digest.hexdigest()[:12])
EOF
)
# Nightly builds are installed again each day.
[ "$leg" != nightly ] || hash=$(date +%Y%m%d)
env=$envs/$leg-$hash
stamp=$env/complete

if [ ! -f "$stamp" ]; then
  mkdir -p "$envs"
  # One maker per environment. A lock whose owner is gone was left by an interrupted
  # run and is taken over.
  lock=$env.lock
  nameless=0
  while ! mkdir "$lock" 2>/dev/null; do
    owner=$(cat "$lock/pid" 2>/dev/null || echo)
    [ -n "$owner" ] || nameless=$((nameless + 1))
    if [ "$nameless" -gt 10 ] || { [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; }; then
      rm -rf "$lock"
      nameless=0
    else
      sleep 1
    fi
  done
  echo $$ >"$lock/pid"
  trap 'rm -rf "$lock"' EXIT
  trap 'exit 1' HUP INT TERM
fi
if [ ! -f "$stamp" ]; then
  echo "making the environment $env with $("$python" --version 2>&1) ..." >&2
  if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    minor=$(minor_of "$python")
    echo "$python cannot make virtual environments: its modules venv and ensurepip are" \
      "missing. Install them (Debian, Ubuntu: apt-get install python$minor-venv;" \
      "Fedora: dnf install python3-pip) and run this again." >&2
    exit 1
  fi
  # The files are complete, and tf-keras must not pull a second TensorFlow.
  deps=--no-deps
  [ "$leg" != nightly ] || deps=
  # Nothing is compiled here: most modules are never imported, and Python compiles the others.
  with_uv || {
    "$python" -m venv --clear "$env" >&2
    # shellcheck disable=SC2086
    "$env/bin/python" -m pip install --quiet --no-compile $deps -r "$requirements" >&2
  } || {
    echo "could not install $requirements into $env" >&2
    exit 1
  }
  # The stamp is written last: without it the environment is created again.
  echo "$leg" >"$stamp"
  echo "made $env" >&2
fi
echo "$env/bin/python"
