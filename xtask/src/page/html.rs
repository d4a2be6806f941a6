//! Writing HTML and SVG: elements that close, and text that is escaped, here
//! and nowhere else. Names are the program's own; all else is text.

/// Names and values. Values are escaped.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a str)];

/// A document under construction.
#[derive(Debug, Default)]
pub(super) struct Html {
    text: String,
}

impl Html {
    /// A document from its first line on.
    pub(super) fn document() -> Self {
        Self {
            text: "<!DOCTYPE html>\n".into(),
        }
    }

    /// An element with whatever `inside` writes.
    pub(super) fn element(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        inside: impl FnOnce(&mut Self),
    ) {
        self.open(name, attributes);
        inside(self);
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push_str(">\n");
    }

    /// An element with nothing but text.
    pub(super) fn leaf(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        self.element(name, attributes, |html| html.text(text));
    }

    /// An element of HTML that has no end: `meta`.
    pub(super) fn void(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.open(name, attributes);
        self.text.push('\n');
    }

    /// Text.
    pub(super) fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\'' => self.text.push_str("&#39;"),
                // No page may hold them, and programs colour what they say.
                '\0'..='\u{8}' | '\u{B}'..='\u{1F}' => self.text.push('\u{FFFD}'),
                _ => self.text.push(character),
            }
        }
    }

    /// The style sheet, which is the program's own and is not escaped.
    pub(super) fn style(&mut self, sheet: &'static str) {
        self.text.push_str("<style>\n");
        self.text.push_str(sheet);
        self.text.push_str("</style>\n");
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn open(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.text.push('<');
        self.text.push_str(name);
        for (attribute, value) in attributes {
            self.text.push(' ');
            self.text.push_str(attribute);
            self.text.push_str("=\"");
            self.text(value);
            self.text.push('"');
        }
        self.text.push('>');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_values_are_escaped_and_elements_close() {
        let mut html = Html::default();
        html.element("p", &[("title", "\"><script>")], |html| {
            html.leaf("b", &[], "1 < 2 & 'so'\u{1b}[0m");
        });
        assert_eq!(
            html.finish(),
            "<p title=\"&quot;&gt;&lt;script&gt;\">\
             <b>1 &lt; 2 &amp; &#39;so&#39;\u{FFFD}[0m</b>\n</p>\n"
        );
    }
}
