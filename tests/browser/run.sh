#!/bin/sh
# run.sh SCRIPT: SCRIPT in the Python that has Selenium, with a headless Chromium; exit status 77, "skipped", where one is
# missing. HONE is the program; HONE_SCREENSHOTS, a folder, also takes the pictures of the documentation.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${HONE_PYTHON:-$root/.venv/bin/python}
for tool in chromedriver chromium; do
    command -v "$tool" >/dev/null 2>&1 || { echo "skipped: no $tool; scripts/bootstrap --test installs it"; exit 77; }
done
if ! "$python" -c 'import selenium' 2>/dev/null; then
    echo "skipped: '$python' has no selenium; scripts/python-env installs it"
    exit 77
fi
# Chromium leaves folders where temporary files go, above all when it is killed: they go with this one, or with the next.
for left in "${TMPDIR:-/tmp}"/hone-browser.*; do
    owner=${left##*/hone-browser.}
    kill -0 "${owner%%.*}" 2>/dev/null || rm -rf "$left" 2>/dev/null || true
done
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/hone-browser.$$.XXXXXX")
export TMPDIR no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
status=0
"$python" "$@" || status=$?
exit $status
