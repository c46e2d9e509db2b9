//! Rotating keys, for operators.

use futures::StreamExt as _;
use futures::stream::{BoxStream, once, try_unfold};
use proto::identity::admin::v1 as pb;
use shared::caller::Caller;
use shared::database::Database;
use shared::error::Error;
use tonic::{Request, Response, Status};

use super::KeyRing;
use super::rotation::Rotation;

/// Serves `KeyService`.
pub struct KeyApi {
    worker: Database,
    keys: KeyRing,
}

impl KeyApi {
    /// As the background role, with these keys.
    pub fn new(worker: Database, keys: KeyRing) -> Self {
        Self { worker, keys }
    }
}

impl KeyApi {
    /// A batch is sealed when the answer about the one before has been taken: who goes away stops the rotation.
    pub(crate) async fn rotate_keys(
        &self,
        request: Request<pb::RotateKeysRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::RotateKeysResponse, Status>>>, Status> {
        Caller::of(&request)?.operator()?;

        let rotation = Rotation::to_current_key(self.worker.clone(), self.keys.clone());
        let total_count = rotation.total().await?;
        let key_id = self.keys.current().0.to_owned();
        let so_far = pb::RotateKeysResponse { key_id, total_count, sealed_count: 0 };
        let first = so_far.clone();
        let batches = try_unfold((rotation, so_far), async |(mut rotation, mut so_far)| {
            let Some(count) = rotation.next_batch().await? else { return Ok::<_, Error>(None) };
            so_far.sealed_count += count;
            Ok(Some((so_far.clone(), (rotation, so_far))))
        });
        let answers = once(async { Ok(first) }).chain(batches.map(|answer| answer.map_err(Status::from)));
        Ok(Response::new(answers.boxed()))
    }
}
