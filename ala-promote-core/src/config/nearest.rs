//! What somebody may have meant who mistyped a name.

/// Longer names get no proposal: nobody mistypes one of ours that far, and the comparison is quadratic.
const MAX_CHARS: usize = 64;

/// The candidate that is nearest to `word`, if it is near enough to be proposed: a third of its letters may differ.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.chars().nth(MAX_CHARS).is_some() {
        return None;
    }
    let near = |c: &str| c.chars().count().div_ceil(3).max(1);
    candidates
        .into_iter()
        .map(|c| (distance(word, c), c))
        .filter(|(d, c)| *d <= near(c))
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// How many letters must be put in, taken out or changed to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // One row of the table at a time: `row[j]` is the distance of what was read of `a` to the first `j` of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, in_a) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (pair, in_b) in row.windows(2).zip(&b) {
            let (diagonal, above) = (pair[0], pair[1]);
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(in_a != *in_b)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("a", "", 1), ("helth", "health", 1), ("kitten", "sitting", 3), ("é", "e", 1)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn proposes_the_nearest_or_nothing() {
        let keys = ["health", "backup", "dir"];
        assert_eq!(nearest("helth", keys), Some("health"));
        assert_eq!(nearest("dri", keys), None);
        assert_eq!(nearest("di", keys), Some("dir"));
        assert_eq!(nearest("entirely-other", keys), None);
        assert_eq!(nearest(&"health".repeat(100_000), keys), None);
    }
}
