//! A connection with a longest life. tonic's own grace period (0.14) replaces the graceful end of an old connection
//! instead of following it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

/// Fails to read once its life is over, which closes it with all that runs on it.
pub(super) struct BoundedConnection<Io> {
    inner: Io,
    end: Pin<Box<Sleep>>,
}

impl<Io> BoundedConnection<Io> {
    pub(super) fn new(inner: Io, max_life: Duration) -> Self {
        Self { inner, end: Box::pin(tokio::time::sleep(max_life)) }
    }
}

impl<Io: Connected> Connected for BoundedConnection<Io> {
    type ConnectInfo = Io::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.inner.connect_info()
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for BoundedConnection<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.end.as_mut().poll(task).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.inner).poll_read(task, buffer)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for BoundedConnection<Io> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(task)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(task, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn a_connection_reads_until_its_life_is_over() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut ours = BoundedConnection::new(ours, Duration::from_millis(200));
        tokio::io::AsyncWriteExt::write_all(&mut theirs, b"a").await.unwrap();
        assert_eq!(ours.read_u8().await.unwrap(), b'a');
        assert_eq!(ours.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
