"""A person at a browser, without the browser: see person.mjs."""
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests


class Person:
    def __init__(self, origin, username, password):
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(origin))
        self.login = {"username": username, "password": password}
        self.session = requests.Session()

    def authorize(self, url, allow=True):
        """Logs in if asked to, and presses the button. Returns where the server leads afterwards: the client's callback."""
        left, page = self._open("GET", url)
        if left:
            return left
        if "password" in page.fields:
            left, page = self._submit(page, self.login)
            if left:
                return left
        if "client_id" not in page.fields:
            raise AssertionError(f"Expected a consent page at {page.url}, found HTTP {page.status}: {page.text[:300]}")
        left, page = self._submit(page, {"allow": "Authorize"} if allow else {})
        if not left:
            raise AssertionError(f"The consent led to no client but to {page.url}, HTTP {page.status}: {page.text[:300]}")
        return left

    def _submit(self, page, values):
        fields = {name: value for name, (kind, value) in page.fields.items() if kind == "hidden"} | values
        return self._open("POST", urljoin(page.url, page.action), data=fields, headers={"Origin": self.origin, "Referer": page.url})

    def _open(self, method, url, **request):
        for _ in range(10):
            if not url.startswith(self.origin + "/"):
                return url, None
            response = self.session.request(method, url, allow_redirects=False, timeout=30, **request)
            if not response.is_redirect:
                return None, _Page(response)
            method, url, request = "GET", urljoin(url, response.headers["Location"]), {}
        raise AssertionError(f"Too many redirects to {url}")


class _Page(HTMLParser):
    """The first form that posts, and the text."""

    def __init__(self, response):
        super().__init__()
        self.url, self.status, self.fields, self.action, self.text = response.url, response.status_code, {}, "", ""
        self._form = None
        self.feed(response.text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form" and self._form is None and attrs.get("method", "").lower() == "post":
            self._form, self.action = True, attrs.get("action") or ""
        elif tag == "input" and self._form and attrs.get("name") and attrs.get("type") != "submit":
            self.fields[attrs["name"]] = attrs.get("type", "text"), attrs.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "form" and self._form:
            self._form = False

    def handle_data(self, data):
        self.text += " ".join(data.split()) + " "
