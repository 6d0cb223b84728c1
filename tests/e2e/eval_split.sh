#!/bin/bash
# marquee eval on the files of a split that was made elsewhere: lists and ratings, candidates of both
# forms, table, JSON and page; and every combination of flags that would be ignored is refused.
. "$(dirname "$0")/small_store.sh"
export MARQUEE_HYBRID_METHODS='item-based|user-based|content|mf|popular'
# 45 users of three tastes, each with fourteen of sixteen films of its taste: the last but one is for
# validation, the last for the test; candidates are the test's film and films of other tastes.
awk 'BEGIN { for (u = 1; u <= 45; u++) {
        for (k = 0; k < 14; k++) {
            i = 1 + u % 3 + 3 * ((k * 5 + u) % 16)
            file = k < 12 ? "train" : k < 13 ? "validation" : "test"
            printf "u%d\t%d\t%d\t%d\n", u, i, 1 + (u + i) % 5, 1772150400 + k * 60 + u > file
        }
        plain = "u" u "\t" i; pair = "(u" u "," i ")"; found = u "\t" i
        for (k = 0; k < 15; k++) {
            other = 1 + (u + 1 + k % 2) % 3 + 3 * ((k * 3 + u) % 16)
            plain = plain "\t" other; pair = pair "\t" other
        }
        print plain > "plain"; print pair > "pairs" } }'
[ "$(wc -l <train)" = 540 ] && [ "$(wc -l <test)" = 45 ] || fail "the split"

evaluate() { marquee eval --train train --quiet "$@"; }
figure() { # FILE SYSTEM KEY: its value; differences stand behind
    tr -d ' \n' <"$1" | sed "s/.*{\"name\":\"$2\"//; s/\"name\":.*//" | grep -o "\"$3\":{\"value\":[0-9.e-]*" | head -1 | sed 's/.*://'
}

echo "- lists and ratings, all films ranked"
evaluate --validation validation --test test --html page.html >table 2>log || { cat log; fail "eval on files"; }
grep -q '^train: a split made elsewhere; ranked among all films' table && grep -q '^45 users, 48 films' table &&
    grep -q '^45 ratings predicted' table && grep -Eq '^system +HR@10 +NDCG@10 .*RMSE +MAE' table || { cat table; fail "the table"; }
for system in popular item-based user-based mf hybrid; do
    grep -Eq "^$system +([0-9]|–)" table || { cat table; fail "no row of $system"; }
done
grep -q '<html' page.html && grep -q 'hybrid' page.html && grep -q '</html>' page.html || fail "the page"
evaluate --validation validation --test test --json >both || fail "eval --json"
evaluate --validation validation --test test --json --threads 1 >alone || fail "eval --json with one thread"
cmp both alone || fail "the number of threads changes the report"

echo "- one of both"
evaluate --test test --measure lists >table || fail "--measure lists"
grep -q 'HR@10' table && ! grep -q 'RMSE\|predicted' table || { cat table; fail "--measure lists"; }
evaluate --test test --measure ratings >table || fail "--measure ratings"
grep -q 'RMSE' table && ! grep -q 'HR@10\|films$' table || { cat table; fail "--measure ratings"; }
evaluate --test test --measure ratings --against mf --json >out || fail "--measure ratings --against mf"
grep -q '"reference": "mf"' out && grep -q '"difference_from_reference"' out || { cat out; fail "differences of ratings"; }
for method in popular item-based hybrid; do
    evaluate --test test --measure lists --against $method --json >out || fail "--against $method"
    grep -q "\"reference\": \"$method\"" out || { cat out; fail "--against $method"; }
done

echo "- candidates of both forms"
evaluate --test test --negatives plain --measure lists --json >plainly || fail "candidates"
evaluate --negatives pairs --measure lists --json >paired || fail "candidates as pairs"
evaluate --negatives pairs >table || fail "candidates as pairs, as text"
grep -q '^train: a split made elsewhere; ranked among the candidates of its lists' table && grep -q '^45 users' table &&
    ! grep -q 'RMSE' table || { cat table; fail "the table of candidates"; }
# Films of other tastes are easily told from one's own.
for file in plainly paired; do
    awk -v hit="$(figure $file hybrid hit_rate_10)" 'BEGIN { exit !(hit > 0.9 && hit <= 1) }' ||
        fail "hybrid finds $(figure $file hybrid hit_rate_10) of $file"
done

echo "- refused before anything is read"
refused() { # TEXT FLAG…
    local text=$1
    shift
    expect 2 "$text" marquee eval "$@"
}
split="a split needs --train, and --test or --negatives"
refused "$split" --train nothing
refused "$split" --train nothing --validation nothing
refused "$split" --test nothing
refused "$split" --negatives nothing
refused "$split" --validation nothing
for flag in '--html x.html' '--against content' '--measure all'; do
    refused "${flag% *} is of the hybrid model's evaluation: it needs --ratings or --train" $flag
done
[ ! -e x.html ] || fail "a page of what was refused"
for flag in --train --validation --test --negatives; do
    refused "--ratings splits silver's ratings, $flag is of a split in files" --ratings $flag nothing
done
refused "--measure ratings needs --test" --train nothing --negatives nothing --measure ratings
refused "hybrid.predict is off" --train nothing --test nothing --measure ratings --set hybrid.predict=false
for mode in '--ratings' '--train nothing --test nothing'; do
    refused "--against is 'content', which predicts no rating (allowed: item-based|user-based|mf|popular|hybrid)" \
        $mode --measure ratings --against content
    refused "--against is 'deep', which the hybrid is not blended of (allowed: item-based|user-based|" $mode --against deep
    refused "--against is 'magic' (allowed: item-based|user-based|content|mf|ease|sequence|deep|popular|hybrid)" \
        $mode --against magic
done
# Without a catalogue nothing is known of films.
refused "--against is 'content', which the hybrid is not blended of (allowed: item-based|user-based|mf|popular|hybrid)" \
    --train nothing --test nothing --against content
expect 4 "no store at" marquee eval --store file:nothing --ratings --against content
expect 1 "nothing" marquee eval --train nothing --test test
echo "eval split: ok"
