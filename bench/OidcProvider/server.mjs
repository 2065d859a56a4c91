// oidc-provider, one process, with its rows in SQLite: the peer of Gatehouse's OAuth endpoints.
// Usage: node server.mjs PORT DATABASE CLIENT_SECRET
// POST /bench/tokens?count=N makes N access tokens and N refresh tokens, as if their users had consented.
import { generateKeyPairSync } from 'node:crypto';
import Database from 'better-sqlite3';
import { Provider } from 'oidc-provider';

const [port, file, secret] = process.argv.slice(2);
const db = new Database(file);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec(`
  CREATE TABLE model (kind TEXT NOT NULL, id TEXT NOT NULL, payload TEXT NOT NULL, grant_id TEXT, uid TEXT, user_code TEXT, expires INTEGER, PRIMARY KEY (kind, id)) WITHOUT ROWID;
  CREATE INDEX model_grant ON model (grant_id) WHERE grant_id IS NOT NULL;
  CREATE INDEX model_uid ON model (uid) WHERE uid IS NOT NULL;
  CREATE INDEX model_user_code ON model (user_code) WHERE user_code IS NOT NULL;`);
const upsert = db.prepare(`INSERT INTO model VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE
  SET payload = excluded.payload, grant_id = excluded.grant_id, uid = excluded.uid, user_code = excluded.user_code, expires = excluded.expires`);
const find = db.prepare('SELECT payload, expires FROM model WHERE kind = ? AND id = ?');
const findByUid = db.prepare('SELECT payload, expires FROM model WHERE uid = ? AND kind = ?');
const findByUserCode = db.prepare('SELECT payload, expires FROM model WHERE user_code = ? AND kind = ?');
const consume = db.prepare("UPDATE model SET payload = json_set(payload, '$.consumed', ?) WHERE kind = ? AND id = ?");
const destroy = db.prepare('DELETE FROM model WHERE kind = ? AND id = ?');
const revoke = db.prepare('DELETE FROM model WHERE grant_id = ?');

const now = () => Math.floor(Date.now() / 1000);
const live = (row) => (row && (row.expires === null || row.expires > now()) ? JSON.parse(row.payload) : undefined);

class SqliteAdapter {
  constructor(kind) { this.kind = kind; }

  async upsert(id, payload, expiresIn) {
    upsert.run(this.kind, id, JSON.stringify(payload), payload.grantId ?? null, payload.uid ?? null, payload.userCode ?? null, expiresIn ? now() + expiresIn : null);
  }

  async find(id) { return live(find.get(this.kind, id)); }

  async findByUid(uid) { return live(findByUid.get(uid, this.kind)); }

  async findByUserCode(code) { return live(findByUserCode.get(code, this.kind)); }

  async consume(id) { consume.run(now(), this.kind, id); }

  async destroy(id) { destroy.run(this.kind, id); }

  async revokeByGrantId(grantId) { revoke.run(grantId); }
}

const jwk = (type, options, alg) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig' });
const hour = 3600;
const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: SqliteAdapter,
  clients: [{
    client_id: 'bench', client_secret: secret, redirect_uris: ['https://client.example/cb'], response_types: ['code'],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  }],
  features: { clientCredentials: { enabled: true }, introspection: { enabled: true }, devInteractions: { enabled: false } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  jwks: { keys: [jwk('rsa', { modulusLength: 2048 }, 'RS256'), jwk('ec', { namedCurve: 'P-256' }, 'ES256')] },
  cookies: { keys: [secret] },
  scopes: ['openid', 'offline_access', 'read', 'write'],
  rotateRefreshToken: true,
  ttl: { AccessToken: 10 * hour, ClientCredentials: 10 * hour, RefreshToken: 24 * hour, Grant: 24 * hour, IdToken: hour },
});
provider.on('server_error', (_, error) => console.error(error));

provider.use(async (ctx, next) => {
  if (ctx.path !== '/bench/tokens') return next();
  const client = await provider.Client.find('bench');
  const made = { access: [], refresh: [] };
  for (let n = 0; n < Number(ctx.query.count); n++) {
    const accountId = `${1001 + n}`;
    const grant = new provider.Grant({ accountId, clientId: 'bench' });
    grant.addOIDCScope('openid offline_access read');
    const all = { accountId, client, grantId: await grant.save(), gty: 'authorization_code', claims: {} };
    made.access.push(await new provider.AccessToken({ ...all, scope: 'openid read' }).save());
    // Without openid, so that a refresh signs no ID token.
    made.refresh.push(await new provider.RefreshToken({ ...all, scope: 'read' }).save());
  }
  ctx.body = made;
});
provider.listen(Number(port), '127.0.0.1');
