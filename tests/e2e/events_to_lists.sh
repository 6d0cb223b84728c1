#!/bin/bash
# Clicks posted to the server come out as new lists: serve, consume, run, all on embedded stores.
. "$(dirname "$0")/small_store.sh"
. "$(dirname "$0")/serving.sh"
make_input store
export MARQUEE_STORE=file:store MARQUEE_EVENTS_LOG=lmdb:events
marquee run --quiet --change-type CONTENT >log 2>&1 && marquee run --quiet >log 2>&1 || { cat log; fail "run"; }
listed() { marquee recommend "$1" --n 60 --json | grep -o '"item": "[0-9]*"' | grep -o '[0-9]*'; }
film=$(listed u7 | head -1)
[ -n "$film" ] || fail "u7 has no list"

serve_start
event() { printf '{"user_id":"u7","movie_id":"%s","rating":5,"timestamp":"2026-03-01T%s:00Z","event_type":"%s"}' "$1" "$2" "$3"; }
[ "$(post "$(event "$film" 10:00 play)")" = 202 ] || { cat answer; fail "a play is not taken"; }
[ "$(post "[$(event 9 10:05 play),$(event 11 10:06 exposure),{\"user_id\":\"u7\"}]")" = 422 ] ||
    { cat answer; fail "a bad event among good ones"; }
grep -q '"offset"' answer || { cat answer; fail "the good ones were not taken"; }
serve_stop

marquee consume --until-end --project-actions --quiet >log 2>&1 || { cat log; fail "consume"; }
marquee bronze verify --date 2026-03-01 >log 2>&1 || { cat log; fail "verify"; }
lines() { find store/1/bronze/user-events -name '*.gz' -exec zcat {} + | wc -l; }
[ "$(lines)" = 3 ] || fail "$(lines) events in bronze, 3 were taken"
artifacts store >once
marquee consume --until-end --project-actions --quiet >log 2>&1 || { cat log; fail "consume again"; }
artifacts store | diff once - || fail "a second consume changed the store"

marquee run --quiet >log 2>&1 || { cat log; fail "run after the events"; }
grep -q "^u7_!_${film}_!_" store/1/system/user-data/clean/latest/action.csv ||
    { grep ^u7 store/1/system/user-data/clean/latest/action.csv | tail -3; fail "the play is not among the actions"; }
listed u7 >after
! grep -qx "$film" after || fail "film $film was played, and is recommended still"
[ -s after ] || fail "u7 has no list any more"
echo "events to lists: ok (film $film)"
