#!/bin/sh
# Prints every setting of the installed django-oauth-toolkit with its default: oauth2-provider-defaults.sh > oauth2-provider-defaults.json
# Recorded with django-oauth-toolkit 3.4.1 (Debian's python3-django-oauth-toolkit).
exec python3 -c '
import json, django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"])
django.setup()
from oauth2_provider.settings import DEFAULTS

def plain(value):
    if callable(value): return value.__module__ + "." + value.__name__
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value

print(json.dumps({name: plain(value) for name, value in DEFAULTS.items() if not name.startswith("_")}, indent=1))
'
