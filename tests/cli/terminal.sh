# On a terminal: Keras' bar, redrawn in one line; resizing to the width; nothing but plain text with TERM=dumb.
. "$(dirname "$0")/lib.sh"

if ! command -v script >/dev/null 2>&1; then
    [ "${CI:-}" = true ] && { echo "script(1) is missing"; exit 1; }
    exit 77
fi
on_terminal() { # columns, command
    script -qec "stty cols $1 rows 24; $2" typescript </dev/null >/dev/null 2>&1
    status=$?
    last="$2"
    cp typescript out
    : >err
}
export LC_ALL=C.UTF-8 TERM=xterm
on_terminal 100 "'$HONE' train digits:4000:1 --epochs 2 --output t.h5 --no-test"
want_status 0
want_out 'Epoch 1/2'
want_out '113/113 ━{20} [0-9]+s [0-9.]+(us|ms|s)/step - .*loss: [0-9.]+.*val_loss: '
[ "$(tr '\r' '\n' <typescript | grep -c '/113 ')" -gt 2 ] || fail "the bar should move"

on_terminal 40 "'$HONE' train digits:2000:1 --epochs 1 --output t.h5 --no-test"
want_status 0
# Nothing between two line starts is wider than the terminal.
tr '\r' '\n' <typescript | sed 's/\x1b\[[0-9;]*[mK]//g; s/━/-/g' | grep '/57 ' | sed '$d' | awk '{ if (length($0) > 40) exit 1 }' || fail "a line wraps"

# However narrow it is, and without colours where they are not wanted.
on_terminal 16 "'$HONE' train digits:2000:1 --epochs 1 --output t.h5 --no-test"
want_status 0
tr '\r' '\n' <typescript | sed 's/\x1b\[[0-9;]*[mK]//g; s/━/-/g' | grep '/57 ' | sed '$d' | awk '{ if (length($0) > 16) exit 1 }' || fail "a line wraps"
NO_COLOR=1 on_terminal 100 "'$HONE' train digits:4000:1 --epochs 1 --output t.h5 --no-test"
want_status 0
! grep -q "$(printf '\033\[[0-9;]*m')" out || fail "NO_COLOR forbids it"
want_out '━─+ '

LC_ALL=xx_XX.UTF-8 on_terminal 100 "'$HONE' train digits:2000:1 --epochs 1 --output t.h5 --no-test"
want_out '57/57 ━{20} ' # also where the locale is not installed
LC_ALL=C on_terminal 100 "'$HONE' train digits:2000:1 --epochs 1 --output t.h5 --no-test"
want_out '57/57 ={20} '

TERM=dumb on_terminal 100 "'$HONE' train digits:2000:1 --epochs 1 --output t.h5 --no-test"
want_out '^epoch 1/1 - '
finish
