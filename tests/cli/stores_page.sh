#!/bin/bash
# docs/howto/stores.md against the code: the DynamoDB operations that are called are those that the
# policies allow, every URI parameter is described, and the policies are JSON.
set -euo pipefail
: "${MARQUEE_SOURCE:?folder of the source}"
cd "$MARQUEE_SOURCE"
page=docs/howto/stores.md
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Operations in calls; a transaction of one update is allowed by UpdateItem.
cat src/store/feature_store_dynamodb.c src/store/dynamodb_table.c | tr '\n' ' ' |
    grep -oE '"(Batch|Transact|Update|Delete|Create|Describe|Get|Put|Query|Scan)[A-Za-z]*"' |
    grep -vE '"(PutRequest|DeleteRequest)"' | tr -d '"' | sed 's/^TransactWriteItems$/UpdateItem/' |
    sort -u >"$scratch/called"
grep -oE '"dynamodb:[A-Za-z]+"' "$page" | tr -d '"' | sed 's/dynamodb://' | sort -u >"$scratch/allowed"
diff "$scratch/called" "$scratch/allowed" || {
    echo "FAIL: '<' is called and not allowed in $page, '>' is allowed and not called"
    exit 1
}
[ "$(wc -l <"$scratch/called")" -ge 9 ] || { echo 'FAIL: too few operations were found'; exit 1; }

# Parameters, as the messages about unknown ones list them.
for file in s3_connection dynamodb_connection; do
    names=$(tr '\n' ' ' <"src/store/$file.c" | sed 's/" *"//g' |
        grep -oE "unknown parameter [^)]*allowed: [^)]*" | sed 's/.*allowed: //; s/,//g')
    [ -n "$names" ] || { echo "FAIL: no parameters found in $file.c"; exit 1; }
    for name in $names; do
        grep -q "\`$name\`" "$page" || { echo "FAIL: $page says nothing of $name"; exit 1; }
    done
done

python3 - "$page" <<'PY'
import json, re, sys
blocks = re.findall(r"```json\n(.*?)```", open(sys.argv[1], encoding="utf-8").read(), re.S)
assert len(blocks) == 3, f"{len(blocks)} policies"
for block in blocks:
    policy = json.loads(block)
    assert policy["Version"] == "2012-10-17"
    for statement in policy["Statement"]:
        resources = statement["Resource"]
        assert resources != "*" and "*" not in statement["Action"], statement
PY
# Kafka properties that are refused are named, with what to use.
names=$(sed -n '/refused\[\] = {/,/^};/p' src/store/event_properties_kafka.c | grep -oE '\{"[a-z.]+' | tr -d '{"')
[ "$(wc -w <<<"$names")" -ge 11 ] || { echo 'FAIL: too few refused properties were found'; exit 1; }
for name in $names; do
    grep -q "^|.*\`$name\`.*|" "$page" || { echo "FAIL: $page does not say that $name is refused"; exit 1; }
done
echo 'stores.md agrees with the code'
