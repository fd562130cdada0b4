CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 0001

CREATE TABLE api_keys (
    id BIGSERIAL NOT NULL, 
    name VARCHAR(300) NOT NULL, 
    key_hash VARCHAR(64) NOT NULL, 
    scopes VARCHAR(100) NOT NULL, 
    created_at VARCHAR(32) NOT NULL, 
    last_used_at VARCHAR(32), 
    revoked_at VARCHAR(32), 
    CONSTRAINT pk_api_keys PRIMARY KEY (id), 
    CONSTRAINT uq_api_keys_key_hash UNIQUE (key_hash)
);

CREATE TABLE audit_trail (
    id BIGSERIAL NOT NULL, 
    timestamp VARCHAR(32) NOT NULL, 
    ticket_id VARCHAR(64), 
    pipeline VARCHAR(300), 
    run_id VARCHAR(300), 
    action VARCHAR(100) NOT NULL, 
    user_name VARCHAR(300), 
    user_empid VARCHAR(300), 
    time_taken_seconds INTEGER, 
    mttr_minutes FLOAT, 
    sla_status VARCHAR(32), 
    rca_summary VARCHAR(200), 
    finops_team VARCHAR(300), 
    finops_owner VARCHAR(300), 
    details TEXT, 
    itsm_ticket_id VARCHAR(100), 
    event VARCHAR(32), 
    ticket_version INTEGER, 
    CONSTRAINT pk_audit_trail PRIMARY KEY (id)
);

CREATE INDEX ix_audit_trail_action ON audit_trail (action, id);

CREATE INDEX ix_audit_trail_ticket ON audit_trail (ticket_id, id);

CREATE TABLE feedback (
    id BIGSERIAL NOT NULL, 
    time VARCHAR(32) NOT NULL, 
    ticket_id VARCHAR(64) NOT NULL, 
    user_name VARCHAR(300) NOT NULL, 
    correct BOOLEAN NOT NULL, 
    said_category VARCHAR(32) NOT NULL, 
    true_category VARCHAR(32), 
    true_error_type VARCHAR(300), 
    note VARCHAR(2000), 
    CONSTRAINT pk_feedback PRIMARY KEY (id)
);

CREATE INDEX ix_feedback_ticket_id ON feedback (ticket_id);

CREATE TABLE holds (
    kind VARCHAR(32) NOT NULL, 
    until VARCHAR(32) NOT NULL, 
    reason VARCHAR(500) NOT NULL, 
    faults INTEGER NOT NULL, 
    CONSTRAINT pk_holds PRIMARY KEY (kind)
);

CREATE TABLE inbound (
    id BIGSERIAL NOT NULL, 
    time VARCHAR(32) NOT NULL, 
    door VARCHAR(64) NOT NULL, 
    outcome VARCHAR(32) NOT NULL, 
    reason VARCHAR(500), 
    size INTEGER NOT NULL, 
    digest VARCHAR(64) NOT NULL, 
    ticket_id VARCHAR(64), 
    CONSTRAINT pk_inbound PRIMARY KEY (id)
);

CREATE TABLE marks (
    name VARCHAR(200) NOT NULL, 
    value TEXT NOT NULL, 
    until VARCHAR(32), 
    CONSTRAINT pk_marks PRIMARY KEY (name)
);

CREATE TABLE payloads (
    ticket_id VARCHAR(64) NOT NULL, 
    body BYTEA NOT NULL, 
    compressed BOOLEAN NOT NULL, 
    CONSTRAINT pk_payloads PRIMARY KEY (ticket_id)
);

CREATE TABLE tickets (
    id VARCHAR(64) NOT NULL, 
    timestamp VARCHAR(32) NOT NULL, 
    pipeline VARCHAR(300) NOT NULL, 
    run_id VARCHAR(300), 
    rca_result TEXT NOT NULL, 
    recommendations TEXT NOT NULL, 
    confidence VARCHAR(32) NOT NULL, 
    severity VARCHAR(32) NOT NULL, 
    priority VARCHAR(32) NOT NULL, 
    error_type VARCHAR(300), 
    affected_entity VARCHAR(1000), 
    status VARCHAR(32) NOT NULL, 
    ack_user VARCHAR(300), 
    ack_empid VARCHAR(300), 
    ack_ts VARCHAR(32), 
    ack_seconds INTEGER, 
    sla_seconds INTEGER NOT NULL, 
    sla_status VARCHAR(32) NOT NULL, 
    slack_ts VARCHAR(64), 
    slack_channel VARCHAR(64), 
    finops_team VARCHAR(300), 
    finops_owner VARCHAR(300), 
    finops_cost_center VARCHAR(300), 
    blob_log_url VARCHAR(2000), 
    itsm_ticket_id VARCHAR(100), 
    logic_app_run_id VARCHAR(300), 
    processing_mode VARCHAR(32) NOT NULL, 
    source VARCHAR(32) NOT NULL, 
    category VARCHAR(32) NOT NULL, 
    error_message TEXT NOT NULL, 
    error_code VARCHAR(300), 
    activity VARCHAR(300), 
    run_url VARCHAR(2000), 
    rca_source VARCHAR(300) NOT NULL, 
    auto_heal_possible BOOLEAN NOT NULL, 
    retryable BOOLEAN NOT NULL, 
    responder VARCHAR(32) NOT NULL, 
    evidence TEXT NOT NULL, 
    failure TEXT NOT NULL, 
    fingerprint VARCHAR(64) NOT NULL, 
    seen_count INTEGER NOT NULL, 
    caused_by VARCHAR(64), 
    run_group VARCHAR(300), 
    parent_run_id VARCHAR(300), 
    version INTEGER NOT NULL, 
    sla_due_at VARCHAR(32) NOT NULL, 
    sla_warned_at VARCHAR(32), 
    told_at VARCHAR(32), 
    jira_live BOOLEAN NOT NULL, 
    jira_issue_id VARCHAR(64), 
    jira_updated_at VARCHAR(32), 
    status_by VARCHAR(32), 
    CONSTRAINT pk_tickets PRIMARY KEY (id)
);

