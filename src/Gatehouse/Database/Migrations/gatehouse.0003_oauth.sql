-- What an authorization code gave, so that its second use ends it (RFC 6749 §4.1.2). Codes are kept as SHA-256. Times are microseconds since 1970.
CREATE TABLE gatehouse_oauth_used_code (code_checksum text PRIMARY KEY, application_id integer NOT NULL, token_checksum text NOT NULL, token_family text NULL, expires integer NOT NULL);
CREATE INDEX gatehouse_oauth_used_code_expires ON gatehouse_oauth_used_code (expires);
-- Client assertions that were used (RFC 7523 §3).
CREATE TABLE gatehouse_oauth_assertion (client_id text NOT NULL, jti text NOT NULL, expires integer NOT NULL, PRIMARY KEY (client_id, jti));
CREATE INDEX gatehouse_oauth_assertion_expires ON gatehouse_oauth_assertion (expires);
-- Pushed authorization requests that wait for their user (RFC 9126): the parameters as JSON, and whether a browser has brought it yet.
CREATE TABLE gatehouse_oauth_pushed_request (request_uri text PRIMARY KEY, client_id text NOT NULL, parameters text NOT NULL, expires integer NOT NULL, started bool NOT NULL);
CREATE INDEX gatehouse_oauth_pushed_request_expires ON gatehouse_oauth_pushed_request (expires);
-- What an application needs that Django's table has no column for: how its client authenticates, and its public keys.
CREATE TABLE gatehouse_oauth_client (application_id integer PRIMARY KEY, auth_method text NOT NULL, jwks text NOT NULL, jwks_uri text NOT NULL);
