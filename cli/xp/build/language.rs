//! The table of a language, from its file.

#[path = "../src/language/hash.rs"]
mod hash;
#[path = "po.rs"]
mod po;

/// The table in Rust: sorted hashes, the end of each text, and all texts.
pub(crate) fn table(file: &str) -> Result<String, String> {
    let mut entries: Vec<(u32, String)> = po::entries(file)?
        .into_iter()
        .map(|entry| (hash::hash(&entry.english), entry.translated))
        .collect();
    entries.sort();
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("two texts have the same hash: {pair:?}"));
    }
    let mut texts = String::new();
    let mut ends = Vec::new();
    for (_, text) in &entries {
        texts += text;
        ends.push(u16::try_from(texts.len()).map_err(|_| "more than 64 KB of texts")?);
    }
    let hashes: Vec<u32> = entries.iter().map(|&(hash, _)| hash).collect();
    Ok(format!(
        "Table {{ hashes: &{hashes:?}, ends: &{ends:?}, texts: {texts:?} }}"
    ))
}
