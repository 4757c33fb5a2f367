#!/bin/bash
# Runs the real database servers that the tests need, on free loopback ports, each with a data directory of its own under
# an unprivileged user. The servers that Debian starts by itself are neither used nor needed.
#
#   tests/servers.sh start [postgres|mysql]…   starts what doesn't run yet (all by default) and prints the environment
#   tests/servers.sh stop [postgres|mysql]…    stops them; their data stays
#   tests/servers.sh env                       prints `export NAME=value` lines: eval "$(tests/servers.sh env)"
#
# TIDEMARK_SERVERS_DIR: where they live, default build/servers. A test that must restart or break a server gives a
# directory of its own. TIDEMARK_SERVERS_MYSQL_OPTIONS, TIDEMARK_SERVERS_POSTGRES_OPTIONS: further server options.
# TIDEMARK_SERVERS_FILE_KIB: no file grows beyond this, as on a disk that is full.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
user=tidemark
password=tidemark
pg_bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
mysql_server=$(command -v mariadbd || ls /usr/sbin/mariadbd 2>/dev/null || true)

die() { echo "tests/servers.sh: $*" >&2; exit 1; }

# Runs a command as the unprivileged owner of a server's data; root may not run PostgreSQL at all.
as_owner() {
  local owner=$1; shift
  if [ "$(id -u)" = 0 ]; then setpriv --reuid="$owner" --regid="$(id -g "$owner")" --clear-groups env HOME=/tmp "$@"; else "$@"; fi
}
# start_daemon OWNER LOG COMMAND…: in the background, with nothing of ours left open; the lock above all.
start_daemon() {
  local owner=$1 log=$2; shift 2
  (
    trap '' XFSZ
    ulimit -f "${TIDEMARK_SERVERS_FILE_KIB:-unlimited}"
    cd / && as_owner "$owner" setsid "$@"
  ) >> "$log" 2>&1 < /dev/null 9>&- &
}
owner_of() {
  [ "$(id -u)" = 0 ] || { id -un; return; }
  case $1 in postgres) id -un postgres 2>/dev/null || echo nobody ;; mysql) id -un mysql 2>/dev/null || echo nobody ;; esac
}

# A directory that the owners can reach: the build directory, or one under /var/tmp where a parent is closed to them.
choose_directory() {
  local wanted=${TIDEMARK_SERVERS_DIR:-$root/build/servers}
  mkdir -p "$wanted"
  wanted=$(cd "$wanted" && pwd)
  if ! as_owner "$(owner_of postgres)" test -x "$wanted" || ! as_owner "$(owner_of mysql)" test -x "$wanted"; then
    wanted=/var/tmp/tidemark-servers-$(printf %s "$wanted" | cksum | cut -d' ' -f1)
    mkdir -p "$wanted"
  fi
  chmod 755 "$wanted"
  echo "$wanted"
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 12000))  # Below the range that the kernel hands out by itself.
    if port_is_free "$port"; then echo "$port"; return; fi
  done
  die "no free port between 20000 and 32000"
}
# The port that the server had before, so that clients find it again after a restart; else a new one.
port_for() {
  local file=$directory/$1.port
  if [ ! -f "$file" ] || ! port_is_free "$(cat "$file")"; then free_port > "$file"; fi
  cat "$file"
}

make_certificates() {
  [ -f "$directory/ca.pem" ] && return
  command -v openssl > /dev/null || die "openssl is missing: apt-get install openssl"
  local work=$directory/certificates
  mkdir -p "$work"
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=Tidemark test CA" \
    -keyout "$work/ca.key" -out "$work/ca.pem" 2> /dev/null
  openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout "$work/server.key" -out "$work/server.csr" 2> /dev/null
  openssl x509 -req -in "$work/server.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 3650 \
    -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$work/server.pem" 2> /dev/null
  cp "$work/ca.pem" "$directory/ca.pem"
}
# Gives a server its own copy of the key, readable by it alone.
install_certificate() {
  local owner=$1 target=$2
  install -o "$owner" -m 600 "$directory/certificates/server.key" "$target/server.key"
  install -o "$owner" -m 644 "$directory/certificates/server.pem" "$target/server.pem"
  install -o "$owner" -m 644 "$directory/ca.pem" "$target/ca.pem"
}

await() {  # await SECONDS COMMAND…
  local until=$((SECONDS + $1)); shift
  until "$@" > /dev/null 2>&1; do
    [ $SECONDS -lt "$until" ] || return 1
    sleep 0.1
  done
}

