//! Authors as users: who is the same person, and what they are called.
//!
//! A handle is a person, in whatever case it is written; an author without one is the person of that name. "et al." is
//! nobody. A bare name and a handle are two people, and so are two handles, even under one name: merging them could
//! be wrong, and nothing in the input says that it is right. Who is only called by name, in histories, is the person
//! of that name, else the one whose handle most often stands beside it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use super::id;
use super::input::{Author, Proposal};
use super::records::{Moment, User};

/// Longest names and usernames that identity takes.
const MAX_USERNAME_CHARS: usize = 50;
const MIN_USERNAME_CHARS: usize = 3;
const MAX_NAME_CHARS: usize = 100;
/// Reserved for documentation by RFC 2606: mail to it goes nowhere.
const MAIL_DOMAIN: &str = "eips.example";

/// What tells people apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Lower case.
    Handle(String),
    /// As [`normalised`].
    Name(String),
}

/// A person.
#[derive(Debug)]
pub struct Person {
    /// Id of the user.
    pub id: Uuid,
    /// Unique without regard to case.
    pub username: String,
    /// As most often written.
    pub name: String,
}

/// Everybody who wrote something.
#[derive(Debug, Default)]
pub struct People {
    by_key: BTreeMap<Key, Person>,
    /// The handle that most often stands beside a name.
    handle_of: HashMap<String, String>,
}

/// How often something was written in which way.
type Spellings = BTreeMap<String, usize>;

impl People {
    /// The authors of these proposals.
    pub fn of(proposals: &[Proposal]) -> Self {
        let authors =
            || proposals.iter().flat_map(|proposal| &proposal.authors).filter(|author| is_somebody(author));
        let mut handles = HashMap::<String, Spellings>::new();
        for author in authors() {
            if let Some(handle) = &author.handle {
                *handles
                    .entry(normalised(&author.name))
                    .or_default()
                    .entry(handle.to_lowercase())
                    .or_default() += 1;
            }
        }
        let handle_of = handles.into_iter().map(|(name, handles)| (name, most_frequent(&handles))).collect();
        let mut people = Self { by_key: BTreeMap::new(), handle_of };
        let mut written = BTreeMap::<Key, (Spellings, Spellings)>::new();
        for author in authors() {
            let (names, handles) = written.entry(key(author)).or_default();
            *names.entry(author.name.trim().to_owned()).or_default() += 1;
            if let Some(handle) = &author.handle {
                *handles.entry(handle.clone()).or_default() += 1;
            }
        }
        let mut taken = BTreeSet::new();
        for (key, (names, handles)) in written {
            let name = most_frequent(&names);
            let wanted =
                if handles.is_empty() { slug(&name) } else { slug_of_handle(&most_frequent(&handles)) };
            let id = id("user", &key.to_string());
            let username = unique(wanted, id, &mut taken);
            people.by_key.insert(key, Person { id, username, name });
        }
        people
    }

    /// The person that an author is; `None` for nobody.
    pub fn find(&self, author: &Author) -> Option<&Person> {
        is_somebody(author).then(|| self.by_key.get(&key(author))).flatten()
    }

    /// The person who is called so, by name or handle.
    pub fn called(&self, name: &str) -> Option<&Person> {
        let written = normalised(name);
        let handle = self.handle_of.get(&written).cloned().unwrap_or_else(|| name.trim().to_lowercase());
        self.by_key.get(&Key::Name(written)).or_else(|| self.by_key.get(&Key::Handle(handle)))
    }

    /// Everybody, as users since `first_proposal`.
    pub fn users(&self, first_proposal: impl Fn(Uuid) -> Option<Moment>) -> Vec<User> {
        self.by_key.values().map(|person| user(person, first_proposal(person.id))).collect()
    }
}

fn key(author: &Author) -> Key {
    match &author.handle {
        Some(handle) => Key::Handle(handle.to_lowercase()),
        None => Key::Name(normalised(&author.name)),
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Handle(handle) => write!(out, "@{handle}"),
            Self::Name(name) => out.write_str(name),
        }
    }
}

fn user(person: &Person, created_at: Option<Moment>) -> User {
    let (first, last) = match person.name.rsplit_once(' ') {
        Some((first, last)) => (first, Some(last)),
        None => (person.name.as_str(), None),
    };
    let cut = |name: &str| name.chars().take(MAX_NAME_CHARS).collect::<String>();
    User {
        id: person.id,
        email: format!("{}@{MAIL_DOMAIN}", person.username.to_lowercase()),
        username: person.username.clone(),
        first_name: Some(cut(first)).filter(|name| !name.is_empty()),
        last_name: last.map(cut),
        created_at,
    }
}

fn is_somebody(author: &Author) -> bool {
    author.handle.is_some() || !matches!(normalised(&author.name).as_str(), "" | "et al." | "et al")
}

