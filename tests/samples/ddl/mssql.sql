CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

GO

-- Running upgrade  -> 0001

CREATE TABLE api_keys (
    id BIGINT NOT NULL IDENTITY, 
    name NVARCHAR(300) NOT NULL, 
    key_hash NVARCHAR(64) NOT NULL, 
    scopes NVARCHAR(100) NOT NULL, 
    created_at NVARCHAR(32) NOT NULL, 
    last_used_at NVARCHAR(32) NULL, 
    revoked_at NVARCHAR(32) NULL, 
    CONSTRAINT pk_api_keys PRIMARY KEY (id), 
    CONSTRAINT uq_api_keys_key_hash UNIQUE (key_hash)
);

GO

CREATE TABLE audit_trail (
    id BIGINT NOT NULL IDENTITY, 
    timestamp NVARCHAR(32) NOT NULL, 
    ticket_id NVARCHAR(64) NULL, 
    pipeline NVARCHAR(300) NULL, 
    run_id NVARCHAR(300) COLLATE Latin1_General_100_BIN2 NULL, 
    action NVARCHAR(100) NOT NULL, 
    user_name NVARCHAR(300) NULL, 
    user_empid NVARCHAR(300) NULL, 
    time_taken_seconds INTEGER NULL, 
    mttr_minutes FLOAT NULL, 
    sla_status NVARCHAR(32) NULL, 
    rca_summary NVARCHAR(200) NULL, 
    finops_team NVARCHAR(300) NULL, 
    finops_owner NVARCHAR(300) NULL, 
    details NVARCHAR(max) NULL, 
    itsm_ticket_id NVARCHAR(100) NULL, 
    event NVARCHAR(32) NULL, 
    ticket_version INTEGER NULL, 
    CONSTRAINT pk_audit_trail PRIMARY KEY (id)
);

GO

CREATE INDEX ix_audit_trail_action ON audit_trail (action, id);

GO

CREATE INDEX ix_audit_trail_ticket ON audit_trail (ticket_id, id);

GO

CREATE TABLE feedback (
    id BIGINT NOT NULL IDENTITY, 
    time NVARCHAR(32) NOT NULL, 
    ticket_id NVARCHAR(64) NOT NULL, 
    user_name NVARCHAR(300) NOT NULL, 
    correct BIT NOT NULL, 
    said_category NVARCHAR(32) NOT NULL, 
    true_category NVARCHAR(32) NULL, 
    true_error_type NVARCHAR(300) NULL, 
    note NVARCHAR(2000) NULL, 
    CONSTRAINT pk_feedback PRIMARY KEY (id)
);

GO

CREATE INDEX ix_feedback_ticket_id ON feedback (ticket_id);

GO

CREATE TABLE holds (
    kind NVARCHAR(32) NOT NULL, 
    until NVARCHAR(32) NOT NULL, 
    reason NVARCHAR(500) NOT NULL, 
    faults INTEGER NOT NULL, 
    CONSTRAINT pk_holds PRIMARY KEY (kind)
);

GO

CREATE TABLE inbound (
    id BIGINT NOT NULL IDENTITY, 
    time NVARCHAR(32) NOT NULL, 
    door NVARCHAR(64) NOT NULL, 
    outcome NVARCHAR(32) NOT NULL, 
    reason NVARCHAR(500) NULL, 
    size INTEGER NOT NULL, 
    digest NVARCHAR(64) NOT NULL, 
    ticket_id NVARCHAR(64) NULL, 
    CONSTRAINT pk_inbound PRIMARY KEY (id)
);

GO

CREATE TABLE marks (
    name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    value NVARCHAR(max) NOT NULL, 
    until NVARCHAR(32) NULL, 
    CONSTRAINT pk_marks PRIMARY KEY (name)
);

GO

CREATE TABLE payloads (
    ticket_id NVARCHAR(64) NOT NULL, 
    body VARBINARY(max) NOT NULL, 
    compressed BIT NOT NULL, 
    CONSTRAINT pk_payloads PRIMARY KEY (ticket_id)
);

GO

