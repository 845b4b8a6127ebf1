CREATE TABLE web_session (
    token varchar(64) PRIMARY KEY,
    payload json NOT NULL,
    ends_at datetime(6) NOT NULL,
    kind enum('guest', 'customer', 'staff') NOT NULL,
    userId integer unsigned,
    created_at timestamp(6) NULL,
    user_agent text
);
CREATE TABLE blob_session (
    token char(64) PRIMARY KEY,
    payload longblob NOT NULL,
    ends_at timestamp NOT NULL,
    `type` varchar(20)
);
