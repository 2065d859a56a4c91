-- Who did what from where. A row is written with what it tells of, and never changed, save that it is sealed once: it gets its place in the chain,
-- the hash of the row before it, and its own. Microseconds since 1970.
CREATE TABLE gatehouse_audit (id integer PRIMARY KEY, at integer NOT NULL, event text NOT NULL, user_id text NOT NULL, username text NOT NULL, about text NOT NULL, client text NOT NULL, address text NOT NULL, detail text NOT NULL, position integer NULL, previous text NULL, hash text NULL);
CREATE UNIQUE INDEX gatehouse_audit_position ON gatehouse_audit (position);
CREATE INDEX gatehouse_audit_at ON gatehouse_audit (at);
