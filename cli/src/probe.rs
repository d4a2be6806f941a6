//! The path of `tcplimit probe`, from the bytes of one file to its reports.

mod run;

use tcplimit_report::{Origin, Report};

use crate::archive::Archive;
use crate::image_probe::{image, with_file_facts};
use crate::input::HEAD;

pub use crate::image_probe::{Members, Options};
pub(crate) use run::run;

/// Reports on the content of one file: one report, or one per member that is searched. It never
/// panics, whatever the bytes are.
#[must_use]
pub fn bytes(path: &str, data: &[u8], options: &Options) -> Vec<Report> {
    let mut reports = Vec::new();
    visit(path, data, options, &mut |report, data| {
        reports.push(with_file_facts(report, data));
    });
    reports
}

/// As [`bytes`], but passes each report with the bytes of its image to `visit`. The bytes are not
/// hashed: see [`with_file_facts`].
pub(crate) fn visit(
    path: &str,
    data: &[u8],
    options: &Options,
    visit: &mut dyn FnMut(Report, &[u8]),
) {
    let origin = Origin::file(path);
    let head = data.get(..HEAD).unwrap_or(data);
    match Archive::of(head, &data, true) {
        Some(archive) => archive.visit(&origin, &data, options, visit),
        None => visit(image(origin, data, options), data),
    }
}
