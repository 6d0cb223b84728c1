#!/usr/bin/env bash
# Apache Kafka for tests: one node, broker and KRaft controller in one process, on 127.0.0.1 only.
#   kafka.sh install DIR                  jars into DIR/lib (Maven, JDK 17 or newer)
#   kafka.sh start DIR PORT               broker on PORT, controller on PORT+1; returns when it is ready
#   kafka.sh stop DIR                     the log stays in DIR/data
#   kafka.sh crash DIR                    SIGKILL
#   kafka.sh topic DIR PORT NAME COUNT    make a topic of COUNT partitions
# KAFKA_SASL_PORT in the environment: it listens there too, for user "marquee" with password "secret".
# A killed broker loses nothing it acknowledged: the operating system still holds what was written.
# That says nothing of a machine that loses power (replicas are for that).
set -euo pipefail
version=4.2.0
slf4j=1.7.36
command=${1:?install|start|stop|crash|topic} dir=${2:?DIR}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
source "$(dirname "$0")/process.sh"

tool() {
  java -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$dir/lib/*" "$@"
}

install() {
  [ ! -e "$dir/lib/.$version" ] || return 0
  rm -rf "${dir:?}/lib"
  cat >"$dir/pom.xml" <<XML
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>marquee</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$version</version>
      <exclusions>
        <exclusion><groupId>org.apache.kafka</groupId><artifactId>connect-runtime</artifactId></exclusion>
        <exclusion><groupId>org.apache.kafka</groupId><artifactId>connect-json</artifactId></exclusion>
        <exclusion><groupId>org.apache.kafka</groupId><artifactId>connect-api</artifactId></exclusion>
      </exclusions>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>$slf4j</version>
    </dependency>
  </dependencies>
</project>
XML
  mvn -q -B -Dstyle.color=never -f "$dir/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$dir/lib"
  touch "$dir/lib/.$version"
}

write_properties() {
  cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$dir/data
auto.create.topics.enable=false
message.max.bytes=2097152
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=3000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
initial.broker.registration.timeout.ms=120000
PROPERTIES
  [ -n "${KAFKA_SASL_PORT:-}" ] || return 0
  sed -i -E "s|^((advertised.)?listeners=.*)|\\1,SASL_PLAINTEXT://127.0.0.1:$KAFKA_SASL_PORT|" "$dir/server.properties"
  cat >>"$dir/server.properties" <<PROPERTIES
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_marquee="secret";
PROPERTIES
}

start() {
  server_gone 20 || { echo "already running: pid $(cat "$dir/pid")" >&2; exit 1; }
  need_free_port "$port"
  need_free_port $((port + 1))
  write_properties
  if [ ! -e "$dir/data/meta.properties" ]; then
    tool kafka.tools.StorageTool format -t MarqueeTestsCluster0AA -c "$dir/server.properties" \
      >"$dir/format.log" 2>&1 || { cat "$dir/format.log" >&2; exit 1; }
  fi
  : >"$dir/log" # before the server has it open: the loop below must not read an old one
  setsid java -Xms256m -Xmx256m -XX:+UseSerialGC -cp "$dir/lib/*" kafka.Kafka \
    "$dir/server.properties" >"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  local i
  for ((i = 0; i < 600; i++)); do
    ! grep -qs 'Kafka Server started' "$dir/log" || return 0
    server_runs || break
    sleep 0.1
  done
  tail -n 20 "$dir/log" >&2
  echo 'Kafka did not become ready' >&2
  exit 1
}

port=${3:-}
case $command in
install) install ;;
start) : "${port:?PORT}" && start ;;
stop) server_stop 200 ;;
crash) server_crash ;;
topic)
  tool org.apache.kafka.tools.TopicCommand --bootstrap-server "127.0.0.1:${port:?PORT}" --create \
    --if-not-exists --topic "${4:?NAME}" --partitions "${5:?COUNT}" --replication-factor 1
  ;;
*)
  echo 'install|start|stop|crash|topic' >&2
  exit 2
  ;;
esac
