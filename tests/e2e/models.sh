#!/bin/bash
# Hybrid models on the command line: deployed, refused, promoted, taken back, compared, pruned.
. "$(dirname "$0")/small_store.sh"
export MARQUEE_STORE=file:store
mkdir store
make_model() { "$MARQUEE_BUILD/tests/e2e/make_hybrid" store "$1" "$2"; } # SEED MADE-S
serving() { sed -n 's/^  "version": "\(.*\)",$/\1/p' store/1/model/hybrid/current.json; }
serves() { [ "$(serving)" = "$1" ] || fail "'$(serving)' serves, not '$1': $2"; }
says() { # TEXT COMMAND…: it succeeds, and says so on either stream
    local text=$1
    shift
    "$@" >out 2>err || { cat out err; fail "status $?: $*"; }
    grep -qF -- "$text" out err || { cat out err; fail "no '$text' from: $*"; }
}
candidate() { # VERSION LIVE PASSED FIGURE: what the steps before deploy leave
    local live=null
    [ -z "$2" ] || live="\"$2\""
    printf '{"version": "%s", "run": "r1", "made": 1}' "$1" >store/1/model/hybrid/candidate.json
    printf '{"version": "%s", "run": "r1", "live": %s, "report": {"reference": "popular", "systems": [{
        "name": "hybrid", "role": "candidate", "figures": {"ndcg_10": {"value": %s, "low": 0.19, "high": 0.22},
        "hit_rate_10": {"value": 0.4}, "rmse": {"value": 0.85}},
        "difference_from_reference": {"ndcg_10": {"value": 0.05, "low": 0.04, "high": 0.06}}}],
        "gate": {"passed": %s, "rules": [{"rule": "ndcg_10 >= 0.2", "passed": %s,
        "figure": {"value": %s, "low": 0.19, "high": 0.22}, "limit": 0.2}]}}}' \
        "$1" "$live" "$4" "$3" "$3" "$4" >store/1/model/hybrid/evaluation.json
}

says "no models yet" marquee models
a=$(make_model 1 1773100800) && b=$(make_model 2 1773187200) && c=$(make_model 3 1773273600) &&
    d=$(make_model 4 1773360000) || fail "models"
expect 1 "no model serves" marquee models show
expect 1 "so there is none to go back from" marquee models rollback
expect 2 "4 models begin with '2026'" marquee models show 2026
expect 1 "no model 'x'" marquee models promote x

# The step: what passes serves; what fails is refused with the figure, and nothing moves.
candidate "$a" "" true 0.21
marquee step deploy --quiet >log 2>&1 || { cat log; fail "deploy"; }
serves "$a" "deployed"
expect 1 "no model served before '$a'" marquee models rollback
candidate "$b" "$a" false 0.193
cp store/1/model/hybrid/current.json before
expect 3 "ndcg_10 >= 0.2: 0.193 (0.19 to 0.22), limit 0.2; '$a' goes on serving" marquee step deploy
grep -q "marquee models promote $b" err || { cat err; fail "the way round the gate is not told"; }
cmp -s before store/1/model/hybrid/current.json || fail "a refusal moved the pointer"
marquee models >out && grep -Eq "^$b +refused .* 0\.1930 +0\.4000 +0\.8500 +item-based" out ||
    { cat out; fail "the refusal is not listed"; }

# Promoted all the same; nothing is left for the step. Taken back; the next run leaves it so.
says "model '$b' serves from now on; before: $a" marquee models promote "${b%-*}" --reason "lists look good"
serves "$b" "promoted"
says "serves already" marquee models promote "$b"
marquee models >out && grep -q "^$b  serves, refused " out || { cat out; fail "promoted, the refusal is not listed"; }
says "model $b, serves since" marquee models show "$b"
grep -q "^model $b, serves since .*, refused by the gate$" out || { cat out; fail "show forgets the refusal"; }
marquee step deploy --quiet >log 2>&1 || { cat log; fail "deploy after a promotion"; }
candidate "$c" "$b" true 0.22
marquee step deploy --quiet >log 2>&1 || { cat log; fail "deploy"; }
serves "$c" "deployed"
says "model '$b' serves from now on" marquee models rollback --reason "complaints"
marquee step deploy --quiet >log 2>&1 || { cat log; fail "deploy after a rollback"; }
serves "$b" "the rollback was undone"
marquee models show >out || fail "show"
for part in "model $b, serves since" "item-based  0.1250" "items.json" "ndcg_10" "more than popular" \
    "ndcg_10 >= 0.2    failed" "rollback" "complaints" "lists look good"; do
    grep -qF "$part" out || { cat out; fail "show does not say: $part"; }
