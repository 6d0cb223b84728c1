#!/bin/bash
# `meson install` into a scratch DESTDIR: the installed binary runs with the installed DuckDB, a C
# program builds with pkg-config and runs, and everything is where its reader looks for it.
. "$(dirname "$0")/small_store.sh"
: "${MARQUEE_SOURCE:?}" "${MARQUEE_BUILD:?}"
DESTDIR=$scratch/root meson install -C "$MARQUEE_BUILD" --no-rebuild --quiet >log 2>&1 ||
    { cat log; fail "meson install"; }
root=$scratch/root
binary=$(find "$root" -path '*/bin/marquee')
library=$(find "$root" -name libduckdb.so)
config=$(find "$root" -name marquee.pc)
[ -x "$binary" ] && [ -e "$library" ] && [ -e "$config" ] || fail "binary, DuckDB or pkg-config file is missing"
for name in marquee.h status.h libmarquee.so libmarquee.a marquee.1 marquee-run.1 \
    bash-completion/completions/marquee site-functions/_marquee vendor_completions.d/marquee.fish; do
    find "$root" -path "*/$name" | grep -q . || fail "$name is not installed"
done
ldd "$binary" | grep 'libduckdb.so =>' | grep -q "$root" ||
    { ldd "$binary"; fail "the binary does not take the installed DuckDB"; }
MARQUEE_BINARY=$binary
marquee version | grep -q '^marquee [0-9]' || fail "the installed binary does not run"

! grep -q "$MARQUEE_SOURCE" "$config" || { cat "$config"; fail "marquee.pc names the source tree"; }
symbols=$(nm -D --defined-only "$(find "$root" -name libmarquee.so)" | grep -c ' mq_')
[ "$symbols" -le 30 ] || fail "libmarquee.so offers $symbols functions, more than its headers declare"
prefix=$(dirname "$(dirname "$binary")")
export PKG_CONFIG_PATH=${config%/*}
flags=$(pkg-config --define-variable=prefix="$prefix" --cflags --libs marquee 2>/dev/null) ||
    fail "pkg-config does not know marquee"
cc "$MARQUEE_SOURCE/examples/recommend.c" $flags -Wl,-rpath,"${config%/pkgconfig/*}" -o example ||
    fail "the example does not build"
make_input store
./example file:store u7 >list 2>err || { cat err; fail "the example does not run"; }
grep -q '"items": \[' list && grep -q '"reason": ' list || { cat list; fail "no list"; }
echo "install: ok ($prefix)"
