// A person at a browser, without the browser: follows redirects, keeps cookies, fills in the forms of Django's and django-oauth-toolkit's
// names. What a client's redirect leads to is not fetched: its address is the answer.

export class Person {
  #origin;
  #username;
  #password;
  #cookies = new Map();

  constructor(origin, username, password) {
    this.#origin = new URL(origin).origin;
    this.#username = username;
    this.#password = password;
  }

  /**
   * Opens what the client sends the person to, logs in if asked to, and presses the button.
   * @returns {Promise<URL>} where the server leads afterwards: the client's callback
   */
  async authorize(url, { allow = true } = {}) {
    const page = await this.#openLoggedIn(url);
    if (page.left) return page.left;
    if (!page.form?.fields.has('client_id')) throw new Error(`Expected a consent page at ${page.url}, found: ${page.text}`);
    const answer = await this.#submit(page, allow ? { allow: 'Authorize' } : {});
    if (!answer.left) throw new Error(`The consent led to no client but to ${answer.url}: ${answer.text}`);
    return answer.left;
  }

  /** What a page shows to somebody who is logged in. */
  async read(url) {
    const page = await this.#openLoggedIn(url);
    return page.left ? `redirected to ${page.left}` : page.text;
  }

  /** Enters the code that a device shows, and accepts or denies. */
  async confirmDevice(verificationUri, userCode, { accept = true } = {}) {
    let page = await this.#openLoggedIn(verificationUri);
    if (!page.form?.fields.has('user_code')) throw new Error(`Expected a page that asks for a code at ${page.url}, found: ${page.text}`);
    page = await this.#submit(page, { user_code: userCode });
    if (!page.url.pathname.includes('device-confirm')) throw new Error(`The code led to ${page.url}: ${page.text}`);
    page = await this.#submit(page, { action: accept ? 'accept' : 'deny' });
    return page.text;
  }

  /** Confirms that they want to be logged out; where the server leads afterwards, or null. */
  async confirmLogout(url) {
    let page = await this.#open(url);
    if (page.left) return page.left;
    if (!page.form?.fields.has('post_logout_redirect_uri')) throw new Error(`Expected a logout page at ${page.url}, found: ${page.text}`);
    page = await this.#submit(page, { allow: 'Logout' });
    return page.left;
  }

  /** Whether the server knows them. */
  async isLoggedIn(protectedPage) {
    const page = await this.#open(protectedPage);
    return !page.form?.fields.has('password');
  }

  async #openLoggedIn(url) {
    const page = await this.#open(url);
    if (!page.form?.fields.has('password')) return page;
    const next = await this.#submit(page, { username: this.#username, password: this.#password });
    if (next.form?.fields.has('password')) throw new Error(`The login was refused: ${next.text}`);
    return next;
  }

  async #submit(page, values) {
    const fields = new URLSearchParams([...page.form.fields].filter(([, field]) => field.type === 'hidden').map(([name, field]) => [name, field.value]));
    for (const [name, value] of Object.entries(values)) fields.set(name, value);
    return this.#open(new URL(page.form.action, page.url), {
      method: 'POST',
      body: fields,
      headers: { Origin: this.#origin, Referer: page.url.href },
    });
  }

  async #open(url, init = {}) {
    let target = new URL(url);
    for (let hops = 0; hops < 10; hops++) {
      if (target.origin !== this.#origin) return { left: target };
      const response = await fetch(target, {
        ...init,
        redirect: 'manual',
        headers: { ...init.headers, Accept: 'text/html', Cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      });
      this.#keep(response);
      const location = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || location === null) {
        const html = await response.text();
        return { url: target, status: response.status, form: postForm(html), text: `HTTP ${response.status} ${textOf(html)}` };
      }
      await response.body?.cancel();
      target = new URL(location, target);
      init = {};
    }
    throw new Error(`Too many redirects from ${url}`);
  }

  #keep(response) {
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      if (value === '' || value === '""' || /;\s*max-age=0/i.test(cookie)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
  }
}

function postForm(html) {
  for (const [, attributes, body] of html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gis)) {
    if (!/method="?post/i.test(attributes)) continue;
    const fields = new Map();
    for (const [, input] of body.matchAll(/<input\b([^>]*)>/gi)) {
      const name = attribute(input, 'name');
      if (name && attribute(input, 'type') !== 'submit') fields.set(name, { type: attribute(input, 'type') ?? 'text', value: attribute(input, 'value') ?? '' });
    }
    return { action: attribute(attributes, 'action') ?? '', fields };
  }
  return undefined;
}

function attribute(tag, name) {
  const match = new RegExp(`(?:^|\\s)${name}\\s*=\\s*("([^"]*)"|'([^']*)'|([^\\s>]+))`, 'i').exec(tag);
  return match ? unescape(match[2] ?? match[3] ?? match[4]) : undefined;
}

function unescape(text) {
  const names = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex, number, name) =>
    hex ? String.fromCodePoint(parseInt(hex, 16)) : number ? String.fromCodePoint(Number(number)) : names[name] ?? all);
}

function textOf(html) {
  return unescape(html.replace(/<(style|script|head)\b.*?<\/\1>/gis, ' ').replace(/<[^>]*>/g, ' ')).replace(/\s+/g, ' ').trim().slice(0, 300);
}
