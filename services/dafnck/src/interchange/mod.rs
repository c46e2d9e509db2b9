//! The interchange format: JSON Lines that `dafnck export` writes and `dafnck import` takes (`FORMAT.md` beside this is
//! its reference). What is exported from one suite and imported into an empty one is exported there as the same bytes.

pub mod line;
