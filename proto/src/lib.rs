//! Everything generated from the protos, and the descriptor sets behind reflection.

#![allow(missing_docs, clippy::all, clippy::pedantic)]
#![allow(clippy::expect_used, reason = "the build script wrote the descriptors that are decoded here")]

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

#[cfg(test)]
mod api_rules;
mod rules;

pub use rules::{MethodRule, MethodRules};

/// What all services share.
pub mod common {
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/dafnck.common.v1.rs"));
    }
    pub use v1::*;
}

macro_rules! service_packages {
    ($($service:ident { $($part:ident),* })*) => {$(
        pub mod $service {
            pub mod v1 {
                include!(concat!(env!("OUT_DIR"), "/dafnck.", stringify!($service), ".v1.rs"));
            }
            $(pub mod $part {
                pub mod v1 {
                    include!(concat!(
                        env!("OUT_DIR"), "/dafnck.", stringify!($service), ".", stringify!($part), ".v1.rs"
                    ));
                }
            })*
            /// The encoded descriptor set of this service, with comments and custom options.
            pub const DESCRIPTOR_SET: &[u8] =
                include_bytes!(concat!(env!("OUT_DIR"), "/", stringify!($service), ".binpb"));
        }
    )*};
}

service_packages! {
    identity { admin, backend }
    project { admin, backend }
    task { admin, backend }
    content { admin, backend }
}

/// The encoded descriptor set of the whole suite.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/dafnck.binpb"));

/// The decoded descriptors of the whole suite, decoded once per process.
#[allow(clippy::expect_used, reason = "the build script wrote the set")]
pub fn descriptor_pool() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(DESCRIPTOR_SET).expect("the build script wrote the set"));
    &POOL
}
