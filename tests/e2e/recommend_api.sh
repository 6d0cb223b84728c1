#!/bin/bash
# Recommendations over HTTP: before there is a model, and with one; every route, what is refused and
# how; a rating changes the next answer; the command line says the same.
. "$(dirname "$0")/small_store.sh"
. "$(dirname "$0")/serving.sh"
make_input store
export MARQUEE_STORE=file:store MARQUEE_EVENTS_LOG=lmdb:events MARQUEE_FEATURES_STORE=lmdb:features
export MARQUEE_HYBRID_METHODS='item-based|user-based|content|mf|popular'
# 60 users of three tastes: each rates of a third of the films, and a few of the others.
awk 'BEGIN { s = 7; print "user,item,time,rating"
    for (k = 0; k < 900; k++) {
        s = (s * 1103515245 + 12345) % 2147483648; u = 1 + int(s / 65536) % 60
        s = (s * 1103515245 + 12345) % 2147483648; i = int(s / 65536) % 16
        i = 1 + (i + (k % 8 ? u % 3 : k % 3) * 16) % 48
        printf "u%d,%d,%d,%d\n", u, i, 1772150400 + k * 60, 1 + (u + i) % 5 } }' >ratings.csv
marquee import csv ratings.csv --items store/1/system/item-data/basic/1.csv --as events --replace --quiet >log 2>&1 ||
    { cat log; fail "import"; }

# ---- no model yet: said so by every route, while events are taken ------------------------------------
serve_start
for path in /v1/users/u1/recommendations /v1/users/u1/neighbours /v1/items/1 /v1/items/1/similar \
    '/v1/explain?user=u1&item=1'; do
    gives 503 '"code":"no-model"' GET "$path"
done
gives 503 no-model POST /v1/rank '{"user_id":"u1","candidates":["1"]}'
gives 503 no-model POST /v1/recommendations '{}'
gives 422 "item-parquet is missing" POST /v1/reload
gives 200 '"serving":null,"deployed":null,"models":[]' GET /v1/models
gives 200 '"status":' GET /readyz

marquee run --change-type RATING --quiet >log 2>&1 || { cat log; fail "RATING"; }
gives 200 '"previous":null' POST /v1/reload
model=$(sed -n 's/.*"version":"\([^"]*\)".*/\1/p' body)
gives 200 "\"serving\":\"$model\",\"deployed\":\"$model\"" GET /v1/models

# ---- lists ------------------------------------------------------------------------------------------
gives 200 '"known":true,"cold_start":false' GET /v1/users/u1/recommendations
cp body first
[ "$(grep -o '"kind":"recommend"' body | wc -l)" -ge 15 ] || { cat body; fail "a short list"; }
for method in hybrid item-based user-based content mf popular; do
    gives 200 "\"user\":\"u1\",\"type\":\"movie\",\"method\":\"$method\",\"model\":\"$model\"" \
        GET "/v1/users/u1/recommendations?method=$method&n=5&explain=true"
    for part in '"reason":"' '"because":{"method":"' '"predicted_rating":' "\"trace\":\"online_$method"; do
        grep -qF -- "$part" body || { cat body; fail "$method: no $part"; }
    done
    ! grep -qi 'nan\|inf[,}]' body || { cat body; fail "$method: no number"; }
done
gives 200 '"type":"tv"' GET '/v1/users/u1/recommendations?type=tv&n=3'
for item in $(grep -o '"item":"[0-9]*"' body | tr -dc '0-9\n'); do
    [ $((item % 4)) = 0 ] || fail "film $item among series"
