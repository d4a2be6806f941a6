//! Links between the pages lead to existing files.

use std::fs;
use std::path::Path;

/// Targets of links in a page, without fragments.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let link = rest.split(')').next()?;
        let path = link.split('#').next()?;
        (!path.is_empty() && !path.contains("://")).then_some(path)
    })
}

#[test]
fn links_of_all_pages_lead_to_files_or_folders() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = vec![root.join("README.md")];
    for entry in fs::read_dir(root.join("docs")).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_some_and(|kind| kind == "md") {
            pages.push(path);
        }
    }
    let mut count = 0;
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page");
        let folder = page.parent().expect("a page is in a folder");
        for link in links(&text) {
            let to = folder.join(link);
            assert!(to.exists(), "{}: {link}", page.display());
            count += 1;
        }
    }
    assert!(count >= 20, "{count} links");
}

#[test]
fn links_to_files_are_found_and_urls_are_not() {
    let text = "[a](a.md), [b](b.md#c), [d](https://d.example/), [e](#e)";
    assert_eq!(links(text).collect::<Vec<_>>(), ["a.md", "b.md"]);
}

/// File names in code marks of a page.
fn files(text: &str) -> impl Iterator<Item = &str> {
    let marked = text.split('`').skip(1).step_by(2);
    marked.filter(|name| name.ends_with(".rs") || name.ends_with("txt") && name.contains('/'))
}

#[test]
fn files_named_by_the_threat_model_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("docs/threat-model.md")).expect("the page");
    let folders = [
        "",
        "driver/tests/driver",
        "scanner-core/tests/rules",
        "verify",
        "verify/tests/proof",
    ];
    for name in files(&text) {
        let is_there = folders
            .iter()
            .any(|folder| root.join(folder).join(name).is_file());
        assert!(is_there, "{name}");
    }
    assert!(files(&text).count() >= 15);
}

#[test]
fn file_names_are_found_in_code_marks() {
    let text = "a `b.rs`, c.rs, `d/e.txt` and `f.txt` or `g`";
    assert_eq!(files(text).collect::<Vec<_>>(), ["b.rs", "d/e.txt"]);
}
