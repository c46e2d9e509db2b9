//! E-mail addresses in the one form in which they are stored, compared and shown, by one grammar for all methods: what mail
//! can be sent to (RFC 5321, section 4.5.3.1; RFC 1123, section 2.1), with an unquoted local part.

use super::Violations;

/// Longest email address in that form, in characters: a path of 256 has two angle brackets.
pub const MAX_EMAIL_CHARS: usize = 254;
const MAX_LOCAL_CHARS: usize = 64;
const MAX_LABEL_CHARS: usize = 63;
/// Longer texts are refused without being parsed.
const MAX_GIVEN_BYTES: usize = 1_020;

impl Violations {
    /// A required email address, in its one form.
    pub fn email(&mut self, field: &str, value: &str) -> String {
        let email = normal_email(value);
        self.require(
            email.is_some(),
            field,
            "must be an email address of at most 254 characters, as olga@example.org or olga@bücher.example: before \
             the '@' at most 64 letters (a to z), digits and the signs . _ % + - ' alone, no dot first, last or twice",
        );
        email.unwrap_or_default()
    }
}

/// The one form of an email address: without blanks around it, in lower case, its domain as [`ascii_domain`] has it.
/// `None` if it is not an address.
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
/// mapping). What is ASCII is taken as it is, if its encoded labels (`xn--…`) stand for something. `None` for what no domain
/// can be.
pub fn ascii_domain(domain: &str) -> Option<String> {
    if domain.is_ascii() {
        let domain = domain.to_ascii_lowercase();
        let is_encoded = domain.split('.').any(|label| label.starts_with("xn--"));
        return (!is_encoded || idna::domain_to_unicode(&domain).1.is_ok()).then_some(domain);
    }
    idna::domain_to_ascii_strict(domain).ok()
}

/// A domain as people write it.
pub fn unicode_domain(domain: &str) -> String {
    idna::domain_to_unicode(domain).0
}

/// Whether mail can be sent to an address in lower case. The database's `chk_email_format` is wider.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_atom = |atom: &str| {
        !atom.is_empty() && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_%+-'".contains(&byte))
    };
    local.len() <= MAX_LOCAL_CHARS && local.split('.').all(is_atom) && is_domain(domain)
}

/// At least two labels; the last has letters alone, or is of another script. `invalid` is nobody's (RFC 2606).
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL_CHARS).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_top = |label: &str| {
        label.len() >= 2
            && label != "invalid"
            && (label.starts_with("xn--") || label.bytes().all(|byte| byte.is_ascii_alphabetic()))
    };
    domain.split('.').all(is_label) && domain.rsplit_once('.').is_some_and(|(_, top)| is_top(top))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::mail::Mail;

    #[test]
    fn addresses_are_distinguished_from_other_text() {
        for good in [
            "olga@example.org",
            "o.l_g%a+x-1@sub-domain.example.museum",
            "o@e.org",
            "o'neil@example.org",
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
            "olga@xn--a.example",
            "olga@xn--example-.org",
            "olga@example.xn--p1ai-",
            "ol ga@example.org",
            "olga@exa mple.org",
            "o@lga@example.org",
            "olga@example.org\n.x",
            "ölga@example.org",
            // KELVIN SIGN, whose small letter is an ASCII k.
            "\u{212a}im@example.org",
            "olga@example.org.",
            "a..b@example.org",
            ".a@example.org",
            "a.@example.org",
            "a@-x..org",
            "a@example..org",
            "a@-example.org",
            "a@example-.org",
            "a@123.456",
            "a@ex_ample.org",
            "a@localhost",
            "a@erased.invalid",
            "a@[127.0.0.1]",
            "\"quoted\"@example.org",
            "a\u{200b}@example.org",
            &format!("{}@example.org", "o".repeat(65)),
            &format!("o@{}.org", "e".repeat(64)),
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
    fn every_accepted_address_can_be_mailed() {
        let (local, label) = ("o".repeat(MAX_LOCAL_CHARS), "e".repeat(MAX_LABEL_CHARS));
        for address in [
            "olga@example.org".to_owned(),
            "o'neil%a+b_c-d.e@a-b.example.museum".to_owned(),
            "olga@почта.рф".to_owned(),
            format!("{local}@{label}.{label}.{}.org", "e".repeat(57)),
        ] {
            let stored = normal_email(&address).unwrap_or_else(|| panic!("{address}"));
            assert!(Mail::new(Uuid::nil(), &stored, "", String::new()).is_ok(), "{stored}");
        }
        assert_eq!(normal_email(&format!("{local}@{label}.{label}.{}.org", "e".repeat(58))), None);
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
