#!/usr/bin/env bash
# record.sh CHROOT: databases with user models of their own, made by the real stack in the chroot that ../make-chroot.sh made, as SQL in
# tests/Gatehouse.Tests/Users/UserModels: SQLite's, and PostgreSQL's from a server that is started for it. Needs root, for the chroot, and
# PostgreSQL's programs.
set -euo pipefail
[ $# -eq 1 ] || { sed -n 2,4p "$0"; exit 2; }
root=$1
here=$(cd "$(dirname "$0")" && pwd)
target=$here/../../Gatehouse.Tests/Users/UserModels
mkdir -p "$target"

programs=$(dirname "$(find /usr/lib/postgresql/*/bin/initdb | tail -1)")
server=$(mktemp -d)
port=$(python3 -c 'import socket; at = socket.socket(); at.bind(("127.0.0.1", 0)); print(at.getsockname()[1])')
chown postgres "$server"
postgres() { runuser -u postgres -- "$programs/$1" "${@:2}"; }
trap 'postgres pg_ctl -D "$server/data" -m immediate stop > "$server/stopped" || true; rm -rf "$server"' EXIT
postgres initdb -D "$server/data" -U recorder -A trust -E UTF8 --locale=C.UTF-8 > "$server/made"
postgres pg_ctl -D "$server/data" -w -l "$server/log" -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$server -c timezone=UTC" start > "$server/started"
at=(-h 127.0.0.1 -p "$port" -U recorder)

for model in accounts.User people.Member logins.Account; do
    place=/var/lib/user-models
    rm -rf "${root:?}$place"
    mkdir -p "$root$place"
    cp -r "$here"/*.py "$here/accounts" "$here/people" "$here/logins" "$root$place/"
    record() {
        chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root PYTHONDONTWRITEBYTECODE=1 \
            PYTHONPATH="$place" USER_MODEL="$model" USER_MODEL_DB="$1" python3 "$place/record.py"
    }
    record "$place/db.sqlite3" > "$target/$model.sql"
    postgres createdb "${at[@]}" recorded
    record "$port" > "$target/$model.postgresql.sql"
    # What any client can send: neither psql's commands nor settings of the session.
    postgres pg_dump "${at[@]}" --no-owner --inserts recorded | grep -vE '^(--|\\|SET |SELECT pg_catalog.set_config|$)' >> "$target/$model.postgresql.sql"
    postgres dropdb "${at[@]}" recorded
done
