"""The oracle's settings, with what makes this stack fast: connections that stay open from one request to the next."""
import os
from urllib.parse import urlsplit

from oracle.settings import *  # noqa: F403

if (at := urlsplit(os.environ["ORACLE_DB"])).scheme == "postgresql":
    DATABASES["default"] = {"ENGINE": "django.db.backends.postgresql", "NAME": at.path[1:], "USER": at.username, "HOST": at.hostname, "PORT": at.port}  # noqa: F405
DATABASES["default"]["CONN_MAX_AGE"] = None  # noqa: F405
