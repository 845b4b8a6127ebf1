//! Which word a misspelt one means.

/// The nearest of some words, if one is near.
pub(crate) fn nearest<const N: usize>(
    name: &str,
    words: [&'static str; N],
) -> Option<&'static str> {
    let shares_start =
        |word: &&str| name.len() >= 3 && (word.starts_with(name) || name.starts_with(*word));
    words.into_iter().find(shares_start).or_else(|| {
        words
            .into_iter()
            .map(|word| (distance(name, word), word))
            .min()
            .filter(|(distance, word)| *distance <= word.len().div_ceil(3))
            .map(|(_, word)| word)
    })
}

/// Levenshtein's: how many letters to add, drop or replace.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}
