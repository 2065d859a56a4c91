// openid-client: OpenID Connect and OAuth 2 as most Node programs use them.
import * as client from 'openid-client';
import { end, equal, fail, flow, given, ok, refused } from './lib/steps.mjs';
import { Person } from './lib/person.mjs';

const issuer = new URL(given('ISSUER'));
const redirectUri = given('REDIRECT_URI');
const api = new URL(given('API'));
const username = given('USERNAME');
const everything = 'openid profile email read write';

// openid-client speaks HTTPS only, and the tests serve on 127.0.0.1 without it.
const insecure = { execute: [client.allowInsecureRequests] };
const newPerson = () => new Person(issuer, username, given('PASSWORD'));

function discover(id, secret, authentication, more = {}) {
  return client.discovery(issuer, id, secret, authentication, { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks], ...more });
}

// The discovery documents of OpenID Connect and of OAuth 2 do not name the same endpoints.
function discoverOAuth(id, secret, authentication) {
  return client.discovery(issuer, id, secret, authentication, { ...insecure, algorithm: 'oauth2' });
}

/** A login by code with PKCE, state and nonce. */
async function logIn(config, { scope = everything, person = newPerson(), pushed = false, parameters = {} } = {}) {
  const checks = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState() };
  if (scope.includes('openid')) Object.assign(checks, { expectedNonce: client.randomNonce(), idTokenExpected: true });
  const request = {
    redirect_uri: redirectUri,
    scope,
    state: checks.expectedState,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...(checks.expectedNonce && { nonce: checks.expectedNonce }),
    ...parameters,
  };
  const url = pushed ? await client.buildAuthorizationUrlWithPAR(config, request) : client.buildAuthorizationUrl(config, request);
  const callback = await person.authorize(url);
  return { url, callback, checks, person, tokens: await client.authorizationCodeGrant(config, callback, checks) };
}

await flow('confidential client', async step => {
  const id = given('WEB_CLIENT_ID');
  const secret = given('WEB_CLIENT_SECRET');
  const config = await step('discovery of OpenID Connect', () => discover(id, secret));
  const oauth = await step('discovery of OAuth 2', () => discoverOAuth(id, secret));
  const { tokens, callback, checks, person } = await step('code with PKCE, ID token verified by the JWKS', () => logIn(config));
  await step('the ID token is of the person and of this client', () => {
    const claims = tokens.claims();
    equal(claims.iss, issuer.href.replace(/\/$/, ''), 'iss');
    equal(claims.aud, id, 'aud');
    ok(claims.sub, 'no sub');
    ok(tokens.expiresIn() > 0, 'expires_in is missing');
    equal(tokens.token_type, 'bearer', 'token_type');
  });
  await step('userinfo by GET and POST', async () => {
    const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
    equal(info.preferred_username, username, 'preferred_username');
    const post = await client.fetchProtectedResource(config, tokens.access_token, new URL(config.serverMetadata().userinfo_endpoint), 'POST');
    equal((await post.json()).sub, info.sub, 'sub by POST');
  });
  await step('the token opens the API', async () => {
    equal((await client.fetchProtectedResource(config, tokens.access_token, api, 'GET')).status, 200, 'status');
  });
  await step('introspection', async () => {
    const told = await client.tokenIntrospection(oauth, tokens.access_token);
    equal(told.active, true, 'active');
    equal(told.client_id, id, 'client_id');
    equal(told.username, username, 'username');
    ok(told.scope.split(' ').includes('read'), `scope is ${told.scope}`);
    equal((await client.tokenIntrospection(oauth, 'no-such-token')).active, false, 'active of no token');
  });
  const second = await step('refresh', async () => {
    const next = await client.refreshTokenGrant(config, tokens.refresh_token);
    ok(next.access_token !== tokens.access_token, 'the access token is the same');
    equal((await client.fetchProtectedResource(config, next.access_token, api, 'GET')).status, 200, 'status with the new token');
    return next;
  });
  await step('a refresh token works once', () => refused(client.refreshTokenGrant(config, tokens.refresh_token), 'invalid_grant'));
  await step('a refresh may ask for fewer scopes, not for more', async () => {
    const third = await client.refreshTokenGrant(config, second.refresh_token, { scope: 'openid read' });
    ok(!third.scope || third.scope.split(' ').sort().join(' ') === 'openid read', `scope is ${third.scope}`);
    await refused(client.refreshTokenGrant(config, third.refresh_token, { scope: 'openid read groups:write' }), 'invalid_scope');
  });
  await step('a code works once', () => refused(client.authorizationCodeGrant(config, callback, checks), 'invalid_grant'));
  const last = await step('a second login, without a second password', () => logIn(config, { person }));
  await step('revocation of an access token', async () => {
    await client.tokenRevocation(oauth, last.tokens.access_token, { token_type_hint: 'access_token' });
    equal((await client.tokenIntrospection(oauth, last.tokens.access_token)).active, false, 'active');
    await client.fetchProtectedResource(config, last.tokens.access_token, api, 'GET').then(
      response => fail(`the API answered ${response.status}`),
      error => equal(error.status, 401, 'status'));
  });
  const logout = await step('a third login', () => logIn(config, { person }));
  await step('revocation of a refresh token', async () => {
    await client.tokenRevocation(oauth, logout.tokens.refresh_token);
    await refused(client.refreshTokenGrant(config, logout.tokens.refresh_token), 'invalid_grant');
  });
  await step('logout', async () => {
    const back = given('POST_LOGOUT_URI');
    const url = client.buildEndSessionUrl(config, { post_logout_redirect_uri: back, id_token_hint: logout.tokens.id_token, state: 'bye' });
    ok(await person.isLoggedIn(logout.url), 'was not logged in before');
    const left = await person.confirmLogout(url);
    equal(left?.href, `${back}?state=bye`, 'where the logout leads');
    ok(!(await person.isLoggedIn(logout.url)), 'still logged in');
  });
});

