#!/bin/bash
# run-oracle.sh DIR PORT DATA: serve the oracle out of the chroot DIR on 127.0.0.1:PORT, with its database in
# /var/lib/oracle/DATA inside the chroot. A database that is there already is kept; give a new name for a fresh one.
set -euo pipefail
[ $# -eq 3 ] || { sed -n 2,3p "$0"; exit 2; }
root=$1 port=$2 data=$3
here=$(cd "$(dirname "$0")" && pwd)
parity=${ORACLE_PARITY:-$here/../../Parity}
place=/var/lib/oracle/$data

mkdir -p "$root$place/parity"
rm -rf "${root:?}$place/project"
mkdir "$root$place/project"
cp -r "$here/manage.py" "$here/oracle" "$root$place/project/"
cp "$parity/settings.json" "$parity/seed.fixture.json" "$root$place/parity/"

run=(chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root PYTHONDONTWRITEBYTECODE=1
     DJANGO_SETTINGS_MODULE=oracle.settings PYTHONPATH="$place/project" ORACLE_PARITY="$place/parity"
     ORACLE_DB="$place/db.sqlite3")
if [ ! -e "$root$place/db.sqlite3" ]; then
    "${run[@]}" python3 "$place/project/manage.py" migrate --verbosity 0
    "${run[@]}" python3 "$place/project/manage.py" loaddata "$place/parity/seed.fixture.json"
fi
# One process: throttle counts are in its memory.
exec "${run[@]}" gunicorn --bind "127.0.0.1:$port" --workers 1 --threads 4 --chdir "$place/project" oracle.wsgi
