"""The parity settings (tests/Parity/settings.json) as a Django settings module, and what is code there."""
import json
import os
from datetime import timedelta
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARITY = Path(os.environ.get("ORACLE_PARITY", HERE.parent.parent.parent / "Parity"))
given = json.loads((PARITY / "settings.json").read_text("utf-8"))
globals().update(given)

DEBUG = False
ROOT_URLCONF = "oracle.urls"
WSGI_APPLICATION = "oracle.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "rest_framework_simplejwt.token_blacklist",
    "oauth2_provider",
    "oracle",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("ORACLE_DB", HERE.parent / "db.sqlite3"),
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}

SIMPLE_JWT = {
    name: timedelta(seconds=value) if name.endswith("_LIFETIME") else tuple(value) if isinstance(value, list) else value
    for name, value in given["SIMPLE_JWT"].items()
}


def pkce_required(client_id):
    return not client_id.startswith("nopkce-")


OAUTH2_PROVIDER = {
    **given["OAUTH2_PROVIDER"],
    "PKCE_REQUIRED": pkce_required,
    "OAUTH2_VALIDATOR_CLASS": "oracle.validators.Validator",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["console"], "level": "ERROR", "propagate": False}},
}
