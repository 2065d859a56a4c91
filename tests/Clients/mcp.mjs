// @modelcontextprotocol/sdk: a client that knows nothing but the address of an API finds out by itself how to get in, as AI assistants do.
import { createServer } from 'node:http';
import { auth, extractWWWAuthenticateParams, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { mcpAuthMetadataRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import express from 'express';
import { end, equal, fail, flow, given, ok } from './lib/steps.mjs';
import { Person } from './lib/person.mjs';

const issuer = given('ISSUER');
const api = new URL(given('API'));
const redirectUri = given('REDIRECT_URI');

/** What a program keeps between its steps. */
class Provider {
  redirectUrl = redirectUri;
  clientMetadata = { client_name: 'MCP inspector', redirect_uris: [redirectUri], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'none' };
  expectedState = crypto.randomUUID();
  #person;
  #client;
  #tokens;
  #verifier;
  callback;

  constructor(person, { client, metadataUrl, metadata } = {}) {
    this.#person = person;
    this.#client = client;
    this.clientMetadataUrl = metadataUrl;
    Object.assign(this.clientMetadata, metadata);
  }

  state() { return this.expectedState; }
  clientInformation() { return this.#client; }
  saveClientInformation(client) { this.#client = client; }
  tokens() { return this.#tokens; }
  saveTokens(tokens) { this.#tokens = tokens; }
  codeVerifier() { return this.#verifier; }
  saveCodeVerifier(verifier) { this.#verifier = verifier; }
  // auth() tries once more from the start when this is there; here the first error is the one to show.
  async redirectToAuthorization(url) {
    this.authorizationUrl = url;
    this.callback = await this.#person.authorize(url);
  }

  code() {
    equal(this.callback.searchParams.get('state'), this.expectedState, 'state');
    return this.callback.searchParams.get('code') ?? fail(`no code but ${this.callback.search}`);
  }
}

const newPerson = () => new Person(issuer, given('USERNAME'), given('PASSWORD'));
const call = token => fetch(api, { headers: token ? { Authorization: `Bearer ${token}` } : {} });

/** From the 401 of an API to its answer, and once more after a refresh. */
async function getIn(step, provider, scope) {
  const refusal = await step('the API refuses and says where its metadata is', async () => {
    const response = await call();
    equal(response.status, 401, 'status');
    const told = extractWWWAuthenticateParams(response);
    ok(told.resourceMetadataUrl, `no resource_metadata in: ${response.headers.get('www-authenticate')}`);
    return told;
  });
  const options = { serverUrl: api, resourceMetadataUrl: refusal.resourceMetadataUrl, scope: scope ?? refusal.scope };
  await step('discovery, then consent', async () => equal(await auth(provider, options), 'REDIRECT', 'outcome'));
  await step('the request names the resource', () => {
    const resource = provider.authorizationUrl.searchParams.get('resource');
    ok(resource && api.href.startsWith(resource), `resource is ${resource}`);
  });
  await step('code with PKCE', async () => equal(await auth(provider, { ...options, authorizationCode: provider.code() }), 'AUTHORIZED', 'outcome'));
  await step('the API answers', async () => equal((await call(provider.tokens().access_token)).status, 200, 'status'));
  await step('refresh', async () => {
    const { access_token: before } = provider.tokens();
    equal(await auth(provider, options), 'AUTHORIZED', 'outcome');
    ok(provider.tokens().access_token !== before, 'the access token is the same');
    equal((await call(provider.tokens().access_token)).status, 200, 'status');
  });
}

await flow('registered by hand', async step => {
  await getIn(step, new Provider(newPerson(), { client: { client_id: given('SPA_CLIENT_ID') } }), 'read');
});

await flow('registers itself', async step => {
  const provider = new Provider(newPerson());
  await getIn(step, provider, 'read');
  await step('as a public client', () => equal(provider.clientInformation().client_secret, undefined, 'client_secret'));
}, { needs: 'registration' });

await flow('registers itself and asks for every scope there is', async step => {
  await getIn(step, new Provider(newPerson()));
}, { needs: 'registered_openid' });

await flow('registers itself with a secret', async step => {
  const provider = new Provider(newPerson(), { metadata: { token_endpoint_auth_method: 'client_secret_basic' } });
  await getIn(step, provider, 'read');
  await step('and has one', () => ok(provider.clientInformation().client_secret, 'no client_secret'));
}, { needs: 'registration' });

await flow('client ID metadata document', async step => {
  const metadataUrl = given('CLIENT_METADATA_URL');
  const provider = new Provider(newPerson(), { metadataUrl });
  await getIn(step, provider, 'read');
  await step('the URL is the client ID', () => equal(provider.clientInformation().client_id, metadataUrl, 'client_id'));
}, { needs: 'cimd' });

await flow('an MCP server', async step => {
  const server = await startServer();
  try {
    const provider = new Provider(newPerson(), { client: { client_id: given('SPA_CLIENT_ID') } });
    const newTransport = () => new StreamableHTTPClientTransport(server.url, { authProvider: provider });
    const newClient = () => new Client({ name: 'test', version: '1' });
    const first = newTransport();
    await step('refuses who has no token', async () => {
      await newClient().connect(first).then(() => fail('connected'), error => ok(error instanceof UnauthorizedError, `${error}`));
      ok(provider.callback, 'nobody was asked');
    });
    await step('code with PKCE', () => first.finishAuth(provider.code()));
    await step('answers a call, and knows the caller by introspection', async () => {
      const client = newClient();
      await client.connect(newTransport());
      const result = await client.callTool({ name: 'whoami' });
      const who = JSON.parse(result.content[0].text);
      equal(who.clientId, given('SPA_CLIENT_ID'), 'client');
      ok(who.scopes.includes('read'), `scopes are ${who.scopes}`);
      equal(who.username, given('USERNAME'), 'username');
      await client.close();
    });
    await step('a revoked access token is refreshed on the way', async () => {
      const { access_token: before } = provider.tokens();
      server.refuse(before);
      const client = newClient();
      await client.connect(newTransport());
      await client.callTool({ name: 'whoami' });
      ok(provider.tokens().access_token !== before, 'the access token is the same');
      await client.close();
    });
  } finally {
    await server.stop();
  }
});

end();

/** An MCP server of the SDK with one tool; it asks the authorization server about each token (RFC 7662). */
async function startServer() {
  const metadata = await (await fetch(new URL(`/.well-known/oauth-authorization-server${new URL(issuer).pathname}`, issuer))).json();
  const refused = new Set();
  const app = express();
  const http = createServer(app);
  await new Promise(resolve => http.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${http.address().port}/mcp`);

  const verifier = {
    async verifyAccessToken(token) {
      const { InvalidTokenError } = await import('@modelcontextprotocol/sdk/server/auth/errors.js');
      const response = await fetch(metadata.introspection_endpoint, {
        method: 'POST',
        headers: { Authorization: `Basic ${btoa(`${given('MACHINE_CLIENT_ID')}:${given('MACHINE_CLIENT_SECRET')}`)}` },
        body: new URLSearchParams({ token }),
      });
      const told = await response.json();
      if (!told.active || refused.has(token)) throw new InvalidTokenError('Not an active token');
      const audience = [told.aud ?? []].flat();
      if (!audience.includes(url.href)) throw new InvalidTokenError(`For ${audience}, not for ${url.href}`);
      return { token, clientId: told.client_id, scopes: told.scope.split(' '), expiresAt: told.exp, extra: { username: told.username } };
    },
  };

  // The router asks for HTTPS but on localhost; what it checks is the issuer.
  app.use(mcpAuthMetadataRouter({ oauthMetadata: metadata, resourceServerUrl: url, scopesSupported: ['read'] }));
  const guard = requireBearerAuth({ verifier, requiredScopes: ['read'], resourceMetadataUrl: new URL('/.well-known/oauth-protected-resource/mcp', url).href });
  app.post('/mcp', guard, express.json(), async (request, response) => {
    const server = new McpServer({ name: 'whoami', version: '1' });
    server.registerTool('whoami', { description: 'Who is calling' }, ({ authInfo }) => ({
      content: [{ type: 'text', text: JSON.stringify({ clientId: authInfo.clientId, scopes: authInfo.scopes, ...authInfo.extra }) }],
    }));
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    response.on('close', () => server.close());
    await server.connect(transport);
    await transport.handleRequest(request, response, request.body);
  });
  app.get('/mcp', guard, (request, response) => response.status(405).end());

  return {
    url,
    refuse: token => refused.add(token),
    stop: () => new Promise(resolve => { http.closeAllConnections(); http.close(resolve); }),
  };
}
