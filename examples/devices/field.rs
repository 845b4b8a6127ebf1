//! How does a form show a field, with its hint or its error?

use maud::{Markup, html};

pub struct Field<'a> {
    pub id: &'a str,
    pub label: &'a str,
    pub kind: &'a str,
    /// Tells a password manager what belongs here.
    pub autocomplete: &'a str,
    pub value: &'a str,
    pub hint: Option<&'a str>,
    pub error: Option<&'a str>,
}

impl Field<'_> {
    pub fn html(&self) -> Markup {
        let id = self.id;
        // An error includes what the hint says.
        let note = match (self.error, self.hint) {
            (Some(error), _) => Some(("error", error)),
            (None, Some(hint)) => Some(("hint", hint)),
            (None, None) => None,
        };
        let note_id = note.map(|(kind, _)| format!("{id}-{kind}"));
        html! {
            div.field {
                label for=(id) { (self.label) }
                input id=(id) name=(id) type=(self.kind) value=(self.value) required
                    autocomplete=(self.autocomplete) autocapitalize="none" spellcheck="false"
                    aria-describedby=[&note_id] aria-invalid=[self.error.map(|_| "true")];
                @if let Some((kind, text)) = note {
                    p class=(kind) id=[&note_id] { (text) }
                }
            }
        }
    }
}
