#!/bin/sh
# run.sh SCRIPT ARGUMENTS…: SCRIPT under the Python that has Keras; exit status 77, "skipped", where there is none.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${HONE_PYTHON:-$root/.venv/bin/python}
if [ ! -x "$python" ]; then
    echo "skipped: no '$python'; scripts/python-env makes one"
    exit 77
fi
export no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost # servers of these tests are on this machine
export TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= TF_ENABLE_ONEDNN_OPTS=0
exec "$python" "$@"
