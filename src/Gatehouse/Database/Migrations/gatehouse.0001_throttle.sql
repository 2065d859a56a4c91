-- When each throttled caller came, so that limits hold over restarts and processes. Times are microseconds since 1970.
CREATE TABLE gatehouse_throttle (id integer PRIMARY KEY, key text NOT NULL, at integer NOT NULL, expires integer NOT NULL);
CREATE INDEX gatehouse_throttle_key_at ON gatehouse_throttle (key, at);
CREATE INDEX gatehouse_throttle_expires ON gatehouse_throttle (expires);
