#!/usr/bin/env bash
# record.sh CHROOT: JSON Web Tokens of each kind by each algorithm, made by simplejwt in the chroot that ../make-chroot.sh made, as
# tests/Gatehouse.Tests/Jwt/simplejwt.json. Needs root, for the chroot.
set -euo pipefail
[ $# -eq 1 ] || { sed -n 2,3p "$0"; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root PYTHONDONTWRITEBYTECODE=1 python3 - < "$here/record.py" > "$here/../../Gatehouse.Tests/Jwt/simplejwt.json"
