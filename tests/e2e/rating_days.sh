#!/bin/bash
# Ratings sent to the server day by day come out as silver tables and features: serve, consume, the
# RATING workflow, on embedded stores; a late rating, a bad day, a day asked for again.
. "$(dirname "$0")/small_store.sh"
. "$(dirname "$0")/serving.sh"
make_input store
export MARQUEE_STORE=file:store MARQUEE_EVENTS_LOG=lmdb:events MARQUEE_FEATURES_STORE=lmdb:features
rate() { marquee run --change-type RATING --quiet "$@" >log 2>&1 || { cat log; fail "RATING $*"; }; }
features() { "$MARQUEE_BUILD/tests/e2e/dump_features" lmdb:features "$1" | LC_ALL=C sort; }

# send DAY FIRST COUNT RATING: ratings of one day as one request.
send() {
    awk -v day="$1" -v first="$2" -v n="$3" -v r="$4" 'BEGIN { printf "["
        for (k = 0; k < n; k++)
            printf "%s{\"user_id\":\"u%d\",\"movie_id\":\"%d\",\"rating\":%s,\"timestamp\":\"%sT%02d:%02d:00Z\"}",
                k ? "," : "", 1 + (first + k) % 60, 1 + (first + k) * 7 % 48,
                r ? r : 1 + (first + k) % 5, day, k % 12, int(k / 6)
        printf "]" }' >body
    [ "$(post "$(cat body)")" = 202 ] || { head -c 500 answer; fail "ratings of $1 are not taken"; }
}
consume() { marquee consume --until-end --quiet >log 2>&1 || { cat log; fail "consume"; }; }

serve_start
send 2026-02-26 0 300 ""
consume
rate
[ "$(features user-features | wc -l)" = 60 ] || fail "not 60 users in the feature store"
features movie-features >movies1
grep -q '^1 .* popularity_1d=[1-9]' movies1 || { head -2 movies1; fail "film 1 is not popular"; }

# The next day, with a late rating of the day before.
send 2026-02-27 40 200 ""
[ "$(post '{"user_id":"u7","movie_id":"9","rating":0.5,"timestamp":"2026-02-26T23:59:59Z"}')" = 202 ] || fail "late"
consume
stat -c '%Y %n' store/1/silver/ratings/*/* >before
rate
[ -e store/1/silver/user_features/dt=2026-02-27/part-00000.parquet ] || fail "no features of the 27th"
features user-features | grep '^u7 ' | grep -q 'date=2026-02-27' || fail "the late rating did not reach u7"
marquee runs show latest >shown || fail "runs show"
grep -q 'validate-data' shown || { cat shown; fail "the run does not show its steps"; }

# All ratings of a day are equal: the run stops and says so, and nothing was taken.
send 2026-02-28 3 150 3
consume
artifacts store | grep silver >silver_before
expect 3 "the events of 2026-02-28 break the rule same-rating: 150 of 150 ratings are 3" marquee run --change-type RATING --quiet
page=$(grep -o "1/runs/[^']*validation.html" err | head -1)
[ -s "store/$page" ] && grep -q same-rating "store/$page" || fail "no report at '$page'"
artifacts store | grep silver | diff silver_before - || fail "a refused day changed silver"
run=${page#1/runs/}
marquee runs list >runs
grep "^${run%/*} " runs | grep -q failed || { cat runs; fail "the run is not listed as failed"; }
# The days before can be taken all the same, and the bad one where somebody says so.
rate --date 2026-02-27
[ ! -e store/1/silver/ratings/dt=2026-02-28 ] || fail "the bad day was taken"
rate --set validate.max_same_share=1
[ -e store/1/silver/ratings/dt=2026-02-28/part-00000.parquet ] || fail "the day was not taken"
marquee run --change-type RATING --set validate.max_same_share=1 >log 2>&1 || { cat log; fail "again"; }
[ "$(grep -c 'skipped: nothing changed' log)" = 8 ] || { cat log; fail "something ran again"; }

# Compaction, and a replay of what the log holds, change no table.
find store/1/silver -name '*.parquet' -not -path '*feature-store*' -exec sha256sum {} + | sort >tables
marquee bronze compact --date 2026-02-26 --quiet >log 2>&1 || { cat log; fail "compact"; }
rate --set validate.max_same_share=1
find store/1/silver -name '*.parquet' -not -path '*feature-store*' -exec sha256sum {} + | sort | diff tables - ||
    fail "compaction changed a table"
serve_stop
echo "rating days: ok"
