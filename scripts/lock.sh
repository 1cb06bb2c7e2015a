#!/usr/bin/env bash
# Writes requirements/dev.txt anew: every version pinned by hash, no address of any index in it.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements/dev.txt "$@"
