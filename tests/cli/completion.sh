# Every verb and every option of --help is in the completions of each shell and in the manual; and the shells complete.
. "$(dirname "$0")/lib.sh"

for shell in bash zsh fish; do
    run completion $shell
    want_status 0
    no_err
    mv out hone.$shell
    if command -v $shell >/dev/null; then
        $shell -n hone.$shell 2>err || { : >out; fail "$shell cannot read what is for it"; }
    fi
done
run man
want_status 0
no_err
want_out '^\.TH HONE 1 '
mv out hone.1
run --help
verbs=$(sed -n '/^verbs:$/,/^$/s/^  \([a-z]*\) .*/\1/p' out)
[ "$(echo "$verbs" | wc -l)" -ge 19 ] || fail "too few verbs"

# What bash would offer for these words, by a line each.
offered() {
    bash -c 'compopt() { :; }; . ./hone.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hone; printf "%s\n" "${COMPREPLY[@]}"' _ "$@"
}

for verb in $verbs; do
    run help $verb
    mv out help
    # "  -o, --output FILE   …" and "      --resume FILE   …"; what a text says of an option of another verb stands elsewhere
    sed -n '/^examples:$/q; s/^  \(-[a-z], \|    \)--\([a-z0-9-]*\).*/\2/p' help | sort >options
    [ "$(wc -l <options)" -ge 6 ] || fail "$verb: --help lists too few options"
    grep -q "^\.BR hone.-$verb (1)$" hone.1 || fail "$verb is not in hone.1"
    run man $verb
    want_status 0
    sed -n 's/^\(\\fB\\-[a-z]\\fR, \)\{0,1\}\\fB\\-\\-\([a-z0-9\\-]*\)\\fR.*/\2/p' out | sed 's/\\-/-/g' | sort >listed
    cmp -s options listed || fail "$verb: the manual lists other options"
    if command -v groff >/dev/null; then
        groff -man -Tutf8 -Kutf8 -ww out 2>&1 >/dev/null | grep -v 'adjust line\|break line' >err
        no_err
    fi
    sed -n "/^_hone_$verb() {\$/,/^}\$/s/^ *'\(.*{-[a-z]+*,\)\{0,1\}--\([a-z0-9-]*\).*/\2/p" hone.zsh | sort >listed
    cmp -s options listed || fail "$verb: zsh completes other options"
    sed -n "s/^complete .*_from $verb' -l \([a-z0-9-]*\) .*/\1/p" hone.fish | sort >listed
    cmp -s options listed || fail "$verb: fish completes other options"
    if command -v bash >/dev/null; then
        offered hone $verb -- | sed 's/^--//' | sort >listed
        cmp -s options listed || fail "$verb: bash completes other options"
    fi
done

# What bash offers where.
offers() {
    wanted=$1
    shift
    offered "$@" >out
    last="completing $*"
    [ "$(tr '\n' ' ' <out)" = "$wanted " ] || fail "expected $wanted"
}
if command -v bash >/dev/null; then
    mkdir room
    cd room
    mkdir "a folder"
    : >"a model.h5"
    : >mine.h5
    cp ../hone.bash .
    offers train hone tr
    offers "--model" hone train --mod
    offers "mnist-cnn mnist-fast mnist-best" hone train --model mnist
    offers "mnist-cnn mnist-fast mnist-best" hone train --model = mnist
    offers "a folder a model.h5" hone train --output a
    offers "a folder" hone train --runs a
    offers "mnist mine.h5" hone train m
    offers "reproduce" hone runs r
    offers "fish" hone completion f
    offers "explain export" hone man ex
    offers "" hone train --epochs m
    offers "" hone nothing m
    cd ..
fi

run completion
want_status 2
run completion csh
want_status 2
want_err "no shell 'csh'"
run man trian
want_status 2
want_err "did you mean 'train'"
finish
