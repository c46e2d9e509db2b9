//! Pages.

/// A page of the reference.
pub(super) struct Page {
    /// The name of its file, without extension.
    pub(super) name: String,
    pub(super) title: String,
    /// Its content as Markdown.
    pub(super) text: String,
}
