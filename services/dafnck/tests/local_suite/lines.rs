//! Something to import that is large, and has a few things of each kind.

use base64::Engine;
use serde_json::{Value, json};
use uuid::Uuid;

/// Text that does not become smaller by compressing it.
fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| rand::random_range(b'!'..=b'~')).collect()
}

/// A project with this many large tasks, a few documents and files.
pub(super) fn lines(name: &str, tasks: usize) -> Vec<String> {
    let [user, project] = [Uuid::now_v7(), Uuid::now_v7()];
    let mut lines: Vec<Value> = vec![
        json!({"type": "user", "id": user, "email": format!("{name}@example.org"), "username": name}),
        json!({"type": "project", "id": project, "name": name, "owner_id": user}),
    ];
    let mut last = None;
    for number in 0..tasks {
        let id = Uuid::now_v7();
        let text = String::from_utf8(noise(4_000)).unwrap();
        lines
            .push(json!({"type": "task", "id": id, "project_id": project, "title": format!("Task {number}"),
            "description": text, "creator_id": user}));
        if let Some(last) = last {
            lines.push(json!({"type": "dependency", "task_id": id, "depends_on_task_id": last}));
        }
        last = Some(id);
    }
    for number in 0..5 {
        let id = Uuid::now_v7();
        lines.push(
            json!({"type": "document", "id": id, "project_id": project, "title": "Guide", "author_id": user}),
        );
        lines.push(json!({"type": "document_version", "document_id": id, "version_number": 1,
            "content": "# Fly", "author_id": user}));
        let bytes = base64::engine::general_purpose::STANDARD.encode(noise(50_000));
        lines.push(json!({"type": "attachment", "id": Uuid::now_v7(), "target": {"document_id": id},
            "uploader_id": user, "filename": format!("{number}.bin"), "content_base64": bytes}));
    }
    lines.iter().map(Value::to_string).collect()
}
