#!/bin/bash
# The reference pages in docs/ are those that the tables give: `ninja -C build docs` makes them.
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$MARQUEE_BINARY" generate docs "$scratch" || exit 1
status=0
diff -u "$MARQUEE_SOURCE/docs/config.md" "$scratch/config.md" || status=1
diff -ru "$MARQUEE_SOURCE/docs/cli" "$scratch/cli" || status=1
for file in "$scratch"/formats/*; do
    diff -u "$MARQUEE_SOURCE/docs/formats/${file##*/}" "$file" || status=1
done
[ $status = 0 ] || echo "docs are behind the tables: run  ninja -C build docs"
exit $status
