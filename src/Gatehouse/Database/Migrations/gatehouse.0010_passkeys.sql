-- Passkeys, by their credential id in base64url. Users by their key as text. The public key is no secret.
CREATE TABLE gatehouse_passkey (id integer PRIMARY KEY, credential_id text NOT NULL, user_id text NOT NULL, public_key text NOT NULL, sign_count bigint NOT NULL, transports text NOT NULL, backup_eligible bool NOT NULL, backed_up bool NOT NULL, user_verified bool NOT NULL, name text NOT NULL, created datetime NOT NULL, last_used datetime NULL);
CREATE UNIQUE INDEX gatehouse_passkey_credential ON gatehouse_passkey (credential_id);
CREATE INDEX gatehouse_passkey_user ON gatehouse_passkey (user_id);
-- Challenges that were answered, as checksums, until they would be too old anyway: each is answered once.
CREATE TABLE gatehouse_passkey_challenge (checksum text PRIMARY KEY, used datetime NOT NULL);
CREATE INDEX gatehouse_passkey_challenge_used ON gatehouse_passkey_challenge (used);
