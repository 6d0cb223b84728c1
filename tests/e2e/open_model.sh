#!/bin/bash
# docs/howto/open-model-in-python.md: its examples, run in order on a model that the RATING workflow
# made; the lists that they compute are those of the code. Needs a python3 with NumPy (PYTHON names it).
. "$(dirname "$0")/small_store.sh"
unset MARQUEE_NOW
python=${PYTHON:-python3}
if ! "$python" -c 'import numpy' 2>/dev/null; then
    echo "skipped: $python has no NumPy; PYTHON may name one that has (tests/golden/requirements.txt)"
    exit 77
fi
export MARQUEE_STORE=file:store MARQUEE_FEATURES_STORE=lmdb:features
marquee simulate --as ratings --users 150 --items 120 --events 4000 --days 20 --quiet >log 2>&1 || { cat log; fail "simulate"; }
marquee run --change-type RATING --quiet --set hybrid.methods='item-based|content|mf|popular' >log 2>&1 || { cat log; fail "RATING"; }

page=$MARQUEE_SOURCE/docs/howto/open-model-in-python.md
sed -n '/^```python$/,/^```$/p' "$page" | sed '/^```/d' >examples.py
"$python" -B examples.py >shown 2>log || { cat log; fail "the examples"; }
for want in '^1[0-9][0-9] users, 120 films, [0-9]* ratings' '[0-9.]*  item-based' ' rated [0-9]* [0-9.]* 20' ' would rate [0-9]* [1-5]\.' ' is like '; do
    grep -q -- "$want" shown || { cat shown; fail "the examples show no '$want'"; }
done

# The same lists, user by user; where films are equal but for rounding either may come first.
"$MARQUEE_BUILD/tests/e2e/rank_with_model" store 1 item-based >lists 2>log || { cat log; fail "lists"; }
cat >>examples.py <<'END'

import sys
theirs = {}
for line in open("lists"):
    user, film, score = line.split()
    theirs.setdefault(user, []).append((film, float(score)))
assert set(theirs) == set(users), "users differ"
for code, user in enumerate(users):
    mine, listed = item_based(code), theirs[user]
    assert len(mine) == len(listed) == 10, (user, mine, listed)
    for (film, score), (other, expected) in zip(mine, listed):
        close = abs(score - expected) <= 1e-5 * max(1, expected)
        assert close, (user, film, score, other, expected)
        same = [s for f, s in listed if f == film]
        assert not same or abs(same[0] - score) <= 1e-5 * max(1, score), (user, film)
print("lists agree:", len(users) == model["users"] > 100, file=sys.stderr)
END
"$python" -B examples.py >shown 2>log || { tail -3 log; fail "the lists differ"; }
grep -q 'lists agree: True' log || { cat log; fail "not all lists were compared"; }

# A digest that does not fit stops the examples.
file=$(ls store/1/model/hybrid/*/neighbours.safetensors)
printf 'x' >>"$file"
"$python" -B examples.py >/dev/null 2>log && fail "a damaged file was read"
grep -q 'AssertionError: neighbours.safetensors' log || { cat log; fail "a damaged file is not named"; }
echo "open model: ok"
