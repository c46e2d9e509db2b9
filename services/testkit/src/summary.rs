//! The content of a gRPC error in a form that tests can compare.

use tonic::Status;
use tonic_types::StatusExt;

/// The code and the documented reason, such as `NOT_FOUND RESOURCE_NOT_FOUND`.
pub fn summary(status: &Status) -> String {
    let code = format!("{:?}", status.code());
    let mut upper = String::new();
    for c in code.chars() {
        if c.is_uppercase() && !upper.is_empty() {
            upper.push('_');
        }
        upper.extend(c.to_uppercase());
    }
    format!("{upper} {}", reason_of(status))
}

/// The reason of the `google.rpc.ErrorInfo`.
pub fn reason_of(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// The fields of the `google.rpc.BadRequest`, in order.
pub fn violations(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().map(|bad_request| bad_request.field_violations);
    violations.unwrap_or_default().into_iter().map(|violation| violation.field).collect()
}
