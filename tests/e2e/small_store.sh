# A small catalogue with clicks, the same at every call: sourced by the end-to-end tests.
#
#   make_input FOLDER     input of region 1 below FOLDER
#   artifacts FOLDER      "<sha256>  <path>" of every file but the run records
#   marquee …             the binary under test, quick settings
set -u
: "${MARQUEE_BINARY:?path of the binary under test}"
export MARQUEE_NOW=2026-03-01T12:00:00Z MARQUEE_YOUTUBEDNN_EPOCHS=1 MARQUEE_DEEPFM_EPOCHS=1
export MARQUEE_YOUTUBEDNN_VALIDATION_USERS=10 MARQUEE_DEEPFM_BATCH=256 MARQUEE_RUN_THREADS=2
# Small models of few ratings, which the quality gate lets serve.
export MARQUEE_HYBRID_FACTORS=8 MARQUEE_EVAL_RESAMPLES=50 MARQUEE_GATE_BOUNDS= MARQUEE_GATE_NO_WORSE= MARQUEE_GATE_CASES_MIN=0
unset MARQUEE_STORE MARQUEE_REGION MARQUEE_CONFIG
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

marquee() { "$MARQUEE_BINARY" "$@"; }

make_input() {
    local system=$1/1/system
    mkdir -p "$system/item-data/basic" "$system/user-data/portrait" \
        "$system"/user-data/action/2026-02-{27,28}/{play,exposure}
    awk 'BEGIN {
        print "program_id,program_type,program_name,release_year,director,actor,category_property,language,ticket_num,popularity,score,level,is_new"
        split("crime|drama|comedy|horror|family", g, "|")
        for (i = 1; i <= 48; i++)
            printf "%d,%s,Title %d,%d,Director %d,Actor %d|Actor %d,%s|%s,%s,%d,%d,%.1f,%s,%d\n", i,
                i % 4 ? "movie" : "tv", i, 1990 + i % 30, i % 9, i % 11, i % 7, g[1 + i % 5],
                g[1 + i % 3], i % 5 ? "en" : "fr", i * 3 % 17, i * 7 % 23, 3 + i % 7 / 2,
                i % 3 ? "G" : "R", (i > 45) }' >"$system/item-data/basic/1.csv"
    awk 'BEGIN { print "user_id,sex,age,timestamp,name"
        for (u = 1; u <= 60; u++) printf "u%d,%s,%d,1700000000,name %d\n", u, u % 2 ? "M" : "F", 18 + u, u
    }' >"$system/user-data/portrait/ProfileMap.csv"
    for day in 27 28; do
        awk -v day=$day 'BEGIN { s = day
            print "user_id,item_id,timestamp" > "/dev/stdout"
            for (k = 0; k < 700; k++) {
                s = (s * 1103515245 + 12345) % 2147483648; u = 1 + int(s / 65536) % 60
                s = (s * 1103515245 + 12345) % 2147483648; i = 1 + (int(s / 65536) % 24 + u * 5) % 48
                printf "u%d,%d,%d\n", u, i, 1772000000 + (day - 27) * 86400 + k * 60
            } }' >"$system/user-data/action/2026-02-$day/play/p.csv"
        awk -v day=$day 'BEGIN { s = day + 100
            print "user_id,item_id,timestamp,position,trace"
            for (k = 0; k < 900; k++) {
                s = (s * 1103515245 + 12345) % 2147483648; u = 1 + int(s / 65536) % 60
                s = (s * 1103515245 + 12345) % 2147483648; i = 1 + int(s / 65536) % 48
                printf "u%d,%d,%d,%d,batch_%s_%d|1.00|batch_deepfm_1|0.50|batch_recommend_1|0.60\n", u, i,
                    1772000000 + (day - 27) * 86400 + k * 50, k % 20, k % 2 ? "heat" : "category", k % 9
            } }' >"$system/user-data/action/2026-02-$day/exposure/e.csv"
    done
}

artifacts() {
    (cd "$1" && find . -type f -not -path './1/runs/*' -not -name '*.partial' | LC_ALL=C sort |
        xargs -d '\n' sha256sum)
}

fail() {
    echo "FAIL: $*"
    exit 1
}

# expect STATUS TEXT COMMAND…: exit status, and a part of what goes to standard error.
expect() {
    local status=$1 text=$2
    shift 2
    "$@" >out 2>err
    local got=$?
    [ "$got" = "$status" ] || { cat out err; fail "status $got, expected $status: $*"; }
    grep -qF -- "$text" err || { cat err; fail "no '$text' from: $*"; }
}
