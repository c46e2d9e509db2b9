//! The comments of the protos.

use prost_reflect::{
    EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor,
    MethodDescriptor, OneofDescriptor, ServiceDescriptor,
};

/// What has a comment in a proto.
pub(super) trait Commented {
    fn file(&self) -> FileDescriptor;
    /// Its place in the file; see `google.protobuf.SourceCodeInfo`.
    fn place(&self) -> &[i32];

    /// The comment before it, without the blank that begins each line.
    fn comment(&self) -> String {
        let file = self.file();
        let info = file.file_descriptor_proto().source_code_info.as_ref();
        let mut locations = info.into_iter().flat_map(|info| &info.location);
        let location = locations.find(|location| location.path == self.place());
        let comment = location.map(|location| location.leading_comments()).unwrap_or_default();
        let lines = comment.lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n").trim().to_owned()
    }

    /// The first sentence of the comment.
    fn summary(&self) -> String {
        let comment = self.comment().replace('\n', " ");
        comment.split_once(". ").map_or(comment.clone(), |(first, _)| format!("{first}."))
    }
}

macro_rules! commented {
    ($($type:ty: |$this:ident| $file:expr;)*) => {$(
        impl Commented for $type {
            fn file(&self) -> FileDescriptor {
                let $this = self;
                $file
            }

            fn place(&self) -> &[i32] {
                self.path()
            }
        }
    )*};
}

commented! {
    ServiceDescriptor: |this| this.parent_file();
    MethodDescriptor: |this| this.parent_file();
    MessageDescriptor: |this| this.parent_file();
    FieldDescriptor: |this| this.parent_file();
    OneofDescriptor: |this| this.parent_file();
    EnumDescriptor: |this| this.parent_file();
    EnumValueDescriptor: |this| this.parent_file();
}
