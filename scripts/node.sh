#!/bin/sh
# Runs a TypeScript file with the Node that the project pins. First installs what is missing for that: the npm packages, and
# the one library that Node needs and a small Debian lacks.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
stamp="$root/node_modules/.package-lock.json"
if [ ! -f "$stamp" ] || [ "$root/package-lock.json" -nt "$stamp" ]; then
  echo "knarr: installing npm packages …" >&2
  # Every native part comes prebuilt, so no package needs to run anything at installation.
  (cd "$root" && npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error) >&2
  touch "$stamp"
fi
node=$(ls "$root"/node_modules/node-linux-*/bin/node 2>/dev/null | head -n 1 || true)
node=${node:-node}
if ! problem=$("$node" --version 2>&1); then
  install="apt-get update && apt-get install -y --no-install-recommends libatomic1"
  case "$problem" in
    *libatomic.so.1*) ;;
    *) echo "knarr: Node does not start: $problem" >&2; exit 1 ;;
  esac
  case " $* " in *" --no-install "*) refused=yes ;; *) refused=no ;; esac
  if [ "$refused" = yes ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    printf 'knarr: Node needs the library libatomic.so.1. Install it with:\n  %s\n' "$install" >&2
    exit 1
  fi
  echo "knarr: installing the Debian package libatomic1 (Node needs it) …" >&2
  DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq && apt-get install -y -qq --no-install-recommends libatomic1" >/dev/null
fi
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$root/node_modules/.cache/compile}"
# One heap for all threads: each of its own would keep what was freed in it.
export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-1}"
# In a young generation of this size what a request needs dies before it is moved to the old one: 4 MB have twice the
# collections and, under load, 15 MB more of memory; 16 have longer ones. Few helper threads keep an idle cluster small.
flags="--disable-warning=ExperimentalWarning --max-semi-space-size=8 --v8-pool-size=2"
[ -d "$NODE_COMPILE_CACHE" ] || "$node" $flags "$root/scripts/warm.ts" >/dev/null 2>&1 || true
exec "$node" $flags "$@"
