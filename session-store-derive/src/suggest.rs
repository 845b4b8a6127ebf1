//! Finds the name that a misspelled one is closest to.

/// Returns the closest of some names, if one is close enough.
pub(crate) fn closest(name: &str, names: &[&'static str]) -> Option<&'static str> {
    let shares_start =
        |known: &&str| name.len() >= 3 && (known.starts_with(name) || name.starts_with(*known));
    names.iter().copied().find(shares_start).or_else(|| {
        names
            .iter()
            .copied()
            .map(|known| (distance(name, known), known))
            .min()
            .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
            .map(|(_, known)| known)
    })
}

/// Returns the Levenshtein distance: how many letters to insert, delete or replace.
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
