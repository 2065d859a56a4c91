"""Authlib: OAuth 2 and OpenID Connect, with every way of client authentication, revocation and introspection."""
import json
import os
import secrets
import sys
import time

# Authlib speaks HTTPS only, and the tests serve on 127.0.0.1 without it.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.core import CodeIDToken, UserInfo

from person import Person
from steps import end, equal, flow, given, refused

issuer, redirect_uri, api = given("ISSUER"), given("REDIRECT_URI"), given("API")
username, password = given("USERNAME"), given("PASSWORD")
web_id, web_secret = given("WEB_CLIENT_ID"), given("WEB_CLIENT_SECRET")
oidc = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=30).json()
oauth = requests.get(issuer.replace("/o", "/.well-known/oauth-authorization-server/o"), timeout=30).json()


def log_in(session, **parameters):
    verifier = secrets.token_urlsafe(48)
    url, _ = session.create_authorization_url(oidc["authorization_endpoint"], code_verifier=verifier, **parameters)
    callback = Person(issuer, username, password).authorize(url)
    return session.fetch_token(oidc["token_endpoint"], authorization_response=callback, code_verifier=verifier), callback, verifier


def new_session(client_id=web_id, secret=web_secret, method="client_secret_basic", scope="openid profile email read"):
    return OAuth2Session(
        client_id, secret, scope=scope, redirect_uri=redirect_uri, token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method, code_challenge_method="S256")


@flow("confidential client")
def _(step):
    step("the metadata is valid (RFC 8414)", lambda: AuthorizationServerMetadata(oauth).validate())
    session, nonce = new_session(), secrets.token_urlsafe()
    token, callback, verifier = step("code with PKCE", lambda: log_in(session, nonce=nonce))

    def id_token():
        keys = JsonWebKey.import_key_set(requests.get(oidc["jwks_uri"], timeout=30).json())
        claims = jwt.decode(token["id_token"], keys, claims_cls=CodeIDToken, claims_params={"nonce": nonce, "client_id": web_id, "access_token": token["access_token"]})
        claims.options = {"iss": {"essential": True, "value": oidc["issuer"]}, "aud": {"essential": True, "value": web_id}, "at_hash": {"essential": True}}
        claims.validate()
        return claims

    claims = step("the ID token, its nonce and at_hash", id_token)

    def userinfo():
        told = UserInfo(session.get(oidc["userinfo_endpoint"]).json())
        equal(told.sub, claims["sub"], "sub")
        equal(told.preferred_username, username, "preferred_username")

    step("userinfo", userinfo)
    step("the API", lambda: equal(session.get(api).status_code, 200, "status"))
    introspect = lambda text: session.introspect_token(oauth["introspection_endpoint"], token=text).json()
    step("introspection", lambda: equal(introspect(token["access_token"])["active"], True, "active"))
    step("refresh", lambda: session.refresh_token(oidc["token_endpoint"]))
    step("a code works once", lambda: refused("invalid_grant", lambda: session.fetch_token(
        oidc["token_endpoint"], authorization_response=callback, code_verifier=verifier)))
    session = new_session()
    fresh = step("another login", lambda: log_in(session))[0]
    step("revocation", lambda: equal(session.revoke_token(oauth["revocation_endpoint"], token=fresh["access_token"]).status_code, 200, "status"))
    step("introspection knows", lambda: equal(introspect(fresh["access_token"])["active"], False, "active"))


@flow("secret in the body")
def _(step):
    session = new_session(method="client_secret_post", scope="read")
    step("code with PKCE", lambda: log_in(session))
    step("refresh", lambda: session.refresh_token(oidc["token_endpoint"]))


@flow("public client")
def _(step):
    session = new_session(given("SPA_CLIENT_ID"), None, "none", "read")
    step("code with PKCE", lambda: log_in(session))
    step("the API", lambda: equal(session.get(api).status_code, 200, "status"))
    step("refresh", lambda: session.refresh_token(oidc["token_endpoint"]))


@flow("client credentials")
def _(step):
    client_id, secret = given("MACHINE_CLIENT_ID"), given("MACHINE_CLIENT_SECRET")
    for method in ("client_secret_basic", "client_secret_post"):
        session = new_session(client_id, secret, method, "read")
        step(method, lambda: equal(session.fetch_token(oidc["token_endpoint"], grant_type="client_credentials")["scope"], "read", "scope"))


def short_lived(method, **options):
    """Its own assertions live an hour, and the server takes five minutes. Debian's version also leaves the length as it was without them."""

    class ShortLived(method):
        def __call__(self, auth, http_method, uri, headers, body):
            self.claims = {"exp": int(time.time()) + 60}
            uri, headers, body = super().__call__(auth, http_method, uri, headers, body)
            headers["Content-Length"] = str(len(body))
            return uri, headers, body

    return ShortLived(oidc["token_endpoint"], **options)


@flow("assertions", needs="assertions")
def _(step):
    def token(client_id, secret, method):
        session = OAuth2Session(client_id, secret, scope="read", token_endpoint_auth_method=method.name)
        session.register_client_auth_method(method)
        return session.fetch_token(oidc["token_endpoint"], grant_type="client_credentials")

    step("client_secret_jwt", lambda: token(given("ASSERTION_CLIENT_ID"), given("ASSERTION_CLIENT_SECRET"), short_lived(ClientSecretJWT)))
    step("private_key_jwt", lambda: token(given("KEY_CLIENT_ID"), JsonWebKey.import_key(json.loads(given("KEY_CLIENT_JWK"))), short_lived(PrivateKeyJWT, alg="ES256")))
    step("another key is refused", lambda: refused("invalid_client", lambda: token(
        given("KEY_CLIENT_ID"), JsonWebKey.generate_key("EC", "P-256", is_private=True), short_lived(PrivateKeyJWT, alg="ES256"))))


@flow("password")
def _(step):
    session = new_session(given("PASSWORD_CLIENT_ID"), given("PASSWORD_CLIENT_SECRET"), scope="read")
    step("a wrong one is refused", lambda: refused(
        "invalid_grant", lambda: session.fetch_token(oidc["token_endpoint"], username=username, password="not-the-password")))
    step("the right one", lambda: session.fetch_token(oidc["token_endpoint"], username=username, password=password))
    step("the API", lambda: equal(session.get(api).status_code, 200, "status"))


end()
