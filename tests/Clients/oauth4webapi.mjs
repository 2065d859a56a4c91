// oauth4webapi: the protocol's steps one by one, with every check that the RFCs ask a client to make.
import * as oauth from 'oauth4webapi';
import { end, equal, fail, flow, given, ok, refused } from './lib/steps.mjs';
import { Person } from './lib/person.mjs';

const issuer = new URL(given('ISSUER'));
const redirectUri = given('REDIRECT_URI');
const api = new URL(given('API'));
const resource = given('RESOURCE');
const username = given('USERNAME');

// It speaks HTTPS only, and the tests serve on 127.0.0.1 without it.
const insecure = { [oauth.allowInsecureRequests]: true };
const newPerson = () => new Person(issuer, username, given('PASSWORD'));

async function discover(algorithm) {
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...insecure }));
}

const web = { client_id: given('WEB_CLIENT_ID') };
const webSecret = oauth.ClientSecretBasic(given('WEB_CLIENT_SECRET'));
const spa = { client_id: given('SPA_CLIENT_ID') };
const machine = { client_id: given('MACHINE_CLIENT_ID') };
const machineSecret = oauth.ClientSecretBasic(given('MACHINE_CLIENT_SECRET'));

async function authorizationRequest(client, parameters) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  return {
    verifier,
    state,
    request: new URLSearchParams([
      ['client_id', client.client_id],
      ['redirect_uri', redirectUri],
      ['response_type', 'code'],
      ['state', state],
      ['code_challenge', await oauth.calculatePKCECodeChallenge(verifier)],
      ['code_challenge_method', 'S256'],
      ...Object.entries(parameters).flatMap(([name, values]) => [values].flat().map(value => [name, value])),
    ]),
  };
}

function address(as, parameters) {
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams(parameters).toString();
  return url;
}

async function code(as, client, parameters) {
  const { verifier, state, request } = await authorizationRequest(client, parameters);
  const callback = await newPerson().authorize(address(as, request));
  return { verifier, callback: oauth.validateAuthResponse(as, client, callback, state) };
}

async function exchange(as, client, authentication, { callback, verifier }, { additionalParameters, ...expected } = {}) {
  const response = await oauth.authorizationCodeGrantRequest(as, client, authentication, callback, redirectUri, verifier, { additionalParameters, ...insecure });
  if (response.ok) ok(/no-store/.test(response.headers.get('cache-control') ?? ''), `Cache-Control is ${response.headers.get('cache-control')}`);
  return oauth.processAuthorizationCodeResponse(as, client, response, expected);
}

/** As an API would: by a client that acts for itself. */
async function introspect(as, token) {
  return oauth.processIntrospectionResponse(as, machine, await oauth.introspectionRequest(as, machine, machineSecret, token, insecure));
}

await flow('confidential client', async step => {
  const as = await step('discovery of OAuth 2 (RFC 8414)', () => discover('oauth2'));
  const oidc = await step('discovery of OpenID Connect', () => discover('oidc'));
  await step('both discovery documents agree', () => {
    for (const name of ['issuer', 'authorization_endpoint', 'token_endpoint', 'jwks_uri']) equal(oidc[name], as[name], name);
  });
  const nonce = oauth.generateRandomNonce();
  const { tokens, claims } = await step('code with PKCE, state, nonce, max_age', async () => {
    const granted = await code(oidc, web, { scope: 'openid profile email read write', nonce, max_age: '3600' });
    const response = await oauth.authorizationCodeGrantRequest(oidc, web, webSecret, granted.callback, redirectUri, granted.verifier, insecure);
    const result = await oauth.processAuthorizationCodeResponse(oidc, web, response, { expectedNonce: nonce, requireIdToken: true, maxAge: 3600 });
    await oauth.validateApplicationLevelSignature(oidc, response, insecure);
    return { tokens: result, claims: oauth.getValidatedIdTokenClaims(result) };
  });
  await step('userinfo', async () => {
    const response = await oauth.userInfoRequest(oidc, web, tokens.access_token, insecure);
    const info = await oauth.processUserInfoResponse(oidc, web, claims.sub, response);
    equal(info.preferred_username, username, 'preferred_username');
    ok(info.email, 'no email');
  });
  await step('the API', async () => {
    equal((await oauth.protectedResourceRequest(tokens.access_token, 'GET', api, new Headers(), null, insecure)).status, 200, 'status');
  });
  await step('introspection', async () => {
    const told = await introspect(as, tokens.access_token);
    equal(told.active, true, 'active');
    equal(told.client_id, web.client_id, 'client_id');
    ok(told.exp > Date.now() / 1000, 'exp is past');
  });
  const refreshed = await step('refresh', async () => {
    const response = await oauth.refreshTokenGrantRequest(as, web, webSecret, tokens.refresh_token, insecure);
    return oauth.processRefreshTokenResponse(as, web, response);
  });
  await step('refresh with the old token is refused', async () => {
    const response = await oauth.refreshTokenGrantRequest(as, web, webSecret, tokens.refresh_token, insecure);
    await refused(oauth.processRefreshTokenResponse(as, web, response), 'invalid_grant');
  });
  const fresh = await step('a login without openid', async () => exchange(as, web, webSecret, await code(as, web, { scope: 'read' })));
  await step('revocation of the refresh token takes the access token with it', async () => {
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, web, webSecret, fresh.refresh_token, insecure));
    equal((await introspect(as, fresh.access_token)).active, false, 'active');
  });
  await step('what is unknown may be revoked', async () => {
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, web, webSecret, 'no-such-token', insecure));
  });
  await step('another client may not revoke', async () => {
    const response = await oauth.revocationRequest(as, spa, oauth.None(), refreshed.access_token, insecure);
    await oauth.processRevocationResponse(response).catch(() => {});
    equal((await introspect(as, refreshed.access_token)).active, true, 'active');
  });
});

