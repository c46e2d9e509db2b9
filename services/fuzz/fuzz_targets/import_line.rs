#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dafnck::fuzz_targets::import_line(bytes));
