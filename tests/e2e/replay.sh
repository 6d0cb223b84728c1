#!/bin/bash
# What came within a time is written again: lost and damaged objects come back byte for byte, and
# neither the group nor the rest of the bronze layer notices.
. "$(dirname "$0")/small_store.sh"
. "$(dirname "$0")/serving.sh"
export MARQUEE_STORE=file:store MARQUEE_EVENTS_LOG=lmdb:events MARQUEE_EVENTS_PARTITIONS=2
event() { printf '{"user_id":"%s","movie_id":"%d","rating":4,"timestamp":"%s"}' "$1" "$2" "$3"; }
day() { # DAY FIRST: ten events of five users, and one that is off the scale
    export MARQUEE_NOW=$1T12:00:00Z
    serve_start
    local body="" i
    for i in $(seq 0 9); do body+="$(event "u$((i % 5))" "$(($2 + i))" "$1T11:0$i:00Z"),"; done
    [ "$(post "[${body%,}]")" = 202 ] || { cat answer; fail "events of $1"; }
    serve_stop
    marquee consume --until-end --project-actions --quiet >log 2>&1 || { cat log; fail "consume $1"; }
}
day 2026-03-01 100
day 2026-03-02 200
marquee bronze verify >log 2>&1 || { cat log; fail "verify"; }
artifacts store >whole
first=$(find store/1/bronze/user-events/dt=2026-03-01 -name '*.gz' | wc -l)
[ "$first" = 2 ] || fail "$first objects of the first day, two partitions"

expect 2 "--from is missing" marquee replay
expect 2 "--from is 'yesterday' (allowed: a day" marquee replay --from yesterday
expect 2 "is not before --to" marquee replay --from 2026-03-02 --to 2026-03-01

# Nothing lies in a time before, and a dry run touches nothing.
marquee replay --from 2026-01-01 --to 2026-02-01 --json >out || fail "an empty time"
grep -q '"events": 0' out || { cat out; fail "events before the first"; }
marquee replay --from 2026-03-01 --to 2026-03-02 --dry-run --json | tr -d ' \n' >out
grep -q '"first":0,"end":[0-9]' out || { cat out; fail "dry run"; }
artifacts store | diff whole - || fail "a dry run changed the store"

# The first day is gone, an object of the second is damaged.
rm -r store/1/bronze/user-events/dt=2026-03-01 store/1/system/user-data/action
victim=$(find store/1/bronze/user-events/dt=2026-03-02 -name '*.gz' | head -1)
head -c 20 "$victim" >cut && cp cut "$victim"
! marquee bronze verify >log 2>&1 || fail "verify does not see the damage"
marquee replay --from 2026-03-01 --to 2026-03-02 --project-actions --json >out || fail "replay of the first day"
grep -q '"events": 10' out || { cat out; fail "not ten events"; }
[ "$(find store/1/bronze/user-events/dt=2026-03-01 -name '*.gz' | wc -l)" = 2 ] || fail "the first day is not back"
cmp -s cut "$victim" || fail "a day outside of the time was written"
marquee replay --from 2026-03-02T11:59 --project-actions --quiet >log || { cat log; fail "replay of the second day"; }
artifacts store | diff whole - || fail "the store is not what it was"
marquee bronze verify >log 2>&1 || { cat log; fail "verify after the replay"; }

# The group stands where it stood; a layer that lost its records too is made anew.
marquee consume --until-end --json >out 2>log || fail "consume"
grep -q '"batches": 0' out || { cat out; fail "a replay moved the group"; }
rm -r store/1/bronze
marquee replay --from 2026-03-01 --quiet >log || { cat log; fail "replay of everything"; }
marquee bronze verify --json | tr -d ' \n' >out || { cat out; fail "verify of the new layer"; }
grep -q '"events":20,' out || { cat out; fail "not all twenty events"; }

# A topic that nobody made is not made by reading it.
expect 1 "there is no topic 'user-event' in 'lmdb:events'" marquee consume --topic user-event --until-end
grep -q "marquee stores create" err || { cat err; fail "no next step for a topic that is not there"; }
expect 1 "user-event" marquee consume --topic user-event --until-end

# What the API refuses comes to bronze/rejected too, and comes back like everything else.
export MARQUEE_NOW=2026-03-03T12:00:00Z
serve_start
[ "$(post "$(event u1 1 2026-03-03T11:00:00Z | sed s/:4,/:9,/)")" = 422 ] || { cat answer; fail "an event off the scale"; }
serve_stop
marquee consume --until-end --json >out 2>log || { cat log; fail "consume what was refused"; }
grep -q '"rejected": 1' out || { cat out; fail "what the API refused was not consumed"; }
refused=store/1/bronze/rejected/dt=2026-03-03/user-events.rejected-0-00000000000000000000.jsonl.gz
gunzip -c "$refused" >line || fail "no object of what the API refused"
grep -q '^{"source":"api",.*"reason":"off-scale"' line || { cat line; fail "the line"; }
rm "$refused"
! marquee bronze verify >log 2>&1 || fail "verify does not miss it"
grep -q "replay --offsets 0:0-0 --topic user-events.rejected" log || { cat log; fail "what mends it"; }
marquee replay --offsets 0:0-0 --topic user-events.rejected --quiet >log 2>&1 || { cat log; fail "replay of it"; }
gunzip -c "$refused" | cmp - line || fail "not the same line"
marquee bronze verify >log 2>&1 || { cat log; fail "verify at the end"; }
echo "replay: ok"
