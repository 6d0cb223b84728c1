#!/bin/bash
# Runs tests/cli/cases/*.case: command lines with their exact standard output, standard error and
# exit status. A case is a file of blocks, run in order in one scratch folder:
#
#   --- run
#   marquee steps --nope          (any bash; `marquee` is the binary under test)
#   --- stdout
#   --- stderr
#   marquee: unknown flag --nope
#   --- status 2
#
# What differs from run to run is replaced before comparing: run ids by RUN, versions of models by MODEL, instants by INSTANT,
# durations by TIME, sizes in MB by SIZE, the version by VERSION, the scratch folder by SCRATCH.
#
# use: run.sh [CASE…]      UPDATE=1 run.sh CASE…   rewrites what the cases expect.
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${MARQUEE_BINARY:?path of the binary under test}"
binary_folder=$(cd "$(dirname "$MARQUEE_BINARY")" && pwd)
export PATH="$binary_folder:$PATH" NO_COLOR=1 LC_ALL=C.UTF-8
unset MARQUEE_STORE MARQUEE_REGION MARQUEE_CONFIG

normalise() {
    sed -E -e "s#$1#SCRATCH#g" \
        -e 's/[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}/RUN/g' \
        -e 's/[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}/MODEL/g' \
        -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z/INSTANT/g' \
        -e 's/\b[0-9]+\.[0-9] s\b/TIME/g' \
        -e 's/\b[0-9]+(\.[0-9])? [MG]B\b/SIZE/g' \
        -e 's/"seconds": [0-9.e+-]+/"seconds": TIME/' \
        -e 's/process [0-9]+ on [^ ,]+/process PID on HOST/' \
        -e 's/\b0\.1\.0\b/VERSION/g'
}

failures=0
blocks=0

# Compare one block; on a difference say which and show it.
check_block() {
    local file=$1 scratch=$2
    [ -n "$script" ] || return 0
    blocks=$((blocks + 1))
    (cd "$scratch/work" && bash -c "$script") >"$scratch/out" 2>"$scratch/err" </dev/null
    local status=$?
    normalise "$scratch/work" <"$scratch/out" >"$scratch/stdout"
    normalise "$scratch/work" <"$scratch/err" >"$scratch/stderr"
    if [ "${UPDATE:-0}" = 1 ]; then
        { printf '%s\n' '--- run'; printf '%s' "$script"; printf '%s\n' '--- stdout'
          cat "$scratch/stdout"; printf '%s\n' '--- stderr'; cat "$scratch/stderr"
          printf '%s\n' "--- status $status"; } >>"$scratch/updated"
        return 0
    fi
    printf '%s' "$want_out" >"$scratch/want-out"
    printf '%s' "$want_err" >"$scratch/want-err"
    if ! diff -u "$scratch/want-out" "$scratch/stdout" >"$scratch/diff"; then
        printf 'FAIL %s: standard output of: %s' "$file" "$script"; cat "$scratch/diff"
        failures=$((failures + 1))
    fi
    if ! diff -u "$scratch/want-err" "$scratch/stderr" >"$scratch/diff"; then
        printf 'FAIL %s: standard error of: %s' "$file" "$script"; cat "$scratch/diff"
        failures=$((failures + 1))
    fi
    if [ "$status" != "$want_status" ]; then
        printf 'FAIL %s: status %s, expected %s, of: %s' "$file" "$status" "$want_status" "$script"
        failures=$((failures + 1))
    fi
}

run_case() {
    local file=$1 scratch part='' line
    scratch=$(mktemp -d)
    mkdir "$scratch/work"
    script='' want_out='' want_err='' want_status=0
    : >"$scratch/updated"
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        '--- run')
            check_block "$file" "$scratch"
            script='' want_out='' want_err='' want_status=0 part=run ;;
        '--- stdout') part=stdout ;;
        '--- stderr') part=stderr ;;
        '--- status '*) want_status=${line#--- status } part=status ;;
        *)
            case $part in
            run) script+=$line$'\n' ;;
            stdout) want_out+=$line$'\n' ;;
            stderr) want_err+=$line$'\n' ;;
            '') [ "${UPDATE:-0}" = 1 ] && printf '%s\n' "$line" >>"$scratch/updated" ;;
            esac ;;
        esac
    done <"$file"
    check_block "$file" "$scratch"
    [ "${UPDATE:-0}" = 1 ] && cp "$scratch/updated" "$file"
    rm -rf "$scratch"
}

if [ $# -eq 0 ]; then
    set -- "$here"/cases/*.case
fi
for case_file in "$@"; do
    run_case "$case_file"
done
echo "$blocks command lines, $failures differences"
[ "$blocks" -gt 0 ] && [ "$failures" -eq 0 ]
