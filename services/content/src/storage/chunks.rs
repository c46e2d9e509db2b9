//! Cuts a stream of byte strings of any size into chunks of one size.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use prost::bytes::{Buf, Bytes, BytesMut};
use shared::error::Result;

/// Most bytes in one message of a download.
pub const DOWNLOAD_CHUNK_BYTES: usize = 256 * 1024;

type Source = BoxStream<'static, Result<Bytes>>;

/// The bytes of the source in chunks of [`DOWNLOAD_CHUNK_BYTES`], the last one shorter.
pub(super) fn rechunk(source: Source) -> BoxStream<'static, Result<Bytes>> {
    stream::try_unfold((source, Bytes::new()), next).boxed()
}

async fn next((mut source, mut rest): (Source, Bytes)) -> Result<Option<(Bytes, (Source, Bytes))>> {
    let mut chunk = BytesMut::new();
    while chunk.len() < DOWNLOAD_CHUNK_BYTES {
        if rest.is_empty() {
            match source.next().await {
                Some(bytes) => rest = bytes?,
                None => break,
            }
        }
        let taken = rest.len().min(DOWNLOAD_CHUNK_BYTES - chunk.len());
        if chunk.is_empty() && taken == DOWNLOAD_CHUNK_BYTES {
            return Ok(Some((rest.split_to(taken), (source, rest))));
        }
        chunk.extend_from_slice(rest.get(..taken).unwrap_or_default());
        rest.advance(taken);
    }
    Ok((!chunk.is_empty()).then(|| (chunk.freeze(), (source, rest))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_have_the_same_size_but_the_last() {
        let parts = [100_000, 300_000, 0, 1, 800_000].map(|size| Ok(Bytes::from(vec![7; size])));
        let chunks: Vec<_> = rechunk(stream::iter(parts).boxed()).collect().await;
        let sizes: Vec<usize> = chunks.into_iter().map(|chunk| chunk.unwrap().len()).collect();
        assert_eq!(sizes, [262_144, 262_144, 262_144, 262_144, 151_425]);
    }
}
