#!/usr/bin/env bash
# DynamoDB Local for tests, on 127.0.0.1 only, telemetry off. It does not check signatures.
#   dynamodb.sh install DIR       jars into DIR/lib (Maven, JDK 17 or newer)
#   dynamodb.sh start DIR PORT    tables stay in DIR/data; returns when it answers
#   dynamodb.sh stop DIR
#   dynamodb.sh crash DIR         SIGKILL
# Its licence is Amazon's own: it is used to test, and never shipped.
set -euo pipefail
version=3.1.0
command=${1:?install|start|stop|crash} dir=${2:?DIR}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
source "$(dirname "$0")/process.sh"

install() {
  [ ! -e "$dir/lib/.$version" ] || return 0
  rm -rf "${dir:?}/lib"
  cat >"$dir/pom.xml" <<XML
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>marquee</groupId><artifactId>dynamodb-for-tests</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>software.amazon.dynamodb</groupId><artifactId>DynamoDBLocal</artifactId>
      <version>$version</version>
    </dependency>
  </dependencies>
</project>
XML
  mvn -q -B -Dstyle.color=never -f "$dir/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$dir/lib"
  # Its own main listens on every address and has no option for that.
  cat >"$dir/LoopbackMain.java" <<'JAVA'
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

public class LoopbackMain {
  public static void main(String[] arguments) throws Exception {
    DynamoDBProxyServer proxy = ServerRunner.createServerFromCommandLineArgs(arguments);
    var jetty = DynamoDBProxyServer.class.getDeclaredField("server");
    jetty.setAccessible(true);
    for (var connector : ((Server) jetty.get(proxy)).getConnectors())
      ((ServerConnector) connector).setHost("127.0.0.1");
    proxy.safeStart();
    proxy.join();
  }
}
JAVA
  javac -cp "$dir/lib/*" -d "$dir/lib" "$dir/LoopbackMain.java"
  touch "$dir/lib/.$version"
}

start() {
  server_gone 20 || { echo "already running: pid $(cat "$dir/pid")" >&2; exit 1; }
  need_free_port "$port"
  mkdir -p "$dir/data"
  : >"$dir/log"
  setsid java -Xmx256m -XX:+UseSerialGC -Djava.library.path="$dir/lib" -cp "$dir/lib:$dir/lib/*" \
    LoopbackMain -port "$port" -sharedDb -disableTelemetry -dbPath "$dir/data" >"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  local i
  for ((i = 0; i < 600; i++)); do
    server_runs || break
    # Up, it refuses a request that is none.
    [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/")" != 400 ] || return 0
    sleep 0.1
  done
  tail -n 20 "$dir/log" >&2
  echo 'DynamoDB Local did not become ready' >&2
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
