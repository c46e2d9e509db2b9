//! Rejects requests that are not gRPC: 415 for another content type, 405 for another method ("gRPC over HTTP/2", section "Requests"): 415 for another content
//! type, 405 for another method.

use std::convert::Infallible;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic_web::GrpcWebLayer;
use tower::util::{BoxCloneSyncService, option_layer};
use tower::{Layer as _, Service as _, service_fn};

use super::cors;
use crate::config::CorsOptions;

/// Answers the requests of connections.
pub(super) type HttpService = BoxCloneSyncService<Request<Incoming>, Response<Body>, Infallible>;

/// The forms of gRPC-Web that are spoken.
const WEB_CONTENT_TYPES: [&str; 4] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

/// What stands between HTTP and the calls.
pub(super) fn service(router: axum::Router, cors: &CorsOptions) -> HttpService {
    // Innermost: a browser's call is a gRPC call like any other below it.
    let grpc = GrpcWebLayer::new().layer(router);
    let grpc_alone = service_fn(move |request: Request<Incoming>| {
        let mut grpc = grpc.clone();
        async move {
            match refuse(&request) {
                Some(refusal) => Ok(refusal),
                None => grpc.call(request).await,
            }
        }
    });
    // Outermost: a browser asks before its call, without a token.
    BoxCloneSyncService::new(option_layer(cors::layer(cors)).layer(grpc_alone))
}

/// The refusal of a request that is no gRPC or gRPC-Web.
fn refuse<B>(request: &Request<B>) -> Option<Response<Body>> {
    let status = match *request.method() {
        Method::POST if is_grpc(request.headers()) => return None,
        Method::POST => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => StatusCode::METHOD_NOT_ALLOWED,
    };
    let mut refusal = Response::new(Body::empty());
    *refusal.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    Some(refusal)
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bare = content_type.split(';').next().unwrap_or_default().trim();
    matches!(bare, "application/grpc" | "application/grpc+proto") || WEB_CONTENT_TYPES.contains(&content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, content_type: &'static str) -> Option<u16> {
        let request = Request::builder().method(method).header(CONTENT_TYPE, content_type).body(()).unwrap();
        refuse(&request).map(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn only_grpc_is_taken_as_a_call() {
        for accepted in ["application/grpc", "application/grpc+proto", "application/grpc; charset=utf-8"] {
            assert_eq!(status(Method::POST, accepted), None, "{accepted}");
        }
        for accepted in WEB_CONTENT_TYPES {
            assert_eq!(status(Method::POST, accepted), None, "{accepted}");
        }
        for refused in ["", "text/plain", "application/json", "application/grpcx", "application/grpc+json"] {
            assert_eq!(status(Method::POST, refused), Some(415), "{refused}");
        }
        assert_eq!(status(Method::GET, "application/grpc"), Some(405));
    }
}
