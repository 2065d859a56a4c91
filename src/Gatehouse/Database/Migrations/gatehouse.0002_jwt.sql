-- Which refresh token came of which, while retries are allowed or reuse ends the family. A family is named by its first token's jti. The
-- rows without a successor are its live ends: one, whatever the family's size. Times are microseconds since 1970.
CREATE TABLE gatehouse_jwt_rotation (jti text PRIMARY KEY, family text NOT NULL, successor text NULL, rotated integer NULL, expires integer NOT NULL);
CREATE INDEX gatehouse_jwt_rotation_live ON gatehouse_jwt_rotation (family) WHERE successor IS NULL;
CREATE INDEX gatehouse_jwt_rotation_expires ON gatehouse_jwt_rotation (expires);
