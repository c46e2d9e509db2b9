#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| content::fuzz_targets::download_range(bytes));
