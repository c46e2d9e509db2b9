//! Pages that end early, before their response would exceed the message limit.

use prost::Message;
use serde::Serialize;
use shared::error::Result;
use shared::page::PageTokens;
use shared::server::MAX_MESSAGE_BYTES;

/// Most bytes of the items of a page; the rest is for the page token.
const MAX_PAGE_BYTES: usize = MAX_MESSAGE_BYTES - 16 * 1024;
/// Most bytes of the tag and length of an item.
pub(crate) const ITEM_OVERHEAD_BYTES: usize = 8;

/// Converts rows to the items of a page and the token of the next. `rows` has more than `size` rows if there is another
/// page.
pub(crate) fn to_page<R, M, P>(
    tokens: &PageTokens,
    query: &str,
    size: i64,
    rows: Vec<R>,
    position: impl Fn(&R) -> P,
) -> Result<(Vec<M>, String)>
where
    M: Message + From<R>,
    P: Clone + Serialize,
{
    let (mut items, mut bytes, mut fitting) = (Vec::with_capacity(rows.len()), 0, 0);
    for row in rows {
        let (position, item) = (position(&row), M::from(row));
        bytes += item.encoded_len() + ITEM_OVERHEAD_BYTES;
        let is_full = bytes > MAX_PAGE_BYTES && !items.is_empty();
        items.push((position, item));
        if is_full {
            break;
        }
        fitting += 1;
    }
    let token = tokens.cut(query, size.min(fitting), &mut items, |(position, _)| position.clone())?;
    Ok((items.into_iter().map(|(_, item)| item).collect(), token))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the items on a page, and whether there is another page.
    fn page(size: i64, rows: &[usize]) -> (Vec<usize>, bool) {
        let tokens = PageTokens::new(&"k".into());
        let rows: Vec<String> = rows.iter().map(|bytes| "x".repeat(*bytes)).collect();
        let (items, token) = to_page::<String, String, usize>(&tokens, "q", size, rows, String::len).unwrap();
        (items.iter().map(String::len).collect(), !token.is_empty())
    }

    #[test]
    fn a_page_ends_by_its_size_or_its_bytes() {
        const HALF: usize = MAX_PAGE_BYTES / 2;
        assert_eq!(page(2, &[1, 2]), (vec![1, 2], false));
        assert_eq!(page(2, &[1, 2, 3]), (vec![1, 2], true));
        assert_eq!(page(3, &[HALF, HALF, 1]), (vec![HALF], true));
        assert_eq!(page(3, &[HALF, 1, HALF, 1]), (vec![HALF, 1], true));
        assert_eq!(page(2, &[2 * HALF, 1]), (vec![2 * HALF], true));
        assert_eq!(page(1, &[2 * HALF]), (vec![2 * HALF], false));
    }
}
