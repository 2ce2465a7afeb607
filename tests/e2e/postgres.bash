# PostgreSQL's own programs, as its own user, with a socket in a directory and no network. Beside mount.bash.
#
#   make_database DATABASE PLACE       a database with checksums; the socket and the log are in PLACE
#   start_postgres [-c NAME=VALUE…]    stop_postgres    kill_postgres    end_postgres (in teardown)
#   postgres PROGRAM ARGUMENTS…        psql, pgbench, …

# shellcheck disable=SC2120  # functions that take arguments from other files

postgres_bin() { printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1; }
postgres() { limit 120 runuser -u postgres -- "$(postgres_bin)/$1" "${@:2}"; }

make_database() {
  # PostgreSQL's own variables, for all of its programs.
  export PGDATA=$1 PGHOST=$2 PGDATABASE=postgres
  limit 10 install -d -o postgres -m 700 "$PGDATA" || return
  chown postgres "$PGHOST"
  postgres initdb --no-instructions --no-sync --auth=trust --data-checksums >/dev/null
}
start_postgres() {
  postgres pg_ctl -w -t 60 -l "$PGHOST/log" \
    -o "-c listen_addresses='' -c unix_socket_directories='$PGHOST' -c shared_buffers=16MB $*" start || {
    tail -n 40 "$PGHOST/log"
    return 1
  }
  POSTMASTER=$(limit 10 head -n 1 "$PGDATA/postmaster.pid")
}
stop_postgres() {
  postgres pg_ctl -w -m fast stop || return
  no_postgres
}
# All of a server's processes work in its data directory.
processes_of_postgres() { find /proc -maxdepth 2 -path '/proc/[0-9]*/cwd' -lname "$PGDATA" -printf '%h\n' 2>/dev/null | cut -d / -f 3; }
no_postgres() { [ -z "$(processes_of_postgres)" ]; }
kill_postgres() {
  local pid
  # Those that are started meanwhile end with their parent.
  for pid in $(processes_of_postgres); do kill -9 "$pid" 2>/dev/null || true; done
  wait_for 30 no_postgres || return
  # Also a zombie would keep the lock file valid.
  wait_for 30 test ! -e "/proc/$POSTMASTER"
}
end_postgres() { [ -z "${POSTMASTER:-}" ] || kill_postgres; }

transactions() { postgres psql -AtqX -c 'SELECT count(*) FROM pgbench_history'; }
has_transactions() { [ "$(transactions)" -gt "$1" ]; }
# What was paid is what tellers, branches and accounts have.
expect_balance() {
  local sums
  sums=$(postgres psql -AtqX -c 'SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
    (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history)')
  [ -n "${sums%%|*}" ] || return
  [ "$sums" = "${sums%%|*}|${sums%%|*}|${sums%%|*}|${sums%%|*}" ] || { echo "accounts|tellers|branches|history: $sums"; return 1; }
}
postgres_complained_of_nothing() {
  ! grep -E 'PANIC|ERROR|corrupt|could not (open|read|write|fsync|access|rename|remove|link)' "$PGHOST/log"
}