done
marquee models show "$a" --json >out && grep -q '"state": ""' out && grep -q '"by": "deploy"' out ||
    { cat out; fail "show --json"; }
marquee models diff "$a" "$b" >out || fail "diff"
grep -Eq '^setting +settings.run.seed +1 +2 +differs' out || { cat out; fail "diff: settings"; }
grep -Eq '^figure +ndcg_10 +0\.2100 +0\.1930 +-0\.0170' out || { cat out; fail "diff: figures"; }
grep -Eq '^blend +item-based +0\.1250 +0\.1250' out || { cat out; fail "diff: blend"; }
grep -q '^3 settings are the same' out || { cat out; fail "diff: same settings"; }

# Judged against one that serves no longer: not deployed.
candidate "$d" "$c" true 0.23
expect 1 "it was judged against '$c', but '$b' serves now" marquee step deploy
serves "$b" "a stale verdict"

# Pruned: a goes; those that serve, served before and may serve stay. A dry run removes nothing.
artifacts store >whole
marquee models prune --keep 0 --dry-run >out || fail "prune --dry-run"
grep -q '^1 of 4 models would be removed' out || { cat out; fail "prune --dry-run"; }
artifacts store | diff whole - || fail "a dry run changed the store"
mkdir "store/1/model/hybrid/half" && touch -d 2026-02-20 store/1/model/hybrid/half/items.json
says "2 of 5 models removed" marquee models prune --keep 0
[ ! -e "store/1/model/hybrid/$a" ] && [ ! -e store/1/model/hybrid/half ] || fail "not removed"
for v in "$b" "$c" "$d"; do [ -e "store/1/model/hybrid/$v/model.json" ] || fail "$v is gone"; done
says "0 of 3 models removed" marquee models prune
# The one before is gone: a rollback says so once, and what there is instead.
rm -r "store/1/model/hybrid/$c"
expect 1 "model '$c', which served before '$b', was pruned; nothing was changed" marquee models rollback
grep -q "others there are: '$d'" err || { cat err; fail "rollback does not name what there is"; }
serves "$b" "a rollback to nothing"

# As JSON.
marquee models promote "$b" --json >out && grep -q '"moved": false' out || { cat out; fail "promote --json"; }
marquee models diff "$b" "$d" --json | tr -d ' \n' >out
grep -qF '{"part":"setting","name":"settings.run.seed","a":"2","b":"4"}' out || { cat out; fail "diff --json"; }
marquee models prune --keep 0 --dry-run --json | tr -d ' \n' >out
grep -qF '"dry_run":true' out && grep -qF '"removed":false,"verdict":"serves"}' out || { cat out; fail "prune --json"; }
# What cannot be printed is an error with a message.
for i in $(seq 100 199); do mkdir -p store/1/model/hybrid/20200101T000$i && echo '{' >store/1/model/hybrid/20200101T000$i/items.json; done
marquee models prune --dry-run --json 2>err >/dev/full
[ $? = 1 ] && grep -q '"message":"cannot write to standard output: No space left on device"' err || { cat err; fail "a full disk"; }
rm -r store/1/model/hybrid/20200101T000*

