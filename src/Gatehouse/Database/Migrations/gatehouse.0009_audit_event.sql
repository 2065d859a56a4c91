-- The rows of one event, save those that there are most of: these are found soon without, and written at every refresh.
CREATE INDEX gatehouse_audit_event ON gatehouse_audit (event, at) WHERE event NOT IN ('token_issued', 'token_refreshed');
