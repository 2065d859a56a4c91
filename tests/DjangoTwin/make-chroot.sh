#!/usr/bin/env bash
# make-chroot.sh [--check] [SUITE]: the real stack as Debian packages it, in a chroot; prints its folder. SUITE is Debian's name of a release,
# forky if none is given: Django 5.2, Django REST framework, simplejwt, django-oauth-toolkit, gunicorn, drivers and password hashes.
#
# A chroot that is there already is kept; --check only says, by its exit code, whether it is there. Folder: DJANGO_TWIN_CACHE, otherwise /var/cache/gatehouse. Packages: from the Debian mirror
# that this machine's apt uses. Needs root, debootstrap, and a machine with Debian.
set -euo pipefail
check=
if [ "${1:-}" = --check ]; then check=yes; shift; fi
suite=${1:-forky}
cache=${DJANGO_TWIN_CACHE:-/var/cache/gatehouse}
root=$cache/django-$suite
packages=python3-django,python3-djangorestframework,python3-djangorestframework-simplejwt,python3-django-oauth-toolkit
# python3-cffi-backend is named since debootstrap does not see that it provides what python3-cryptography wants.
packages+=,gunicorn,python3-cffi-backend,python3-psycopg,python3-psycopg-c,python3-argon2,python3-bcrypt
case $suite in bookworm) packages=${packages//python3-psycopg,python3-psycopg-c/python3-psycopg2} ;; esac

fail() { echo "make-chroot.sh: $1" >&2; exit 1; }
whole() { [ "$(cat "$root/made-of" 2>/dev/null)" = "$packages" ]; }
remove() { if [ -e "$1" ]; then rm -rf --one-file-system "$1"; fi; }

if [ -n "$check" ]; then whole; exit; fi
if whole; then echo "$root"; exit 0; fi
[ "$(id -u)" = 0 ] || fail "it must be made by root."
command -v debootstrap >/dev/null || fail "debootstrap is not installed. On Debian: apt-get install debootstrap"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' 'Label: Debian' 2>/dev/null | head -1)
[ -n "$mirror" ] || fail "apt on this machine has no Debian mirror with its lists. On Debian: apt-get update"

mkdir -p "$cache"
exec 9>"$cache/$suite.lock"
flock 9
if whole; then echo "$root"; exit 0; fi

# Made under another name and renamed at the end, so that what an interrupted run leaves is never taken for a chroot.
making=$root.making
remove "$making"
remove "$root"
mkdir -p "$making/etc/dpkg/dpkg.cfg.d"
cat > "$making/etc/dpkg/dpkg.cfg.d/twin" <<'CONFIGURATION'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
CONFIGURATION

# A release that is younger than this machine's debootstrap is made as sid is. What debootstrap mounts is gone with its own namespace.
script=/usr/share/debootstrap/scripts/$suite
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
own=()
if unshare --mount true 2>/dev/null; then own=(unshare --mount); fi
"${own[@]}" debootstrap --variant=minbase --include="$packages" "$suite" "$making" "$mirror" "$script" > "$cache/$suite.log" 2>&1 ||
  { tail -20 "$cache/$suite.log" >&2; fail "debootstrap could not make $suite from the machine's Debian mirror."; }

rm -rf "$making"/var/cache/apt/archives/*.deb "$making"/var/lib/apt/lists/*
chroot "$making" python3 -c 'import django, rest_framework, rest_framework_simplejwt, oauth2_provider, argon2, bcrypt' ||
  fail "the packages in $making do not work."
echo "$packages" > "$making/made-of"
mv "$making" "$root"
echo "$root"