await flow('client secret in the body', async step => {
  const config = await step('discovery', () => discover(given('WEB_CLIENT_ID'), undefined, client.ClientSecretPost(given('WEB_CLIENT_SECRET'))));
  const { tokens } = await step('code with PKCE', () => logIn(config));
  await step('refresh', () => client.refreshTokenGrant(config, tokens.refresh_token));
});

await flow('wrong secret', async step => {
  const config = await step('discovery', () => discover(given('WEB_CLIENT_ID'), 'not-the-secret'));
  await step('is refused as invalid_client', () => refused(logIn(config), 'invalid_client'));
});

await flow('public client', async step => {
  const config = await step('discovery', () => discover(given('SPA_CLIENT_ID'), undefined, client.None()));
  const { tokens } = await step('code with PKCE', () => logIn(config));
  await step('userinfo', () => client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub));
  await step('refresh', () => client.refreshTokenGrant(config, tokens.refresh_token));
  await step('without openid there is no ID token', async () => {
    const { tokens: plain } = await logIn(config, { scope: 'read' });
    equal(plain.id_token, undefined, 'id_token');
    equal(plain.scope, 'read', 'scope');
  });
  await step('another verifier is refused', async () => {
    const verifier = client.randomPKCECodeVerifier();
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri, scope: 'read', code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    });
    const callback = await newPerson().authorize(url);
    await refused(client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: client.randomPKCECodeVerifier() }), 'invalid_grant');
  });
  await step('without PKCE the request is refused', async () => {
    const url = client.buildAuthorizationUrl(config, { redirect_uri: redirectUri, scope: 'read', state: 'x' });
    await refused(newPerson().authorize(url).then(callback => client.authorizationCodeGrant(config, callback, { expectedState: 'x' })), 'invalid_request');
  });
  await step('who cancels sends the client away', async () => {
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri, scope: 'read', state: 'x', code_challenge: await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier()), code_challenge_method: 'S256',
    });
    const callback = await newPerson().authorize(url, { allow: false });
    await refused(client.authorizationCodeGrant(config, callback, { expectedState: 'x' }), 'access_denied');
  });
});

await flow('ID token signed with HS256', async step => {
  const config = await step('discovery', () => client.discovery(
    issuer, given('HS256_CLIENT_ID'), { client_secret: given('HS256_CLIENT_SECRET'), id_token_signed_response_alg: 'HS256' }, undefined, insecure));
  await step('code with PKCE', () => logIn(config));
});

await flow('hybrid client', async step => {
  const config = await step('discovery', async () => {
    const found = await discover(given('HYBRID_CLIENT_ID'), given('HYBRID_CLIENT_SECRET'));
    client.useCodeIdTokenResponseType(found);
    return found;
  });
  await step('code id_token, with c_hash', () => logIn(config));
}, { needs: 'hybrid' });

await flow('implicit client', async step => {
  const config = await step('discovery', async () => {
    const found = await discover(given('IMPLICIT_CLIENT_ID'), undefined, client.None());
    client.useIdTokenResponseType(found);
    return found;
  });
  await step('id_token', async () => {
    const nonce = client.randomNonce();
    const url = client.buildAuthorizationUrl(config, { redirect_uri: redirectUri, scope: 'openid', nonce, state: 'x' });
    const callback = await newPerson().authorize(url);
    const claims = await client.implicitAuthentication(config, callback, nonce, { expectedState: 'x' });
    ok(claims.sub, 'no sub');
  });
}, { needs: 'implicit' });