CREATE TABLE tickets (
    id NVARCHAR(64) NOT NULL, 
    timestamp NVARCHAR(32) NOT NULL, 
    pipeline NVARCHAR(300) NOT NULL, 
    run_id NVARCHAR(300) COLLATE Latin1_General_100_BIN2 NULL, 
    rca_result NVARCHAR(max) NOT NULL, 
    recommendations NVARCHAR(max) NOT NULL, 
    confidence NVARCHAR(32) NOT NULL, 
    severity NVARCHAR(32) NOT NULL, 
    priority NVARCHAR(32) NOT NULL, 
    error_type NVARCHAR(300) NULL, 
    affected_entity NVARCHAR(1000) NULL, 
    status NVARCHAR(32) NOT NULL, 
    ack_user NVARCHAR(300) NULL, 
    ack_empid NVARCHAR(300) NULL, 
    ack_ts NVARCHAR(32) NULL, 
    ack_seconds INTEGER NULL, 
    sla_seconds INTEGER NOT NULL, 
    sla_status NVARCHAR(32) NOT NULL, 
    slack_ts NVARCHAR(64) NULL, 
    slack_channel NVARCHAR(64) NULL, 
    finops_team NVARCHAR(300) NULL, 
    finops_owner NVARCHAR(300) NULL, 
    finops_cost_center NVARCHAR(300) NULL, 
    blob_log_url NVARCHAR(2000) NULL, 
    itsm_ticket_id NVARCHAR(100) NULL, 
    logic_app_run_id NVARCHAR(300) NULL, 
    processing_mode NVARCHAR(32) NOT NULL, 
    source NVARCHAR(32) NOT NULL, 
    category NVARCHAR(32) NOT NULL, 
    error_message NVARCHAR(max) NOT NULL, 
    error_code NVARCHAR(300) NULL, 
    activity NVARCHAR(300) NULL, 
    run_url NVARCHAR(2000) NULL, 
    rca_source NVARCHAR(300) NOT NULL, 
    auto_heal_possible BIT NOT NULL, 
    retryable BIT NOT NULL, 
    responder NVARCHAR(32) NOT NULL, 
    evidence NVARCHAR(max) NOT NULL, 
    failure NVARCHAR(max) NOT NULL, 
    fingerprint NVARCHAR(64) NOT NULL, 
    seen_count INTEGER NOT NULL, 
    caused_by NVARCHAR(64) NULL, 
    run_group NVARCHAR(300) COLLATE Latin1_General_100_BIN2 NULL, 
    parent_run_id NVARCHAR(300) COLLATE Latin1_General_100_BIN2 NULL, 
    version INTEGER NOT NULL, 
    sla_due_at NVARCHAR(32) NOT NULL, 
    sla_warned_at NVARCHAR(32) NULL, 
    told_at NVARCHAR(32) NULL, 
    jira_live BIT NOT NULL, 
    jira_issue_id NVARCHAR(64) NULL, 
    jira_updated_at NVARCHAR(32) NULL, 
    status_by NVARCHAR(32) NULL, 
    CONSTRAINT pk_tickets PRIMARY KEY (id)
);

GO

CREATE INDEX ix_tickets_fingerprint ON tickets (fingerprint, timestamp);

GO

CREATE INDEX ix_tickets_itsm ON tickets (itsm_ticket_id) WHERE itsm_ticket_id IS NOT NULL;

GO

CREATE INDEX ix_tickets_jira_issue ON tickets (jira_issue_id) WHERE jira_issue_id IS NOT NULL;

GO

CREATE INDEX ix_tickets_sla ON tickets (sla_status, sla_due_at);

GO

CREATE INDEX ix_tickets_status_timestamp ON tickets (status, timestamp, id);

GO

CREATE INDEX ix_tickets_timestamp ON tickets (timestamp, id);

GO

CREATE INDEX ix_tickets_caused_by ON tickets (caused_by) WHERE caused_by IS NOT NULL;

GO

CREATE INDEX ix_tickets_parent_run ON tickets (parent_run_id) WHERE parent_run_id IS NOT NULL;

GO

CREATE INDEX ix_tickets_run_group ON tickets (run_group) WHERE run_group IS NOT NULL;

GO

CREATE UNIQUE INDEX ux_tickets_run_id ON tickets (run_id) WHERE run_id IS NOT NULL;

GO

