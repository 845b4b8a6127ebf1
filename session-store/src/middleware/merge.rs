//! Merging the changes of one request with those that other requests have saved meanwhile.

use crate::model::Data;

/// Applies to `stored` what differs between `seen` and `mine`, by top-level key. Where both have changed
/// one key, `mine` wins.
pub(crate) fn three_way(seen: &Data, mine: &Data, stored: &Data) -> Data {
    let mut merged = stored.clone();
    for (key, value) in mine {
        if seen.get(key) != Some(value) {
            merged.insert(key.clone(), value.clone());
        }
    }
    for key in seen.keys() {
        if !mine.contains_key(key) {
            merged.remove(key);
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::three_way;
    use crate::model::Data;

    fn data(value: &Value) -> Data {
        let map = value.as_object().unwrap();
        map.iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    #[test]
    fn each_request_keeps_the_keys_it_changed() {
        for (seen, mine, stored, merged) in [
            // Nothing changed here: what is stored stays.
            (
                json!({"a": 1}),
                json!({"a": 1}),
                json!({"a": 2, "b": 3}),
                json!({"a": 2, "b": 3}),
            ),
            (json!({"a": 1}), json!({"a": 1}), json!({}), json!({})),
            // Different keys: both.
            (
                json!({}),
                json!({"a": 1}),
                json!({"b": 2}),
                json!({"a": 1, "b": 2}),
            ),
            (
                json!({"a": 1}),
                json!({}),
                json!({"a": 1, "b": 2}),
                json!({"b": 2}),
            ),
            // The same key: the later save wins, which is this one.
            (
                json!({"a": 1}),
                json!({"a": 2}),
                json!({"a": 3}),
                json!({"a": 2}),
            ),
            (json!({"a": 1}), json!({}), json!({"a": 3}), json!({})),
            (json!({"a": 1}), json!({"a": 2}), json!({}), json!({"a": 2})),
            // A null is a value, not a missing key.
            (
                json!({}),
                json!({"a": null}),
                json!({"b": 1}),
                json!({"a": null, "b": 1}),
            ),
            (json!({"a": null}), json!({}), json!({"a": null}), json!({})),
        ] {
            let result = three_way(&data(&seen), &data(&mine), &data(&stored));
            assert_eq!(result, data(&merged), "{seen} -> {mine} over {stored}");
        }
    }
}
