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
exec "$python" "$@"