await flow('answers name the issuer (RFC 9207)', async step => {
  const as = await step('discovery announces it', async () => {
    const found = await discover('oauth2');
    equal(found.authorization_response_iss_parameter_supported, true, 'authorization_response_iss_parameter_supported');
    return found;
  });
  await step('code', async () => equal((await code(as, spa, { scope: 'read' })).callback.get('iss'), as.issuer, 'iss'));
  await step('refusal', async () => {
    const { state, request } = await authorizationRequest(spa, { scope: 'read' });
    const callback = await newPerson().authorize(address(as, request), { allow: false });
    equal(callback.searchParams.get('iss'), as.issuer, 'iss');
    await refused(Promise.resolve().then(() => oauth.validateAuthResponse(as, spa, callback, state)), 'access_denied');
  });
}, { needs: 'iss' });

await flow('resource indicators (RFC 8707)', async step => {
  const as = await step('discovery', () => discover('oauth2'));
  const tokens = await step('code with a resource', async () => exchange(as, spa, oauth.None(), await code(as, spa, { scope: 'read', resource })));
  await step('the token is for that resource', async () => {
    equal([(await introspect(as, tokens.access_token)).aud].flat().join(' '), resource, 'aud');
    equal((await oauth.protectedResourceRequest(tokens.access_token, 'GET', api, new Headers(), null, insecure)).status, 200, 'status at the API');
  });
  await step('a refresh keeps the resource', async () => {
    const response = await oauth.refreshTokenGrantRequest(as, spa, oauth.None(), tokens.refresh_token, insecure);
    const next = await oauth.processRefreshTokenResponse(as, spa, response);
    equal([(await introspect(as, next.access_token)).aud].flat().join(' '), resource, 'aud');
  });
  await step('a token for elsewhere does not open the API', async () => {
    const elsewhere = await exchange(as, spa, oauth.None(), await code(as, spa, { scope: 'read', resource: 'https://elsewhere.example/api' }));
    await oauth.protectedResourceRequest(elsewhere.access_token, 'GET', api, new Headers(), null, insecure).then(
      response => equal(response.status, 401, 'status'),
      error => equal(error.status, 401, 'status'));
  });
  await step('two resources; the token is for the one that it is asked for', async () => {
    const granted = await code(as, spa, { scope: 'read', resource: [resource, 'https://elsewhere.example/api'] });
    const one = await exchange(as, spa, oauth.None(), granted, { additionalParameters: { resource } });
    equal([(await introspect(as, one.access_token)).aud].flat().join(' '), resource, 'aud');
  });
  await step('no resource that was not consented to', async () => {
    const granted = await code(as, spa, { scope: 'read', resource });
    await refused(exchange(as, spa, oauth.None(), granted, { additionalParameters: { resource: 'https://elsewhere.example/api' } }), 'invalid_target');
  }, { needs: 'invalid_target' });
});

await flow('pushed authorization request (RFC 9126)', async step => {
  const as = await step('discovery', () => discover('oauth2'));
  const push = async (client, authentication, parameters) => {
    const { verifier, state, request } = await authorizationRequest(client, parameters);
    const response = await oauth.pushedAuthorizationRequest(as, client, authentication, request, insecure);
    return { verifier, state, ...(await oauth.processPushedAuthorizationResponse(as, client, response)) };
  };
  const redeem = async (client, pushed) => {
    const callback = await newPerson().authorize(address(as, { client_id: client.client_id, request_uri: pushed.request_uri }));
    return { verifier: pushed.verifier, callback: oauth.validateAuthResponse(as, client, callback, pushed.state) };
  };
  await step('code', async () => {
    const pushed = await push(web, webSecret, { scope: 'read' });
    ok(pushed.expires_in > 0, 'expires_in');
    const tokens = await exchange(as, web, webSecret, await redeem(web, pushed));
    ok(tokens.access_token, 'no access token');
  });
  await step('with resources', async () => {
    const tokens = await exchange(as, web, webSecret, await redeem(web, await push(web, webSecret, { scope: 'read', resource })));
    equal([(await introspect(as, tokens.access_token)).aud].flat().join(' '), resource, 'aud');
  });
  await step('another client cannot use the request URI', async () => {
    const pushed = await push(web, webSecret, { scope: 'read' });
    const shown = await newPerson().read(address(as, { client_id: spa.client_id, request_uri: pushed.request_uri }));
    ok(/error/i.test(shown) && !/code=/.test(shown), `shows: ${shown}`);
  });
  await step('pushing asks for the secret', () => refused(push(web, oauth.ClientSecretBasic('not-it'), { scope: 'read' }), 'invalid_client'));
}, { needs: 'par' });

