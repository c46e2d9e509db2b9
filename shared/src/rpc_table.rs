//! [`rpc_table`](crate::rpc_table): how a service with many resources implements one generated trait.

use futures::future::BoxFuture;
use tonic::{Response, Status};

/// The answer to a call, as generated service traits return it.
pub type RpcFuture<'call, T> = BoxFuture<'call, Result<Response<T>, Status>>;

/// Implements a generated gRPC service for a handler whose methods live with the resources that they are about.
///
/// Each line names a method, its request and its response. The handler's own method of the same name answers, or the one
/// after `=`. `#[stream(…)]` marks a method that answers with a stream, and names the generated stream type.
///
/// ```text
/// shared::rpc_table! {
///     impl TaskService for TaskHandler {
///         get_task(pb::GetTaskRequest) -> pb::Task;
///         search_tasks(pb::SearchTasksRequest) -> pb::SearchTasksResponse = search;
///         #[stream(WatchTasksStream)]
///         watch_tasks(pb::WatchTasksRequest) -> pb::WatchTasksResponse;
///     }
/// }
/// ```
#[macro_export]
macro_rules! rpc_table {
    (impl $service:ident for $handler:ty {
        $($(#[stream($stream:ident)])? $method:ident($request:ty) -> $response:ty $(= $own_method:ident)?;)*
    }) => {
        impl $service for $handler {
            $($crate::rpc_table!(@method $handler, $($stream)?, $method, $request, $response, $($own_method,)? $method);)*
        }
    };
    (@method $handler:ty, , $method:ident, $request:ty, $response:ty, $own_method:ident $(, $_method:ident)?) => {
        fn $method<'handler, 'call>(
            &'handler self,
            request: tonic::Request<$request>,
        ) -> $crate::RpcFuture<'call, $response>
        where
            'handler: 'call,
            Self: 'call,
        {
            Box::pin(self.$own_method(request))
        }
    };
    (@method $handler:ty, $stream:ident, $method:ident, $request:ty, $response:ty, $own_method:ident $(, $_method:ident)?) => {
        type $stream = futures::stream::BoxStream<'static, Result<$response, tonic::Status>>;

        fn $method<'handler, 'call>(
            &'handler self,
            request: tonic::Request<$request>,
        ) -> $crate::RpcFuture<'call, Self::$stream>
        where
            'handler: 'call,
            Self: 'call,
        {
            Box::pin(self.$own_method(request))
        }
    };
}
