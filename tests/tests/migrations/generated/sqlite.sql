CREATE TABLE web_session (
    token text PRIMARY KEY NOT NULL,
    payload json_text NOT NULL,
    ends_at timestamp NOT NULL,
    kind varchar(20) NOT NULL,
    userId integer,
    created_at datetime,
    user_agent text
);
CREATE TABLE blob_session (
    token text PRIMARY KEY NOT NULL,
    payload blob NOT NULL,
    ends_at timestamp NOT NULL,
    "type" varchar(20)
);
