//! [`routes`](crate::routes): the generated servers of a service, under the limits that no server may lack.

/// Makes the [`Routes`](tonic::service::Routes) of generated servers. Each takes and sends messages of at most
/// [`MAX_MESSAGE_BYTES`](crate::server::MAX_MESSAGE_BYTES), or of the size after its handler.
///
/// ```text
/// shared::routes![
///     ProjectServiceServer(projects.clone()),
///     AccessServiceServer(access, MAX_ACCESS_MESSAGE_BYTES),
/// ]
/// ```
#[macro_export]
macro_rules! routes {
    [$($server:ident($handler:expr $(, $max_bytes:expr)?)),* $(,)?] => {
        tonic::service::Routes::default()
            $(.add_service($crate::routes!(@limited $server::new($handler) $(, $max_bytes)?)))*
    };
    (@limited $server:expr) => {
        $crate::limited!($server, $crate::server::MAX_MESSAGE_BYTES)
    };
    (@limited $server:expr, $max_bytes:expr) => {
        $crate::limited!($server, $max_bytes)
    };
}

/// Limits the messages that a generated server takes and sends.
#[macro_export]
macro_rules! limited {
    ($server:expr, $max_bytes:expr) => {
        $server.max_decoding_message_size($max_bytes).max_encoding_message_size($max_bytes)
    };
}
