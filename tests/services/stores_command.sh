#!/usr/bin/env bash
# `marquee stores` and `marquee doctor` against real servers: what is missing is named, made once,
# and then well. Uses those of S3, DynamoDB and Kafka that the environment names.
set -euo pipefail
if [ -z "${MARQUEE_TEST_S3:-}" ] || [ -z "${MARQUEE_TEST_DYNAMODB:-}" ]; then
  echo 'skip: MARQUEE_TEST_S3 and MARQUEE_TEST_DYNAMODB are not set; run: make test-services'
  exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
unset MARQUEE_STORE MARQUEE_REGION MARQUEE_CONFIG
mark=$$-$RANDOM
events=lmdb:./events
[ -z "${MARQUEE_TEST_KAFKA:-}" ] || events="kafka:$MARQUEE_TEST_KAFKA"
# The first settings of docs/howto/stores.md, with these servers' addresses.
awk '/^```yaml$/ {inside = 1; next} inside && /^```$/ {exit} inside' "$MARQUEE_SOURCE/docs/howto/stores.md" | sed \
  -e "s#s3://films/marquee?region=eu-central-1#s3://stores-$mark/prefix?endpoint=$MARQUEE_TEST_S3#" \
  -e "s#dynamodb:marquee-?region=eu-central-1#dynamodb:stores-$mark-?endpoint=$MARQUEE_TEST_DYNAMODB#" \
  -e "s#kafka:broker:9092#$events#" >marquee.yaml
[ "$(grep -c -e "$mark" -e "$events" marquee.yaml)" = 3 ] || { cat marquee.yaml; exit 1; }
printf '  topic: events-%s\n  rejected_topic: events-%s.rejected\n' "$mark" "$mark" >>marquee.yaml

fail() {
  echo "FAIL: $*"
  cat out err
  exit 1
}
# Run marquee; its exit status must be the first argument.
marquee() {
  local want=$1 status=0
  shift
  "$MARQUEE_BINARY" "$@" >out 2>err || status=$?
  [ "$status" = "$want" ] || fail "marquee $*: status $status, expected $want"
}
says() { grep -qE -- "$1" out || fail "no line matches '$1'"; }
says_not() { ! grep -qE -- "$1" out || fail "a line matches '$1'"; }

marquee 4 doctor
says "^bad +store +look: no bucket 'stores-$mark'"
says "^bad +features: user-features +look: no table 'stores-$mark-user-features'"
says '^to mend store: .*marquee stores create'
says '^to mend features: user-features: .*marquee stores create'

# A bucket that is not there is a store that is not there, whoever asks; and messages put keys behind the
# bucket, not behind the parameters.
for command in "recommend u1" "run" "runs list" "bronze list" "simulate --users 5 --items 5"; do
  marquee 4 $command
  grep -q "stores-$mark" err && grep -q "marquee stores create" err || { cat err; fail "$command"; }
  ! grep -q "endpoint=[^ ']*/[a-z]" err || { cat err; fail "a key behind the parameters"; }
done

marquee 0 stores
says "^objects .* missing$"
says "^features .* user-features +missing$"
says_not 'ready'
marquee 0 stores create --dry-run
[ "$(grep -c 'would be made$' out)" = 5 ] || fail 'a dry run makes five things'
marquee 0 stores
says_not 'ready'

marquee 0 stores create
[ "$(grep -c ' made$' out)" = 5 ] || fail 'five things were to make'
marquee 0 stores create
[ "$(grep -c 'there already$' out)" = 5 ] || fail 'a second time there is nothing to make'
marquee 0 stores --json
[ "$(grep -c '"state": "ready"' out)" = 5 ] || fail 'all five are ready'

marquee 0 doctor
says '^ok +store .*put, get, list and delete'
says '^ok +clock '
says '^ok +features: movie-features .*put, get, update and delete'
says '^ok +clock of features '
says "^ok +events: events-$mark "
says "^ok +events: events-$mark.rejected .*produced to and read back"
says_not '^to mend'

AWS_SECRET_ACCESS_KEY=wrong marquee 4 doctor
says '^bad +store .*SignatureDoesNotMatch'
says '^to mend store: the secret key'
AWS_ACCESS_KEY_ID=nobody marquee 4 doctor
says '^bad +store .*(InvalidAccessKeyId|UserNotFound)'
says '^to mend store: the access key is not known'
AWS_ACCESS_KEY_ID='' HOME=$scratch marquee 4 doctor
says '^bad +store .*no AWS credentials found'
says '^to mend store: set AWS_ACCESS_KEY_ID'
marquee 4 doctor --set 'features.store=dynamodb:x-?endpoint=http://127.0.0.1:1&deadline-s=1'
says '^ok +store '
says '^bad +features: user-features .*127.0.0.1:1'
echo 'stores and doctor: as expected'
