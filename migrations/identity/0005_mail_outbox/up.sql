-- Mail that waits to be sent: queued in the transaction of what it tells of, sent by background work, then
-- forgotten. It says what a mail is about, not its text: no row holds a code.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

CREATE TABLE mail_outbox (
    id UUID PRIMARY KEY,
    kind TEXT NOT NULL,
    recipient VARCHAR(255) NOT NULL,
    about UUID NOT NULL,
    parameters JSONB NOT NULL DEFAULT '{}'::jsonb,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TIMESTAMP WITH TIME ZONE NOT NULL
);
CREATE INDEX idx_mail_outbox_next_attempt_at ON mail_outbox (next_attempt_at);
CREATE INDEX idx_mail_outbox_about ON mail_outbox (about);

-- Requests put mail in and see none of it.
ALTER TABLE mail_outbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY mail_outbox_queue_policy ON mail_outbox FOR INSERT TO application_role WITH CHECK (TRUE);
CREATE POLICY mail_outbox_worker_policy ON mail_outbox FOR ALL TO identity_worker USING (TRUE);
GRANT INSERT ON mail_outbox TO identity_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON mail_outbox TO identity_worker;
