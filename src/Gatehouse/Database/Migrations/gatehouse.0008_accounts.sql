-- Failed logins, by account, network and known device: how long the next has to wait. Times are microseconds since 1970.
CREATE TABLE gatehouse_login_failure (key text PRIMARY KEY, failures integer NOT NULL, wait bigint NOT NULL, until bigint NOT NULL, last bigint NOT NULL);
CREATE INDEX gatehouse_login_failure_last ON gatehouse_login_failure (last);
-- Users by their key as text, which may be a number or a UUID.
-- Second factors: an authenticator app's secret, encrypted, with the last step whose code was used; recovery codes as checksums.
CREATE TABLE gatehouse_totp (user_id text PRIMARY KEY, secret text NOT NULL, last_step bigint NOT NULL, created datetime NOT NULL);
CREATE TABLE gatehouse_recovery_code (user_id text NOT NULL, checksum text NOT NULL, PRIMARY KEY (user_id, checksum));
-- Addresses whose owner has opened a link that was mailed there.
CREATE TABLE gatehouse_verified_email (user_id text PRIMARY KEY, email text NOT NULL, verified datetime NOT NULL);
-- What a session's user may want to know of it, beside django_session, which says it of nobody.
CREATE TABLE gatehouse_session (session_key text PRIMARY KEY, user_id text NOT NULL, user_agent text NOT NULL, address text NOT NULL, created datetime NOT NULL, last_seen datetime NOT NULL);
CREATE INDEX gatehouse_session_user ON gatehouse_session (user_id);
CREATE INDEX gatehouse_session_last_seen ON gatehouse_session (last_seen);
