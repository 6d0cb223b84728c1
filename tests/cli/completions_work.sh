#!/bin/bash
# The bash completion script offers commands, flags, and values of flags.
set -u
source <("$MARQUEE_BINARY" completions bash)
failures=0
offers() {
    local want=$1
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _marquee
    case " ${COMPREPLY[*]} " in
    *" $want "*) ;;
    *) echo "FAIL: '$*' offers '${COMPREPLY[*]}', not '$want'"; failures=$((failures + 1)) ;;
    esac
}
offers run marquee r
offers runs marquee r
offers --change-type marquee run --ch
offers CONTENT marquee run --change-type C
offers recall-batch marquee run --from rec
offers recall-batch marquee step rec
offers show marquee runs s
offers --store marquee runs show --st
offers mermaid marquee --json graph --format m
[ $failures = 0 ] && echo "completions: ok"
exit $failures
