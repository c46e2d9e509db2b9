//! Hunks as the text of a unified diff.

use std::fmt::Write;
use std::ops::Range;

use super::diff::{ChangeTag, Hunk};

/// Writes the header and the lines of a hunk.
pub fn write(hunk: &Hunk<'_>, out: &mut String) {
    let _infallible = writeln!(out, "@@ -{} +{} @@", range(&hunk.old), range(&hunk.new));
    for part in &hunk.parts {
        let sign = match part.tag {
            ChangeTag::Same => ' ',
            ChangeTag::Deleted => '-',
            ChangeTag::Inserted => '+',
        };
        for line in part.text.split_inclusive('\n') {
            out.push(sign);
            out.push_str(line);
            if !line.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
}

/// First line from 1, and count. An empty range has the line before it.
fn range(lines: &Range<usize>) -> String {
    let first = if lines.is_empty() { lines.start } else { lines.start + 1 };
    format!("{first},{}", lines.len())
}

#[cfg(test)]
mod tests {
    use super::super::diff::{Unit, diff};
    use super::super::samples::far_deadline;
    use super::*;
    use expect_test::expect;

    #[test]
    fn hunks_are_written_as_by_diff_u() {
        let mut text = String::new();
        for hunk in diff("a\nb\nc\nd\ne", "a\nx\nc\nd\ne\nf", Unit::Lines, 0, far_deadline()).hunks {
            write(&hunk, &mut text);
        }
        expect![[r"
            @@ -2,1 +2,1 @@
            -b
            +x
            @@ -5,1 +5,2 @@
            -e
            \ No newline at end of file
            +e
            +f
            \ No newline at end of file
        "]]
        .assert_eq(&text);
    }
}
