#!/bin/bash
# Every artifact that a step reads, in turn missing, empty, cut short and overwritten with noise:
# the step that reads it ends with one clear error that names it, and never with a signal.
. "$(dirname "$0")/small_store.sh"
export MARQUEE_FEATURES_STORE=lmdb:features
{
    echo 'user,item,time,rating'
    for u in 1 2 3 4; do for i in 1 2 3; do echo "u$u,$((u + i)),2026-02-2${i}T10:0$u:00Z,$((1 + (u * i) % 5))"; done; done
} >events.csv
marquee import csv events.csv --as events --store file:store --quiet >log 2>&1 || { cat log; fail "import"; }
make_input store
marquee run --store file:store --quiet >log 2>&1 || { cat log; fail "run"; }
marquee run --change-type RATING --store file:store --quiet >log 2>&1 || { cat log; fail "RATING"; }
artifacts store >want
tried=0 refused=0

# The step's inputs that another step made: "step path may-miss own" lines.
marquee steps --json >steps.json || fail "steps"
awk '/"step": / { gsub(/[",]/, "", $2); step = $2 }
     /"inputs"/ { on = 1 } /"outputs"/ { on = 0 }
     on && /"path": / { gsub(/[",]/, "", $2); path = $2 }
     on && /"optional": / { optional = $2 } on && /"own": / { print step, path, optional $2 }
    ' steps.json | sort -u >reads
[ "$(wc -l <reads)" -gt 30 ] || { cat reads; fail "the table was not understood"; }

check() { # what step path: whether it is refused
    local what=$1 step=$2 path=$3
    tried=$((tried + 1))
    marquee step "$step" --store file:store --quiet >out 2>err
    local status=$?
    [ $status -lt 124 ] || { cat err; fail "$step dies of $path $what: status $status"; }
    [ $status != 0 ] || return 1
    refused=$((refused + 1))
    # One line of error, one of hint at most: no text of another program follows.
    [ "$(grep -c '^marquee: ' err)" = 1 ] && [ "$(grep -vc '^hint: ' err)" = 1 ] ||
        { cat err; fail "$step, $path $what: not one error"; }
    grep -qF "${path##*/}" err || { cat err; fail "$step, $path $what: the message does not name it"; }
    return 0
}

while read -r step path flags; do
    case $path in */) continue ;; esac
    case $flags in *,true*) continue ;; esac # the step's own state: its other readers are tried
    path=${path//\{type\}/movie}
    file=store/1/$path
    [ -e "$file" ] || continue
    cp "$file" kept
    case $flags in true,*) optional=1 ;; *) optional=0 ;; esac
    other=${path/movie\//tv/}
    rm "$file"
    [ "$other" != "$path" ] && [ -e "store/1/$other" ] && cp "store/1/$other" kept2 && rm "store/1/$other"
    check missing "$step" "$path" || [ $optional = 1 ] || fail "$step runs without $path"
    if [ $optional = 0 ]; then
        grep -q '^hint: .*marquee step' err || { cat err; fail "$step without $path: no hint"; }
    fi
    : >"$file"
    check empty "$step" "$path" || [ $optional = 1 ] || fail "$step runs with an empty $path"
    head -c $(($(stat -c %s kept) * 2 / 3)) kept >"$file"
    check short "$step" "$path" || case $path in *.csv) ;; *) fail "$step takes a short $path" ;; esac
    head -c 4096 /dev/zero | tr '\0' '\377' >"$file"
    check noise "$step" "$path" || case $path in *.csv) ;; *) fail "$step takes noise for $path" ;; esac
    cp kept "$file"
    [ -e kept2 ] && mv kept2 "store/1/$other"
done <reads
marquee run --store file:store --quiet >log 2>&1 || { cat log; fail "run afterwards"; }
echo "$tried bad artifacts, $refused refused with one clear error"
[ $refused -gt 100 ] || fail "too few were refused"
