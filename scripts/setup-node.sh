#!/usr/bin/env bash
# Installs the locked npm packages of js/.
set -euo pipefail
cd "$(dirname "$0")/../js"
if ! command -v node >/dev/null || ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)'; then
  echo "Node 20 or later is needed, with npm. On Debian 13: apt-get install nodejs npm" >&2
  exit 1
fi
npm ci --no-audit --no-fund --loglevel=error
