#!/bin/bash
# A bronze layer is damaged in every way there is: verify names it, compaction merges none of it and
# deletes nothing, and a replay brings all of it back.
. "$(dirname "$0")/small_store.sh"
. "$(dirname "$0")/serving.sh"
export MARQUEE_STORE=file:store MARQUEE_EVENTS_LOG=lmdb:events MARQUEE_EVENTS_PARTITIONS=2
export MARQUEE_NOW=2026-03-01T12:00:00Z
bronze=store/1/bronze day=2026-03-01
events=$bronze/user-events/dt=$day
serve_start
round() { # NUMBER DAY: twenty events of ten users on the day, one off the scale: a batch a partition
    local body="" i
    for i in $(seq 0 19); do
        body+=$(printf '{"user_id":"u%d","movie_id":"%d","rating":%d,"timestamp":"%sT11:%02d:00Z"},' \
            $((i % 10)) $(($1 * 100 + i)) 4 "$2" "$i")
    done
    [ "$(post "[${body%,}]")" = 202 ] || { cat answer; fail "events of round $1"; }
    marquee consume --until-end --quiet >log 2>&1 || { cat log; fail "consume round $1"; }
}
for number in 1 2 3 4 5; do round $number $day; done
round 6 2026-02-28
serve_stop
rm -rf whole && cp -a store whole
parts=$(find $events -name '*.gz' | wc -l)
[ "$parts" = 10 ] || fail "$parts objects of five rounds, two partitions"

afresh() { rm -rf store && cp -a "${1:-whole}" store; }
part() { find $events -name "user-events-$1-*.gz" | LC_ALL=C sort | sed -n "$2p"; } # PARTITION NUMBER
record() { find $bronze/batches -name "user-events-$1-*.json" | LC_ALL=C sort | sed -n "$2p"; }
found() { # PATTERN: verify exits 1 and says so
    marquee bronze verify >out 2>log
    local got=$?
    [ $got = 1 ] || { cat out log; fail "verify: status $got, expected 1 ($1)"; }
    grep -q -- "$1" out || { cat out; fail "verify does not say '$1'"; }
}
sound() {
    marquee bronze verify >out 2>log || { cat out log; fail "verify finds something"; }
    grep -q "^every offset is accounted for once, from the beginning" out || { cat out; fail "both ends are not told"; }
}
same() { # FOLDER: the store's bytes are those of the folder
    artifacts "$1" >a
    artifacts store | diff a - || fail "the store is not what it was"
}
healed() { # a replay of all makes it whole again: the same bytes, and nothing to find. FOLDER
    marquee replay --from 2026-01-01 >out 2>log || { cat out log; fail "replay"; }
    grep -q "every offset is accounted for once" out || { cat out; fail "replay did not read it back"; }
    sound
    same "${1:-whole}"
}
sound
marquee bronze compact --date $day >out 2>log || { cat log; fail "compact"; }
grep -q "10 objects before, 2 now (10 merged into 2)" out || { cat out; fail "compact"; }
sound
rm -rf merged && cp -a store merged

echo "- parts that were changed, cut off, exchanged, or taken away: refused, and the others merged"
refused() { # PATTERN OBJECT
    found "$1"
    cp -a "$events" before
    marquee bronze compact --date $day >out 2>log && { cat out; fail "compaction takes a part that verify refuses"; }
    grep -q "refused: '.*${2##*/}' $1.*marquee replay --offsets [01]:[0-9]*-[0-9]*" out || { cat out; fail "refused: no '$1' and what mends it"; }
    if [ -e "$2" ]; then cmp -s "$2" "before/${2##*/}" || fail "a refused part was touched"; fi
    found "$1" # nothing is laundered
    rm -r before
    [ "$(find $events -name '*-to-*' | wc -l)" = 3 ] || { ls $events; fail "sound parts were not merged"; }
    eval "$(grep -o 'marquee replay --offsets [0-9:-]*' out | head -1)" >out 2>log || { cat out log; fail "the replay that was told"; }
    marquee bronze compact --date $day >out 2>log || { cat out log; fail "compact after the replay"; }
    sound
}
change() { zcat "$1" | sed 's/"rating":4/"rating":1/' | gzip >x && cp x "$1"; }
afresh && victim=$(part 0 3) && change "$victim" && refused "does not hold what was written" "$victim"
afresh && victim=$(part 1 3) && zcat "$victim" | head -2 | gzip >x && cp x "$victim" && refused "has 2 lines, not" "$victim"
afresh && victim=$(part 0 3) && head -c 40 "$victim" >x && cp x "$victim" && refused "is damaged\|is no gzip text" "$victim" || exit 1