postgres_answers() { PGPASSWORD=$password psql -h 127.0.0.1 -p "$1" -U $user -d postgres -Atc 'SELECT 1'; }
postgres_running() {
  [ -f "$directory/postgres.port" ] && [ -f "$directory/postgres/postmaster.pid" ] &&
    postgres_answers "$(cat "$directory/postgres.port")" > /dev/null 2>&1
}
start_postgres() {
  [ -n "$pg_bin" ] || die "PostgreSQL is missing: apt-get install postgresql"
  postgres_running && return
  local owner data=$directory/postgres port
  owner=$(owner_of postgres)
  if [ ! -f "$directory/postgres.ready" ]; then
    rm -rf "$data"
    install -d -o "$owner" -m 700 "$data"
    echo $password > "$directory/postgres.password"
    chmod 644 "$directory/postgres.password"
    as_owner "$owner" "$pg_bin/initdb" -D "$data" -U $user --pwfile="$directory/postgres.password" -A scram-sha-256 \
      -E UTF8 --locale=C.UTF-8 -N > "$directory/initdb.log" 2>&1 || die "initdb failed: see $directory/initdb.log"
    install_certificate "$owner" "$data"
    touch "$directory/postgres.ready"
  fi
  port=$(port_for postgres)
  rm -f "$data/postmaster.pid"
  start_daemon "$owner" "$directory/postgres.log" "$pg_bin/postgres" -D "$data" -p "$port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= -c shared_buffers=32MB -c max_wal_size=256MB -c max_connections=60 \
    -c ssl=on -c ssl_cert_file=server.pem -c ssl_key_file=server.key \
    ${TIDEMARK_SERVERS_POSTGRES_OPTIONS:-}
  await 180 postgres_answers "$port" || die "PostgreSQL does not answer on port $port: see $directory/postgres.log"
}
stop_postgres() {
  local pid
  pid=$(head -1 "$directory/postgres/postmaster.pid" 2> /dev/null) || return 0
  kill -INT "$pid" 2> /dev/null || return 0
  await 60 is_gone "$pid" || kill -QUIT "$pid"
}

mysql_answers() { mariadb --no-defaults -h 127.0.0.1 -P "$1" -u $user -p$password -e 'SELECT 1'; }
mysql_running() {
  [ -f "$directory/mysql.port" ] && [ -f "$directory/mysql/server.pid" ] &&
    mysql_answers "$(cat "$directory/mysql.port")" > /dev/null 2>&1
}
start_mysql() {
  [ -n "$mysql_server" ] || die "MariaDB is missing: apt-get install mariadb-server"
  mysql_running && return
  local owner data=$directory/mysql port
  owner=$(owner_of mysql)
  if [ ! -f "$directory/mysql.ready" ]; then
    rm -rf "$data"
    install -d -o "$owner" -m 700 "$data"
    as_owner "$owner" mariadb-install-db --no-defaults --datadir="$data" --auth-root-authentication-method=normal \
      --skip-test-db > "$directory/mariadb-install-db.log" 2>&1 ||
      die "mariadb-install-db failed: see $directory/mariadb-install-db.log"
    install_certificate "$owner" "$data"
    cat > "$directory/mysql.init" <<SQL
CREATE USER IF NOT EXISTS '$user'@'%' IDENTIFIED BY '$password';
GRANT ALL PRIVILEGES ON *.* TO '$user'@'%' WITH GRANT OPTION;
SQL
    chmod 644 "$directory/mysql.init"
    touch "$directory/mysql.ready"
  fi
  port=$(port_for mysql)
  # The socket's path is relative to the data directory: an absolute one may exceed what a socket address holds.
  start_daemon "$owner" "$directory/mysql.log" "$mysql_server" --no-defaults --datadir="$data" --port="$port" \
    --bind-address=127.0.0.1 --socket=server.sock --pid-file=server.pid --init-file="$directory/mysql.init" \
    --innodb-buffer-pool-size=64M --innodb-log-file-size=64M --max-connections=60 --skip-log-bin --skip-name-resolve \
    --character-set-server=utf8mb4 --ssl-ca=ca.pem --ssl-cert=server.pem --ssl-key=server.key \
    ${TIDEMARK_SERVERS_MYSQL_OPTIONS:-}
  await 180 mysql_answers "$port" || die "MariaDB does not answer on port $port: see $directory/mysql.log"
}
stop_mysql() {
  local pid
  pid=$(cat "$directory/mysql/server.pid" 2> /dev/null) || return 0
  kill -TERM "$pid" 2> /dev/null || return 0
  await 60 is_gone "$pid" || kill -KILL "$pid"
}

# Gone is also what has ended and was never waited for: in a container nobody may do that.
is_gone() { ! kill -0 "$1" 2> /dev/null || grep -q '^State:[[:space:]]*[ZX]' "/proc/$1/status" 2> /dev/null; }

print_environment() {
  [ -f "$directory/postgres.port" ] &&
    echo "export TIDEMARK_TEST_POSTGRES_URL=postgres://$user:$password@127.0.0.1:$(cat "$directory/postgres.port")/postgres"
  [ -f "$directory/mysql.port" ] &&
    echo "export TIDEMARK_TEST_MYSQL_URL=mysql://$user:$password@127.0.0.1:$(cat "$directory/mysql.port")/"
  echo "export TIDEMARK_TEST_SERVERS_CA=$directory/ca.pem"
}

command=${1:-}
shift || true
servers=("$@")
[ ${#servers[@]} -gt 0 ] || servers=(postgres mysql)
for server in "${servers[@]}"; do
  case $server in postgres | mysql) ;; *) die "no server is called $server: postgres, mysql" ;; esac
done
directory=$(choose_directory)
exec 9> "$directory/lock"
flock 9  # Test programs that start at once take turns.
case $command in
  start)
    make_certificates
    for server in "${servers[@]}"; do "start_$server"; done
    print_environment | tee "$directory/env"
    ;;
  stop) for server in "${servers[@]}"; do "stop_$server"; done ;;
  env) print_environment ;;
  *) die "usage: tests/servers.sh start|stop|env [postgres|mysql]…" ;;
esac
