# shellcheck shell=bash
# HBase (master, region server and ZooKeeper in one process) and its Thrift gateways. Sourced by scripts/services.

install_hbase() {
  must_install hbase-server || return 0
  check_disk 700 "installing HBase"
  say "installing HBase from Maven into $HOME_DIR/hbase-server: org.apache.hbase:hbase-server 2.6.4-hadoop3 and all that it needs (120 MB to download)"
  maven_copy hbase-server
  stamp hbase-server
}

install_gateway() {
  must_install hbase-gateway || return 0
  check_disk 600 "installing the Thrift gateways"
  say "installing the Thrift gateways from Maven into $HOME_DIR/hbase-gateway: org.apache.hbase:hbase-thrift 2.5.8 and all that it needs (110 MB to download)"
  maven_copy hbase-gateway
  stamp hbase-gateway
}

install_shell() {
  must_install hbase-shell || return 0
  check_disk 100 "installing HBase's shell"
  say "installing HBase's shell from Maven into $HOME_DIR/hbase-shell: org.apache.hbase:hbase-shell 2.4.17 and JRuby (27 MB to download)"
  maven_copy hbase-shell
  stamp hbase-shell
}

readonly HEAP=${TAILFILL_HBASE_HEAP:-1g}
[[ $HEAP =~ ^[1-9][0-9]*[mMgG]$ ]] || usage_error "TAILFILL_HBASE_HEAP is '$HEAP'; write it like 512m or 2g"

JVM=(java -Dorg.apache.hbase.thirdparty.io.netty.tryReflectionSetAccessible=true --add-modules jdk.unsupported
  --add-exports java.security.jgss/sun.security.krb5=ALL-UNNAMED -XX:+ExitOnOutOfMemoryError -Djava.net.preferIPv4Stack=true)
for name in java.io java.nio sun.nio.ch java.lang jdk.internal.ref java.lang.reflect java.util java.util.concurrent; do
  JVM+=(--add-opens "java.base/$name=ALL-UNNAMED")
done
for name in jdk.internal.misc sun.net.dns sun.net.util; do JVM+=(--add-exports "java.base/$name=ALL-UNNAMED"); done
unset name

# write_conf FOLDER NAME VALUE...
write_conf() {
  local folder=$1
  shift
  mkdir -p "$folder"
  {
    echo '<configuration>'
    while [ $# -gt 0 ]; do
      echo "  <property><name>$1</name><value>$2</value></property>"
      shift 2
    done
    echo '</configuration>'
  } >"$folder/hbase-site.xml"
  cat >"$folder/log4j2.properties" <<'END'
status = warn
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p [%t] %c{2}: %.1000m%n
rootLogger = INFO, console
logger.zookeeper.name = org.apache.zookeeper
logger.zookeeper.level = WARN
logger.metrics.name = org.apache.hadoop.metrics2
logger.metrics.level = WARN
END
}

start_hbase() {
  local options=() site="$CONF/hbase"
  read -ra options <<<"${TAILFILL_HBASE_OPTIONS:-}"
  need_java
  check_port_free hbase
  check_port_free hbase-master
  check_port_free hbase-regionserver
  wanted_port hbase-master >"$PIDS/hbase-master.port"
  wanted_port hbase-regionserver >"$PIDS/hbase-regionserver.port"
  # The raw file system flushes, so that an acknowledged row survives a kill; the default local one does not.
  write_conf "$site" \
    hbase.rootdir "file://$DATA/hbase/root" hbase.tmp.dir "$DATA/hbase/tmp" \
    hbase.cluster.distributed false hbase.wal.provider filesystem \
    fs.file.impl org.apache.hadoop.fs.RawLocalFileSystem \
    hbase.zookeeper.quorum 127.0.0.1 hbase.zookeeper.property.clientPort "$(wanted_port hbase)" \
    hbase.zookeeper.property.dataDir "$DATA/hbase/zookeeper" \
    hbase.master.port "$(wanted_port hbase-master)" hbase.regionserver.port "$(wanted_port hbase-regionserver)" \
    hbase.master.info.port -1 hbase.regionserver.info.port -1 \
    hbase.master.ipc.address 127.0.0.1 hbase.regionserver.ipc.address 127.0.0.1 \
    hbase.master.hostname localhost hbase.unsafe.regionserver.hostname localhost
  mkdir -p "$DATA/hbase/tmp"
  launch hbase "${JVM[@]}" "-Dtailfill.service=$HOME_DIR/hbase" "-Djava.io.tmpdir=$DATA/hbase/tmp" \
    "-Xmx$HEAP" "${options[@]}" -cp "$site:$HOME_DIR/hbase-server/*" \
    org.apache.hadoop.hbase.master.HMaster start
}

ready_hbase() { grep -qF "Master has completed initialization" "$LOGS/hbase.log" && listening "$(port_of hbase)"; }

needs_hbase() {
  case $HEAP in
    *[gG]) echo $((${HEAP%?} * 1024 + 300)) ;;
    *) echo $((${HEAP%?} + 300)) ;;
  esac
}

