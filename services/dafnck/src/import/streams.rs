//! PassSender batches to the services and taking in their answers.

use anyhow::{Context, ensure};
use prost::Message;
use proto::common::ImportResult;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use super::file::Origin;
use super::pass::{self, ImportPass};
use super::report::Report;
use crate::call_error::explain;
use crate::progress::Progress;

/// Batches that are read ahead of the service.
const BATCHES_AHEAD: usize = 2;

/// What one kind of line needs to be sent.
pub(super) struct PassSender<'a> {
    pub(super) origin: &'a Origin,
    pub(super) report: &'a mut Report,
    pub(super) progress: &'a Progress,
}

impl PassSender<'_> {
    /// Sends all lines of a pass in one stream.
    pub(super) async fn send<Item, Batch, Answer, Answered>(
        &mut self,
        pass: ImportPass<Item>,
        batch: fn(Vec<Item>) -> Batch,
        call: impl FnOnce(Requests<Item, Batch>) -> Answered,
        results: fn(Answer) -> Vec<ImportResult>,
    ) -> anyhow::Result<()>
    where
        Item: Message + Default + 'static,
        Batch: 'static,
        Answered: Future<Output = Result<Response<Streaming<Answer>>, Status>>,
    {
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let (file, kind) = (self.origin.file.clone(), pass.kind);
        let reading = tokio::task::spawn_blocking(move || pass::produce(&file, pass, &sender));
        let requests: Requests<Item, Batch> = ReceiverStream::new(receiver).map(batch);
        let mut answers = call(requests).await.map_err(explain)?.into_inner();
        let mut answered = 0;
        while let Some(answer) = answers.message().await.map_err(explain)? {
            let results = results(answer);
            answered += results.len() as u64;
            self.progress.advance(results.len() as u64);
            results.into_iter().for_each(|result| self.report.take(kind, result));
        }
        let (refused, sent) = reading.await.context("reading the file")??;
        self.report.absorb(refused);
        ensure!(answered == sent, "the service answered for {answered} of {sent} {}", kind.plural());
        Ok(())
    }
}

/// The stream of requests of a pass.
pub(super) type Requests<Item, Batch> =
    tokio_stream::adapters::Map<ReceiverStream<Vec<Item>>, fn(Vec<Item>) -> Batch>;
