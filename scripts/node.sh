#!/bin/sh
# Runs a TypeScript file with the Node that the project pins, installing the npm packages first when they are missing or stale.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
stamp="$root/node_modules/.package-lock.json"
if [ ! -f "$stamp" ] || [ "$root/package-lock.json" -nt "$stamp" ]; then
  echo "knarr: installing npm packages …" >&2
  (cd "$root" && npm install --no-save --no-audit --no-fund --loglevel=error) >&2
  touch "$stamp"
fi
node=$(ls "$root"/node_modules/node-linux-*/bin/node "$root"/node_modules/node-darwin-*/bin/node 2>/dev/null | head -n 1 || true)
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$root/node_modules/.cache/compile}"
exec "${node:-node}" --disable-warning=ExperimentalWarning --max-semi-space-size=4 "$@"
