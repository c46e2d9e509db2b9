//! The options of a suite under test.

use std::ops::{Deref, DerefMut};

use http::Extensions;
use local_servers::suite;

/// Options that all services share, and options of single services by their type.
#[derive(Clone, Debug)]
pub struct SuiteOptions {
    pub common: suite::SuiteOptions,
    pub(crate) own: Extensions,
}

impl SuiteOptions {
    /// Options of a single service, which were given with `Harness::with_options`.
    pub fn own<T: Clone + Send + Sync + 'static>(&self) -> &T {
        self.own.get().unwrap_or_else(|| panic!("the harness has no {}", std::any::type_name::<T>()))
    }

    /// As [`Self::own`], mutable.
    pub fn own_mut<T: Clone + Send + Sync + 'static>(&mut self) -> &mut T {
        self.own.get_mut().unwrap_or_else(|| panic!("the harness has no {}", std::any::type_name::<T>()))
    }
}

impl Deref for SuiteOptions {
    type Target = suite::SuiteOptions;

    fn deref(&self) -> &Self::Target {
        &self.common
    }
}

impl DerefMut for SuiteOptions {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.common
    }
}