done
gives 200 '因为' GET '/v1/users/u1/recommendations?explain&lang=zh&n=3'
# A page of a list; left out; nothing behind the end.
top=$(sed 's/.*"items":\[{"item":"\([0-9]*\)".*/\1/' first)
second=$(grep -o '"item":"[0-9]*"' first | sed -n '2s/[^0-9]//gp')
gives 200 "\"offset\":1,\"total\":" GET '/v1/users/u1/recommendations?n=1&offset=1'
grep -qF "\"items\":[{\"item\":\"$second\"" body || { cat body; fail "the second page does not begin with $second"; }
gives 200 "\"items\":[{\"item\":\"$second\"" GET "/v1/users/u1/recommendations?exclude=$top,none,"
! grep -q "\"item\":\"$top\"" body || fail "the film left out is listed"
grep -q '"unknown":\["none"\]' body || { cat body; fail "an unknown film left out is passed over"; }
gives 200 '"items":[],"unknown":[]}' GET '/v1/users/u1/recommendations?offset=5000'
# One of whom nothing is known: a list all the same; with a seed, one of its kind; a body does both.
gives 200 '"known":false,"cold_start":true,"ratings":0' GET /v1/users/nobody/recommendations
grep -q '"item"' body || fail "an empty list for nobody"
gives 200 '"known":true,"cold_start":false,"ratings":2' GET '/v1/users/nobody/recommendations?seed_items=1,2,none'
grep -q '"unknown":\["none"\]' body || { cat body; fail "an unknown seed is passed over"; }
gives 200 '"cold_start":true' POST /v1/recommendations '{}'
gives 200 '"known":true,"cold_start":false,"ratings":2' POST /v1/recommendations \
    '{"items":["1",{"item":"2","rating":4.5,"timestamp":1772150400},"none"],"n":3,"explain":true,"lang":"en","exclude":["gone"]}'
grep -q '"unknown":\["none","gone"\]' body || { cat body; fail "unknown films of a session are passed over"; }
gives 200 '"user":"u1"' POST /v1/recommendations '{"user_id":"u1","method":"item-based","exclude":["'$top'"]}'

# ---- the others -------------------------------------------------------------------------------------
gives 200 '"unknown":["none"]' POST /v1/rank '{"user_id":"u1","candidates":["3","none","1","2"]}'
[ "$(grep -o '"score":' body | wc -l)" = 3 ] || { cat body; fail "rank"; }
grep -q '"known":true,"cold_start":false' body || { cat body; fail "rank of a user who is known"; }
gives 200 '"known":false,"cold_start":true' POST /v1/rank '{"user_id":"nobody","candidates":["3","1"]}'
gives 200 '"known":true,"cold_start":false' POST /v1/rank '{"items":["1","gone"],"candidates":["3","1"]}'
grep -q '"unknown":\["gone"\]' body || { cat body; fail "an unknown film of rank is passed over"; }
gives 200 '"method":"content"' GET '/v1/explain?user=u1&item=17&method=content'
! grep -q '"method":"content".*many who chose it' body || { cat body; fail "the reason is not that of the method"; }
for method in item-based content mf; do
    gives 200 "\"item\":\"1\",\"title\":\"Title 1\",\"year\":1991,\"method\":\"$method\"" GET "/v1/items/1/similar?method=$method&n=4"
    [ "$(grep -o '"similarity":' body | wc -l)" = 4 ] || { cat body; fail "similar by $method"; }
done
gives 200 '"films_in_common":' GET '/v1/users/u1/neighbours?n=3'
gives 200 '"known":false,"neighbours":[]' GET /v1/users/nobody/neighbours
gives 200 '"title":"Title 7","year":1997,"type":"movie"' GET /v1/items/7
gives 200 "\"verdict\":\"listed\",\"position\":0" GET "/v1/explain?user=u1&item=$top"
grep -q '"methods":{.*"standard_score":' body || { cat body; fail "explain tells no methods"; }
rated=$(sed -n 's/^u1,\([0-9]*\),.*/\1/p' ratings.csv | awk '$1 % 4' | head -1)
gives 200 '"verdict":"seen"' GET "/v1/explain?user=u1&item=$rated"
gives 200 '"features":{' GET /v1/users/u1/features

