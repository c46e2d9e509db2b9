use futures::stream;
use prost_types::Timestamp;
use proto::common::ImportOutcome::{Created, Refused, Unchanged};
use proto::common::ImportResult;
use proto::content::admin::v1 as pb;
use proto::content::admin::v1::import_attachment_request::Part;
use proto::content::v1::GetAttachmentRequest;
use sha2::{Digest, Sha256};
use testkit::*;

use crate::fixtures::{Team, download, noise, stored_files, team, to_document, to_project, to_task, until};
use crate::import_documents::imports;

fn header(s: &Team, bytes: &[u8]) -> pb::ImportedAttachment {
    pb::ImportedAttachment {
        line: 7,
        id: new_id(),
        target: to_project(&s.project.id),
        filename: "old.bin".to_owned(),
        sha256: hex::encode(Sha256::digest(bytes)),
        uploader_id: s.gus.id.to_string(),
        created_at: Some(Timestamp { seconds: 1_000, nanos: 0 }),
        ..Default::default()
    }
}

async fn import(s: &Team, header: pb::ImportedAttachment, bytes: &[u8]) -> ImportResult {
    let chunks = bytes.chunks(100_000).map(|chunk| Part::Chunk(chunk.to_vec().into()));
    let parts = std::iter::once(Part::Header(header)).chain(chunks);
    let messages: Vec<_> = parts.map(|part| pb::ImportAttachmentRequest { part: Some(part) }).collect();
    imports(s).import_attachment(stream::iter(messages)).await.unwrap().into_inner().result.unwrap()
}

#[tokio::test]
async fn an_imported_file_has_its_uploader_and_date() {
    let s = team().await;
    let bytes = noise(1_500_000);
    let header = header(&s, &bytes);
    let result = import(&s, header.clone(), &bytes).await;
    assert_eq!((result.line, result.outcome()), (7, Created));
    let (attachment, downloaded, _) = download(&s.mia, &header.id, 0, 0).await.unwrap();
    assert!(downloaded == bytes);
    assert_eq!((attachment.uploader_id, attachment.created_at), (s.gus.id.to_string(), header.created_at));

    let again = import(&s, header.clone(), b"not looked at").await;
    assert_eq!(again.outcome(), Unchanged);
    let request = GetAttachmentRequest { attachment_id: header.id };
    let kept = s.mia.attachments().get_attachment(request).await.unwrap().into_inner();
    assert_eq!(kept.sha256, header.sha256);
}

#[tokio::test]
async fn a_refused_file_has_a_reason() {
    let s = team().await;
    let good = header(&s, b"abc");
    let cases = [
        (
            pb::ImportedAttachment { filename: String::new(), ..good.clone() },
            "filename: must have 1 to 255 characters, has 0",
        ),
        (
            pb::ImportedAttachment { sha256: String::new(), ..good.clone() },
            "sha256: must be 64 lower-case hexadecimal digits",
        ),
        (
            pb::ImportedAttachment { sha256: "0".repeat(64), ..good.clone() },
            "the content does not match its checksum",
        ),
    ];
    for (header, reason) in cases {
        let result = import(&s, header, b"abc").await;
        assert_eq!((result.outcome(), result.reason.as_str()), (Refused, reason));
    }
    for header in [
        pb::ImportedAttachment { uploader_id: new_id(), ..good.clone() },
        pb::ImportedAttachment { target: to_project(&new_id()), ..good.clone() },
        pb::ImportedAttachment { target: to_document(&new_id()), ..good.clone() },
        pb::ImportedAttachment { target: to_task(&new_id()), ..good.clone() },
    ] {
        let result = import(&s, header, b"abc").await;
        assert!(result.outcome() == Refused && result.reason.ends_with("not found"), "{}", result.reason);
    }
    until("nothing kept", async || stored_files(&s.suite).is_empty()).await;
    assert_eq!(import(&s, good, b"abc").await.outcome(), Created);
}
