#!/usr/bin/env bash
# Makes sure that the foreign clients and proxies of the tests are there: curl and nginx; installs Debian's when run as
# root. Elsewhere their tests are skipped, and this says so.
set -euo pipefail
PATH="$PATH:/usr/sbin:/usr/local/sbin:/sbin"
missing=()
for name in curl nginx; do
  command -v "$name" >/dev/null || missing+=("$name")
done
if [ "${#missing[@]}" = 0 ]; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing for the tests: ${missing[*]}"
  apt-get update -qq
  # Of nginx the program alone: a test starts it on a port of its own, and no service shall run.
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "Their tests will be SKIPPED, for want of: ${missing[*]}. Run: sudo apt-get install ${missing[*]}" >&2
fi
