#!/bin/bash
# A full disk and a folder that cannot be written: one clear error, nothing half-published, and the
# next run goes on.
. "$(dirname "$0")/small_store.sh"
make_input calm
marquee run --store file:calm --quiet >log 2>&1 || { cat log; fail "undisturbed run"; }

# Whatever the limit of a file's size, all files that are there are whole.
make_input store
for blocks in 1 4 16 64; do # of 1024 bytes
    (ulimit -f $blocks; marquee run --store file:store --quiet >out 2>err)
    status=$?
    [ $status = 1 ] || { cat err; fail "file size limit of $blocks kB: status $status"; }
    [ "$(grep -c '^marquee: ' err)" = 1 ] || { cat err; fail "not one error"; }
    artifacts store | while read -r sum path; do
        [ -s "store/$path" ] || [ "${path##*/}" = rejects.csv ] || echo "empty: $path"
    done >empty
    [ -s empty ] && { cat empty; fail "half-published"; }
    find store -name '*.partial' | grep -q . && fail "unfinished files are left"
done
marquee run --store file:store --quiet >log 2>&1 || { cat log; fail "run after the full disk"; }
diff <(artifacts calm) <(artifacts store) || fail "other bytes after the full disk"

# A real full disk, where this user may mount one.
if mkdir small && mount -t tmpfs -o size=300k tmpfs small 2>/dev/null; then
    make_input small
    expect 1 "No space left on device" marquee run --store file:small --quiet
    grep -q "hint: free some disk space" err || { cat err; fail "no hint"; }
    umount small
else
    echo "skipped: no tmpfs can be mounted here"
fi

# A folder that cannot be written (root may write anywhere but on a read-only file system).
if [ "$(id -u)" != 0 ]; then
    make_input closed
    chmod -R a-w closed
    expect 1 "Permission denied" marquee run --store file:closed --quiet
    grep -q "hint: check the owner and mode" err || fail "no hint"
    chmod -R u+w closed
else
    expect 1 "cannot make folder" marquee run --store file:/proc --region nowhere --quiet
fi
echo "bad stores: ok"
