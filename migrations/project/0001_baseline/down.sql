SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;

DROP FUNCTION trim_change_log;
DROP TABLE maintenance_runs, table_sizes, idempotency_keys, change_log_horizon, change_log, access_revisions,
    mail_outbox, invitations, ownership_transfers, project_members, projects;
DROP FUNCTION forget_invitation_mail, queue_invitation_mail, let_invited_in, check_one_owner,
    withdraw_offers_to_former_member, hand_over_project, make_owner_member, hold_access_revision, is_member,
    bump_access_revision, maintenance_standing, record_change, audit_trigger_function, current_user_id;
DROP TYPE offer_status, project_role, project_visibility, project_status;
-- The roles stay: they belong to the cluster, and other databases may use them.
REVOKE USAGE ON SCHEMA project FROM project_service, project_worker;