CREATE TABLE todos (
    ticket_id NVARCHAR(64) NOT NULL, 
    kind NVARCHAR(32) NOT NULL, 
    rank INTEGER NOT NULL, 
    created_at NVARCHAR(32) NOT NULL, 
    wanted_version INTEGER NOT NULL, 
    done_version INTEGER NOT NULL, 
    attempts INTEGER NOT NULL, 
    next_try_at NVARCHAR(32) NOT NULL, 
    leased_until NVARCHAR(32) NOT NULL, 
    claim NVARCHAR(36) NULL, 
    in_doubt BIT NOT NULL, 
    doubt_since NVARCHAR(32) NULL, 
    receipt NVARCHAR(max) NULL, 
    last_error NVARCHAR(max) NULL, 
    stopped_at NVARCHAR(32) NULL, 
    CONSTRAINT pk_todos PRIMARY KEY (ticket_id, kind)
);

GO

CREATE INDEX ix_todos_due ON todos (kind, rank, created_at);

GO

CREATE TABLE users (
    id BIGINT NOT NULL IDENTITY, 
    email NVARCHAR(254) NOT NULL, 
    password_hash NVARCHAR(100) NULL, 
    full_name NVARCHAR(300) NULL, 
    created_at NVARCHAR(32) NOT NULL, 
    last_login NVARCHAR(32) NULL, 
    role NVARCHAR(32) NOT NULL, 
    disabled BIT NOT NULL, 
    token_version INTEGER NOT NULL, 
    CONSTRAINT pk_users PRIMARY KEY (id), 
    CONSTRAINT uq_users_email UNIQUE (email)
);

GO

INSERT INTO alembic_version (version_num) OUTPUT inserted.version_num VALUES ('0001');

GO

-- Running upgrade 0001 -> 0002

ALTER TABLE todos ADD traceparent NVARCHAR(64) NULL;

GO

UPDATE alembic_version SET version_num='0002' WHERE alembic_version.version_num = '0001';

GO

-- Running upgrade 0002 -> 0003

ALTER TABLE api_keys ADD expires_at NVARCHAR(32) NULL;

GO

ALTER TABLE users ADD sign_on_subject NVARCHAR(64) NULL;

GO

CREATE TABLE invitations (
    id BIGINT NOT NULL IDENTITY, 
    email NVARCHAR(254) NOT NULL, 
    role NVARCHAR(32) NOT NULL, 
    code_hash NVARCHAR(64) NOT NULL, 
    invited_by NVARCHAR(300) NOT NULL, 
    created_at NVARCHAR(32) NOT NULL, 
    expires_at NVARCHAR(32) NOT NULL, 
    used_at NVARCHAR(32) NULL, 
    CONSTRAINT pk_invitations PRIMARY KEY (id), 
    CONSTRAINT uq_invitations_code_hash UNIQUE (code_hash)
);

GO

CREATE TABLE verifications (
    id BIGINT NOT NULL IDENTITY, 
    email NVARCHAR(254) NOT NULL, 
    code_hash NVARCHAR(64) NOT NULL, 
    password_hash NVARCHAR(100) NOT NULL, 
    full_name NVARCHAR(300) NULL, 
    created_at NVARCHAR(32) NOT NULL, 
    expires_at NVARCHAR(32) NOT NULL, 
    CONSTRAINT pk_verifications PRIMARY KEY (id)
);

GO

CREATE INDEX ix_verifications_email ON verifications (email);

GO

CREATE TABLE attempts (
    name NVARCHAR(100) NOT NULL, 
    count INTEGER NOT NULL, 
    until NVARCHAR(32) NOT NULL, 
    CONSTRAINT pk_attempts PRIMARY KEY (name)
);

GO

CREATE INDEX ix_attempts_until ON attempts (until);

GO

UPDATE alembic_version SET version_num='0003' WHERE alembic_version.version_num = '0002';

GO

-- Running upgrade 0003 -> 0004

CREATE INDEX ix_tickets_pipeline ON tickets (status, pipeline, timestamp DESC, id DESC);

GO

DROP INDEX ix_tickets_status_timestamp ON tickets;

GO

CREATE INDEX ix_tickets_status_timestamp ON tickets (status, timestamp, id, finops_team, category, severity, priority, source, caused_by);

GO

CREATE INDEX ix_tickets_team ON tickets (status, finops_team, timestamp, id, category, severity, priority, source, caused_by);

GO

CREATE INDEX ix_tickets_category ON tickets (status, category, timestamp, id, finops_team, severity, priority, source, caused_by, sla_status, ack_seconds);

GO

UPDATE alembic_version SET version_num='0004' WHERE alembic_version.version_num = '0003';

GO

