import os

SECRET_KEY = "key-of-the-recorded-user-models-0123456789"
USE_TZ = True
AUTH_USER_MODEL = os.environ["USER_MODEL"]
INSTALLED_APPS = [
    AUTH_USER_MODEL.split(".")[0],
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages",
    "rest_framework", "rest_framework.authtoken", "rest_framework_simplejwt.token_blacklist", "oauth2_provider",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# SQLite's file, or the port of a PostgreSQL server on this machine.
at = os.environ["USER_MODEL_DB"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.postgresql", "NAME": "recorded", "USER": "recorder", "HOST": "127.0.0.1", "PORT": int(at)}
    if at.isdigit() else {"ENGINE": "django.db.backends.sqlite3", "NAME": at}
}
