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
marquee run --change-type RATING --quiet --set hybrid.methods='item-based|user-based|content|mf|ease|sequence|popular' \
    --set gate.bounds='hit_rate_10 >= 0' >log 2>&1 || { cat log; fail "RATING"; }

page=$MARQUEE_SOURCE/docs/howto/open-model-in-python.md
sed -n '/^```python$/,/^```$/p' "$page" | sed '/^```/d' >examples.py
"$python" -B examples.py >shown 2>log || { cat log; fail "the examples"; }
for want in '^1[0-9][0-9] users, 120 films, [0-9]* ratings' '[0-9.]*  item-based' ' rated [0-9]* [0-9.]* 20' ' would rate [0-9]* [1-5]\.' ' is like '; do
    grep -q -- "$want" shown || { cat shown; fail "the examples show no '$want'"; }
done

# The same scores and lists as the command's, user by user; films that are equal but for rounding may
# change places.
cat >>examples.py <<'END'

import sys
with open("pairs", "w") as out:
    for code, user in enumerate(users):
        for film, score in item_based(code, len(items)):
            print(user, film, score, sep="\t", file=out)
END
"$python" -B examples.py >/dev/null 2>log || { cat log; fail "the examples once more"; }
cut -f 1,2 pairs | marquee score --method item-based >scores 2>log || { cat log; fail "score"; }
for user in $(cut -f 1 pairs | uniq | head -20); do
    marquee recommend "$user" --method item-based --n 10 --json \
        --set hybrid.quality_weight=0 >"list.$user" 2>log || { cat log; fail "recommend $user"; }
done
cat >compare.py <<'END'
import json
import pathlib

close = lambda a, b: abs(a - b) <= 1e-5 * max(1, abs(b))
mine = {}
for line, answer in zip(open("pairs"), open("scores"), strict=True):
    user, film, score = line.rstrip("\n").split("\t")
    theirs = json.loads(answer)
    assert (theirs["user"], theirs["item"]) == (user, film), (line, answer)
    assert close(float(score), theirs["score"]), (line, answer)
    mine.setdefault(user, {})[film] = float(score)
lists = 0
for path in pathlib.Path().glob("list.*"):
    user, last = path.name.removeprefix("list."), float("inf")
    entries = json.loads(path.read_text())["items"]
    ranked = [entry["item"] for entry in entries if entry["kind"] == "recommend"]
    assert len(ranked) >= 10, (user, entries)
    for film in ranked:
        score = mine[user][film]
        assert score <= last or close(score, last), (user, film, score, last)
        last = score
    lists += 1
print(len(mine), "users,", lists, "lists agree")
END
"$python" -B compare.py >shown 2>log || { tail -3 log; fail "scores or lists differ"; }
grep -q '^1[0-9][0-9] users, 20 lists agree' shown || { cat shown; fail "not all was compared"; }

# docs/formats/hybrid-model.md names every file, tensor and member, with its type.
cat >>examples.py <<'END'

page = pathlib.Path(sys.argv[1]).read_text()
for name in model["files"]:
    assert f"{name}" in page, name
    if name.endswith(".safetensors"):
        for key, tensor in tensors(name).items():
            if name == "neighbours.safetensors":
                row, key = key.split(".")
                assert f"`{row}`" in page, row
                key = "NAME." + key
            line = next((l for l in page.splitlines() if f"`{key}`" in l), None)
            kind = {"float32": "F32", "int32": "I32", "int64": "I64"}[str(tensor.dtype)]
            assert line is not None and kind in line, (name, key, kind)
for member in model:
    assert f"`{member}`" in page, member
END
"$python" -B examples.py "$MARQUEE_SOURCE/docs/formats/hybrid-model.md" >/dev/null 2>log || { tail -3 log; fail "the format's page"; }

# A digest that does not fit stops the examples.
file=$(ls store/1/model/hybrid/*/neighbours.safetensors)
printf 'x' >>"$file"
"$python" -B examples.py "$page" >/dev/null 2>log && fail "a damaged file was read"
grep -q 'AssertionError: neighbours.safetensors' log || { cat log; fail "a damaged file is not named"; }
echo "open model: ok"
