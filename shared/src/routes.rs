//! [`routes`](crate::routes): the generated servers of a service, under the limits that no server may lack.

/// Makes the [`Routes`](tonic::service::Routes) of generated servers, which share one handler. Each takes and sends
/// messages of at most [`MAX_MESSAGE_BYTES`](crate::server::MAX_MESSAGE_BYTES).
///
/// ```text
/// shared::routes![handler => TaskServiceServer, PlanServiceServer]
/// ```
#[macro_export]
macro_rules! routes {
    [$handler:expr => $($server:ident),* $(,)?] => {
        tonic::service::Routes::default()
            $(.add_service($crate::limited!($server::new($handler.clone()), $crate::server::MAX_MESSAGE_BYTES)))*
    };
}

/// Limits the messages that a generated server takes and sends.
#[macro_export]
macro_rules! limited {
    ($server:expr, $max_bytes:expr) => {
        $server.max_decoding_message_size($max_bytes).max_encoding_message_size($max_bytes)
    };
}
