//! E-mail addresses in the one form in which they are stored, compared and shown.

use super::Violations;

/// Longest e-mail address in that form, in characters.
pub const MAX_EMAIL_CHARS: usize = 255;
/// Longer texts are refused without being parsed.
const MAX_GIVEN_BYTES: usize = 4 * MAX_EMAIL_CHARS;

impl Violations {
    /// A required e-mail address, in its one form.
    pub fn email(&mut self, field: &str, value: &str) -> String {
        let email = normal_email(value);
        self.require(
            email.is_some(),
            field,
            "must be an e-mail address of at most 255 characters, as olga@example.org or olga@bücher.example: before \
             the '@' letters (a to z), digits and the signs . _ % + - alone",
        );
        email.unwrap_or_default()
    }
}

/// The one form of an e-mail address: without blanks around it, in lower case, its domain as [`ascii_domain`] has it.
/// `None` for what is none.
pub fn normal_email(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > MAX_GIVEN_BYTES {
        return None;
    }
    let (local, domain) = text.rsplit_once('@')?;
    let email = format!("{}@{}", local.to_ascii_lowercase(), ascii_domain(domain)?);
    (email.len() <= MAX_EMAIL_CHARS && is_email(&email)).then_some(email)
}

/// As [`normal_email`], of the beginning of an address: of a domain outside of ASCII, whole labels.
pub fn normal_email_prefix(text: &str) -> String {
    let in_one_form =
        text.rsplit_once('@').filter(|_| text.len() <= MAX_GIVEN_BYTES).and_then(|(local, domain)| {
            Some(format!("{}@{}", local.to_ascii_lowercase(), ascii_domain(domain)?))
        });
    in_one_form.unwrap_or_else(|| text.to_lowercase())
}

/// A domain as DNS has it, in lower case: `bücher.example` is `xn--bcher-kva.example` (UTS 46, without transitional
/// mapping). What is ASCII is taken as it is. `None` for what no domain can be.
pub fn ascii_domain(domain: &str) -> Option<String> {
    if domain.is_ascii() {
        return Some(domain.to_ascii_lowercase());
    }
    idna::domain_to_ascii_strict(domain).ok()
}

/// A domain as people write it.
pub fn unicode_domain(domain: &str) -> String {
    idna::domain_to_unicode(domain).0
}

/// The same addresses as the database's `chk_email_format`.
fn is_email(text: &str) -> bool {
    let is_one_of = |text: &str, others: &[u8]| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
    };
    let Some((local, domain)) = text.split_once('@') else { return false };
    let Some((host, top)) = domain.rsplit_once('.') else { return false };
    let is_top = match top.strip_prefix("xn--") {
        Some(encoded) => is_one_of(encoded, b"-") && !encoded.ends_with('-'),
        None => top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_alphabetic()),
    };
    is_one_of(local, b"._%+-") && is_one_of(host, b".-") && is_top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_distinguished_from_other_text() {
        for good in [
            "olga@example.org",
            "o.l_g%a+x-1@sub-domain.example.museum",
            "o@e.org",
            "o@-..org",
            "o@e.xn--p1ai",
        ] {
            assert_eq!(normal_email(good).as_deref(), Some(good));
        }
        for bad in [
            "",
            "olga",
            "@example.org",
            "olga@",
            "olga@org",
            "olga@.org",
            "olga@example.o",
            "olga@example.0rg",
            "olga@example.xn--",
            "olga@example.xn--p1ai-",
            "ol ga@example.org",
            "olga@exa mple.org",
            "o@lga@example.org",
            "olga@example.org\n.x",
            "ölga@example.org",
            // KELVIN SIGN, whose small letter is an ASCII k.
            "\u{212a}im@example.org",
            "olga@example.org.",
            "olga@bücher.example.",
            "olga@bü cher.example",
            "olga@-bücher.example",
            "olga@bücher@example.org",
            "olga@\u{ad}.example",
            "o\0@example.org",
        ] {
            assert_eq!(normal_email(bad), None, "{bad}");
        }
    }

    #[test]
    fn one_address_has_one_form_however_it_is_written() {
        for (given, stored) in [
            (" Olga@Example.ORG ", "olga@example.org"),
            ("Olga@BÜCHER.example", "olga@xn--bcher-kva.example"),
            ("olga@bu\u{308}cher.example", "olga@xn--bcher-kva.example"),
            ("olga@XN--BCHER-KVA.example", "olga@xn--bcher-kva.example"),
            ("ольга@почта.рф", ""),
            ("olga@почта.рф", "olga@xn--80a1acny.xn--p1ai"),
            ("olga@例え。テスト", "olga@xn--r8jz45g.xn--zckzah"),
            ("olga@faß.de", "olga@xn--fa-hia.de"),
        ] {
            assert_eq!(normal_email(given).unwrap_or_default(), stored, "{given}");
        }
        assert_eq!(unicode_domain("xn--bcher-kva.example"), "bücher.example");
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_is_worked_on() {
        let domain = |labels: usize| "ü.".repeat(labels) + "example";
        assert!(normal_email(&format!("o@{}", domain(20))).is_some());
        assert!(normal_email(&format!("o@{}", domain(100))).is_none());
        assert!(normal_email(&format!("o@{}.example", "ü".repeat(2_000_000))).is_none());
        assert!(normal_email(&format!("{}@example.org", "o".repeat(244))).is_none());
    }

    #[test]
    fn a_beginning_is_of_the_same_form() {
        for (given, stored) in [
            ("Olga", "olga"),
            ("Olga@", "olga@"),
            ("Olga@EXAM", "olga@exam"),
            ("olga@bücher", "olga@xn--bcher-kva"),
            ("ÖLGA", "ölga"),
        ] {
            assert_eq!(normal_email_prefix(given), stored);
        }
    }
}
