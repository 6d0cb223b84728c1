#!/bin/bash
# Kills `marquee run` at random moments; the run after it must leave the bytes of an undisturbed one.
#   KILLS=20 SEED=… kill_and_resume.sh
. "$(dirname "$0")/small_store.sh"
kills=${KILLS:-20}
RANDOM=${SEED:=$(date +%s)}
echo "seed $SEED"

make_input calm
start=$(date +%s%N)
marquee run --store file:calm --quiet >log 2>&1 || { cat log; fail "undisturbed run"; }
total_ms=$((($(date +%s%N) - start) / 1000000))
artifacts calm >want
[ "$(wc -l <want)" -gt 30 ] || fail "the undisturbed run left too little"
echo "undisturbed run: $total_ms ms, $(wc -l <want) files"

landed=0
for k in $(seq 1 "$kills"); do
    rm -rf store
    make_input store
    "$MARQUEE_BINARY" run --store file:store --quiet >log 2>&1 &
    pid=$!
    moment=$((total_ms * (RANDOM % 1000) / 1000))
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    if kill -9 $pid 2>/dev/null; then
        landed=$((landed + 1))
    else # the machine was busier when the undisturbed run was timed
        total_ms=$((total_ms * 3 / 4))
    fi
    wait $pid 2>/dev/null
    # Nobody may ever see a part of a file: what is there now can be inspected.
    marquee run --store file:store --quiet >log 2>&1 ||
        { cat log; fail "run after a kill at $moment ms (kill $k, seed $SEED)"; }
    artifacts store >got
    diff want got >difference ||
        { cat difference; fail "other bytes after a kill at $moment ms (kill $k, seed $SEED)"; }
    [ ! -e store/1/runs/lock.json ] || fail "the lock is left"
    left=$(find store/1/runs/steps -name '*.started.json' -o -path '*/before/*' -type f)
    [ -z "$left" ] ||
        { cat log $left; fail "left after a kill at $moment ms (kill $k, seed $SEED): $left"; }
done
echo "$kills kills, $landed of them before the run's end: same bytes each time"
[ "$landed" -gt $((kills / 2)) ] || fail "too few kills met a running process"
