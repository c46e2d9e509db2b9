//! Documents with versions, and files in one stream and in pieces.

use futures::stream;
use prost_types::FieldMask;
use proto::content::v1 as pb;
use proto::content::v1::upload_chunks_request::Part;
use proto::task::v1::Task;
use sha2::{Digest, Sha256};
use testkit::{Actor, new_id, summary};

use super::Journey;

/// More than one part of the upload's stream, and no multiple of anything.
const FILE_BYTES: usize = 300_007;

/// Both write; the second version is found by its words, a stale etag is refused.
pub(super) async fn write_and_search(Journey { olga, gus, vera, project, .. }: &Journey<'_>) {
    let first = olga.document(project, "Flight plan", "Up.").await;
    let change = |etag: &str| pb::UpdateDocumentRequest {
        document: Some(pb::Document {
            id: first.id.clone(),
            content: Some("Up, and down in the Pacific.".to_owned()),
            etag: etag.to_owned(),
            ..Default::default()
        }),
        update_mask: Some(FieldMask { paths: vec!["content".to_owned()] }),
        ..Default::default()
    };
    let second = gus.documents().update_document(change(&first.etag)).await.unwrap().into_inner();
    assert_eq!((first.version, second.version), (1, 2));
    let stale = olga.documents().update_document(change(&first.etag)).await.unwrap_err();
    assert_eq!(summary(&stale), "ABORTED ETAG_MISMATCH");
    let found = async |who: &Actor| {
        let words = pb::SearchDocumentsRequest { query: "pacific".to_owned(), ..Default::default() };
        who.documents().search_documents(words).await.unwrap().into_inner().matches.len()
    };
    assert_eq!((found(olga).await, found(gus).await, found(vera).await), (1, 1, 0));
}

/// An upload to a task in two streams, downloaded again by somebody else. Answers with the attachments' ids.
pub(super) async fn attach_files(Journey { olga, gus, .. }: &Journey<'_>, task: &Task) -> Vec<String> {
    let bytes: Vec<u8> = (0..FILE_BYTES).map(|place| (place * place % 251) as u8).collect();
    let request = pb::CreateUploadRequest {
        request_id: new_id(),
        upload: Some(pb::Upload {
            target: Some(pb::ContentTarget {
                target: Some(pb::content_target::Target::TaskId(task.id.clone())),
            }),
            filename: "film.bin".to_owned(),
            size: FILE_BYTES as i64,
            ..Default::default()
        }),
    };
    let upload = olga.attachments().create_upload(request).await.unwrap().into_inner();
    let half = FILE_BYTES / 2;
    for (offset, piece) in [(0, &bytes[..half]), (half, &bytes[half..])] {
        let header = pb::UploadChunksHeader { upload_id: upload.id.clone(), offset: offset as i64 };
        let parts = [Part::Header(header), Part::Chunk(piece.to_vec().into())];
        let parts = parts.map(|part| pb::UploadChunksRequest { part: Some(part) });
        olga.attachments().upload_chunks(stream::iter(parts)).await.unwrap();
    }
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let request = pb::CompleteUploadRequest { upload_id: upload.id, sha256 };
    let attachment = olga.attachments().complete_upload(request).await.unwrap().into_inner();
    assert!(download(gus, &attachment.id).await == bytes, "what comes back is what was sent");
    vec![attachment.id]
}

async fn download(who: &Actor, id: &str) -> Vec<u8> {
    let request = pb::DownloadAttachmentRequest { attachment_id: id.to_owned(), ..Default::default() };
    let mut answers = who.attachments().download_attachment(request).await.unwrap().into_inner();
    let mut bytes = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        if let Some(pb::download_attachment_response::Part::Chunk(chunk)) = answer.part {
            bytes.extend_from_slice(&chunk);
        }
    }
    bytes
}
