#!/bin/bash
# Three days from the event API to the answers: the first day's model serves, the second's is taken up
# while requests go on, the third's is refused by the gate; a rollback; then what a server must survive:
# a model cut short, a pointer to nothing, a model of a newer Marquee.
. "$(dirname "$0")/small_store.sh"
. "$(dirname "$0")/serving.sh"
make_input store
export MARQUEE_STORE=file:store MARQUEE_EVENTS_LOG=lmdb:events MARQUEE_FEATURES_STORE=lmdb:features
export MARQUEE_HYBRID_METHODS='item-based|user-based|content|mf|popular' MARQUEE_GATE_BOUNDS='hit_rate_10 >= 0.01'

# day DATE FIRST: 300 ratings of 60 users with three tastes, sent and consumed.
day() {
    awk -v day="$1" -v first="$2" 'BEGIN { printf "["
        for (k = 0; k < 300; k++) {
            u = 1 + k % 60; i = 1 + ((first + int(k / 60) * 5 + u * 7) % 16 + u % 3 * 16) % 48
            printf "%s{\"user_id\":\"u%d\",\"movie_id\":\"%d\",\"rating\":%d,\"timestamp\":\"%sT%02d:%02d:00Z\"}",
                k ? "," : "", u, i, 1 + (u + i) % 5, day, k % 12, int(k / 6) }
        printf "]" }' >events.json
    gives 202 '"taken":300' POST /v1/events "$(cat events.json)"
    marquee consume --until-end --quiet >log 2>&1 || { cat log; fail "consume"; }
}
# rate NOW FLAG…: the workflow, at an instant.
rate() {
    local now=$1
    shift
    MARQUEE_NOW=$now "$MARQUEE_BINARY" run --change-type RATING --quiet "$@" >log 2>&1
}
deployed() { sed -n 's/^  "version": "\(.*\)",$/\1/p' store/1/model/hybrid/current.json; }
serves() { # VERSION: the server answers with it, and says so
    gives 200 "\"model\":\"$1\"" GET '/v1/users/u1/recommendations?n=3'
    gives 200 "\"serving\":\"$1\"" GET /v1/models
}
# Requests one after the other until the file `enough` is there: counts by status and model.
load_begin() {
    rm -rf load enough
    mkdir load
    : >load/requests
    (
        trap - EXIT
        cd load || exit 1
        while [ ! -e ../enough ] && [ -e ../load/requests ]; do
            status=$(ask GET "/v1/users/u$((RANDOM % 70))/recommendations?n=5&explain")
            echo "$status $(sed -n 's/.*"model":"\([^"]*\)".*/\1/p' body)"
        done >>requests
    ) &
    load=$!
    trap 'kill $load $server 2>/dev/null; rm -rf "$scratch"' EXIT
    load_wait 5
}
load_wait() { # until so many more are answered
    local from end=$((SECONDS + 60))
    from=$(wc -l <load/requests)
    until [ "$(wc -l <load/requests)" -ge $((from + $1)) ]; do
        [ $SECONDS -lt $end ] || fail "the load stands still"
        sleep 0.02
    done
}
load_end() { # VERSION…: which models the answers came from; none failed
    load_wait 5
    touch enough
    wait $load
    ! grep -v '^200 ' load/requests || fail "requests failed"
    cut -d' ' -f2 load/requests | sort -u >models
    printf '%s\n' "$@" | sort | diff models - || fail "answers of other models"
    echo "$(wc -l <load/requests) requests, none failed"
}

serve_start
export MARQUEE_SERVE_RELOAD_URLS=http://127.0.0.1:$port
gives 503 no-model GET /v1/users/u1/recommendations

# ---- day 1: the first model ---------------------------------------------------------------------------
day 2026-02-26 0
rate 2026-02-27T02:00:00Z || { cat log; fail "day 1"; }
first=$(deployed)
case $first in 20260227T020000Z-*) ;; *) fail "day 1 deployed '$first'" ;; esac
serves "$first"

# ---- day 2: exchanged under load ----------------------------------------------------------------------
day 2026-02-27 3
load_begin
rate 2026-02-28T02:00:00Z || { cat log; fail "day 2"; }
second=$(deployed)
[ "$second" != "$first" ] || fail "day 2 deployed nothing"
load_end "$first" "$second"
serves "$second"
gives 200 '"ratings":10' GET '/v1/users/u1/recommendations?n=1'

