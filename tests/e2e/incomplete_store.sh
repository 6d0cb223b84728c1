#!/bin/bash
# Advice from a store that lacks something: what is left out is said, what is damaged is named, and
# the command of the message or hint, pasted as it is, mends it. A store that is not there is never
# made by looking at it.
. "$(dirname "$0")/small_store.sh"
place='the store' # a blank: pasted commands must quote it
make_input "$place"
marquee run --store "file:$place" --quiet >log 2>&1 || { cat log; fail "run"; }
[ -s log ] && { cat log; fail "--quiet says something"; }
advice=("recommend u7" "explain u7 3" "similar 3" "portrait u7")

# The command between backticks in a file, run in a shell as a person would.
paste_command() {
    local command
    command=$(grep -o '`marquee [^`]*`' "$1" | head -n 1 | tr -d '`')
    [ -n "$command" ] || { cat "$1"; fail "no command to paste"; }
    eval "$command --quiet" >log 2>&1 || { cat log; fail "pasted: $command"; }
}

# Model, vectors, lists, settings: the answer comes, with a warning and a field.
optional="feature/action/ub_item_vector.index feature/content/inverted-list/movie_id_heat_dict.pickle
    feature/content/inverted-list/movie_actor_movie_ids_dict.pickle
    feature/content/inverted-list/movie_id_movie_feature_dict.pickle
    feature/action/raw_embed_user_mapping.pickle model/recall/youtubednn/user_embeddings.h5
    model/rank/action/deepfm/latest/model.tar.gz model/recall/recall_config.pickle
    model/filter/filter_config.pickle"
required="system/item-data/clean/latest/item.parquet system/user-data/clean/latest/action.parquet"

mended() {
    marquee recommend u7 --store "file:$place" >out 2>err || { cat err; fail "$1 is not mended"; }
    [ -s err ] && { cat err; fail "$1 is not mended"; }
}

for path in $optional; do
    file=$place/1/$path
    rm "$file"
    marquee recommend u7 --store "file:$place" >out 2>err || { cat err; fail "recommend without $path"; }
    grep -qF "${path##*/}" err || { cat err; fail "recommend is silent about $path"; }
    marquee portrait u7 --store "file:$place" --json 2>warnings >out || fail "portrait without $path"
    grep -A 99 '"missing": \[' out | grep -qF "${path##*/}" || { cat out; fail "no field for $path"; }
    grep -A 99 '"missing": \[' out | grep -q '"command": "marquee step ' || { cat out; fail "no command"; }
    paste_command err
    mended "$path"
done
for path in $required; do
    file=$place/1/$path
    rm "$file"
    for words in "${advice[@]}"; do
        [ "$words" = "similar 3" ] && [ "${path##*/}" = action.parquet ] && continue
        # shellcheck disable=SC2086
        expect 3 "${path##*/}" marquee $words --store "file:$place"
    done
    expect 3 "${path##*/}" marquee eval --store "file:$place"
    paste_command err
    mended "$path"
done
echo "missing artifacts are said"

# Damage of every reader of advice: status 3, one message that names the file, a hint that mends.
for path in $optional $required; do
    file=$place/1/$path
    for how in empty noise short; do
        cp "$file" kept
        case $how in
        empty) : >"$file" ;;
        noise) head -c 4096 /dev/zero | tr '\0' '\377' >"$file" ;;
        short) head -c $(($(stat -c %s kept) * 2 / 3)) kept >"$file" ;;
        esac
        # shellcheck disable=SC2086
        for words in "${advice[@]}"; do
            [ "$words" = "similar 3" ] && [ "${path##*/}" = action.parquet ] && continue
            expect 3 "${path##*/}" marquee $words --store "file:$place"
            [ "$(grep -c '^marquee: ' err)" = 1 ] || { cat err; fail "not one error of $path, $how"; }
            grep -q '^hint: .*`marquee .* --store .*`' err || { cat err; fail "no hint: $path, $how"; }
            [ $how = short ] || break
        done
        if [ $how = short ]; then
            grep -q '^hint:.*remove it' err && rm "$file"
            paste_command err
            mended "$path"
        else
            cp kept "$file"
        fi
    done