CREATE INDEX ix_tickets_fingerprint ON tickets (fingerprint, timestamp);

CREATE INDEX ix_tickets_itsm ON tickets (itsm_ticket_id) WHERE itsm_ticket_id IS NOT NULL;

CREATE INDEX ix_tickets_jira_issue ON tickets (jira_issue_id) WHERE jira_issue_id IS NOT NULL;

CREATE INDEX ix_tickets_sla ON tickets (sla_status, sla_due_at);

CREATE INDEX ix_tickets_status_timestamp ON tickets (status, timestamp, id);

CREATE INDEX ix_tickets_timestamp ON tickets (timestamp, id);

CREATE INDEX ix_tickets_caused_by ON tickets (caused_by) WHERE caused_by IS NOT NULL;

CREATE INDEX ix_tickets_parent_run ON tickets (parent_run_id) WHERE parent_run_id IS NOT NULL;

CREATE INDEX ix_tickets_run_group ON tickets (run_group) WHERE run_group IS NOT NULL;

CREATE UNIQUE INDEX ux_tickets_run_id ON tickets (run_id) WHERE run_id IS NOT NULL;

CREATE TABLE todos (
    ticket_id VARCHAR(64) NOT NULL, 
    kind VARCHAR(32) NOT NULL, 
    rank INTEGER NOT NULL, 
    created_at VARCHAR(32) NOT NULL, 
    wanted_version INTEGER NOT NULL, 
    done_version INTEGER NOT NULL, 
    attempts INTEGER NOT NULL, 
    next_try_at VARCHAR(32) NOT NULL, 
    leased_until VARCHAR(32) NOT NULL, 
    claim VARCHAR(36), 
    in_doubt BOOLEAN NOT NULL, 
    doubt_since VARCHAR(32), 
    receipt TEXT, 
    last_error TEXT, 
    stopped_at VARCHAR(32), 
    CONSTRAINT pk_todos PRIMARY KEY (ticket_id, kind)
);

CREATE INDEX ix_todos_due ON todos (kind, rank, created_at) WHERE wanted_version > done_version AND stopped_at IS NULL;

CREATE TABLE users (
    id BIGSERIAL NOT NULL, 
    email VARCHAR(254) NOT NULL, 
    password_hash VARCHAR(100), 
    full_name VARCHAR(300), 
    created_at VARCHAR(32) NOT NULL, 
    last_login VARCHAR(32), 
    role VARCHAR(32) NOT NULL, 
    disabled BOOLEAN NOT NULL, 
    token_version INTEGER NOT NULL, 
    CONSTRAINT pk_users PRIMARY KEY (id), 
    CONSTRAINT uq_users_email UNIQUE (email)
);

INSERT INTO alembic_version (version_num) VALUES ('0001') RETURNING alembic_version.version_num;

-- Running upgrade 0001 -> 0002

ALTER TABLE todos ADD COLUMN traceparent VARCHAR(64);

UPDATE alembic_version SET version_num='0002' WHERE alembic_version.version_num = '0001';

-- Running upgrade 0002 -> 0003

ALTER TABLE api_keys ADD COLUMN expires_at VARCHAR(32);

ALTER TABLE users ADD COLUMN sign_on_subject VARCHAR(64);

CREATE TABLE invitations (
    id BIGSERIAL NOT NULL, 
    email VARCHAR(254) NOT NULL, 
    role VARCHAR(32) NOT NULL, 
    code_hash VARCHAR(64) NOT NULL, 
    invited_by VARCHAR(300) NOT NULL, 
    created_at VARCHAR(32) NOT NULL, 
    expires_at VARCHAR(32) NOT NULL, 
    used_at VARCHAR(32), 
    CONSTRAINT pk_invitations PRIMARY KEY (id), 
    CONSTRAINT uq_invitations_code_hash UNIQUE (code_hash)
);

