#!/usr/bin/env bash
# make.sh: makes the databases in this folder anew with Django 4.2 and what Debian trixie has beside it. Needs what ../make-chroot.sh needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(../make-chroot.sh trixie)

make() { # name, installed apps beside Django's own, then app=migration where an app stops before its last
  echo "$1"
  chroot "$root" env -i PATH=/usr/bin:/bin LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 python3 - "${@:2}" < make.py > "$1.sql"
}
drf=rest_framework,rest_framework.authtoken
jwt=rest_framework_simplejwt.token_blacklist
# simplejwt before 5.5.1, REST framework before 3.15
make django-4.2-simplejwt-5.2 $drf,$jwt authtoken=0003
make django-4.2-without-blacklist $drf
# django-oauth-toolkit as trixie has it, and as it was in 2.4, whose last migration is 0010
make django-4.2-oauth-toolkit-3.0 $drf,$jwt,oauth2_provider
make django-4.2-oauth-toolkit-2.4 $drf,$jwt,oauth2_provider oauth2_provider=0010
