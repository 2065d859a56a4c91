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
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["USER_MODEL_DB"]}}
