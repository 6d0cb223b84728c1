# A server to post events to: sourced after small_store.sh.
#   serve_start      on a free port; sets `server` and `port`
#   post BODY        to /v1/events: the answer goes to `answer`, its status to standard output
#   serve_stop       as an operator does
serve_start() {
    : >serve.log
    "$MARQUEE_BINARY" serve --port 0 --no-auth 2>serve.log &
    server=$!
    trap 'kill $server 2>/dev/null; rm -rf "$scratch"' EXIT
    for _ in $(seq 100); do
        port=$(sed -n 's/.*serving on http:\/\/127.0.0.1:\([0-9]*\),.*/\1/p' serve.log)
        [ -z "$port" ] || break
        sleep 0.1
    done
    [ -n "$port" ] || { cat serve.log; fail "the server does not come up"; }
}

post() {
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'POST /v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' "${#1}" "$1" >&3
    cat <&3 >answer
    exec 3>&-
    sed -n '1s/^HTTP\/1.1 \([0-9]*\).*/\1/p' answer
}

serve_stop() {
    kill -TERM $server && wait $server || { cat serve.log; fail "the server did not stop well"; }
}
