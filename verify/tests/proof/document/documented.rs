//! Items of a source file with their documentation, for tables.

/// A field, a variant or a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Documented {
    pub(crate) name: String,
    /// Its type; empty for a variant.
    pub(crate) of: String,
    /// Its documentation in one line, without links and the last period.
    pub(crate) text: String,
}

/// The public fields of a structure.
pub(crate) fn fields(source: &str, name: &str) -> Vec<Documented> {
    inside(source, &format!("pub struct {name} {{"), |line| {
        let (name, of) = line.strip_prefix("pub ")?.split_once(": ")?;
        Some((name, of.trim_end_matches(',')))
    })
}

/// The variants of an enumeration.
pub(crate) fn variants(source: &str, name: &str) -> Vec<Documented> {
    inside(source, &format!("pub enum {name} {{"), |line| {
        Some((line.strip_suffix(',')?, ""))
    })
}

/// The public constants of a type.
pub(crate) fn constants(source: &str, name: &str) -> Vec<Documented> {
    inside(source, &format!("impl {name} {{"), |line| {
        let (name, rest) = line.strip_prefix("pub const ")?.split_once(": ")?;
        Some((name, rest.split(' ').next()?))
    })
}

/// The items declared in a block.
fn inside(
    source: &str,
    begin: &str,
    declared: impl Fn(&str) -> Option<(&str, &str)>,
) -> Vec<Documented> {
    let (_, block) = source.split_once(begin).expect("the item is there");
    let (block, _) = block.split_once("\n}\n").expect("its end");
    let mut all = Vec::new();
    let mut text = Vec::new();
    for line in block.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("///") {
            text.push(comment.trim());
        } else {
            let (name, of) = declared(line).unwrap_or_else(|| panic!("{begin} {line}"));
            all.push(Documented {
                name: name.into(),
                of: of.into(),
                text: plain(&text.join(" ")),
            });
            text.clear();
        }
    }
    all
}

/// The text without links and the final period.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        let (name, behind) = link.split_once("`]").expect("the end of a link");
        plain += before;
        plain += &format!("`{}`", name.rsplit("::").next().unwrap_or(name));
        rest = match behind.strip_prefix('(') {
            Some(target) => target.split_once(')').expect("its target").1,
            None => behind,
        };
    }
    plain += rest;
    plain.trim_end_matches('.').into()
}

#[test]
fn fields_variants_and_constants_are_read_with_their_docs() {
    let source = "pub struct A {\n    /// Why, a [`Reason`](crate::Reason): 0\n    /// for none.\n    \
        pub b: U32,\n}\npub enum C {\n    /// As in [`A::b`].\n    D,\n}\nimpl E {\n    \
        /// One.\n    pub const F: u32 = 1 << 2;\n}\n";
    let item = |name: &str, of: &str, text: &str| Documented {
        name: name.into(),
        of: of.into(),
        text: text.into(),
    };
    let field = item("b", "U32", "Why, a `Reason`: 0 for none");
    assert_eq!(fields(source, "A"), [field]);
    assert_eq!(variants(source, "C"), [item("D", "", "As in `b`")]);
    assert_eq!(constants(source, "E"), [item("F", "u32", "One")]);
}