CREATE TABLE verifications (
    id BIGSERIAL NOT NULL, 
    email VARCHAR(254) NOT NULL, 
    code_hash VARCHAR(64) NOT NULL, 
    password_hash VARCHAR(100) NOT NULL, 
    full_name VARCHAR(300), 
    created_at VARCHAR(32) NOT NULL, 
    expires_at VARCHAR(32) NOT NULL, 
    CONSTRAINT pk_verifications PRIMARY KEY (id)
);

CREATE INDEX ix_verifications_email ON verifications (email);

CREATE TABLE attempts (
    name VARCHAR(100) NOT NULL, 
    count INTEGER NOT NULL, 
    until VARCHAR(32) NOT NULL, 
    CONSTRAINT pk_attempts PRIMARY KEY (name)
);

CREATE INDEX ix_attempts_until ON attempts (until);

UPDATE alembic_version SET version_num='0003' WHERE alembic_version.version_num = '0002';

-- Running upgrade 0003 -> 0004

CREATE INDEX ix_tickets_pipeline ON tickets (status, pipeline, timestamp DESC, id DESC);

DROP INDEX ix_tickets_status_timestamp;

CREATE INDEX ix_tickets_status_timestamp ON tickets (status, timestamp, id, finops_team, category, severity, priority, source, caused_by);

CREATE INDEX ix_tickets_team ON tickets (status, finops_team, timestamp, id, category, severity, priority, source, caused_by);

CREATE INDEX ix_tickets_category ON tickets (status, category, timestamp, id, finops_team, severity, priority, source, caused_by, sla_status, ack_seconds);

CREATE INDEX ix_tickets_urgency ON tickets (status, (CASE WHEN sla_status = 'Breached' THEN 0 ELSE 1 END), sla_due_at, priority, id);

CREATE INDEX ix_tickets_closed ON tickets (status, (coalesce(ack_ts, '')), id);

CREATE INDEX ix_tickets_severity ON tickets (status, (CASE severity WHEN 'Critical' THEN 0 WHEN 'High' THEN 1 WHEN 'Medium' THEN 2 WHEN 'Low' THEN 3 ELSE 4 END), timestamp DESC, id DESC);

CREATE TABLE search_due (
    number BIGSERIAL NOT NULL, 
    ticket_id VARCHAR(64), 
    line_id BIGINT, 
    CONSTRAINT pk_search_due PRIMARY KEY (number)
);

CREATE TABLE ticket_words (
    number BIGSERIAL NOT NULL, 
    ticket_id VARCHAR(64) NOT NULL, 
    words TEXT NOT NULL, 
    CONSTRAINT pk_ticket_words PRIMARY KEY (number), 
    CONSTRAINT uq_ticket_words_ticket_id UNIQUE (ticket_id)
);

CREATE TABLE line_words (
    number BIGINT NOT NULL, 
    words TEXT NOT NULL, 
    CONSTRAINT pk_line_words PRIMARY KEY (number)
);

CREATE FUNCTION tickets_touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO search_due (ticket_id) SELECT id FROM touched; RETURN NULL; END $$;

CREATE TRIGGER tickets_insert AFTER INSERT ON tickets REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION tickets_touched();

CREATE TRIGGER tickets_delete AFTER DELETE ON tickets REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION tickets_touched();

CREATE FUNCTION audit_trail_touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO search_due (line_id) SELECT id FROM touched; RETURN NULL; END $$;

CREATE TRIGGER audit_trail_insert AFTER INSERT ON audit_trail REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION audit_trail_touched();

CREATE TRIGGER audit_trail_delete AFTER DELETE ON audit_trail REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION audit_trail_touched();

CREATE FUNCTION tickets_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO search_due (ticket_id) VALUES (NEW.id); RETURN NULL; END $$;

CREATE TRIGGER tickets_update AFTER UPDATE OF run_id, pipeline, itsm_ticket_id, error_type, affected_entity, finops_team, rca_result ON tickets FOR EACH ROW WHEN (OLD.run_id IS DISTINCT FROM NEW.run_id OR OLD.pipeline IS DISTINCT FROM NEW.pipeline OR OLD.itsm_ticket_id IS DISTINCT FROM NEW.itsm_ticket_id OR OLD.error_type IS DISTINCT FROM NEW.error_type OR OLD.affected_entity IS DISTINCT FROM NEW.affected_entity OR OLD.finops_team IS DISTINCT FROM NEW.finops_team OR OLD.rca_result IS DISTINCT FROM NEW.rca_result) EXECUTE FUNCTION tickets_changed();

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE INDEX ix_ticket_words_words ON ticket_words USING gin (words gin_trgm_ops);

CREATE INDEX ix_line_words_words ON line_words USING gin (words gin_trgm_ops);

INSERT INTO search_due (line_id) SELECT id FROM audit_trail ORDER BY id;

INSERT INTO search_due (ticket_id) SELECT id FROM tickets ORDER BY timestamp, id;

UPDATE alembic_version SET version_num='0004' WHERE alembic_version.version_num = '0003';