# ---- refused ----------------------------------------------------------------------------------------
for query in n=0 n=1001 n=x n=1.5 n= offset=-1 offset=100001 method=magic method= type=film explain=maybe \
    lang=fr other=1 'n=1&n=2' exclude= exclude=%ff seed_items=%00; do
    gives 400 '"error":{"code":"' GET "/v1/users/u1/recommendations?$query"
done
gives 400 missing-parameter GET '/v1/explain?user=u1'
gives 400 missing-parameter GET '/v1/explain?item=1'
gives 400 unknown-parameter GET '/v1/items/1?x=1'
gives 400 'n is ' GET '/v1/users/u1/neighbours?n=0'
for body in '' '[]' '{' '{"candidates":[]}' '{"candidates":"1"}' '{"candidates":[1]}' '{"candidates":[""]}' \
    '{"candidates":["1"],"user_id":7}' '{"candidates":["1"],"method":"magic"}' '{"candidates":["1"],"items":{}}' \
    '{"candidates":["1"],"items":[{"rating":3}]}' '{"candidates":["1"],"items":[{"item":"1","rating":77}]}' \
    '{"candidates":["1"],"items":[{"item":"1","rating":"3"}]}' '{"candidates":["1"],"items":[{"item":"1","timestamp":-1}]}'; do
    gives 400 '"error":{"code":"' POST /v1/rank "$body"
done
gives 400 "for whom? 'user_id' is due" POST /v1/rank '{"candidates":["1"]}'
gives 400 "for whom? 'user_id' is due" POST /v1/rank '{"user_id":"","items":[],"candidates":["1"]}'
gives 400 "unknown field 'user' (known: user_id, items, candidates, method)" POST /v1/rank '{"user":"u1","candidates":["1"]}'
gives 400 "place 0: has the unknown field 'stars' (known: item, rating, timestamp)" POST /v1/rank \
    '{"candidates":["1"],"items":[{"item":"1","stars":3}]}'
for field in seed_items item user method_ lan id '' ' ' ',' 'user_id, items'; do
    gives 400 "has the unknown field '$field' (known: user_id, items, method, " POST /v1/recommendations "{\"$field\":[\"1\"]}"
done
for body in '{"n":0}' '{"n":1.5}' '{"offset":-1}' '{"type":"film"}' '{"lang":"fr"}' '{"explain":1}' '{"exclude":"1"}'; do
    gives 400 '"error":{"code":"' POST /v1/recommendations "$body"
done
gives 404 "no film has the id 'none'" GET /v1/items/none
gives 404 "no film has the id 'none'" GET /v1/items/none/similar
gives 404 "no film has the id 'none'" GET '/v1/explain?user=u1&item=none'
gives 404 "no features of the user 'nobody'" GET /v1/users/nobody/features
! grep -q 'lmdb' body || { cat body; fail "the client is told where the store is"; }
gives 404 not-found GET /v1/users//recommendations
gives 405 method-not-allowed POST /v1/users/u1/recommendations '{}'
gives 422 "was trained without the method 'ease'" GET '/v1/users/u1/recommendations?method=ease'
gives 422 "method 'deep'" GET '/v1/explain?user=u1&item=1&method=deep'
gives 422 "method 'sequence'" POST /v1/rank '{"user_id":"u1","candidates":["1"],"method":"sequence"}'
gives 422 "method 'ease' (it has: item-based, user-based, content, mf, popular, hybrid)" GET '/v1/items/1/similar?method=ease'
for method in popular user-based hybrid; do
    gives 400 "allowed: item-based|content|mf|ease|sequence|deep" GET "/v1/items/1/similar?method=$method"
done

