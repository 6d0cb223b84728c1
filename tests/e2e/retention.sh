#!/bin/bash
# What the embedded log forgets: a group that comes late is told, goes on at the earliest event held, and the
# bronze layer knows which offsets are missing.
. "$(dirname "$0")/small_store.sh"
. "$(dirname "$0")/serving.sh"
export MARQUEE_STORE=file:store MARQUEE_EVENTS_LOG=lmdb:events MARQUEE_EVENTS_PARTITIONS=1
event() { printf '{"user_id":"%s","movie_id":"%d","rating":4,"timestamp":"%s"}' "$1" "$2" "$3"; }
send() { # INSTANT COUNT
    export MARQUEE_NOW=$1
    serve_start
    local body="" i
    for i in $(seq "$2"); do body+="$(event "u$i" "$i" "$1"),"; done
    [ "$(post "[${body%,}]")" = 202 ] || { cat answer; fail "events of $1"; }
    serve_stop
}
send 2026-03-01T12:00:00Z 10
marquee consume --until-end --quiet || fail "consume"
send 2026-03-01T13:00:00Z 20

# In time: kept for 168 h by default, and told of once half of them are over.
export MARQUEE_NOW=2026-03-06T12:00:00Z
marquee doctor >log 2>&1 || { cat log; fail "doctor"; }
grep -q "30 events, .*; kept 168 h" log || { cat log; fail "what is held"; }
grep -q "^warn .*20 events that group 'movie-rec-consumer-group' has not read are older" log || { cat log; fail "no warning"; }
MARQUEE_EVENTS_RETENTION_HOURS=0 marquee doctor | grep -q "30 events, .*; kept for ever" || fail "kept for ever"

# Too late: the oldest went when the next came.
send 2026-03-09T12:00:00Z 5
marquee doctor >log 2>&1 || { cat log; fail "doctor"; }
grep -q " 5 events, .*; kept 168 h" log || { cat log; fail "what is left"; }
grep -q "^warn .*20 events were forgotten before group" log || { cat log; fail "nothing about what is gone"; }
marquee consume --until-end --json >out 2>log || { cat log; fail "consume after it"; }
grep -q "partition 0: offsets 10 to 29 were forgotten before they were read" log || { cat log; fail "not told"; }
tr -d ' \n' <out | grep -q '"events":5,' || { cat out; fail "not five events"; }
marquee bronze verify --json >verify 2>log && fail "verify finds nothing missing"
grep -q "20 offsets of batch .* were gone from the log (retention)" log || { cat log; fail "verify"; }
tr -d ' \n' <verify >out
grep -q '"events":15,' out && grep -q '"lost_offsets":20,' out || { cat out; fail "the layer does not know what is missing"; }
marquee doctor | grep -q '^warn.*forgotten' && fail "told after it is over"

# By size: so much a partition and no more, however much comes.
for i in 1 2 3; do
    MARQUEE_EVENTS_RETENTION_MB=1 send "2026-03-09T12:0$i:00Z" 1000
done
marquee doctor | grep -q " 3005 events, .*; kept 168 h" || fail "within the limit"
pad=$(head -c 30000 /dev/zero | tr '\0' x)
export MARQUEE_EVENTS_RETENTION_MB=1 MARQUEE_NOW=2026-03-09T13:00:00Z
serve_start
for i in $(seq 80); do
    [ "$(post "{\"user_id\":\"u\",\"movie_id\":\"1\",\"rating\":4,\"timestamp\":\"$MARQUEE_NOW\",\"x\":\"$pad\"}")" = 202 ] || fail "a large event"
done
serve_stop
marquee doctor >log
held=$(sed -nE 's/.* ([0-9]+) events, .* kept 168 h, at most 1 MB a partition/\1/p' log | head -1)
[ "$held" -gt 20 ] && [ "$held" -lt 36 ] || { cat log; fail "$held events of 30 kB within 1 MB"; }
echo "retention: ok"
