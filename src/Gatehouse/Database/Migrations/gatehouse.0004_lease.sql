-- What one process does for all that share this database, such as sweeping: who, and until when nobody else may. Microseconds since 1970.
CREATE TABLE gatehouse_lease (name text PRIMARY KEY, holder text NOT NULL, expires integer NOT NULL);
