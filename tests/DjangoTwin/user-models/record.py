"""Makes a database with a project's own user model, as the real stack does, and prints it as SQL (SQLite's alone). Called by record.sh."""
import os
import sqlite3

import django
from django.core.management import call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.backends.db import SessionStore

call_command("makemigrations", settings.AUTH_USER_MODEL.split(".")[0], verbosity=0)
call_command("migrate", verbosity=0)

User = get_user_model()
user = User(**{User.USERNAME_FIELD: "ali@example.com" if User.USERNAME_FIELD == "email" else "ali"})
user.email = "ali@example.com"
user.is_staff = True
user.password = make_password("s3cret-walk", "seasalt1seasalt2seasalt", "pbkdf2_sha256")
user.save()
group = Group.objects.create(name="readers")
group.permissions.add(Permission.objects.get(codename="view_group"))
user.groups.add(group)
user.user_permissions.add(Permission.objects.get(codename="add_group"))

from rest_framework.authtoken.models import Token

Token.objects.create(user=user, key="0123456789abcdef0123456789abcdef01234567")
session = SessionStore()
session["_auth_user_id"] = User._meta.pk.value_to_string(user)
session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
session["_auth_user_hash"] = user.get_session_auth_hash()
session.set_expiry(50 * 365 * 24 * 3600)
session._session_key = "sessionofali0123456789abcdefghij"
session.save(must_create=True)

from rest_framework_simplejwt.tokens import RefreshToken
from datetime import timedelta

refresh = RefreshToken.for_user(user)
print(f"-- {settings.AUTH_USER_MODEL} by Django {django.__version__}; made by tests/DjangoTwin/user-models/record.sh")
print(f"-- user_id claim: {refresh['user_id']!r}")
if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    for line in sqlite3.connect(settings.DATABASES["default"]["NAME"]).iterdump():
        print(line)
