"""requests-oauthlib: the client that Django projects use most."""
import base64
import hashlib
import os
import secrets
import sys

# oauthlib speaks HTTPS only, and the tests serve on 127.0.0.1 without it.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))

import requests
from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient, MobileApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from person import Person
from steps import end, equal, flow, given, refused

issuer, redirect_uri, api = given("ISSUER"), given("REDIRECT_URI"), given("API")
username, password = given("USERNAME"), given("PASSWORD")
web_id, web_secret = given("WEB_CLIENT_ID"), given("WEB_CLIENT_SECRET")
oidc = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=30).json()


def log_in(session, verifier, **options):
    """Code with PKCE; the library's Debian version leaves the challenge to the caller."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    url, _ = session.authorization_url(oidc["authorization_endpoint"], code_challenge=challenge, code_challenge_method="S256")
    callback = Person(issuer, username, password).authorize(url)
    return session.fetch_token(oidc["token_endpoint"], authorization_response=callback, code_verifier=verifier, **options)


@flow("confidential client")
def _(step):
    verifier = secrets.token_urlsafe(48)
    session = OAuth2Session(web_id, redirect_uri=redirect_uri, scope=["openid", "profile", "read"])
    token = step("code with PKCE", lambda: log_in(session, verifier, client_secret=web_secret))
    step("the scopes are those asked for", lambda: equal(sorted(token["scope"]), ["openid", "profile", "read"], "scope"))
    step("the API", lambda: equal(session.get(api).status_code, 200, "status"))
    step("userinfo", lambda: equal(session.get(oidc["userinfo_endpoint"]).json()["preferred_username"], username, "preferred_username"))
    step("refresh", lambda: session.refresh_token(oidc["token_endpoint"], auth=HTTPBasicAuth(web_id, web_secret)))
    step("the API with the new token", lambda: equal(session.get(api).status_code, 200, "status"))
    step("a refresh token works once", lambda: refused(
        "invalid_grant", lambda: session.refresh_token(oidc["token_endpoint"], refresh_token=token["refresh_token"], auth=HTTPBasicAuth(web_id, web_secret))))


@flow("refreshes by itself")
def _(step):
    saved = []
    session = OAuth2Session(
        web_id, redirect_uri=redirect_uri, scope=["read"], auto_refresh_url=oidc["token_endpoint"],
        auto_refresh_kwargs={"client_id": web_id, "client_secret": web_secret}, token_updater=saved.append)
    step("code with PKCE", lambda: log_in(session, secrets.token_urlsafe(48), client_secret=web_secret))

    def expired():
        session.token = {**session.token, "expires_in": -10, "expires_at": 1}
        equal(session.get(api).status_code, 200, "status")
        equal(len(saved), 1, "number of refreshes")

    step("an expired token is refreshed before the request", expired)


@flow("public client")
def _(step):
    session = OAuth2Session(given("SPA_CLIENT_ID"), redirect_uri=redirect_uri, scope=["read"])
    step("code with PKCE", lambda: log_in(session, secrets.token_urlsafe(48), include_client_id=True))
    step("the API", lambda: equal(session.get(api).status_code, 200, "status"))
    step("refresh", lambda: session.refresh_token(oidc["token_endpoint"], client_id=given("SPA_CLIENT_ID")))


@flow("who cancels")
def _(step):
    session = OAuth2Session(web_id, redirect_uri=redirect_uri, scope=["read"])
    url, _ = session.authorization_url(oidc["authorization_endpoint"], code_challenge="x" * 43, code_challenge_method="S256")
    callback = step("sends the client away", lambda: Person(issuer, username, password).authorize(url, allow=False))
    step("with access_denied", lambda: refused("access_denied", lambda: session.fetch_token(
        oidc["token_endpoint"], authorization_response=callback, client_secret=web_secret)))


@flow("client credentials")
def _(step):
    client_id, secret = given("MACHINE_CLIENT_ID"), given("MACHINE_CLIENT_SECRET")
    session = OAuth2Session(client=BackendApplicationClient(client_id, scope=["read"]))
    token = step("secret by Basic", lambda: session.fetch_token(oidc["token_endpoint"], auth=HTTPBasicAuth(client_id, secret)))
    step("no refresh token", lambda: equal(token.get("refresh_token"), None, "refresh_token"))
    session = OAuth2Session(client=BackendApplicationClient(client_id, scope=["read"]))
    step("secret in the body", lambda: session.fetch_token(oidc["token_endpoint"], client_secret=secret, include_client_id=True))


@flow("password")
def _(step):
    client_id, secret = given("PASSWORD_CLIENT_ID"), given("PASSWORD_CLIENT_SECRET")
    session = OAuth2Session(client=LegacyApplicationClient(client_id, scope=["read"]))
    fetch = lambda given_password: session.fetch_token(
        oidc["token_endpoint"], username=username, password=given_password, auth=HTTPBasicAuth(client_id, secret))
    step("a wrong one is refused", lambda: refused("invalid_grant", lambda: fetch("not-the-password")))
    step("the right one", lambda: fetch(password))
    step("the API", lambda: equal(session.get(api).status_code, 200, "status"))


@flow("implicit", needs="implicit")
def _(step):
    client_id = given("IMPLICIT_CLIENT_ID")
    session = OAuth2Session(client=MobileApplicationClient(client_id), redirect_uri=redirect_uri, scope=["read"])
    url, _ = session.authorization_url(oidc["authorization_endpoint"])
    callback = step("consent", lambda: Person(issuer, username, password).authorize(url))
    step("the token is in the fragment", lambda: session.token_from_fragment(callback))
    step("the API", lambda: equal(session.get(api).status_code, 200, "status"))


end()
