#!/bin/sh
# The tests of the Python package, with pytest; exit status 77, "skipped", where there is no Python that has it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${HONE_PYTHON:-$here/../../.venv/bin/python}
if [ ! -x "$python" ] || ! "$python" -c "import numpy, pytest" 2>/dev/null; then
    echo "skipped: no Python with NumPy and pytest at '$python'; scripts/python-env makes one"
    exit 77
fi
export PYTHONDONTWRITEBYTECODE=1
exec "$python" -m pytest -q -p no:cacheprovider "$here"