done
echo "damaged artifacts are named"

# A nightly run that meets damage of CONTENT says what mends it.
index=$place/1/feature/action/ub_item_vector.index
head -c 100 "$index" >cut && cp cut "$index"
expect 3 "ub_item_vector.index" marquee run --store "file:$place" --quiet
paste_command err
marquee run --store "file:$place" --quiet >log 2>&1 || { cat log; fail "run after the mending"; }
vectors=$place/1/feature/action/ub_item_embeddings.npy
size=$(stat -c %s "$vectors")
head -c $((size - 4)) "$vectors" >cut && printf '\0\0\300\177' >>cut && cp cut "$vectors"
expect 3 "ub_item_embeddings.npy" marquee step item-feature-update-batch --store "file:$place" --quiet
paste_command err

# One bad manifest hides no other; a bad record says how to go on.
bad=$(find "$place/1/runs" -name manifest.json | sort | head -n 1)
sed -i 's/"schema": 1/"schema": 99/' "$bad"
all=$(find "$place/1/runs" -name manifest.json | wc -l)
marquee runs list --last 1000 --store "file:$place" >out 2>err || { cat err; fail "runs list"; }
[ "$(wc -l <out)" = "$all" ] || { cat out; fail "not all others are listed"; } # with a title line
grep -qF "$(basename "$(dirname "$bad")")" err || { cat err; fail "the bad run is not named"; }
record=$place/1/runs/steps/rank-batch.json
[ -s "$record" ] || fail "no record"
printf '{' >"$record"
expect 3 "rank-batch.json" marquee run --store "file:$place" --quiet
grep -q '^hint: remove it' err || { cat err; fail "no hint for the record"; }
rm "$record"
marquee run --store "file:$place" --quiet >log 2>&1 || { cat log; fail "run without the record"; }

# Nobody, and somebody without plays.
marquee portrait nobody --store "file:$place" | grep -qx 'user nobody is unknown: no portrait' || fail "portrait nobody"
marquee recommend nobody --store "file:$place" | grep -q '^user nobody is unknown' || fail "recommend nobody"
rm -r "$place/1/system/user-data/action"
mkdir -p "$place/1/system/user-data/action/2026-02-28/play"
printf 'user_id,item_id,timestamp\nu1,3,1772000000\n' >"$place/1/system/user-data/action/2026-02-28/play/p.csv"
marquee step action-preprocessing --store "file:$place" --quiet >log 2>&1 || { cat log; fail "one play"; }
marquee recommend u7 --store "file:$place" | grep -q '^user u7 has no plays' || fail "recommend u7"
marquee portrait u7 --store "file:$place" | grep -qx 'user u7 has no plays: no portrait' || fail "portrait u7"

# A store that is not there, and one with nothing in it.
for words in run "run --dry-run" "step inverted-list" "${advice[@]}" eval runs "runs show" "bronze list"; do
    # shellcheck disable=SC2086
    expect 4 "no store at 'file:" marquee $words --store file:nowhere/x
    [ -e nowhere ] && fail "$words made a store"
done
mkdir bare
expect 3 "item-data/basic" marquee recommend u7 --store file:bare
grep -q '`marquee import csv FILE --store file:bare`' err || { cat err; fail "no import in the hint"; }
expect 2 "cut.yaml" marquee run --config cut.yaml --store file:bare
printf 'index: [\n' >cut.yaml
expect 2 "cut.yaml" marquee run --config cut.yaml --store file:bare
marquee simulate --users 20 --items 10 --events 100 --days 2 --store file:made --region 3 >out || fail "simulate"
grep -qx 'next: marquee run --change-type CONTENT --store file:made --region 3 && marquee run --store file:made --region 3' out ||
    { cat out; fail "next"; }
echo "stores that are not there stay so"
