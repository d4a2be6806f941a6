//! What is broken on purpose in `tcplimit patch`.

use super::breakage::{Breakage, Witness};

/// A disk that fails or stops at any step.
const BRITTLE: Witness = Witness::file("brittle");
/// What is changed, and every refusal.
const PATCH: Witness = Witness::file("patch");

/// By file, in the order of their work.
pub(super) const TABLE: &[Breakage] = &[
    Breakage::at(
        "cli/src/patch.rs",
        "a limit may be anything",
        "if !(MIN_LIMIT..=MAX_LIMIT).contains(&limit)",
        "if false",
        PATCH,
    ),
    Breakage::at(
        "cli/src/patch.rs",
        "the store may hold any value",
        "if !(MIN_LIMIT..=MAX_LIMIT).contains(&before)",
        "if false",
        PATCH,
    ),
    Breakage::at(
        "cli/src/patch.rs",
        "a renamed file is taken for what is in it",
        "report.names.file != Some(claimed)",
        "false",
        PATCH,
    ),
    Breakage::at(
        "cli/src/patch.rs",
        "a file from SysWOW64 is taken",
        "module.is_none() && is_wow(path)",
        "false",
        PATCH,
    ),
    Breakage::at(
        "cli/src/patch.rs",
        "the loaded image is not looked at",
        "let loaded = view(Some(LoadBase::Typical));",
        "let loaded = view(None);",
        PATCH,
    ),
    Breakage::at(
        "cli/src/patch.rs",
        "a signature may be broken",
        "is_signed(image, headers) != Some(false)",
        "false",
        PATCH,
    ),
    Breakage::at(
        "cli/src/patch.rs",
        "a wrong checksum is made right",
        "_ if !checksum.is_right() =>",
        "_ if false =>",
        PATCH,
    ),
    Breakage::at(
        "cli/src/patch.rs",
        "the store may be anywhere",
        "section.name() != b\"INIT\"",
        "false",
        PATCH,
    ),
    Breakage::at(
        "cli/src/patch.rs",
        "the store need not be relocated",
        "&& !coverage.is_full()",
        "&& false",
        PATCH,
    ),
    Breakage::at(
        "cli/src/patch.rs",
        "the checksum is that of the old bytes",
        "Checksum::of(headers, &changed)",
        "Checksum::of(headers, image)",
        PATCH,
    ),
    Breakage::at(
        "cli/src/patch.rs",
        "what stands there is overwritten, whatever it is",
        "(*place == change.before)",
        "true",
        PATCH,
    ),
    Breakage::at(
        "cli/src/patch/replace.rs",
        "the new content is not waited for",
        "\n        .and_then(|()| disk.sync(&temporary));",
        ";",
        BRITTLE,
    )
    .sampled(),
    Breakage::at(
        "cli/src/patch/replace.rs",
        "owner and times are not kept",
        "\n        .and_then(|()| disk.keep(like, &temporary, all))",
        "",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/replace.rs",
        "owner and times are not waited for",
        ".and_then(|()| disk.keep(like, &temporary, all))\n        .and_then(|()| disk.sync(&temporary))",
        ".and_then(|()| disk.sync(&temporary))\n        .and_then(|()| disk.keep(like, &temporary, all))",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/replace.rs",
        "what appeared meanwhile is overwritten",
        "disk.link(temporary, path)",
        "disk.rename(temporary, path)",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/replace.rs",
        "other names of a file are left with the old content",
        "match links > 1 {",
        "match false {",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/replace.rs",
        "a file that changed meanwhile is replaced",
        "now != self.before",
        "false",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/replace.rs",
        "a backup may be anything",
        "match old == content {",
        "match true {",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/replace.rs",
        "the backup is not there for good",
        "named.and_then(|()| disk.sync_folder(folder_of(path)));",
        "named;",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/replace.rs",
        "what was made ready is left behind",
        "let _ = disk.remove(&self.temporary);",
        "",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/replace.rs",
        "a failed replacement is not put back",
        "match staged.put_back(disk) {",
        "match Ok::<(), Failure>(()) {",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/replace.rs",
        "the second look is not taken",
        "true => check(&again).map_err(Swap::After),",
        "true => Ok(()),",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/journal.rs",
        "the journal is not waited for",
        ".and_then(|()| disk.sync(&path))",
        "",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/journal.rs",
        "the name of the journal is not waited for",
        ".and_then(|()| disk.sync_folder(home))\n    .map_err",
        ".map_err",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/journal.rs",
        "a torn journal is no journal",
        "if is_torn(&text) {",
        "if false {",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/journal.rs",
        "files that are neither are put back all the same",
        "match (hash == entry.after).then(|| entry.undo(now)).flatten() {",
        "match Some(entry.undo(now).unwrap_or_default()) {",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/journal.rs",
        "the journal goes before the files are back",
        "let mut exchanged = Vec::new();\n",
        "finish(disk, home)?;\n    let mut exchanged = Vec::new();\n",
        BRITTLE,
    ),
    Breakage::at(
        "cli/src/patch/journal.rs",
        "after Ctrl-C it goes on",
        "match go_on() {",
        "match go_on() || true {",
        BRITTLE,
    ),
];
