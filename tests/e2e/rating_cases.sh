#!/bin/bash
# Odd days through the whole RATING run: each ends with a stated exit status, whatever is written can be
# read again, and no figure is no number.
#   a day without data, with half the volume, all ratings equal      refused by validate-data      3
#   the same, allowed                                                a model that answers          0
#   one user; a film rated by all; users without a film in common    a model that answers          0
#   one film; one rating: nothing can be held out                    refused by the gate           3
#   ratings off the scale                  refused by the import, and by validate-data            3
. "$(dirname "$0")/small_store.sh"
make_input films
items=$PWD/films/1/system/item-data/basic/1.csv
methods='item-based user-based content mf ease sequence popular'
export MARQUEE_HYBRID_METHODS=${methods// /|} MARQUEE_STORE=file:store MARQUEE_FEATURES_STORE=lmdb:features
shopt -s lastpipe # case_begin at the end of a pipe changes the folder

# case_begin NAME: a store of its own, from the ratings on standard input: USER FILM RATING [DAY]
case_begin() {
    name=$1
    mkdir "$scratch/$name" && cd "$scratch/$name" || fail "no folder"
    awk 'BEGIN { print "user,item,time,rating" }
        { printf "%s,%s,%d,%s\n", $1, $2, 1771545600 + $4 * 86400 + NR, $3 }' >ratings.csv
}
take() { marquee import csv ratings.csv --items "$items" --as events --replace --quiet "$@" >log 2>&1 || { cat log; fail "$name: import"; }; }
# ends STATUS [TEXT [FLAG…]]: the run
ends() {
    local want=$1 text=${2:-}
    shift
    [ $# = 0 ] || shift
    marquee run --change-type RATING --quiet "$@" >log 2>&1
    local got=$?
    [ $got = "$want" ] || { cat log; fail "$name: the run ended with $got, not $want"; }
    [ -z "$text" ] || grep -qF -- "$text" log || { cat log; fail "$name: the run does not say: $text"; }
    no_nan store/1/model store/1/runs
}
# No file that a person reads has a figure that is none.
no_nan() {
    find "$@" \( -name '*.json' -o -name '*.html' -o -name '*.svg' \) 2>/dev/null |
        xargs -r grep -lwiE 'nan|-?inf|infinity' >found && { cat found; fail "$name: a figure is no number"; }
    true
}
# What is deployed answers to a user, to nobody, and with every method.
answers() { # USER
    local user method
    for user in "$1" nobody; do
        for method in hybrid $([ "$user" = nobody ] || echo $methods); do
            marquee recommend "$user" --method "$method" --explain --json >out 2>&1 || { cat out; fail "$name: $method for $user"; }
            grep -q '"item": ' out || { cat out; fail "$name: nothing for $user by $method"; }
            ! grep -q '"score": null\|"predicted_rating": null' out || { cat out; fail "$name: no number by $method"; }
        done
    done
    seq 1 48 | sed "s/^/$1\t/" | marquee score --method hybrid >out 2>&1 || { cat out; fail "$name: score"; }
    [ "$(grep -cE '"score":-?[0-9.e-]+}' out)" = 48 ] || { cat out; fail "$name: scores that are no numbers"; }
    marquee eval --ratings --json >out 2>&1 || { cat out; fail "$name: eval"; }
}

# ---- days that are refused ------------------------------------------------------------------------------
for u in $(seq 30); do for k in 1 2 3 4; do echo "u$u $(((u + k * 5) % 48 + 1)) $(((u + k) % 5 + 1)) 7"; done; done |
    case_begin empty_day
take
ends 3 'break the rule events: 0 events, at least 1' --date 2026-02-20
ends 0
answers u1

# History is what earlier runs found good: a week of 120 events a day, then a day of 50.
volume() { # DAY COUNT
    for k in $(seq 0 $(($2 - 1))); do echo "u$((k % 30 + 1)) $(((k + $1 * 7) % 48 + 1)) $(((k + k / 30) % 5 + 1)) $1"; done
}
for day in 0 1 2 3 4 5 6; do volume $day 120; done | case_begin half_volume
take
ends 0
volume 7 50 | awk '{ printf "%s,%s,%d,%s\n", $1, $2, 1771545600 + $4 * 86400 + NR, $3 }' >day
(echo "user,item,time,rating" && cat day) >ratings.csv
take
deployed=$(cat store/1/model/hybrid/current.json)
ends 3 'break the rule volume: 50 events'
[ "$(cat store/1/model/hybrid/current.json)" = "$deployed" ] || fail "half_volume: another model serves"
ends 0 '' --set validate.min_volume=0.4
[ "$(cat store/1/model/hybrid/current.json)" != "$deployed" ] || fail "half_volume: the day as it is was not taken"
answers u1

for u in $(seq 30); do for k in 1 2 3 4 5; do echo "u$u $(((u + k * 3) % 48 + 1)) 3 7"; done; done |
    case_begin all_equal
take
ends 3 'break the rule same-rating: 150 of 150 ratings are 3'
ends 0 '' --set validate.max_same_share=1
answers u1

# ---- days of an odd shape -------------------------------------------------------------------------------
for i in $(seq 20); do echo "u1 $i $((i % 5 + 1)) 7"; done | case_begin one_user
take
ends 0
answers u1

for u in $(seq 30); do for i in 7 $((u % 40 + 8)) $((u * 3 % 40 + 8)); do echo "u$u $i $(((u + i) % 5 + 1)) 7"; done; done |
    case_begin by_all
take
ends 0
answers u1

for u in $(seq 12); do for k in 1 2 3 4; do echo "u$u $((u * 4 + k - 4)) $(((u + k) % 5 + 1)) 7"; done; done |
    case_begin no_overlap
take
ends 0
answers u1
marquee similar 1 --method item-based --json >out || fail "no_overlap: similar"

# Nothing can be held out: it is made, and not deployed; who wants it all the same may have it.
for u in $(seq 30); do echo "u$u 7 $((u % 5 + 1)) 7"; done | case_begin one_film
take
ends 3 'cannot evaluate: of 30 ratings by 30 users none can be held out; no model serves yet'
marquee models promote "$(ls store/1/model/hybrid | grep ^2026)" >log 2>&1 || { cat log; fail "one_film: promote"; }
for method in hybrid $methods; do
    marquee recommend u1 --method "$method" --json >out 2>&1 || { cat out; fail "one_film: $method"; }
    ! grep -q '"score": null' out || { cat out; fail "one_film: no number by $method"; }
done

echo "u1 7 4 7" | case_begin one_rating
take
ends 3 'none can be held out'

# ---- off the scale --------------------------------------------------------------------------------------
for u in $(seq 30); do for k in 1 2 3; do echo "u$u $(((u + k * 5) % 48 + 1)) $(((u + k) % 11)) 7"; done; done |
    case_begin off_scale
expect 3 'off the scale: from 0 to 10, where 0.5 to 5 is allowed' \
    marquee import csv ratings.csv --items "$items" --as events --replace --quiet
[ ! -e store/1/bronze ] || fail "something off the scale was taken"
# Taken on a wider scale, the day is refused on the narrower; on its own it is a day like others.
export MARQUEE_EVENTS_RATING_MIN=0 MARQUEE_EVENTS_RATING_MAX=10
take
ends 3 'break the rule ranges' --set events.rating_max=5
[ ! -e store/1/model ] || fail "off_scale: a model of a day that was refused"
ends 0
answers u1
echo "rating cases: ok"
