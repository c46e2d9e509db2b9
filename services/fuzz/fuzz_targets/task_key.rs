#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| task::fuzz_targets::task_key(bytes));
