#!/bin/bash
# The main job on real films: import ml-latest-small, run everything, look at a user's list; then
# ACTION again with nothing new. Needs MARQUEE_TEST_DATA, the folder of the archives.
. "$(dirname "$0")/small_store.sh"
MARQUEE_NOW=$(date -u +%FT%TZ) # one day for all of it
archive=${MARQUEE_TEST_DATA:-}/ml-latest-small.zip
if [ -z "${MARQUEE_TEST_DATA:-}" ] || [ ! -e "$archive" ]; then
    echo "skipped: MARQUEE_TEST_DATA holds no ml-latest-small.zip"
    exit 77
fi
case $archive in /*) ;; *) archive=$MARQUEE_SOURCE/$archive ;; esac
marquee import movielens "$archive" --store file:store --quiet >log 2>&1 || { cat log; fail "import"; }
marquee run --change-type CONTENT --store file:store --quiet >log 2>&1 || { cat log; fail "CONTENT"; }
marquee run --change-type ACTION --store file:store --quiet >log 2>&1 || { cat log; fail "ACTION"; }
marquee run --change-type ACTION --store file:store >again 2>&1 || fail "ACTION again"
grep -c 'skipped: nothing changed' again | grep -qx 9 || { cat again; fail "something ran again"; }
marquee recommend 1 --n 10 --explain --store file:store >list || fail "recommend"
[ "$(wc -l <list)" = 11 ] || { cat list; fail "not ten entries"; }
grep -q "Because you watched" list || { cat list; fail "no reasons"; }
# What user 1 watched is in no list.
marquee recommend 1 --n 1000 --json --store file:store >list.json || fail "recommend --json"
marquee inspect feature/recommend-list/movie/filter_batch_result.pickle --key 1 --json --store file:store >stored.json ||
    fail "the stored list"
awk -F, '$1 == "1" { print $2 }' store/1/system/user-data/clean/latest/action.csv | sort -u >seen
marquee explain 1 1 --json --store file:store | grep -q '"verdict": "seen"' || fail "Toy Story was seen by user 1"
marquee runs --store file:store | grep -cE ' done +20' | grep -qx 3 || fail "three runs"
echo "movielens: ok"
