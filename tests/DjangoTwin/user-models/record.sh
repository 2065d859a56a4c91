#!/usr/bin/env bash
# record.sh CHROOT: databases with user models of their own, made by the real stack in the chroot that ../make-chroot.sh made, as
# SQL in tests/Gatehouse.Tests/Users/UserModels. Needs root, for the chroot.
set -euo pipefail
[ $# -eq 1 ] || { sed -n 2,3p "$0"; exit 2; }
root=$1
here=$(cd "$(dirname "$0")" && pwd)
target=$here/../../Gatehouse.Tests/Users/UserModels
mkdir -p "$target"
for model in accounts.User people.Member logins.Account; do
    place=/var/lib/user-models
    rm -rf "${root:?}$place"
    mkdir -p "$root$place"
    cp -r "$here"/*.py "$here/accounts" "$here/people" "$here/logins" "$root$place/"
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root PYTHONDONTWRITEBYTECODE=1 \
        PYTHONPATH="$place" USER_MODEL="$model" USER_MODEL_DB="$place/db.sqlite3" python3 "$place/record.py" > "$target/$model.sql"
done
