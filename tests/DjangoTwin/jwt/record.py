"""Tokens of each kind by each algorithm, made by simplejwt, with the keys: what tests/Gatehouse.Tests/Jwt/simplejwt.json holds. record.sh starts it."""
import json
from datetime import datetime, timezone

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.conf import settings

settings.configure(SECRET_KEY="recorded-0123456789-abcdefghijklmnopqrstuvwxyz", USE_TZ=True, INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"])
django.setup()

from rest_framework_simplejwt.backends import TokenBackend  # noqa: E402

PRIVATE = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
PUBLIC = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
MADE = int(datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp())
ENDS = int(datetime(2100, 1, 1, tzinfo=timezone.utc).timestamp())
KEYS = {
    "RSA": rsa.generate_private_key(65537, 2048),
    "256": ec.generate_private_key(ec.SECP256R1()),
    "384": ec.generate_private_key(ec.SECP384R1()),
    "512": ec.generate_private_key(ec.SECP521R1()),
}


def pair(algorithm):
    if algorithm.startswith("HS"):
        return "A recorded secret of sixty-four bytes and more, for HS512 needs them.", ""
    key = KEYS[algorithm[2:] if algorithm.startswith("ES") else "RSA"]
    return key.private_bytes(*PRIVATE).decode(), key.public_key().public_bytes(*PUBLIC).decode()


recorded = []
for algorithm in [family + bits for family in ("HS", "RS", "PS", "ES") for bits in ("256", "384", "512")]:
    signing, verifying = pair(algorithm)
    backend = TokenBackend(algorithm, signing, verifying, audience=["shop", "stock"], issuer="https://id.example.com")
    tokens = {}
    for at, kind in enumerate(("access", "refresh", "sliding")):
        claims = {"token_type": kind, "exp": ENDS, "iat": MADE, "jti": f"{at}{algorithm.lower()}".ljust(32, "0"), "user_id": "1", "name": "J\u00f6rg \U0001f600"}
        if kind == "sliding":
            claims["refresh_exp"] = ENDS
        tokens[kind] = backend.encode(claims)
    recorded.append({"algorithm": algorithm, "signing_key": signing, "verifying_key": verifying, "tokens": tokens})
print(json.dumps(recorded, indent=1))
