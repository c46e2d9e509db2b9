//! Values that are made from files, and made again when the files change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often the files are checked for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

type Make<T> = dyn Fn() -> anyhow::Result<T> + Send + Sync;

/// A value made from files.
pub(super) struct ReloadingFile<T> {
    files: Vec<PathBuf>,
    make: Box<Make<T>>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    of: Vec<Option<SystemTime>>,
    checked_at: Instant,
}

impl<T> ReloadingFile<T> {
    /// Makes the value for the first time.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn new(
        files: Vec<PathBuf>,
        make: impl Fn() -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let of = modification_times(&files);
        let value = Arc::new(make()?);
        let state = Mutex::new(State { value, of, checked_at: Instant::now() });
        Ok(Self { files, make: Box::new(make), state })
    }

    /// The value of the files as they are now, or were a second ago. While they are invalid, as when they are being
    /// replaced, the former value stays.
    pub(super) fn get(&self) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.checked_at.elapsed() >= CHECK_INTERVAL {
            state.checked_at = Instant::now();
            let of = modification_times(&self.files);
            if of != state.of {
                match (self.make)() {
                    Ok(value) => {
                        tracing::info!(files = ?self.files, "reloaded certificates");
                        (state.value, state.of) = (Arc::new(value), of);
                    }
                    Err(error) => {
                        tracing::error!(files = ?self.files, error = format!("{error:#}"),
                            "the new certificates cannot be used; the former ones stay in use");
                    }
                }
            }
        }
        state.value.clone()
    }
}

fn modification_times(files: &[PathBuf]) -> Vec<Option<SystemTime>> {
    files.iter().map(|file| file.metadata().and_then(|found| found.modified()).ok()).collect()
}