await flow('device (RFC 8628)', async step => {
  const as = await step('discovery', () => discover('oauth2'));
  const client = { client_id: given('DEVICE_CLIENT_ID') };
  const device = await step('begins', async () => {
    const response = await oauth.deviceAuthorizationRequest(as, client, oauth.None(), { scope: 'read' }, insecure);
    return oauth.processDeviceAuthorizationResponse(as, client, response);
  });
  const ask = async () => oauth.processDeviceCodeResponse(as, client, await oauth.deviceCodeGrantRequest(as, client, oauth.None(), device.device_code, insecure));
  const wait = () => new Promise(resolve => setTimeout(resolve, (device.interval ?? 5) * 1000 + 100));
  await step('is told to wait', () => refused(ask(), 'authorization_pending'));
  await step('is told to slow down', () => refused(ask(), 'slow_down'), { needs: 'slow_down' });
  await step('gets tokens when the person has accepted', async () => {
    await newPerson().confirmDevice(device.verification_uri, device.user_code);
    // Asked too soon, the device has to wait longer than at first.
    for (let i = 0; ; i++) {
      await wait();
      try {
        return await ask();
      } catch (error) {
        if (error.error !== 'slow_down' || i === 10) throw error;
      }
    }
  });
  await step('a device code works once', async () => {
    await wait();
    await refused(ask(), 'invalid_grant');
  });
}, { needs: 'device' });

await flow('dynamic registration (RFC 7591)', async step => {
  const as = await step('discovery', () => discover('oauth2'));
  const registered = await step('a public client registers', async () => {
    const response = await oauth.dynamicClientRegistrationRequest(
      as, { client_name: 'oauth4webapi', redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }, insecure);
    return oauth.processDynamicClientRegistrationResponse(response);
  });
  await step('code with PKCE', async () => {
    const tokens = await exchange(as, registered, oauth.None(), await code(as, registered, { scope: 'read' }));
    ok(tokens.access_token, 'no access token');
  });
  // RFC 7592 is not in the library: plain requests.
  const headers = { Authorization: `Bearer ${registered.registration_access_token}`, 'Content-Type': 'application/json' };
  await step('reads, changes and deletes itself (RFC 7592)', async () => {
    const uri = registered.registration_client_uri;
    const read = await (await fetch(uri, { headers })).json();
    equal(read.client_name, 'oauth4webapi', 'client_name');
    const changed = await fetch(uri, {
      method: 'PUT', headers, body: JSON.stringify({ client_id: registered.client_id, client_name: 'renamed', redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }),
    });
    const now = await changed.json();
    equal(now.client_name, 'renamed', 'client_name after the change');
    if (now.registration_access_token) headers.Authorization = `Bearer ${now.registration_access_token}`;
    equal((await fetch(uri, { method: 'DELETE', headers })).status, 204, 'status of DELETE');
    ok([401, 403, 404].includes((await fetch(uri, { headers })).status), 'it is still there');
  });
}, { needs: 'registration' });

await flow('client credentials', async step => {
  const as = await step('discovery', () => discover('oauth2'));
  const grant = async (client, authentication, parameters) =>
    oauth.processClientCredentialsResponse(as, client, await oauth.clientCredentialsGrantRequest(as, client, authentication, parameters, insecure));
  await step('a token', async () => equal((await grant(machine, machineSecret, { scope: 'read' })).scope, 'read', 'scope'));
  await step('with a resource', async () => {
    const tokens = await grant(machine, machineSecret, { scope: 'read', resource });
    equal([(await introspect(as, tokens.access_token)).aud].flat().join(' '), resource, 'aud');
  });
  await step('an unknown scope is refused', () => refused(grant(machine, machineSecret, { scope: 'no-such-scope' }), 'invalid_scope'));
  await step('another grant is refused', () => refused(grant(web, webSecret, { scope: 'read' }), 'unauthorized_client'));
  await step('an assertion is used once', async () => {
    const key = await crypto.subtle.importKey('jwk', JSON.parse(given('KEY_CLIENT_JWK')), { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    const client = { client_id: given('KEY_CLIENT_ID') };
    const once = oauth.PrivateKeyJwt(key, { [oauth.modifyAssertion]: (header, payload) => { payload.jti = 'the-same-twice'; } });
    await grant(client, once, { scope: 'read' });
    await refused(grant(client, once, { scope: 'read' }), 'invalid_client');
  }, { needs: 'assertions' });
});

end();