start_gateway() {
  local name=$1 class=thrift2 site="$CONF/$1" wire=(-threadpool)
  [ "$name" != thrift1 ] || class=thrift
  # Framed, but not compact: our client speaks binary.
  [ "$name" != thrift2-framed ] || wire=(-f -threadedselector)
  need_java
  check_port_free "$name"
  # With HBase's own retries a call on a dead server would last 20 minutes.
  write_conf "$site" \
    hbase.zookeeper.quorum 127.0.0.1 hbase.zookeeper.property.clientPort "$(port_of hbase)" \
    hbase.thrift.info.port -1 hbase.client.retries.number 4 hbase.client.operation.timeout 45000
  mkdir -p "$DATA/tmp"
  launch "$name" "${JVM[@]}" "-Dtailfill.service=$HOME_DIR/$name" "-Djava.io.tmpdir=$DATA/tmp" -Xmx512m \
    -cp "$site:$HOME_DIR/hbase-gateway/*" "org.apache.hadoop.hbase.$class.ThriftServer" \
    -p "$(wanted_port "$name")" -b 127.0.0.1 "${wire[@]}" start
}

needs_gateway() { echo 400; }

# Asks for something that only HBase knows, by hand: a call without arguments in Thrift's binary protocol, framed or not.
ready_gateway() {
  local call=listNamespaceDescriptors frame=0 length reply
  [ "$1" != thrift1 ] || call=getTableNames
  [ "$1" != thrift2-framed ] || frame=4
  length=${#call}
  {
    exec 3<>"/dev/tcp/127.0.0.1/$(port_of "$1")" || return 1
    [ $frame = 0 ] || printf '%b' "\\x00\\x00\\x00\\x$(printf %02x $((length + 13)))" >&3
    # version 1, a call; its name; sequence number 1; no arguments
    printf '%b' "\\x80\\x01\\x00\\x01\\x00\\x00\\x00\\x$(printf %02x "$length")$call\\x00\\x00\\x00\\x01\\x00" >&3
    # up to the first field of the answer: a list (15) as field 0 is a result, anything else an exception
    reply=$(timeout 10 head -c $((frame + 8 + length + 4 + 3)) <&3 | od -An -v -tx1 | tr -d ' \n')
    exec 3>&-
  } 2>/dev/null
  [[ ${reply:frame*2} == 80010002*0f0000 ]]
}

# The statements of a file, up to the first that fails, or what is typed. The shell brings no client of its own along: it runs
# on that of the gateways.
run_shell() { # [FILE]
  local site=$CONF/hbase-shell arguments=()
  [ $# -eq 0 ] || [ -r "$1" ] || usage_error "$1 is not a file that can be read"
  need_java
  install_gateway
  install_shell
  write_conf "$site" hbase.zookeeper.quorum 127.0.0.1 hbase.zookeeper.property.clientPort "$(port_of hbase)" \
    hbase.client.retries.number 4
  mkdir -p "$DATA/tmp"
  exec 9>&-
  if [ $# -gt 0 ]; then
    arguments=(-n "$(realpath -- "$1")")
    exec </dev/null
  fi
  exec "${JVM[@]}" "-Djava.io.tmpdir=$DATA/tmp" -Xmx512m \
    -cp "$site:$HOME_DIR/hbase-gateway/*:$HOME_DIR/hbase-shell/*" \
    org.jruby.Main -I "$SCRIPTS/services.d/hbase-shell" uri:classloader:/jar-bootstrap.rb "${arguments[@]}"
}
