#!/usr/bin/env bash
# Build the browser application into the gateway, unless nothing changed: page.sh [--only-packages]
set -euo pipefail
cd "$(dirname "$0")/.."
ui=services/gateway/ui
built=services/gateway/src/steptrail_gateway/static

packages=$(sha256sum "$ui/package-lock.json" | cut -d' ' -f1)
have_packages() { [ "$(cat "$ui/node_modules/.steptrail" 2>/dev/null || true)" = "$packages" ]; }

sources=$(find "$ui/src" "$ui/public" "$ui/scripts" "$ui"/*.json "$ui"/*.html "$ui"/*.ts -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
up_to_date() { [ -f "$built/index.html" ] && [ "$(cat "$built/.steptrail" 2>/dev/null || true)" = "$sources" ]; }

if [ "${1:-}" != --only-packages ] && up_to_date; then exit 0; fi
if ! have_packages; then
  echo "» installing the packages of the page" >&2
  (cd "$ui" && ../../../scripts/node.sh npm ci --silent --no-progress)
  echo "$packages" >"$ui/node_modules/.steptrail"
fi
if [ "${1:-}" = --only-packages ]; then exit 0; fi
echo "» building the page" >&2
(cd "$ui" && ../../../scripts/node.sh npm run --silent build)
echo "$sources" >"$built/.steptrail"
