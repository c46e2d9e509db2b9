//! Rotation of encryption keys, for operators.

use futures::StreamExt as _;
use futures::stream::{BoxStream, once, try_unfold};
use proto::identity::admin::v1 as pb;
use shared::error::Error;
use tonic::{Request, Response, Status};

use super::rotation::Rotation;
use crate::handler::IdentityHandler;

impl IdentityHandler {
    /// A batch is encrypted when the response about the one before was taken: a client that goes away stops the rotation.
    pub(crate) async fn rotate_keys(
        &self,
        _: Request<pb::RotateKeysRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::RotateKeysResponse, Status>>>, Status> {
        let rotation = Rotation::new(self.context.worker.clone(), self.keys.clone());
        let total_count = rotation.count_outdated().await?;
        let key_id = self.keys.current().0.to_owned();
        let progress = pb::RotateKeysResponse { key_id, total_count, encrypted_count: 0 };
        let first = progress.clone();
        let batches = try_unfold((rotation, progress), async |(mut rotation, mut progress)| {
            let Some(count) = rotation.next_batch().await? else { return Ok::<_, Error>(None) };
            progress.encrypted_count += count;
            Ok(Some((progress.clone(), (rotation, progress))))
        });
        let responses = once(async { Ok(first) }).chain(batches.map(|batch| batch.map_err(Status::from)));
        Ok(Response::new(responses.boxed()))
    }
}
