#!/bin/bash
# Two runs at once on one store: the second says who holds the lock and changes nothing; a stopped
# run ends cleanly; both end states are those of one run.
. "$(dirname "$0")/small_store.sh"
make_input store
"$MARQUEE_BINARY" run --store file:store --quiet --set youtubednn.epochs=200 \
    --set youtubednn.patience=200 >first 2>&1 &
pid=$!
for _ in $(seq 1200); do
    grep -q '"status": "running"' store/1/runs/*/manifest.json 2>/dev/null && [ -e store/1/runs/lock.json ] && break
    sleep 0.05
done
[ -e store/1/runs/lock.json ] || { cat first; fail "the first run takes no lock"; }
expect 1 "another run is going on in 'file:store': ACTION, process $pid on" \
    marquee run --store file:store --change-type MODEL --quiet
grep -q "hint: wait for it to end" err || fail "no hint"
# SIGTERM: the run stops at its next safe point, says so, and gives the lock back.
kill -TERM $pid
wait $pid
status=$?
[ $status = 1 ] || { cat first; fail "a stopped run ends with 1, not $status"; }
grep -q "stopped on request" first || { cat first; fail "it does not say that it was stopped"; }
[ ! -e store/1/runs/lock.json ] || fail "the lock is left after SIGTERM"
find store -name '*.partial' | grep -q . && fail "unfinished files are left after SIGTERM"
marquee runs show --store file:store --json | grep -q '"status": "cancelled"' || fail "not marked"
marquee run --store file:store --quiet >log 2>&1 || { cat log; fail "run after the stop"; }
make_input calm
marquee run --store file:calm --quiet >log 2>&1 || fail "undisturbed run"
diff <(artifacts calm) <(artifacts store) || fail "other bytes than an undisturbed run"
echo "two runs: ok"