await flow('pushed authorization request', async step => {
  const config = await step('discovery names the endpoint', async () => {
    const found = await discover(given('WEB_CLIENT_ID'), given('WEB_CLIENT_SECRET'));
    ok(found.serverMetadata().pushed_authorization_request_endpoint, 'no pushed_authorization_request_endpoint');
    return found;
  });
  const { url } = await step('code with PKCE', () => logIn(config, { pushed: true }));
  await step('the request is not in the address', () => {
    equal([...url.searchParams.keys()].sort().join(' '), 'client_id request_uri', 'parameters of the address');
  });
  await step('a request URI works once', async () => {
    ok(!/[?&]code=/.test(await newPerson().read(url)), 'it gave a code again');
  });
  await step('a public client may push too', async () => {
    const spa = await discover(given('SPA_CLIENT_ID'), undefined, client.None());
    await logIn(spa, { pushed: true });
  });
  await step('a redirect that is not registered is refused when it is pushed', async () => {
    await refused(client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: 'https://elsewhere.example/', scope: 'read', code_challenge: await client.calculatePKCECodeChallenge('x'.repeat(43)), code_challenge_method: 'S256',
    }), 'invalid_request');
  });
}, { needs: 'par' });

await flow('device', async step => {
  const config = await step('discovery', async () => {
    const found = await discoverOAuth(given('DEVICE_CLIENT_ID'), undefined, client.None());
    if (found.serverMetadata().device_authorization_endpoint) return found;
    // django-oauth-toolkit 3.4 has the endpoint but does not name it.
    const metadata = { ...found.serverMetadata(), device_authorization_endpoint: `${issuer}/device-authorization/` };
    const own = new client.Configuration(metadata, given('DEVICE_CLIENT_ID'), undefined, client.None());
    client.allowInsecureRequests(own);
    return own;
  });
  const begin = () => client.initiateDeviceAuthorization(config, { scope: 'read write' });
  await step('the person accepts while the device asks', async () => {
    const device = await begin();
    ok(device.user_code && device.verification_uri && device.expires_in > 0, `incomplete: ${JSON.stringify(device)}`);
    const answer = client.pollDeviceAuthorizationGrant(config, device);
    const page = await newPerson().confirmDevice(device.verification_uri, device.user_code);
    ok(/authorized/i.test(page), `the last page says: ${page}`);
    const tokens = await answer;
    equal((await client.fetchProtectedResource(config, tokens.access_token, api, 'GET')).status, 200, 'status with the token');
  });
  await step('the address may carry the code', async () => {
    const device = await begin();
    ok(device.verification_uri_complete?.includes(device.user_code), `verification_uri_complete is ${device.verification_uri_complete}`);
    await newPerson().confirmDevice(device.verification_uri_complete, device.user_code);
    await client.pollDeviceAuthorizationGrant(config, device);
  }, { needs: 'verification_uri_complete' });
  await step('the person denies', async () => {
    const device = await begin();
    await newPerson().confirmDevice(device.verification_uri, device.user_code, { accept: false });
    await refused(client.pollDeviceAuthorizationGrant(config, device), 'access_denied');
  });
}, { needs: 'device' });

await flow('client credentials', async step => {
  const id = given('MACHINE_CLIENT_ID');
  const secret = given('MACHINE_CLIENT_SECRET');
  for (const [name, authentication] of [['Basic', client.ClientSecretBasic(secret)], ['body', client.ClientSecretPost(secret)]])
    await step(`secret by ${name}`, async () => {
      const config = await discover(id, undefined, authentication);
      const tokens = await client.clientCredentialsGrant(config, { scope: 'read' });
      equal(tokens.scope, 'read', 'scope');
      equal(tokens.refresh_token, undefined, 'refresh_token');
    });
  await step('client_secret_jwt', async () => {
    const config = await discover(given('ASSERTION_CLIENT_ID'), undefined, client.ClientSecretJwt(given('ASSERTION_CLIENT_SECRET')));
    await client.clientCredentialsGrant(config, { scope: 'read' });
  }, { needs: 'assertions' });
  await step('private_key_jwt', async () => {
    const key = await crypto.subtle.importKey('jwk', JSON.parse(given('KEY_CLIENT_JWK')), { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    const config = await discover(given('KEY_CLIENT_ID'), undefined, client.PrivateKeyJwt(key));
    await client.clientCredentialsGrant(config, { scope: 'read' });
    const stranger = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
    const forged = await discover(given('KEY_CLIENT_ID'), undefined, client.PrivateKeyJwt(stranger.privateKey));
    await refused(client.clientCredentialsGrant(forged, { scope: 'read' }), 'invalid_client');
  }, { needs: 'assertions' });
});

await flow('dynamic registration', async step => {
  const config = await step('registers', () => client.dynamicClientRegistration(
    issuer, { client_name: 'openid-client', redirect_uris: [redirectUri], grant_types: ['authorization_code', 'refresh_token'] }, undefined,
    { ...insecure, algorithm: 'oauth2' }));
  const { client_id: id, client_secret: secret } = config.clientMetadata();
  await step('code with PKCE, with what it was given', async () => {
    ok(id && secret, 'no client_id or no client_secret');
    await logIn(await discover(id, secret), { scope: 'read' });
  });
  await step('a login with an ID token', async () => logIn(await discover(id, secret)), { needs: 'registered_openid' });
}, { needs: 'registration_secret' });

end();