# ---- the command line says the same -----------------------------------------------------------------
packed() { tr -d ' \n' <"$1"; }
for user in u1 u2 u17 nobody; do
    for method in hybrid item-based user-based content mf popular; do
        gives 200 '"items":[' GET "/v1/users/$user/recommendations?method=$method&n=7"
        marquee recommend $user --method $method --n 7 --json >printed || fail "recommend $user by $method"
        [ "$(packed body)" = "$(packed printed)" ] || { cat body printed; fail "recommend $user by $method differs"; }
    done
    gives 200 '"items":[' GET "/v1/users/$user/recommendations?explain&n=30"
    marquee recommend $user --method hybrid --n 30 --explain --json >printed || fail "recommend --explain"
    grep -o '"reason": *"[^"]*"' body | tr -d ' ' >said
    grep -o '"reason": *"[^"]*"' printed | tr -d ' ' | diff said - || fail "reasons of $user differ"
done
# Everybody's list at once: each as for one, by one thread or many, to standard output or a file.
marquee lists --n 7 --threads 1 >all || fail "lists"
marquee lists --n 7 --threads 3 --output again >log || { cat log; fail "lists --output"; }
cmp all again || fail "lists differ by threads"
[ "$(wc -l <all)" -gt 50 ] || fail "lists of $(wc -l <all) users"
grep -q "^$(wc -l <all) lists of model " log || { cat log; fail "what lists --output says"; }
for user in u1 u2 u17; do
    marquee recommend $user --method hybrid --n 7 --json >printed
    grep "^{\"user\":\"$user\"," all >body || fail "no list of $user"
    [ "$(packed body)" = "$(packed printed)" ] || { cat body printed; fail "the list of $user among all differs"; }
done
printf 'nobody\nu17\n' | marquee lists --users - --method mf --n 7 --explain >named || fail "lists --users"
for user in nobody u17; do marquee recommend $user --method mf --n 7 --explain --json; done >printed
[ "$(packed named)" = "$(packed printed)" ] || { cat named printed; fail "lists of named users differ"; }
seq 4097 | sed 's/^/u/' >many # more than are in memory together
marquee lists --users many --method popular --n 1 >named-many || fail "lists of many"
sed 's/{"user":"\([^"]*\)".*/\1/' named-many | cmp - many || fail "lists of many are not in order"
grep -c '"cold_start":true' named | grep -qx 1 || fail "a newcomer is not marked"
for method in item-based content mf; do
    gives 200 '"items":[' GET "/v1/items/5/similar?method=$method&n=6"
    marquee similar 5 --method $method --n 6 --json >printed || fail "similar by $method"
    [ "$(packed body)" = "$(packed printed)" ] || { cat body printed; fail "similar by $method differs"; }
done
for method in hybrid item-based user-based content mf popular; do
    gives 200 '"items":[' POST /v1/rank "{\"user_id\":\"u2\",\"method\":\"$method\",\"candidates\":[\"9\",\"2\",\"5\"]}"
    grep -o '"item":"[0-9]*"\|"method_score":[^,]*' body | paste -d, - - | sed 's/method_score/score/' | sort >ranked
    for item in 9 2 5; do printf 'u2\t%d\n' $item; done | marquee score --method $method >scores || fail "score by $method"
    sed 's/.*\("item":.*\)}/\1/' scores | sort | diff ranked - || { cat body; fail "score and rank by $method differ"; }
done
# Scores stand in the order that rank gives, where quality has no say.
serve_stop
export MARQUEE_HYBRID_QUALITY_WEIGHT=0
serve_start
gives 200 '"items":[' POST /v1/rank '{"user_id":"u2","method":"mf","candidates":["1","2","3","5","6","7","9","10"]}'
grep -o '"item":"[0-9]*"' body | tr -dc '0-9\n' >ranked
for item in 1 2 3 5 6 7 9 10; do printf 'u2\t%d\n' $item; done | marquee score --method mf >scores || fail "score"
[ "$(wc -l <scores)" = 8 ] || fail "score gives other lines than it takes"
sed 's/.*"item":"\([0-9]*\)","score":\(.*\)}/\2 \1/' scores | LC_ALL=C sort -k1,1gr | cut -d' ' -f2 | diff ranked - ||
    { cat body scores; fail "score and rank disagree"; }
