# A server to post events to: sourced after small_store.sh.
#   serve_start      on a free port; sets `server` and `port`
#   post BODY        to /v1/events: the answer goes to `answer`, its status to standard output
#   ask METHOD PATH [BODY]     anything: the answer's body goes to `body`, its status to standard output
#   gives STATUS PART METHOD PATH [BODY]     the same; the status, and a part of the body (fixed text)
#   serve_stop       as an operator does
serve_start() {
    : >serve.log
    "$MARQUEE_BINARY" serve --port 0 --no-auth 2>serve.log &
    server=$!
    trap 'kill $server 2>/dev/null; rm -rf "$scratch"' EXIT
    for _ in $(seq 600); do
        port=$(sed -n 's/.*serving on http:\/\/127.0.0.1:\([0-9]*\),.*/\1/p' serve.log)
        [ -z "$port" ] && kill -0 $server 2>/dev/null || break
        sleep 0.1
    done
    [ -n "$port" ] || { cat serve.log; fail "the server does not come up"; }
}

ask() {
    local LC_ALL=C
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    if [ $# = 3 ]; then
        printf '%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' "$1" "$2" "${#3}" "$3" >&3
    else
        printf '%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n' "$1" "$2" >&3
    fi
    cat <&3 >answer
    exec 3>&-
    sed '1,/^\r$/d' answer >body
    sed -n '1s/^HTTP\/1.1 \([0-9]*\).*/\1/p' answer
}

post() { ask POST /v1/events "$1"; }

gives() {
    local want=$1 part=$2 got
    shift 2
    got=$(ask "$@")
    [ "$got" = "$want" ] || { head -c 600 body; fail "status $got, expected $want: $1 $2 ${3:-}"; }
    grep -qF -- "$part" body || { head -c 2000 body; fail "no '$part' from: $1 $2 ${3:-}"; }
}

serve_stop() {
    kill -TERM $server && wait $server || { cat serve.log; fail "the server did not stop well"; }
}
