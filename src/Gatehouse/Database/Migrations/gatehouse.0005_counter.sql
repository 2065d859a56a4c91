-- What has happened lately, for the plots of the admin site: how often, in buckets of several widths. Seconds since 1970.
CREATE TABLE gatehouse_counter (seconds integer NOT NULL, start integer NOT NULL, name text NOT NULL, count integer NOT NULL, expires integer NOT NULL, PRIMARY KEY (seconds, start, name));
CREATE INDEX gatehouse_counter_expires ON gatehouse_counter (expires);
