#!/bin/bash
# Kills the RATING workflow at random moments, over three days of events of which the last come late;
# the runs after must leave the silver tables, and the records of the feature store, of undisturbed
# ones.
#   KILLS=12 SEED=… rating_killed.sh
. "$(dirname "$0")/small_store.sh"
kills=${KILLS:-12}
RANDOM=${SEED:=$(date +%s)}
echo "seed $SEED"
export MARQUEE_FEATURES_BATCH=4

# Ratings of 200 users: part 1 is two days, part 2 a third day and late ones of the first.
ratings() {
    awk -v part="$1" 'BEGIN { s = part
        print "user,item,time,rating"
        for (k = 0; k < 1200; k++) {
            s = (s * 1103515245 + 12345) % 2147483648; u = 1 + int(s / 65536) % 200
            s = (s * 1103515245 + 12345) % 2147483648; i = 1 + int(s / 65536) % 48
            day = part == 1 ? k % 2 : k % 4 ? 2 : 0
            printf "u%d,%d,%d,%d\n", u, i, 1772150400 + day * 86400 + part * 9000 + k, 1 + (u + i) % 5
        } }'
}
ratings 1 >first.csv
ratings 2 >second.csv
make_input films
items=films/1/system/item-data/basic/1.csv

# import FOLDER FILE; rate FOLDER FLAG…
import() { marquee import csv "$2" --items $items --as events --replace --store "file:$1" --quiet >log 2>&1; }
rate() {
    local folder=$1
    shift
    marquee run --change-type RATING --store "file:$folder" --set "features.store=lmdb:$folder.features" --quiet "$@"
}
tables() { # what there is afterwards: the parquet files, and the records
    (cd "$1" && find 1/silver -name '*.parquet' -not -path '*/feature-store/*' | LC_ALL=C sort | xargs -d '\n' sha256sum)
    for table in user-features movie-features; do
        "$MARQUEE_BUILD/tests/e2e/dump_features" "lmdb:$1.features" $table | LC_ALL=C sort
    done
}

import calm first.csv || { cat log; fail "import"; }
rate calm >log 2>&1 || { cat log; fail "undisturbed run"; }
tables calm >want1
import calm second.csv || { cat log; fail "second import"; }
start=$(date +%s%N)
rate calm >log 2>&1 || { cat log; fail "second undisturbed run"; }
total_ms=$((($(date +%s%N) - start) / 1000000))
tables calm >want2
[ "$(grep -c '^u' want2)" = 200 ] || { head -3 want2; fail "not 200 users in the feature store"; }
[ "$(grep -c parquet want2)" = 7 ] || { grep parquet want2; fail "other parts than expected"; }
echo "undisturbed second run: $total_ms ms"

import store first.csv && rate store >log 2>&1 || { cat log; fail "first run"; }
tables store | diff want1 - >difference || { cat difference; fail "two first runs differ"; }
import store second.csv || { cat log; fail "second import"; }
rm -rf begun && mkdir begun && cp -r store store.features begun
landed=0
for k in $(seq 1 "$kills"); do
    rm -rf store store.features && cp -r begun/. .
    for attempt in 1 2; do
        "$MARQUEE_BINARY" run --change-type RATING --store file:store --set features.store=lmdb:store.features \
            --quiet >log 2>&1 &
        pid=$!
        moment=$((total_ms * (RANDOM % 1000) / 1000))
        sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
        if kill -9 $pid 2>/dev/null; then
            landed=$((landed + 1))
        else # the machine was busier when the undisturbed run was timed
            total_ms=$((total_ms * 3 / 4))
        fi
        wait $pid 2>/dev/null
    done
    rate store >log 2>&1 || { cat log; fail "run after two kills, the last at $moment ms (kill $k, seed $SEED)"; }
    tables store >got
    diff want2 got >difference || { head -20 difference; fail "other tables after kills (kill $k, seed $SEED)"; }
    find store/1/silver -name '*.pending.parquet' | grep -q . && fail "a write is pending still"
    rate store --dry-run >log 2>&1 || { cat log; fail "dry run"; }
    ! grep -q 'would run' log || { cat log; fail "not up to date after kill $k"; }
done
echo "$((2 * kills)) kills, $landed of them before the run's end: the same tables each time"
[ $landed -gt $kills ] || fail "too few kills met a running process"