printf 'u2\tnone\nnobody\t1\n' | marquee score --method mf >scores
[ "$(grep -c '"score":null' scores)" = 2 ] || { cat scores; fail "score of the unknown"; }
expect 3 "was trained without the method 'ease'" marquee recommend u1 --method ease
printf 'u2 1\n' | expect 3 "line 1" marquee score

# ---- a rating changes the next answer, without training ---------------------------------------------
fastest_ms=1000000
rate_and_wait() { # USER FILM PART: until the answer says it
    local end=$((SECONDS + 20)) begun
    begun=$(date +%s%N)
    [ "$(post "{\"user_id\":\"$1\",\"movie_id\":\"$2\",\"rating\":5,\"timestamp\":\"2026-03-01T11:59:00Z\"}")" = 202 ] ||
        { cat answer; fail "the rating is not taken"; }
    while [ "$(ask GET "/v1/users/$1/recommendations?n=50&explain")" = 200 ]; do
        ! grep -qF "$3" body || break
        [ $SECONDS -lt $end ] || { head -c 1000 body; fail "$1's answer does not change"; }
    done
    took_ms=$((($(date +%s%N) - begun) / 1000000))
    [ $took_ms -ge $fastest_ms ] || fastest_ms=$took_ms
}
gives 200 '"cold_start":true' GET /v1/users/fresh/recommendations
rate_and_wait fresh 5 '"known":true,"cold_start":false,"ratings":1'
grep -q 'Title 5 ' body || { cat body; fail "no reason names the film that was rated"; }
! grep -q '"item":"5","title":"Title 5","year":1995,"kind"' body || fail "the film that was rated is listed"
before=$(grep -o '"item":"[0-9]*","title":"[^"]*","year":[0-9]*,"kind"' body | tr '\n' ' ')
rate_and_wait fresh 22 '"ratings":2'
after=$(grep -o '"item":"[0-9]*","title":"[^"]*","year":[0-9]*,"kind"' body | tr '\n' ' ')
[ "$before" != "$after" ] || fail "the second rating changes nothing"
rate_and_wait u1 "$top" "\"ratings\":$(($(sed 's/.*"ratings":\([0-9]*\).*/\1/' first) + 1))"
gives 200 '"verdict":"seen"' GET "/v1/explain?user=u1&item=$top"
[ $fastest_ms -lt 1000 ] || fail "no rating of three counts within a second: $fastest_ms ms"
echo "a rating counts after $fastest_ms ms"
# The server finds it again in the log when it starts anew.
serve_stop
serve_start
end=$((SECONDS + 20))
until [ "$(ask GET /v1/users/fresh/recommendations)" = 200 ] && grep -q '"ratings":2' body; do
    [ $SECONDS -lt $end ] || fail "what came before the restart is forgotten"
done
serve_stop
! grep -q '"level":"error"' serve.log || { cat serve.log; fail "errors in the log"; }

# ---- what is deployed is gone -------------------------------------------------------------------------
deployed=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' store/1/model/hybrid/current.json)
mv "store/1/model/hybrid/$deployed" kept
serve_start
grep '"level":"error"' serve.log | grep "'$deployed'" | grep -q "marquee models rollback" ||
    { cat serve.log; fail "the log does not say that the deployed model is gone"; }
gives 503 "'$deployed' is deployed, but cannot be read" GET /v1/users/u1/recommendations
mv kept "store/1/model/hybrid/$deployed"
gives 200 "\"version\":\"$deployed\"" POST /v1/reload
gives 200 "" GET /v1/users/u1/recommendations
serve_stop

# ---- a server that does not recommend ---------------------------------------------------------------
export MARQUEE_SERVE_RECOMMEND=false
serve_start
gives 503 "serve.recommend is off" GET /v1/users/u1/recommendations
gives 503 "serve.recommend is off" POST /v1/reload
serve_stop
echo "recommend api: ok"
