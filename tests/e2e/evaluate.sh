#!/bin/bash
# marquee eval on a whole store: figures within their bounds, the same for any number of threads,
# a sample by seed, and one clear error where there is nothing to evaluate.
. "$(dirname "$0")/small_store.sh"
expect 4 "no store at" marquee eval --store file:nothing --quiet
make_input store
marquee run --store file:store --quiet >log 2>&1 || { cat log; fail "run"; }
evaluate() { marquee eval --store file:store --quiet "$@"; }
evaluate --json --threads 1 >one || fail "eval with one thread"
evaluate --json --threads 3 >three || fail "eval with three threads"
cmp one three || fail "the number of threads changes the report"
grep -q '"users": 60,' one || { cat one; fail "not all 60 users"; }
# What is found within 10 is found within 50, and what is listed was a candidate.
sed -n 's/.*"\(hit_rate_10\|hit_rate_50\|candidate_hit_rate\|ndcg_10\|mrr_50\)": \([0-9.e-]*\),*/\1 \2/p' one |
    awk '{ if ($2 < 0 || $2 > 1) bad = 1; v[$1 n[$1]++] = $2 }
         END { exit bad || n["hit_rate_10"] != 2 || v["hit_rate_100"] > v["hit_rate_500"] ||
               v["hit_rate_500"] == 0 || v["ndcg_100"] > v["hit_rate_100"] }' ||
    { cat one; fail "figures out of their bounds"; }
evaluate --json --users 20 --seed 1 >first
evaluate --json --users 20 --seed 1 >again
evaluate --json --users 20 --seed 2 >other
grep -q '"users": 20,' first || fail "not a sample of 20"
cmp first again || fail "the same seed, another sample"
cmp -s first other && fail "another seed, the same sample"
evaluate >table || fail "eval as text"
grep -q '^60 of 60 users' table && grep -q '^marquee  *0\.' table && grep -q '^popularity  *0\.' table &&
    grep -q '^note: ' table || { cat table; fail "the text"; }
cat table
echo "evaluate: ok"
