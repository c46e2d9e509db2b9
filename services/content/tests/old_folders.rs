//! Data of the release that kept each file under the id of its attachment goes on working.

use content::storage::StorageOptions;
use proto::content::v1 as pb;
use shared::migrate;
use testkit::*;

use crate::fixtures::{download, header, noise, scene, stored_files, until, upload};
use crate::resuming::folder_and_table_agree;
use crate::uploads::hash;

/// The last migration of that release.
const OLD_VERSION: i32 = 5;

#[tokio::test]
async fn files_that_are_there_stay_where_they_are() {
    let s = scene().await;
    let bytes = noise(300_000);
    let folder = s.suite.options.own::<StorageOptions>().storage_folder.join("attachments");
    std::fs::create_dir_all(&folder).unwrap();
    let admin_url = s.suite.admin_url_of("content");
    migrate::down(&admin_url, &content::MIGRATIONS, OLD_VERSION).await.unwrap();
    let ids = [new_id(), new_id(), new_id()];
    let contents = [bytes.as_slice(), bytes.as_slice(), b"other"];
    for (id, content) in ids.iter().zip(contents) {
        std::fs::write(folder.join(id), content).unwrap();
        let insert = format!(
            "INSERT INTO content.file_attachments (id, entity_type, entity_id, filename, original_filename, file_size, \
             mime_type, storage_path, uploader_id, project_id, sha256) VALUES ('{id}', 'project', '{project}', 'a', 'a', \
             {size}, 'text/plain', 'attachments/{id}', '{mia}', '{project}', '{hash}')",
            project = s.project.id,
            size = content.len(),
            mia = s.mia.id,
            hash = hash(content),
        );
        s.suite.execute(&insert).await;
    }
    migrate::up(&admin_url, &content::MIGRATIONS).await.unwrap();

    for (id, content) in ids.iter().zip(contents) {
        assert!(download(&s.gus, id, 0, 0).await.unwrap().1 == content);
    }
    let kept = [format!("attachments/{}", ids[0]), format!("attachments/{}", ids[2])];
    until("the second copy of equal bytes gone", async || stored_files(&s.suite) == kept).await;
    // A new upload of the same bytes uses what is there.
    let new = upload(&s.mia, header(&s.project), &bytes, 100_000).await.unwrap();
    for id in [&ids[0], &ids[1]] {
        let wish = pb::DeleteAttachmentRequest { attachment_id: id.clone() };
        s.olga.attachments().delete_attachment(wish).await.unwrap();
    }
    folder_and_table_agree(&s).await;
    assert_eq!(stored_files(&s.suite), kept);
    assert!(download(&s.gus, &new.id, 0, 0).await.unwrap().1 == bytes);
}
