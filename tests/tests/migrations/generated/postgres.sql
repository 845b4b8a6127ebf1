CREATE SCHEMA shop;
CREATE TYPE shop.kind AS ENUM ('guest', 'customer', 'staff');
CREATE TABLE shop.web_session (
    token varchar(64) PRIMARY KEY,
    payload jsonb NOT NULL,
    ends_at timestamptz NOT NULL,
    kind shop.kind NOT NULL,
    "userId" integer,
    created_at timestamp,
    user_agent text
);
CREATE TABLE shop.blob_session (
    token char(64) PRIMARY KEY,
    payload bytea NOT NULL,
    ends_at timestamp NOT NULL,
    "type" varchar(20)
);
