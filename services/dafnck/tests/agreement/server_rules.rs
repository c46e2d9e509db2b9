//! Rules of the server that annotations do not have, and why.

use serde_json::{Value, json};

/// A rule of the server alone.
pub struct ServerRule {
    /// A part of the description of its violations, or the reason of its error.
    pub description: &'static str,
    /// Why it is no annotation.
    pub reason: &'static str,
    /// The method and the request that breaks this rule alone.
    pub example: (&'static str, fn() -> Value),
    /// Whether it is about requests with an update mask only.
    pub is_about_masks: bool,
}

const ID: &str = "018f3a5c-7d2e-7abc-8def-0123456789ab";
const PASSWORDS: &str = "a list of words, and the account's own data";
const TOKENS: &str = "tokens are opaque to clients, who return what they got";
const NOW: &str = "relative to the server's clock at the time of the call";
const JSON: &str = "the size, depth and texts of a JSON object, which CEL cannot compute";
const CONTRADICTIONS: &str = "a filter that nothing can match; each field is valid by itself";

const CLEARED: &str = "the mask clears a field that must not be empty";
/// Descriptions of times and durations that are none by the rules of their own protos. No library makes such, so there is no
/// example; all fields of these types are tried with some.
const OUT_OF_RANGE: [&str; 2] =
    ["must be a time between the years 1 and 9999", "must be a duration of at most"];

const REGISTER: &str = "identity.v1.AuthService/Register";
const LIST_TASKS: &str = "task.v1.TaskService/ListTasks";
const CREATE_TASK: &str = "task.v1.TaskService/CreateTask";

const fn rule(
    description: &'static str,
    reason: &'static str,
    method: &'static str,
    request: fn() -> Value,
) -> ServerRule {
    ServerRule { description, reason, example: (method, request), is_about_masks: false }
}

const fn mask_rule(
    description: &'static str,
    reason: &'static str,
    method: &'static str,
    request: fn() -> Value,
) -> ServerRule {
    ServerRule { is_about_masks: true, ..rule(description, reason, method, request) }
}

/// All of them.
pub const SERVER_RULES: [ServerRule; 35] = [
    rule(
        "must be an email address",
        "the domain may be in any script and is converted by UTS 46; annotations check the length and '@'",
        "identity.v1.AuthService/BeginSignUp",
        || json!({"email": "olga@example"}),
    ),
    rule(
        "is one of the most common passwords",
        PASSWORDS,
        REGISTER,
        || json!({"email": "eve@example.org", "username": "eve", "password": "1234567890"}),
    ),
    rule(
        "must not be made of the account's own name or address",
        PASSWORDS,
        REGISTER,
        || json!({"email": "olga@example.org", "username": "olga.example", "password": "olga.example"}),
    ),
    rule(
        "must have a word to search for",
        "what a word is depends on the database's text search",
        "task.v1.TaskService/SearchTasks",
        || json!({"query": "..."}),
    ),
    rule("PAGE_TOKEN_INVALID", TOKENS, LIST_TASKS, || json!({"page_token": "x"})),
    rule(
        "RESUME_TOKEN_INVALID",
        TOKENS,
        "task.v1.TaskService/WatchTasks",
        || json!({"resume_token": "x", "project_id": ID}),
    ),
    rule(
        "must be the token of an invitation",
        TOKENS,
        "project.v1.MemberService/DeclineInvitation",
        || json!({"token": "x"}),
    ),
    rule(
        "must be a cursor from an earlier answer",
        TOKENS,
        "task.backend.v1.TaskLookupService/WatchDeletedTasks",
        || json!({"cursor": "x"}),
    ),
    rule(
        "must be a recovery code",
        TOKENS,
        "identity.v1.AuthService/CompleteLogin",
        || json!({"challenge_token": "x", "proof": {"recovery_code": "????-????-????"}}),
    ),
    rule(
        "must not be in the future",
        NOW,
        "task.v1.TaskService/GetTaskAt",
        || json!({"task_id": ID, "at_time": "2999-01-01T00:00:00Z"}),
    ),
    rule(
        "must be later than now",
        NOW,
        "task.v1.TaskService/GetMyWork",
        || json!({"today_end_time": "2001-01-01T00:00:00Z"}),
    ),
    rule(
        "must be later than today_end_time",
        NOW,
        "task.v1.TaskService/GetMyWork",
        || json!({"soon_end_time": "2001-01-01T00:00:00Z"}),
    ),
    rule(
        "must be in the future, and in no more than 366 days",
        NOW,
        "identity.v1.AccountService/CreateApiToken",
        || json!({"api_token": {"name": "x", "scopes": ["tasks:read"], "expires_at": "2001-01-01T00:00:00Z"}}),
    ),
    rule("must not be larger than 64 KiB as JSON", JSON, CREATE_TASK, || {
        task_with(json!({"a": "x".repeat(65_536)}))
    }),
    rule("must not be nested deeper than 30 levels", JSON, CREATE_TASK, || {
        task_with((0..30).fold(json!({}), |inner, _| json!({"a": inner})))
    }),
    rule("must not contain NUL", JSON, CREATE_TASK, || task_with(json!({"a": "\0"}))),
    rule(
        "is none of the statuses",
        CONTRADICTIONS,
        LIST_TASKS,
        || json!({"filter": {"ready": true, "statuses": ["TASK_STATUS_DONE"]}}),
    ),
    rule(
        "excludes ready",
        CONTRADICTIONS,
        LIST_TASKS,
        || json!({"filter": {"ready": true, "blocked": true}}),
    ),
    rule(
        "excludes the statuses",
        CONTRADICTIONS,
        LIST_TASKS,
        || json!({"filter": {"completed_at": {"start_time": "2001-01-01T00:00:00Z"}, "statuses": ["TASK_STATUS_REVIEW"]}}),
    ),
    rule(
        "has a tag that all_tags asks for",
        CONTRADICTIONS,
        LIST_TASKS,
        || json!({"filter": {"all_tags": ["a"], "no_tags": ["a"]}}),
    ),
    rule(
        "has all tags of any_tags",
        CONTRADICTIONS,
        LIST_TASKS,
        || json!({"filter": {"any_tags": ["a"], "no_tags": ["a"]}}),
    ),
    rule(
        "is in the batch already",
        "ids are compared as UUIDs, in either case of letters; CEL compares texts",
        "task.v1.TaskService/BatchDeleteTasks",
        || json!({"requests": [{"task_id": ID}, {"task_id": ID.to_uppercase()}]}),
    ),
    rule(
        "must be another task",
        "ids are compared as UUIDs, in either case of letters; CEL compares texts",
        "task.v1.PlanService/CreateTaskDependency",
        || json!({"task_dependency": {"task_id": ID, "depends_on_task_id": ID.to_uppercase()}}),
    ),
    mask_rule(
        "is not one of",
        "paths of a mask have two spellings, and there is '*'",
        "task.v1.TaskService/UpdateTask",
        || json!({"task": {"id": ID}, "update_mask": "nothing"}),
    ),
    mask_rule(
        "characters, has 0",
        CLEARED,
        "task.v1.TaskService/UpdateTask",
        || json!({"task": {"id": ID}, "update_mask": "title"}),
    ),
    mask_rule(
        "must not be blank",
        CLEARED,
        "task.v1.TaskService/UpdateTask",
        || json!({"task": {"id": ID}, "update_mask": "*"}),
    ),
    mask_rule(
        "must have 3 to 50 letters",
        CLEARED,
        "identity.v1.AccountService/UpdateUser",
        || json!({"user": {}, "update_mask": "username"}),
    ),
    rule(
        "must be an https address with a host, without user and fragment",
        "the parts of an address by the rules of browsers",
        "project.v1.WebhookService/CreateWebhook",
        || json!({"webhook": {"project_id": ID, "url": "https://user@example.org/"}}),
    ),
    mask_rule(
        "must not be empty",
        CLEARED,
        "project.v1.WebhookService/UpdateWebhook",
        || json!({"webhook": {"id": ID}, "update_mask": "url"}),
    ),
    mask_rule(
        "must be given",
        CLEARED,
        "task.v1.TimeEntryService/UpdateTimeEntry",
        || json!({"time_entry": {"id": ID}, "update_mask": "*"}),
    ),
    mask_rule(
        "must have 2 to 10 capital letters",
        CLEARED,
        "project.v1.ProjectService/UpdateProject",
        || json!({"project": {"id": ID}, "update_mask": "key"}),
    ),
    rule(
        "must not be given together with ",
        "it depends on the mask whether the whole object changes",
        "task.v1.TaskService/UpdateTask",
        || json!({"task": {"id": ID, "metadata": {"a": 1}}, "metadata_patch": {"set": {"b": 1}}}),
    ),
    rule(
        "must be an emoji",
        "Unicode's list of emoji; the annotation wants a symbol at the beginning",
        "content.v1.CommentService/AddCommentReaction",
        || json!({"comment_id": ID, "emoji": "☐"}),
    ),
    rule(
        "must mention at most 50 names",
        "what a mention is depends on the characters around it",
        "content.v1.CommentService/CreateComment",
        || {
            let names: String = (0..51).map(|number| format!("@user{number} ")).collect();
            json!({"comment": {"target": {"task_id": ID}, "content": names}})
        },
    ),
    rule(
        "TOO_LARGE",
        "the largest size of a file is a server's option",
        "content.v1.AttachmentService/CreateUpload",
        || json!({"upload": {"target": {"task_id": ID}, "filename": "x", "size": "1000000000000"}}),
    ),
];

fn task_with(metadata: Value) -> Value {
    json!({"task": {"project_id": ID, "title": "x", "metadata": metadata}})
}

/// Whether a violation of a request, with or without a mask, is of such a rule.
pub fn has(description: &str, has_mask: bool) -> bool {
    OUT_OF_RANGE.iter().any(|text| description.starts_with(text))
        || SERVER_RULES
            .iter()
            .any(|rule| description.contains(rule.description) && (has_mask || !rule.is_about_masks))
}