/// Lower case, one space between words.
fn normalised(name: &str) -> String {
    name.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// The first in order among equals.
fn most_frequent(spellings: &Spellings) -> String {
    let most = spellings.iter().rev().max_by_key(|(_, count)| **count);
    most.map(|(spelling, _)| spelling.clone()).unwrap_or_default()
}

/// The characters of a handle that a username may have.
fn slug_of_handle(handle: &str) -> String {
    handle.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect()
}

/// A name in small Latin letters with dots between words; other scripts leave nothing.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| c.is_whitespace() || "._-".contains(c));
    let latin = words.map(|word| word.to_lowercase().chars().filter_map(latin_letter).collect::<String>());
    latin.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(".")
}

/// The base letter of the accented ones that European names have.
fn latin_letter(c: char) -> Option<char> {
    let letter = match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' | 'đ' => 'd',
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => 'e',
        'ğ' => 'g',
        'ì'..='ï' | 'ī' | 'ı' => 'i',
        'ł' | 'ľ' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => 'o',
        'ř' => 'r',
        'ś' | 'š' | 'ş' | 'ș' => 's',
        'ť' | 'ţ' | 'ț' => 't',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        other => other,
    };
    letter.is_ascii_alphanumeric().then_some(letter)
}

/// The name that is wanted, shortened and told apart from those that are taken.
fn unique(wanted: String, id: Uuid, taken: &mut BTreeSet<String>) -> String {
    let fits = wanted.chars().count() >= MIN_USERNAME_CHARS;
    let wanted = if fits { wanted } else { format!("author-{}", id.simple().to_string().split_at(8).0) };
    let numbered = |number: u32| match number {
        1 => wanted.chars().take(MAX_USERNAME_CHARS).collect::<String>(),
        _ => {
            let suffix = format!("-{number}");
            wanted.chars().take(MAX_USERNAME_CHARS - suffix.len()).collect::<String>() + &suffix
        }
    };
    // Among infinitely many numbers one is free.
    let free = (1..).map(numbered).find(|name| !taken.contains(&name.to_lowercase()));
    let username = free.unwrap_or_default();
    taken.insert(username.to_lowercase());
    username
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(name: &str, handle: Option<&str>) -> Author {
        Author { name: name.to_owned(), handle: handle.map(str::to_owned) }
    }

    fn people(authors: &[(&str, Option<&str>)]) -> (People, Vec<(String, String)>) {
        let authors = authors.iter().map(|(name, handle)| author(name, *handle)).collect();
        let people = People::of(&[Proposal { authors, ..Default::default() }]);
        let names =
            people.by_key.values().map(|person| (person.username.clone(), person.name.clone())).collect();
        (people, names)
    }

    fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(username, name)| ((*username).to_owned(), (*name).to_owned())).collect()
    }

    #[test]
    fn a_handle_is_one_person_however_it_and_the_name_are_written() {
        let (people, names) =
            people(&[("Olga Ruiz", Some("OlgaR")), ("Olga", Some("olgar")), ("Olga Ruiz", Some("OlgaR"))]);
        assert_eq!(names, named(&[("OlgaR", "Olga Ruiz")]));
        assert!(people.called("OLGA RUIZ").is_some());
        assert!(people.called("olgaR").is_some());
        assert!(people.called("somebody").is_none());
    }

    #[test]
    fn two_handles_are_two_people_and_who_is_only_called_by_name_is_the_busier_one() {
        let (people, names) = people(&[
            ("Jan Nowak", Some("janx")),
            ("Jan Nowak", Some("nowak")),
            ("Jan Nowak", Some("nowak")),
        ]);
        assert_eq!(names.len(), 2);
        assert_eq!(people.called("Jan Nowak").unwrap().username, "nowak");
    }

    #[test]
    fn a_bare_name_is_a_person_of_its_own_however_it_is_written() {
        let (people, names) =
            people(&[("Jan Nowak", Some("nowak")), ("Jan Nowak", None), ("jan  NOWAK", None)]);
        assert_eq!(names.len(), 2);
        assert_eq!(people.called("Jan Nowak").unwrap().username, "jan.nowak");
    }

    #[test]
    fn et_al_is_nobody() {
        let (people, names) = people(&[("et al.", None), ("Et Al", None), ("", None)]);
        assert_eq!(names, []);
        assert!(people.find(&author("et al.", None)).is_none());
    }

    #[test]
    fn usernames_are_latin_long_enough_and_unique() {
        let (_, names) = people(&[
            ("Łukasz Ćwik-Zając", None),
            ("lukasz cwik zajac", None),
            ("王", None),
            ("Q", Some("o.k")),
            ("O K", None),
        ]);
        let usernames: Vec<&str> = names.iter().map(|(username, _)| username.as_str()).collect();
        assert_eq!(usernames[0], "o.k");
        assert!(usernames.contains(&"lukasz.cwik.zajac") && usernames.contains(&"lukasz.cwik.zajac-2"));
        assert!(usernames.contains(&"o.k-2"));
        assert!(usernames.iter().any(|username| username.starts_with("author-") && username.len() == 15));
    }
}
