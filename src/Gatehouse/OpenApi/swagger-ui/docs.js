// Shows the document that the page names. Requests go to this server only; on a session they carry the CSRF token of the cookie.
const page = document.getElementById('api');

function cookie(name) {
  const found = document.cookie.split('; ').find(one => one.startsWith(`${name}=`));
  return found === undefined ? null : decodeURIComponent(found.slice(name.length + 1));
}

SwaggerUIBundle({
  url: page.dataset.document,
  domNode: page,
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
  requestInterceptor(request) {
    const token = cookie(page.dataset.csrfCookie);
    if (token && new URL(request.url, location.href).origin === location.origin) request.headers[page.dataset.csrfHeader] = token;
    return request;
  },
});