# ---- day 3: refused; what serves goes on serving --------------------------------------------------------
day 2026-02-28 6
rate 2026-03-01T02:00:00Z --set 'gate.bounds=hit_rate_10 >= 1.01'
status=$?
[ $status = 3 ] || { cat log; fail "day 3 ended with $status, not 3"; }
grep -q 'hit_rate_10 >= 1.01' log && grep -q "'$second' goes on serving" log || { cat log; fail "day 3 does not say why"; }
[ "$(deployed)" = "$second" ] || fail "a refused model serves"
serves "$second"
marquee models >out && grep -q '^20260301T020000Z-.* refused' out || { cat out; fail "the refusal is not listed"; }
marquee runs list >out && grep -q failed out || { cat out; fail "the run is not listed as failed"; }
third=$(sed -n 's/^\(20260301T020000Z-[0-9a-f]*\) .*/\1/p' < <(marquee models))
# What was rated on day 3 counts all the same, for it came through the log: two films are new to u1.
gives 200 '"ratings":12' GET '/v1/users/u1/recommendations?n=1'
# The run is asked for again: the same verdict, nothing trained again.
rate 2026-03-01T03:00:00Z --set 'gate.bounds=hit_rate_10 >= 1.01'
[ $? = 3 ] || { cat log; fail "the refused run passes when it is asked for again"; }

# ---- rollback, and forward again ------------------------------------------------------------------------
load_begin
marquee models rollback --reason "lists look odd" >out 2>&1 || { cat out; fail "rollback"; }
marquee step reload --quiet >out 2>&1 || { cat out; fail "reload"; }
load_end "$first" "$second"
[ "$(deployed)" = "$first" ] || fail "no rollback"
serves "$first"
# What the model that was taken back had learned came through the log too, and is not lost with it.
gives 200 '"ratings":12' GET '/v1/users/u1/recommendations?n=1'

# ---- a model cut short is refused under load --------------------------------------------------------------
refused() { # PART [STATUS]: by the server and by the step, and the first model goes on
    gives 422 "$1" POST /v1/reload
    marquee step reload --quiet >out 2>&1
    [ $? = ${2:-1} ] && grep -qF "$1" out || { cat out; fail "step reload does not tell: $1"; }
    gives 200 "\"serving\":\"$first\"" GET /v1/models
}
marquee models promote "$second" >out 2>&1 || { cat out; fail "promote"; }
load_begin
for file in neighbours.safetensors items.json model.json; do
    path=store/1/model/hybrid/$second/$file
    cp "$path" whole
    truncate -s $(($(stat -c %s whole) / 2)) "$path"
    refused "$file"
    cp whole "$path"
done
# Of a newer Marquee; a pointer to nothing; no pointer at all that can be read.
sed -i 's/"form": 1/"form": 99/' "$path"
refused "a newer Marquee made it"
gives 200 '"newer":true}' GET /v1/models
cp whole "$path"
pointer=store/1/model/hybrid/current.json
cp $pointer kept
sed -i "s/\"version\": \"$second\"/\"version\": \"20270101T000000Z-00000000\"/" $pointer
refused 20270101T000000Z-00000000
expect 3 20270101T000000Z-00000000 marquee recommend u1 --method hybrid
echo '{' >$pointer
refused current.json 3
gives 200 "\"deployed\":null,\"problem\":\"" GET /v1/models
expect 3 current.json marquee recommend u1 --method hybrid
load_end "$first"
# A server that starts meanwhile takes events, and answers when all is mended.
serve_stop
serve_start
gives 503 no-model GET /v1/users/u1/recommendations
gives 202 '"taken":1' POST /v1/events '{"user_id":"u1","movie_id":"3","rating":4,"timestamp":"2026-03-01T11:00:00Z"}'
cp kept $pointer
export MARQUEE_SERVE_RELOAD_URLS=http://127.0.0.1:$port
marquee step reload --quiet >out 2>&1 || { cat out; fail "reload of what was mended"; }
serves "$second"

# ---- the next day: judged against what serves now, deployed, taken up ---------------------------------------
marquee consume --until-end --quiet >log 2>&1 || { cat log; fail "consume"; }
rate 2026-03-02T02:00:00Z --set validate.min_volume=0 || { cat log; fail "the next day"; }
case $(deployed) in 20260302T020000Z-*) ;; *) cat log; fail "the next day deployed '$(deployed)'" ;; esac
serves "$(deployed)"
[ -e "store/1/model/hybrid/$third/evaluation.json" ] || fail "the refused model's evaluation is gone"
serve_stop
echo "rating workflow: ok"
