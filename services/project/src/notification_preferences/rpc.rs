//! The RPCs of preferences.

use diesel_async::AsyncPgConnection;
use proto::project::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use shared::error::Result;
use shared::etag;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::wire::{UpdatePreferencesInput, project_or_all};
use super::{Preferences, queries};
use crate::handler::ProjectHandler;
use crate::projects::queries::access;

impl ProjectHandler {
    pub(crate) async fn get_notification_preferences(
        &self,
        request: Request<pb::GetNotificationPreferencesRequest>,
    ) -> Result<Response<pb::NotificationPreferences>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let project_id = project_or_all(&request.get_ref().project_id)?;
        let tx = self.context.database.begin(&caller).await?;
        let (found, ()) = futures::try_join!(
            queries::find(&tx, user_id, project_id),
            require_readable(&tx, project_id, user_id),
        )?;
        tx.finish();
        let preferences = found.unwrap_or_else(|| Preferences::unchanged(project_id));
        Ok(Response::new(preferences.into()))
    }

    pub(crate) async fn update_notification_preferences(
        &self,
        request: Request<pb::UpdateNotificationPreferencesRequest>,
    ) -> Result<Response<pb::NotificationPreferences>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let UpdatePreferencesInput { project_id, etag, update } = request.into_inner().try_into()?;
        let tx = self.context.database.begin(&caller).await?;
        let (preferences, ()) = futures::try_join!(
            queries::lock(&tx, user_id, project_id),
            require_readable(&tx, project_id, user_id),
        )?;
        etag::check(&etag, u32::try_from(preferences.version).unwrap_or_default())?;
        let Some(update) = update else { return Ok(Response::new(preferences.into())) };
        let preferences = queries::update(tx, user_id, &preferences.apply(update)).await?;
        Ok(Response::new(preferences.into()))
    }
}

/// Fails with `NOT_FOUND` for a project that the caller cannot see; nil stands for all projects.
async fn require_readable(conn: &AsyncPgConnection, project_id: Uuid, user_id: Uuid) -> Result<()> {
    if project_id.is_nil() {
        return Ok(());
    }
    access(conn, project_id, user_id).await?.require(Permission::ProjectRead)?;
    Ok(())
}
