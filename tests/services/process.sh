# Shell functions of the fixtures: a server that runs in the background and leaves its pid in $dir/pid.
# Source it with $dir set to the fixture's folder (absolute); the server's command line must name it.

# Whether the server runs: some thread of the pid is alive (a killed JVM takes a while to go), and the
# process is ours, not another that got the number.
server_runs() {
  local pid line
  pid=$(cat "$dir/pid" 2>/dev/null) || return 1
  grep -qs '^State:[[:space:]]*[^ZX[:space:]]' /proc/"$pid"/task/*/status || return 1
  line=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
  # An exiting process has an empty command line already.
  case ${line:-"$dir/"} in *"$dir/"*) return 0 ;; *) return 1 ;; esac
}

# Wait until it is gone. @param tenths of a second
server_gone() {
  local i
  for ((i = 0; i < $1; i++)); do
    server_runs || return 0
    sleep 0.1
  done
  return 1
}

# Ask it to stop; kill it after some tenths of a second.
server_stop() {
  if server_runs; then
    kill "$(cat "$dir/pid")" 2>/dev/null || true
    server_gone "$1" || server_crash
  fi
  rm -f "$dir/pid"
}

# SIGKILL; returns when the process is really gone.
server_crash() {
  if server_runs; then
    kill -9 "$(cat "$dir/pid")" 2>/dev/null || true
    server_gone 200
  fi
  rm -f "$dir/pid"
}

need_free_port() {
  if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
    echo "port $1 is taken" >&2
    exit 1
  fi
}
