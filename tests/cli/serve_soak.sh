# A few seconds of bench/serve/soak.py: good, bad and slow clients at once, the model file replaced under them.
. "$(dirname "$0")/lib.sh"

command -v python3 >/dev/null || { echo "no python3"; exit 77; }
run train digits:400 --epochs 1 --threads 1 --output d.h5 --no-test --quiet
want_status 0
"$HONE" serve d.h5 --host 192.0.2.1 2>err
if grep -q 'HONE_WITH' err; then exit 77; fi
last="bench/serve/soak.py"
# AddressSanitizer keeps what was freed, up to 256 MB: that would count as growth.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=4"
python3 "$tests/../bench/serve/soak.py" "$HONE" d.h5 5 >out 2>err
status=$?
want_status 0
want_out '"good": [1-9]'
no_err
finish
