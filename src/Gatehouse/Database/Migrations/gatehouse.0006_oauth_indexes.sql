-- What a deleted application leaves is found by its name, however much others have there.
CREATE INDEX gatehouse_oauth_used_code_application ON gatehouse_oauth_used_code (application_id);
CREATE INDEX gatehouse_oauth_pushed_request_client ON gatehouse_oauth_pushed_request (client_id);
