"""Prints a database as SQL: the schema that migrate leaves, and a user with a token, a session and a JWT that live until 2100."""
import sqlite3
import sys
import tempfile
from datetime import datetime, timedelta, timezone

import django
from django.conf import settings
from django.core.management import call_command

path = tempfile.mktemp(suffix=".sqlite3")
apps, *stops = sys.argv[1:]
settings.configure(
    SECRET_KEY="key-of-the-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.messages",
                    "django.contrib.sessions", *apps.split(",")],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": path}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    SIMPLE_JWT={"REFRESH_TOKEN_LIFETIME": datetime(2100, 1, 1, tzinfo=timezone.utc) - datetime.now(timezone.utc)},
)
django.setup()
for stop in stops:
    call_command("migrate", *stop.split("="), verbosity=0)
for app in ["contenttypes", "auth", "admin", "sessions", *(one.split(".")[-1] for one in apps.split(",") if one != "rest_framework")]:
    if not any(stop.startswith(app + "=") for stop in stops):
        call_command("migrate", app, verbosity=0)

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, BACKEND_SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from rest_framework.authtoken.models import Token

alice = User.objects.create_user("alice", "alice@example.com", "Correct-horse-alice")
Token.objects.create(user=alice, key="a11ce" * 8)
session = SessionStore()
session.update({SESSION_KEY: str(alice.pk), BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend", HASH_SESSION_KEY: alice.get_session_auth_hash()})
session.save(must_create=True)
Session.objects.update(expire_date=datetime(2100, 1, 1, tzinfo=timezone.utc))
if "token_blacklist" in apps:
    from rest_framework_simplejwt.tokens import RefreshToken
    RefreshToken.for_user(alice)

from importlib.metadata import version

print(f"-- Django {django.__version__}, " + ", ".join(f"{name} {version(name)}" for name in ("djangorestframework", "djangorestframework_simplejwt", "django-oauth-toolkit")))
print("-- apps: " + apps + "".join(f"; {stop}" for stop in stops))
for line in sqlite3.connect(path).iterdump():
    print(line)
