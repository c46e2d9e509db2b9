//! The project service over the real wire.

mod smoke;
