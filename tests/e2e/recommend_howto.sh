#!/bin/bash
# docs/howto/recommend.md: its examples, run in order on a port of their own; each must end well, and the
# answers be what the page says of them.
. "$(dirname "$0")/small_store.sh"
unset MARQUEE_NOW MARQUEE_GATE_BOUNDS MARQUEE_GATE_NO_WORSE MARQUEE_GATE_CASES_MIN MARQUEE_HYBRID_FACTORS
if ! command -v curl >/dev/null; then
    echo "skipped: there is no curl"
    exit 77
fi
# A free port below those that systems give to whoever asks for any.
port=$((20000 + RANDOM % 12000))
while (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((20000 + RANDOM % 12000)); done
export MARQUEE_SERVE_PORT=$port MARQUEE_HYBRID_METHODS='item-based|user-based|content|mf|popular'
export MARQUEE_EVAL_RESAMPLES=50
mkdir bin && ln -s "$(realpath "$MARQUEE_BINARY")" bin/marquee
# Every line that asks leaves its answer in a file of its own; what curl gets must be 2xx.
{
    echo 'set -eu -o pipefail'
    echo 'curl() { command curl --fail-with-body --max-time 60 "$@" >answer; cat answer >>answers; echo >>answers; }'
    sed -n '/^```sh$/,/^```$/p' "$MARQUEE_SOURCE/docs/howto/recommend.md" | sed '/^```/d' |
        sed "s/127.0.0.1:8080/127.0.0.1:$port/; /^marquee serve /a echo \$! >server"
} >examples
[ "$(grep -c '^curl' examples)" -ge 15 ] || fail "the page has no examples"
trap 'kill "$(cat server 2>/dev/null)" 2>/dev/null; rm -rf "$scratch"' EXIT
PATH=$PWD/bin:$PATH bash examples >printed 2>log </dev/null || { tail -5 log answer; fail "an example fails"; }
for part in '"user":"u1","type":"movie","method":"hybrid"' '"method":"item-based"' '"type":"tv"' '"reason":"Because ' \
    '"reason":"因为' '"verdict":"' '"user":"newcomer","type":"movie","method":"hybrid"' '"known":false,"cold_start":true' \
    '"user":"","type":"movie"' '"taken":1' '"similarity":' '"films_in_common":' '"unknown":[]' '"features":{' \
    '"serving":"' '"previous":"'; do
    grep -qF -- "$part" answers || { cat answers; fail "no '$part' among the answers"; }
done
kill "$(cat server)" || fail "the page's server is gone"
# What came before and after the newcomer's rating.
grep '"user":"newcomer"' answers | sed 's/.*"known":\([a-z]*\),"cold_start":\([a-z]*\),"ratings":\([0-9]*\).*/\1 \2 \3/' >states
printf '%s\n' 'false true 0' 'true false 2' 'true false 1' | diff states - || fail "the newcomer's answers"
grep -q '"item":"17"\|{"user":"u1","item":"17","score":' printed || { cat printed; fail "score prints nothing"; }
echo "recommend howto: ok"
