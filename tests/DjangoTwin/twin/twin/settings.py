"""The oracle's project with what is missing there to share a database with Gatehouse: sliding tokens, PostgreSQL, orders from a test."""
import os
from urllib.parse import unquote, urlsplit

from oracle.settings import *  # noqa: F403
from oracle.settings import DATABASES, INSTALLED_APPS, given

ROOT_URLCONF = "twin.urls"
# A user model of the project's own has an app of its own.
INSTALLED_APPS = [*(model.split(".")[0] for name, model in given.items() if name == "AUTH_USER_MODEL"), *INSTALLED_APPS, "twin"]


def database_at(url):
    """What DATABASES has to say of sqlite:///path or postgresql://user:password@host:port/name."""
    database = urlsplit(url)
    if database.scheme == "sqlite":
        return {"NAME": database.path}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database.path.lstrip("/"),
        "USER": unquote(database.username or ""),
        "PASSWORD": unquote(database.password or ""),
        "HOST": database.hostname,
        "PORT": database.port or 5432,
    }


at = database_at(os.environ["TWIN_DATABASE"])
# The oracle's OPTIONS are SQLite's.
DATABASES["default"] = at if "ENGINE" in at else DATABASES["default"] | at

# One password for both ways would tell nothing about which of them hashed it, and nobody mails.
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
