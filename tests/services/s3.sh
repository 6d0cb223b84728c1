#!/usr/bin/env bash
# An S3 server for tests: the Versity gateway over a plain folder, on 127.0.0.1 only. It checks
# signatures and checksums, and its conditional writes hold with many writers.
#   s3.sh install DIR       DIR/bin/versitygw (Go)
#   s3.sh start DIR PORT    buckets are folders of DIR/data; returns when it answers
#   s3.sh stop DIR          what was put stays
#   s3.sh crash DIR         SIGKILL
# Key "test", secret "testsecret", region us-east-1, path style.
set -euo pipefail
version=v1.8.0
command=${1:?install|start|stop|crash} dir=${2:?DIR}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
source "$(dirname "$0")/process.sh"

install() {
  [ ! -e "$dir/bin/.$version" ] || return 0
  GOBIN="$dir/bin" go install "github.com/versity/versitygw/cmd/versitygw@$version"
  touch "$dir/bin/.$version"
}

start() {
  server_gone 20 || { echo "already running: pid $(cat "$dir/pid")" >&2; exit 1; }
  need_free_port "$port"
  mkdir -p "$dir/data"
  # It changes its working directory, so every path is absolute.
  ROOT_ACCESS_KEY=test ROOT_SECRET_KEY=testsecret setsid "$dir/bin/versitygw" \
    --port "127.0.0.1:$port" --region us-east-1 --quiet posix "$dir/data" >"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  local i
  for ((i = 0; i < 600; i++)); do
    server_runs || break
    # Up, it refuses a request without a signature.
    [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/")" != 403 ] || return 0
    sleep 0.05
  done
  tail -n 20 "$dir/log" >&2
  echo 'the S3 server did not become ready' >&2
  exit 1
}

port=${3:-}
case $command in
install) install ;;
start) : "${port:?PORT}" && start ;;
stop) server_stop 100 ;;
crash) server_crash ;;
*)
  echo 'install|start|stop|crash' >&2
  exit 2
  ;;
esac
