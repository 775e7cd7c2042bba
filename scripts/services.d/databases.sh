# shellcheck shell=bash
# MySQL, MariaDB and memcached, each run from its unpacked folder with that folder's own libraries. Sourced by scripts/services.

# Small buffers for a test machine; durability is left at the defaults (every commit is flushed and its binlog synced).
mysql_command() {
  set_loader mysql
  local root=$HOME_DIR/mysql/usr
  MYSQLD=("${LOADER[@]}" "$root/sbin/mysqld" --no-defaults --basedir="$root" --lc-messages-dir="$root/share/mysql"
    --plugin-dir="$root/lib/mysql/plugin" --tmpdir="$DATA/tmp" --secure-file-priv=NULL --mysqlx=OFF
    --innodb-buffer-pool-size=256M --server-id=1)
  [ "$(id -u)" != 0 ] || MYSQLD+=(--user=root)
  mkdir -p "$DATA/tmp"
}

install_mysql() {
  must_install mysql || return 0
  local source
  source=$(sid_source) ||
    missing "MySQL is not available: its packages come from Debian sid, and this machine's apt sources name no Debian mirror; set TAILFILL_DEBIAN_MIRROR to one, or use MariaDB instead: scripts/services up mariadb"
  check_disk 1200 "installing MySQL"
  say "installing MySQL from Debian sid into $HOME_DIR/mysql: mysql-server-core mysql-client-core and all that they need (70 MB to download)"
  mkdir -p "$HOME_DIR/apt"
  echo "$source" >"$HOME_DIR/apt/sid.list"
  apt_unpack mysql "$HOME_DIR/apt/sid.list" mysql-server-core mysql-client-core ||
    missing "MySQL is not available: its packages could not be fetched from Debian sid (all of apt's output: $LOGS/install-mysql.log). MariaDB would be the fall-back: scripts/services up mariadb"
  stamp mysql
}

start_mysql() {
  local options=()
  read -ra options <<<"${TAILFILL_MYSQL_OPTIONS:-}"
  check_port_free mysql
  mysql_command
  if [ ! -d "$DATA/mysql" ]; then
    # Under another name until it is whole.
    rm -rf "$DATA/mysql.new"
    "${MYSQLD[@]}" --initialize-insecure --datadir="$DATA/mysql.new" </dev/null >"$LOGS/mysql.log" 2>&1 9>&- ||
      died mysql "MySQL could not make its data folder $DATA/mysql"
    mv "$DATA/mysql.new" "$DATA/mysql"
  fi
  launch mysql "${MYSQLD[@]}" --datadir="$DATA/mysql" --bind-address=127.0.0.1 --port="$(wanted_port mysql)" \
    --socket=mysql.sock --pid-file=mysqld.pid --performance-schema=ON --max-allowed-packet=64M --log-bin=binlog \
    --gtid-mode=ON --enforce-gtid-consistency=ON --binlog-format=ROW --binlog-row-image=FULL "${options[@]}"
}

ready_mysql() {
  set_loader mysql
  "${LOADER[@]}" "$HOME_DIR/mysql/usr/bin/mysql" --no-defaults -h 127.0.0.1 -P "$(port_of mysql)" -u root \
    --connect-timeout=5 -e 'SELECT 1' </dev/null >/dev/null 2>&1 9>&-
}

needs_mysql() { echo 700; }

mariadb_command() {
  set_loader mariadb
  local root=$HOME_DIR/mariadb/usr
  MARIADBD=("${LOADER[@]}" "$root/sbin/mariadbd" --no-defaults --basedir="$root" --lc-messages-dir="$root/share/mysql"
    --tmpdir="$DATA/tmp" --innodb-buffer-pool-size=256M --server-id=2)
  [ "$(id -u)" != 0 ] || MARIADBD+=(--user=root)
  mkdir -p "$DATA/tmp"
}

install_mariadb() {
  must_install mariadb || return 0
  check_disk 1000 "installing MariaDB"
  say "installing MariaDB from this machine's apt sources into $HOME_DIR/mariadb: mariadb-server-core mariadb-client-core and all that they need"
  apt_unpack mariadb "" mariadb-server-core mariadb-client-core ||
    missing "MariaDB could not be fetched; are this machine's apt sources reachable? All of apt's output: $LOGS/install-mariadb.log"
  stamp mariadb
}

start_mariadb() {
  local options=() share=$HOME_DIR/mariadb/usr/share/mysql
  read -ra options <<<"${TAILFILL_MARIADB_OPTIONS:-}"
  check_port_free mariadb
  mariadb_command
  if [ ! -d "$DATA/mariadb" ]; then
    # What mariadb-install-db does, which cannot run a server through another loader.
    rm -rf "$DATA/mariadb.new"
    mkdir -p "$DATA/mariadb.new"
    {
      printf '%s;\n' "CREATE DATABASE IF NOT EXISTS mysql" "USE mysql" "SET @auth_root_socket=NULL"
      # An account for the machine's own name is of no use on loopback.
      cat "$share"/{mysql_system_tables,mysql_performance_tables,mysql_system_tables_data,fill_help_tables,maria_add_gis_sp_bootstrap,mysql_sys_schema}.sql |
        sed '/@current_hostname/d'
    } | "${MARIADBD[@]}" --bootstrap --datadir="$DATA/mariadb.new" --enforce-storage-engine= --max-allowed-packet=8M >"$LOGS/mariadb.log" 2>&1 9>&- ||
      died mariadb "MariaDB could not make its data folder $DATA/mariadb"
    mv "$DATA/mariadb.new" "$DATA/mariadb"
  fi
  launch mariadb "${MARIADBD[@]}" --datadir="$DATA/mariadb" --bind-address=127.0.0.1 --port="$(wanted_port mariadb)" \
    --socket=mysql.sock --pid-file=mariadbd.pid --performance-schema=ON --max-allowed-packet=64M \
    --log-bin=binlog --binlog-format=ROW --binlog-row-image=FULL "${options[@]}"
}

ready_mariadb() {
  set_loader mariadb
  "${LOADER[@]}" "$HOME_DIR/mariadb/usr/bin/mariadb" --no-defaults -h 127.0.0.1 -P "$(port_of mariadb)" -u root \
    --connect-timeout=5 -e 'SELECT 1' </dev/null >/dev/null 2>&1 9>&-
}

needs_mariadb() { echo 300; }

install_memcached() {
  must_install memcached || return 0
  check_disk 400 "installing memcached"
  say "installing memcached from this machine's apt sources into $HOME_DIR/memcached: memcached and all that it needs"
  apt_unpack memcached "" memcached ||
    missing "memcached could not be fetched; are this machine's apt sources reachable? All of apt's output: $LOGS/install-memcached.log"
  stamp memcached
}

start_memcached() {
  local options=()
  read -ra options <<<"${TAILFILL_MEMCACHED_OPTIONS:-}"
  check_port_free memcached
  set_loader memcached
  [ "$(id -u)" != 0 ] || options=(-u root "${options[@]}")
  launch memcached "${LOADER[@]}" "$HOME_DIR/memcached/usr/bin/memcached" -l 127.0.0.1 -p "$(wanted_port memcached)" -U 0 "${options[@]}"
}

ready_memcached() {
  local answer=
  {
    exec 3<>"/dev/tcp/127.0.0.1/$(port_of memcached)" || return 1
    printf 'version\r\nquit\r\n' >&3
    read -r -t 5 answer <&3
    exec 3>&-
  } 2>/dev/null
  [[ $answer == VERSION* ]]
}

needs_memcached() { echo 80; }
