SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;

DROP FUNCTION gather_projects, trim_change_log;
DROP FUNCTION project_of_webhook_delivery, project_of_webhook;
DROP TABLE webhook_deliveries, webhook_messages, webhook_states, webhooks;
DROP FUNCTION reset_webhook_state, add_webhook_state;
DROP TABLE maintenance_runs, table_sizes, idempotency_keys, change_log_horizon, change_log, feed_positions,
    access_revisions, notification_preferences, notifications, inboxes, subscriptions, mail_outbox, invitations,
    ownership_transfers, project_members, projects;
DROP FUNCTION erase_invitee, delete_invitation_email, queue_invitation_email, add_invited_member,
    count_invitation_emails, check_one_owner, withdraw_transfers_to_former_member, transfer_ownership, lock_ownership,
    set_owner, add_owner_as_member, end_subscriptions_of_former_member, notifications_lock_key, count_chosen_subscriptions,
    may_read, lock_access_revision, is_member, increment_access_revision, assign_project_key,
    project_keys_lock_key, project_key_prefix, maintenance_status, record_change, audit_trigger_function,
    current_user_id;
DROP TYPE notification_kind, subscription_reason, webhook_delivery_status, webhook_pause_reason, webhook_status, offer_status,
    project_role, project_visibility, project_status;
-- The roles stay: they belong to the cluster, and other databases may use them.
REVOKE USAGE ON SCHEMA project FROM project_service, project_worker;
