#!/bin/bash
# Blanks around an id are no part of it: neither in an import, nor in a question.
. "$(dirname "$0")/small_store.sh"
make_input store
log=store/1/system/user-data/action/2026-02-28/play/p.csv
sed -i '2s/^u[0-9]*,/" new user ",/' "$log"
marquee run --store file:store --quiet >log 2>&1 || { cat log; fail "run"; }
for user in "new user" "u7"; do
    for question in "recommend %s --n 5" "portrait %s" "explain %s 3"; do
        for form in "$user" "  $user" "$user "; do
            words=()
            for word in $question; do
                [ "$word" = %s ] && word=$form
                words+=("$word")
            done
            marquee "${words[@]}" --store file:store --json >"answer-$form" || fail "${words[*]}"
            cmp "answer-$user" "answer-$form" || fail "'$form' is not '$user': ${words[*]}"
        done
    done
done
marquee portrait "new user" --store file:store --json >portrait
grep -q '"plays": 1,' portrait || { cat portrait; fail "the play of a user with blanks is lost"; }
[ "$(marquee similar " 3 " --store file:store --json)" = "$(marquee similar 3 --store file:store --json)" ] ||
    fail "similar"
