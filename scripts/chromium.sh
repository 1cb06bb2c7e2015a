#!/usr/bin/env bash
# Makes sure that a Chromium is there for the browser tests; installs Debian's when run as root.
set -euo pipefail
for name in "${JITTERBUG_TEST_CHROMIUM:-}" chromium chromium-browser google-chrome; do
  if [ -n "$name" ] && command -v "$name" >/dev/null; then
    exit 0
  fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing Chromium for the browser tests"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
else
  echo "The browser tests need Chromium. Run: sudo apt-get install chromium" >&2
  echo "or set JITTERBUG_TEST_CHROMIUM to a browser that is there." >&2
  exit 1
fi
