//! Conversion of preferences from and to messages.

use proto::project::v1 as pb;
use shared::error::{Error, Result};
use shared::etag;
use shared::validation::{Mask, Violations};
use uuid::Uuid;

use super::{Preferences, PreferencesUpdate};
use crate::schema::NotificationKind;

/// The fields that UpdateNotificationPreferences changes.
const CHANGEABLE: &[&str] = &["muted_kinds", "unmuted_kinds"];

/// The project of a request; nil for all projects.
pub(super) fn project_or_all(project_id: &str) -> Result<Uuid> {
    let mut v = Violations::new();
    let id = v.optional_uuid("project_id", project_id);
    v.finish()?;
    Ok(id.unwrap_or_default())
}

/// A validated [`pb::UpdateNotificationPreferencesRequest`].
pub(super) struct UpdatePreferencesInput {
    /// Nil for all projects.
    pub project_id: Uuid,
    pub etag: String,
    /// `None` if the update changes nothing.
    pub update: Option<PreferencesUpdate>,
}

impl TryFrom<pb::UpdateNotificationPreferencesRequest> for UpdatePreferencesInput {
    type Error = Error;

    fn try_from(request: pb::UpdateNotificationPreferencesRequest) -> Result<Self> {
        let mut v = Violations::within("preferences.");
        let preferences = v.message("preferences", request.preferences);
        let mut mask = Mask::of(&mut v, request.update_mask, CHANGEABLE);
        let project_id = v.optional_uuid("project_id", &preferences.project_id);
        let muted = kinds(&mut v, "muted_kinds", &preferences.muted_kinds);
        let unmuted = kinds(&mut v, "unmuted_kinds", &preferences.unmuted_kinds);
        let contradicts = muted.iter().any(|kind| unmuted.contains(kind));
        v.require(!contradicts, "unmuted_kinds", "must not have a kind that is muted");
        let is_of_project = project_id.is_some() || preferences.unmuted_kinds.is_empty();
        v.require(is_of_project, "unmuted_kinds", "must be empty without project_id");
        let update = PreferencesUpdate {
            muted_kinds: mask.pick("muted_kinds", preferences.muted_kinds, |_| muted),
            unmuted_kinds: mask.pick("unmuted_kinds", preferences.unmuted_kinds, |_| unmuted),
        };
        v.finish()?;
        let update = mask.has_changes().then_some(update);
        Ok(Self { project_id: project_id.unwrap_or_default(), etag: preferences.etag, update })
    }
}

/// The kinds, each once.
fn kinds(v: &mut Violations, field: &str, values: &[i32]) -> Vec<NotificationKind> {
    let mut kinds: Vec<NotificationKind> = v.enums(field, values);
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

impl From<Preferences> for pb::NotificationPreferences {
    fn from(preferences: Preferences) -> Self {
        let Preferences { project_id, muted_kinds, unmuted_kinds, version } = preferences;
        Self {
            project_id: if project_id.is_nil() { String::new() } else { project_id.to_string() },
            muted_kinds: muted_kinds.into_iter().map(Into::into).collect(),
            unmuted_kinds: unmuted_kinds.into_iter().map(Into::into).collect(),
            etag: etag::of(u32::try_from(version).unwrap_or_default()),
        }
    }
}