# One that lacks a file is not promoted; a damaged pointer is told of and mended by a promotion.
mv "store/1/model/hybrid/$d/items.json" kept
expect 3 "model '$d' is damaged: items.json is missing" marquee models promote "$d"
mv kept "store/1/model/hybrid/$d/items.json"
# Nor one of right sizes with one bit turned; one that serves already and cannot be read says what to do.
factors=store/1/model/hybrid/$d/factors.safetensors
flip() { # the last byte of FILE
    local byte
    byte=$(tail -c 1 "$1" | od -An -tu1)
    truncate -s -1 "$1" && printf "\\x$(printf %x $((byte ^ 1)))" >>"$1"
}
flip "$factors"
expect 3 "/$d/factors.safetensors' is damaged: its SHA-256 is not what it should be" \
    marquee models promote "$d"
grep -q "nothing was changed; choose another" err || { cat err; fail "promote gives no hint"; }
grep -q "model '$d' is not as it was saved" err || { cat err; fail "promote does not name the model"; }
serves "$b" "a damaged model was promoted"
flip "$factors"
# One that a newer Marquee made is listed and marked; it can be neither promoted, shown nor compared.
model=store/1/model/hybrid/$d/model.json
cp "$model" kept && sed -i 's/"form": 1/"form": 9/' "$model"
marquee models >out 2>err && grep -q "^$d  of a newer Marquee " out || { cat out err; fail "a newer model is not listed"; }
[ ! -s err ] || { cat err; fail "a newer model is warned of"; }
marquee models --json | grep -q '"newer": true' || fail "a newer model is not marked in JSON"
for words in "promote $d" "show $d" "show ${d%-*}" "diff $b $d"; do
    expect 3 "model '$d' has form 9: a newer Marquee made it (this one reads up to 1)" marquee models $words
    grep -q "install that version of Marquee" err || { cat err; fail "no hint from: models $words"; }
done
echo '{' >"$model"
expect 3 "$d/model.json" marquee models promote "$d"
mv kept "$model"
echo '{' >store/1/model/hybrid/current.json
says "which model serves is not known" marquee models
expect 3 "current.json" marquee models prune
expect 3 "current.json" marquee step reload
says "serves from now on" marquee models promote "$d"
serves "$d" "mended"

# Servers: none, and one that is not there.
says "nothing to do" marquee step reload
expect 4 "1 of 1 servers did not take up model '$d': http://127.0.0.1:1: cannot reach" \
    marquee step reload --set serve.reload_urls=http://127.0.0.1:1
# Two who promote at once: one wins, or both do one after the other; the pointer is whole.
b_wins=0
for i in 1 2 3 4 5; do
    marquee models promote "$b" >/dev/null 2>err1 & first=$!
    marquee models promote "$d" >/dev/null 2>err2
    second=$?
    wait "$first"
    first=$?
    [ "$first" = 0 ] || grep -q "somebody else deployed '$d' meanwhile" err1 || { cat err1; fail "the first"; }
    [ "$second" = 0 ] || grep -q "somebody else deployed '$b' meanwhile" err2 || { cat err2; fail "the second"; }
    [ "$first" = 0 ] || [ "$second" = 0 ] || fail "both lost"
    [ "$(serving)" != "$b" ] || b_wins=$((b_wins + 1))
done
marquee models show >out || { cat out; fail "show at the end"; }

# The examples of the how-to page, on a store of their own.
export MARQUEE_STORE=file:page
mkdir page
"$MARQUEE_BUILD/tests/e2e/make_hybrid" page 1 1773100800 >made && "$MARQUEE_BUILD/tests/e2e/make_hybrid" page 2 1773187200 >>made ||
    fail "models of the page"
sed -n '/^```sh$/,/^```$/p' "$MARQUEE_SOURCE/docs/howto/models.md" | grep '^marquee ' >examples
[ "$(wc -l <examples)" -ge 5 ] || fail "the page has no examples"
while read -r line; do
    eval "$line" >out 2>err </dev/null || { cat out err; fail "the page's example: $line"; }
done <examples
sed -n '/^```yaml$/,/^```$/p' "$MARQUEE_SOURCE/docs/howto/models.md" | grep -v '^```' >page.yaml
marquee config --config page.yaml >out 2>err && grep -q '10.0.0.6:8080' out || { cat out err; fail "the page's settings"; }
echo "models: ok ($b_wins of 5 races to the first)"
