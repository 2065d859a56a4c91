-- What is not sealed yet, by age, in an index of its own: PostgreSQL would sort all of it for each batch.
DROP INDEX gatehouse_audit_position;
CREATE UNIQUE INDEX gatehouse_audit_position ON gatehouse_audit (position) WHERE position IS NOT NULL;
CREATE INDEX gatehouse_audit_unsealed ON gatehouse_audit (id) WHERE position IS NULL;
