#!/bin/sh
# Makes common-passwords.txt beside this script from the list that Django ships. Needs apt-get and dpkg-deb (any Debian or Ubuntu).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get download python3-django
dpkg-deb -x python3-django_*.deb package
zcat package/usr/lib/python3/dist-packages/django/contrib/auth/common-passwords.txt.gz |
    sed 's/^[[:space:]]*//; s/[[:space:]]*$//' | LC_ALL=C sort -u > "$here/common-passwords.txt"
wc -l "$here/common-passwords.txt"
