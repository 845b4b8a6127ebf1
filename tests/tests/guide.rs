//! The guide is whole: each chapter is on its lists, and each link leads somewhere, in the crate's docs
//! and from file to file.

use std::fs;
use std::path::PathBuf;

#[test]
fn each_chapter_is_in_the_crate_and_on_every_list() {
    for chapter in chapters() {
        for (file, entry) in [
            (
                "src/guide.rs",
                format!("include_str!(\"../docs/{chapter}.md\")"),
            ),
            ("docs/guide.md", format!("][{chapter}]: ")),
            (
                "docs/links.md",
                format!("[{chapter}]: crate::guide::{chapter}\n"),
            ),
            ("../README.md", format!("(session-store/docs/{chapter}.md)")),
        ] {
            assert!(read(file).contains(&entry), "{file} has no {entry}");
        }
    }
}

#[test]
fn the_readme_has_the_program_of_the_quick_start() {
    let program = |file: &str| {
        let page = read(file);
        let block = page.split("```rust,no_run\n").nth(1).unwrap();
        block.split("```").next().unwrap().to_owned()
    };
    let quick_start = program("docs/quick_start.md");
    assert!(quick_start.contains("axum::serve(listener, app)"));
    assert_eq!(program("../README.md"), quick_start);
}

#[test]
fn each_chapter_ends_with_what_to_read_next() {
    for chapter in chapters() {
        let page = Page::read(&chapter);
        let last = page.text.trim_end().rsplit("\n\n").next().unwrap();
        assert!(last.starts_with("See also: "), "{chapter} ends: {last}");
    }
}

#[test]
fn each_link_of_a_page_leads_to_an_item_in_the_docs_and_to_a_file_outside() {
    let items = Page::read("links").links;
    let docs = root().join("docs");
    for name in chapters().iter().map(String::as_str).chain(PAGES) {
        let page = Page::read(name);
        for (label, to) in &page.links {
            let link = format!("[{label}]");
            assert!(page.text.contains(&link), "{name} does not use {link}");
            if to.starts_with("https://") {
                continue;
            }
            let is_item = items.iter().any(|(item, _)| item == label);
            assert!(is_item, "links.md has no {link}, which {name} uses");
            let file = to.split('#').next().unwrap();
            assert!(docs.join(file).exists(), "{name} links to {to}");
        }
        for (label, _) in &items {
            let link = format!("[{label}]");
            // Before another bracket it is words.
            let is_link = |(at, _)| !page.text[at + link.len()..].starts_with('[');
            let is_used = page.text.match_indices(&link).any(is_link);
            let is_file = page.links.iter().any(|(defined, _)| defined == label);
            assert!(is_file || !is_used, "{name} leads {link} to no file");
        }
    }
}

/// What is in the folder of chapters and is none, but for `links`.
const PAGES: [&str; 2] = ["crate", "guide"];

fn chapters() -> Vec<String> {
    let files = fs::read_dir(root().join("docs")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let chapters: Vec<_> = names
        .filter_map(|name| Some(name.strip_suffix(".md")?.to_owned()))
        .filter(|name| name != "links" && !PAGES.contains(&name.as_str()))
        .collect();
    assert!(chapters.len() > 11, "{chapters:?}");
    chapters
}

/// A page without its code, and the links at its foot.
struct Page {
    text: String,
    links: Vec<(String, String)>,
}

impl Page {
    fn read(name: &str) -> Self {
        let source = read(&format!("docs/{name}.md"));
        let prose = source.split("\n```").step_by(2).collect::<String>();
        let (links, text): (Vec<_>, Vec<_>) =
            prose.lines().partition(|line| definition(line).is_some());
        Self {
            text: text.join("\n"),
            links: links.into_iter().filter_map(definition).collect(),
        }
    }
}

/// `[label]: target`
fn definition(line: &str) -> Option<(String, String)> {
    let (label, to) = line.strip_prefix('[')?.split_once("]: ")?;
    Some((label.to_owned(), to.to_owned()))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../session-store"]
        .iter()
        .collect()
}
