#!/usr/bin/env bash
# Make what a verb needs: setup.sh runtime | dev. Does nothing, quickly, when it is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-dev}

say() { printf '\033[2m» %s\033[0m\n' "$*" >&2; }

# One line that changes whenever a requirement or a package of ours does.
fingerprint() {
  cat "requirements/$1.txt" libs/*/pyproject.toml services/*/pyproject.toml deploy/*/pyproject.toml | sha256sum | cut -d' ' -f1
}

stamp() { echo ".venv/.steptrail-$1"; }
fresh() { [ -x .venv/bin/python ] && [ -f "$(stamp "$1")" ] && [ "$(cat "$(stamp "$1")")" = "$(fingerprint "$1")" ]; }

# Prints the path of uv; brings it into .tools when the machine has none. `--target` also works where the system's
# Python is "externally managed".
find_uv() {
  local found
  found=$(command -v uv || true)
  if [ -n "$found" ] && "$found" --version >/dev/null 2>&1; then echo "$found"; return; fi
  if [ ! -x .tools/uv/bin/uv ]; then
    say "uv is missing: installing it into .tools with pip"
    if python3 -m pip --version >/dev/null 2>&1; then
      python3 -m pip install --quiet --target .tools/uv uv >&2
    else
      bootstrap_pip
      .tools/python/bin/python -m pip install --quiet --target .tools/uv uv >&2
    fi
  fi
  echo "$PWD/.tools/uv/bin/uv"
}

# Debian's Python comes without pip and venv.
bootstrap_pip() {
  if ! python3 -c 'import ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      say "pip is missing: installing python3-venv"
      apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3-venv >&2
    else
      echo "Python's pip is missing. Install it (Debian: apt-get install python3-venv), or install uv, and try again." >&2
      exit 1
    fi
  fi
  python3 -m venv .tools/python
}

if fresh "$kind"; then exit 0; fi
uv=$(find_uv)
export UV_LINK_MODE=${UV_LINK_MODE:-copy}
[ -x .venv/bin/python ] || "$uv" venv --quiet --python "$(cat .python-version)" .venv
say "installing the $kind requirements"
"$uv" pip install --quiet --compile-bytecode --python .venv/bin/python --require-hashes -r "requirements/$kind.txt"
editable=()
for project in libs/* services/* deploy/*; do
  if [ -f "$project/pyproject.toml" ]; then editable+=(-e "$project"); fi
done
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation "${editable[@]}"
fingerprint "$kind" >"$(stamp "$kind")"
if [ "$kind" = dev ]; then fingerprint runtime >"$(stamp runtime)"; fi
