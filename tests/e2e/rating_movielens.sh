#!/bin/bash
# A million real ratings as events: import, import again, the RATING workflow, again with nothing new,
# one late rating; counts against the file's own. Needs MARQUEE_TEST_DATA, the folder of the archives.
. "$(dirname "$0")/small_store.sh"
unset MARQUEE_NOW
archive=${MARQUEE_TEST_DATA:-}/ml-1m.zip
if [ -z "${MARQUEE_TEST_DATA:-}" ] || [ ! -e "$archive" ]; then
    echo "skipped: MARQUEE_TEST_DATA holds no ml-1m.zip"
    exit 77
fi
case $archive in /*) ;; *) archive=$MARQUEE_SOURCE/$archive ;; esac
export MARQUEE_STORE=file:store MARQUEE_FEATURES_STORE=lmdb:features
# What is made of the features is not what this test is about.
export MARQUEE_HYBRID_METHODS='item-based|popular' MARQUEE_HYBRID_PREDICT=false
marquee import movielens "$archive" --as events --quiet >log 2>&1 || { cat log; fail "import"; }
marquee bronze verify >log 2>&1 || { cat log; fail "verify"; }
grep -q '1,000,209 events, 0 rejected' log || { cat log; fail "not all ratings are in bronze"; }
find store/1/bronze -type f -printf '%p %i %T@\n' | sort >before
marquee import movielens "$archive" --as events >log 2>&1 || { cat log; fail "second import"; }
grep -q 'all were there already' log || { cat log; fail "the second import wrote something"; }
find store/1/bronze -type f -printf '%p %i %T@\n' | sort | diff before - >/dev/null || fail "the second import changed bronze"

marquee run --change-type RATING --json >run.json 2>log || { cat log; fail "RATING"; }
figure() { grep -o "\"$1\": [0-9.]*" run.json | tail -1 | grep -o '[0-9.]*$'; }
for want in "silver_rows 1000209" "users 6040" "movies 3883" "ratings 1000209" "user_features_written 6040" "movie_features_written 3883"; do
    set -- $want
    [ "$(figure "$1")" = "$2" ] || { cat run.json; fail "$1 is $(figure "$1"), expected $2"; }
done
"$MARQUEE_BUILD/tests/e2e/dump_features" lmdb:features user-features >users || fail "dump"
# User 1: 53 ratings, 222 in sum; film 2858 has the most ratings, 3,428.
grep '^1 ' users | grep -q ' rating_count=53 rating_deviation=[0-9.]* rating_mean=4.188679' || { grep '^1 ' users; fail "user 1"; }
"$MARQUEE_BUILD/tests/e2e/dump_features" lmdb:features movie-features | grep '^2858 ' | grep -q 'rating_count=3428 ' || fail "film 2858"
marquee run --change-type RATING >log 2>&1 || { cat log; fail "again"; }
[ "$(grep -c 'skipped: nothing changed' log)" = 8 ] || { cat log; fail "something ran again"; }

# One more rating, of a day that was taken long ago.
printf 'user,item,time,rating\n1,2858,2001-02-03T04:05:06Z,2\n' >late.csv
marquee import csv late.csv --as events --quiet >log 2>&1 || { cat log; fail "late"; }
marquee run --change-type RATING --json >run.json 2>log || { cat log; fail "RATING with a late rating"; }
[ "$(figure days)" = 1 ] || { cat run.json; fail "$(figure days) days were taken, expected 1"; }
written=$(figure user_features_written)
[ "$written" = 1 ] || fail "$written users were written, expected 1"
echo "rating movielens: ok"
