#!/bin/sh
# hone serve and an ONNX Runtime server in Python under the same load, in turn, on this machine.
#
#   bench/serve/compare.sh MODEL.h5 [SECONDS]
#
# MODEL takes 28x28x1 pictures (hone train mnist). PYTHON is an interpreter with onnxruntime, fastapi and uvicorn;
# without it only hone is measured. HONE is the program, LOAD the load generator (build/hone, build/bench/serve_load).
# One line of JSON for each server, kind and number of connections.
set -eu
[ $# -ge 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
model=$1 seconds=${2:-5}
hone=${HONE:-$root/build/hone} load=${LOAD:-$root/build/bench/serve_load}
work=$(mktemp -d)
pids=
trap 'for p in $pids; do kill "$p" 2>/dev/null || true; done; rm -rf "$work"' EXIT

"$hone" serve "m=$model" --no-ui 2>"$work/log" &
pids=$!
until grep -q '^listening' "$work/log"; do sleep 0.05; kill -0 $! || { cat "$work/log" >&2; exit 1; }; done
port=$(sed -n 's/^listening on .*://p' "$work/log")
input=$(curl -s "http://127.0.0.1:$port/v2/models/m" | sed 's/.*"inputs": \[{"name": "\([^"]*\)".*/\1/')
peer=
if [ -n "${PYTHON:-}" ]; then
    "$hone" export "$model" --to onnx --output "$work/m.onnx" >/dev/null
    peer=$((port + 1))
    "$PYTHON" "$root/bench/serve/peer_onnxruntime.py" "$work/m.onnx" $peer &
    pids="$pids $!"
    for i in $(seq 100); do curl -s "http://127.0.0.1:$peer/healthz" >/dev/null && break; sleep 0.1; done
fi
for connections in 1 16 256; do
    for kind in binary tensorflow; do
        printf 'hone         '
        "$load" "$port" $kind $connections "$seconds" m "$input"
        [ -z "$peer" ] || { printf 'onnxruntime  '; "$load" $peer $kind $connections "$seconds" m "$input"; }
    done
    printf 'hone         '
    "$load" "$port" json $connections "$seconds" m "$input"
done