afresh && victim=$(part 0 3) && rm "$victim"
found "missing: '.*${victim##*/}'"
marquee bronze compact --date $day >out 2>log || { cat out log; fail "compact what is left"; }
found "missing: '.*${victim##*/}'"
marquee replay --from 2026-01-01 >out 2>log || { cat out log; fail "replay of a missing part"; }
sound
# The error's message names the command for the store that was looked at.
afresh && rm "$(part 0 3)"
expect 1 "1 findings" marquee bronze verify --store file:store
grep -q '^marquee: .*`marquee replay --offsets 0:[0-9]*-[0-9]* --store file:store`' err || { cat err; fail "the message's command"; }
afresh && change "$(part 0 2)" && change "$(part 0 4)" && change "$(part 1 1)"
marquee bronze compact --date $day --json >out 2>log && fail "three changed parts are merged"
tr -d ' \n' <out | grep -q '"refused_count":3,' || { cat out; fail "not three refused"; }
healed_parts=$(ls $events | wc -l)
marquee replay --from 2026-01-01 >out 2>log || { cat out log; fail "replay beside a compaction that refused"; }
sound
[ "$(ls $events | wc -l)" = "$healed_parts" ] || fail "the replay wrote merged parts"

echo "- merged objects that are lost, changed or cut off come back, byte for byte"
afresh merged && rm $events/* && found "missing: merged object" && healed merged
afresh merged && change "$(find $events -name '*-0-*-to-*')" && found "changed: merged object" && healed merged
afresh merged && victim=$(find $events -name '*-1-*-to-*') && head -c 100 "$victim" >x && cp x "$victim" &&
    found "damaged: merged object" && healed merged
# A replay of a few offsets reads all that is merged with them.
afresh merged && rm $events/* && marquee replay --offsets 0:3-4 --offsets 1:0 >out 2>log || { cat out log; fail "replay of some offsets"; }
same merged
# Both the merged object and what the index says of it are changed: the batches know better.
afresh merged && victim=$(find $events -name '*-0-*-to-*') && old=$(zcat "$victim" | sha256sum | cut -c1-64) &&
    change "$victim" && sed -i "s/$old/$(zcat "$victim" | sha256sum | cut -c1-64)/" $bronze/merges/*.json
found "changed: merged object" && marquee replay --from 2026-01-01 >out 2>log || { cat out log; fail "replay"; }
sound
# A replay that dies: what it opened, the next one finishes.
afresh merged && rm $events/* && sed -i 's/"done":true/"done":false/' $bronze/merges/*.json && healed merged
# The index is lost, or damaged: compaction tells it from the objects.
for damage in 'rm -f' 'truncate -s 20'; do
    afresh merged && $damage $bronze/merges/dt=$day.json && found "compact --date $day"
    marquee bronze compact --date $day >out 2>log || { cat out log; fail "compact without an index"; }
    sound
    same merged
done

echo "- both ends"
last() { find $bronze/user-events/dt=2026-02-28 -name "user-events-$1-*"; }
afresh && rm "$(last 0)" "$(record 0 6)" && found "^end: partition 0 of topic 'user-events': no batch holds offsets" && healed
# Two batches are lost: they come back as one, and what is left of the second goes.
afresh && rm "$(record 0 5)" "$(record 0 6)" && found "^end: partition 0" && found "^stray: " &&
    marquee replay --from 2026-01-01 >out 2>log || { cat out log; fail "replay of two lost records"; }
grep -q "1 leftovers deleted" out || { cat out; fail "the second batch's object was left"; }
sound
afresh && rm "$(part 1 1)" "$(record 1 1)" && found "^beginning: partition 1 of topic 'user-events': no batch holds offsets 0 to" && healed
afresh && rm -r $bronze && found "^end: partition 0" && marquee replay --from 2026-01-01 >out 2>log || { cat out log; fail "replay of all"; }
sound
afresh && MARQUEE_EVENTS_LOG=lmdb:nowhere marquee bronze verify >out 2>log || { cat out log; fail "verify without a log"; }
grep -q "^not checked: both ends of topic 'user-events': nothing at 'lmdb:nowhere' yet" out || { cat out; fail "which ends were not checked"; }
! grep -q "from the beginning" out || { cat out; fail "an unchecked end is claimed"; }
[ ! -e nowhere ] || fail "verify made an event log"
marquee bronze verify --events "" --json >out 2>log || { cat out log; fail "verify that asks no log"; }
grep -q '"unchecked"' out && grep -q "no event log is configured" out || { cat out; fail "unchecked ends in JSON"; }
marquee bronze verify --group nobody >out 2>log || { cat out log; fail "verify by another group"; }
grep -q "^not checked: end of partition 0 .*group 'nobody' has committed nothing" out || { cat out; fail "another group"; }

echo "- nothing at all"
expect 1 "nothing: no batch holds events of 2030-01-01, and there is no object of that day (the days are from 2026-02-28 to 2026-03-01)" \
    marquee bronze verify --date 2030-01-01
expect 1 "nothing: there is no batch in region '7'" marquee bronze verify --region 7 --events ""
expect 4 "no store at 'file:missing'" marquee bronze verify --store file:missing
grep -q "made by .marquee consume --store file:missing" err || { cat err; fail "a hint that fits"; }
mkdir -p empty && expect 1 "nothing: there is no batch" marquee bronze verify --store file:empty --events ""

echo "- a day's batches are told by their records, whatever the files' times"
afresh && find store -exec touch -d 2020-01-01 {} +
marquee bronze verify --date $day >out 2>log || { cat out log; fail "verify of old files"; }
grep -q "100 events of $day" out || { cat out; fail "not all events of the day"; }
marquee bronze list --date $day | grep -q "$day *100" || fail "list does not see old files"
rm "$(part 0 1)" && touch -d 2020-01-01 $events
marquee bronze verify --date $day >out 2>log && { cat out; fail "a lost object of old files"; }
marquee bronze verify --date 2026-02-28 >out 2>log || { cat out log; fail "another day's object is lost"; }

echo "- a batch record that cannot be read"
for number in 1 3 6; do
    for base in whole merged; do
        afresh $base && victim=$(record 0 $number) && echo '{' >"$victim"
        found "^unreadable: .*${victim##*/}.*marquee replay --offsets 0:"
        [ "$(grep -c '' out)" -le 4 ] || { cat out; fail "one cause, several findings"; }
        marquee bronze list >out 2>log || { cat log; fail "list beside a broken record"; }
        grep -q "not counted.*${victim##*/}" log && grep -q "$day" out || { cat out log; fail "list does not say so"; }
        healed_record=$(cat "$base/${victim#store/}")
        marquee replay --from 2026-01-01 >out 2>log || { cat out log; fail "replay of a broken record"; }
        grep -q "1 batch records" out || { cat out; fail "the record was not made anew"; }
        sound
        # The clock of the new record is another; all else is as it was.
        diff <(tr ',' '\n' <<<"$healed_record" | grep -v now_ms) <(tr ',' '\n' <"$victim" | grep -v now_ms) ||
            fail "record $number came back otherwise"
    done
done
afresh && echo '{' >"$(record 1 2)"
marquee bronze compact --date $day >out 2>log && fail "a part without a record is merged"
grep -q "refused: .* is named by no batch record" out || { cat out; fail "compact beside a broken record"; }
marquee replay --from 2026-01-01 >out 2>log || { cat out log; fail "replay"; }
sound
# Of a newer Marquee: nobody touches it.
afresh && sed -i 's/"version":1/"version":9/' "$(record 0 2)" && found "unreadable: .*version 9"
expect 3 "version 9" marquee replay --from 2026-01-01
echo "bronze damage: ok"
