//! `tcplimitw.exe` in Wine on an Xvfb display: another program (`verify/wine/window.c`)
//! reads its texts and presses its buttons, by messages and by keys, while a client
//! changes the drivers' counts.

use std::fs;
use std::path::Path;

use super::check_log::CheckLog;
use super::client::Client;
use super::display::{self, Display};
use super::machine::Machine;
use super::owner;
use super::programs::WINDOW_DRIVER;
use super::script::parse_number;
use super::session::Session;
use super::tool::FOLDER;
use super::who::WaitingProgram;
use crate::command::Failure;
use crate::filesystem;
use crate::workspace::Workspace;

/// Bytes of both headers of a BMP file.
const HEADERS: usize = 54;

/// Plays the session of the window, from a Windows without tcplimit on, with this number
/// of ticks.
pub(super) fn test(
    workspace: &Workspace,
    machine: &mut Machine<'_>,
    folder: &Path,
    ticks: usize,
    checks: &mut CheckLog,
) -> Result<(), Failure> {
    if !display::is_installed(workspace) {
        let arch = machine.arch().name();
        println!("{arch} SKIPPED: the window: no Xvfb; cargo xtask setup installs it");
        checks.skip();
        return Ok(());
    }
    let display = Display::start(workspace, machine.arch())?;
    machine.restore()?;
    machine.install_fonts()?;
    machine.set_display(Some(display.number()));
    let played = play(workspace, machine, folder, ticks, checks, &display);
    machine.stop_all()?;
    machine.set_display(None);
    played
}

fn play(
    workspace: &Workspace,
    machine: &Machine<'_>,
    folder: &Path,
    ticks: usize,
    checks: &mut CheckLog,
    display: &Display,
) -> Result<(), Failure> {
    owner::prepare(machine, folder)?;
    create_documents(machine)?;
    let to = machine.drive().join(FOLDER).join("tcplimitw.exe");
    filesystem::copy(&folder.join("tcplimitw.exe"), &to)?;
    let session = &mut Session::begin(workspace, machine, checks)?;
    session.window_driver = Some(Client::start(
        &mut machine.wine(&format!(r"C:\{WINDOW_DRIVER}")),
    )?);
    session.play("window")?;
    check_saved_graph(session, machine)?;
    check_ticks(session, ticks)?;
    let waiting = WaitingProgram::with_few(machine)?;
    session.play("window-row")?;
    check_appearance(session, display, Appearance::Usual)?;
    drop(waiting);
    session.play("window-german")?;
    check_appearance(session, display, Appearance::German120)?;
    session.play("window-contrast")?;
    check_appearance(session, display, Appearance::Contrast)?;
    session.play("window-closed")
}

/// An appearance of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Appearance {
    /// In English at 96 dpi, with visual styles.
    Usual,
    /// In German at 120 dpi, without visual styles.
    German120,
    /// In High Contrast colours, at the minimum size.
    Contrast,
}

impl Appearance {
    fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::German120 => "german-120-dpi",
            Self::Contrast => "contrast",
        }
    }
}

/// Replaces the users' Documents, which Wine links to their homes, by folders: files
/// saved there would be outside the chroot for x86.
fn create_documents(machine: &Machine<'_>) -> Result<(), Failure> {
    for user in fs::read_dir(machine.drive().join("users"))? {
        let documents = user?.path().join("Documents");
        if documents.is_symlink() {
            fs::remove_file(&documents)?;
            fs::create_dir(&documents)?;
        }
    }
    Ok(())
}

/// Checks that the window is on the screen and not blank; saves the screenshot.
fn check_appearance(
    session: &mut Session<'_>,
    display: &Display,
    appearance: Appearance,
) -> Result<(), Failure> {
    let screen = display.screenshot()?;
    screen.save(display, appearance.name())?;
    let (painted, colors) = screen.painted_pixels();
    let size = session.send("window size")?;
    let (width, height) = (parse_number(&size, "width"), parse_number(&size, "height"));
    let wanted = width.zip(height).map(|(width, height)| width * height);
    let fits = width <= Some(800) && height <= Some(600);
    let wanted = wanted.map_or(0, |pixels| usize::try_from(pixels).unwrap_or(0));
    // The window's border is black or dark. In High Contrast all but the text is.
    let is_painted = match appearance {
        Appearance::Contrast => (wanted / 50..wanted / 2).contains(&painted),
        _ => painted > wanted * 8 / 10,
    };
    let actual = format!(
        "{size}, {painted} pixels in {colors} colours, {:?}",
        screen.size()
    );
    let is_right = fits && is_painted && colors > 10;
    let name = appearance.name();
    let description = format!("the window ({name}) fits a screen of 800 by 600 and is painted");
    session.checks.check(&description, is_right, &actual);
    Ok(())
}

/// Checks that ticks, each of them painted, leak no object of GDI or USER. The font, its
/// device context and the menu bar remain.
fn check_ticks(session: &mut Session<'_>, ticks: usize) -> Result<(), Failure> {
    // In parts, so that each is answered before the timeout.
    const COUNTS: [u32; 12] = [1, 2, 5, 3, 6, 8, 10, 10, 9, 6, 4, 7];
    const STAYS: &str = "objects=3";
    let mut failures = Vec::new();
    for count in COUNTS {
        session.send(&format!("target tcpip store count {count}"))?;
        let actual = session.send(&format!("window ticks {}", ticks / COUNTS.len()))?;
        if actual.trim() != STAYS {
            failures.push(actual);
        }
    }
    session.send("target tcpip store count 3")?;
    let description = format!("{ticks} painted ticks leak no object of GDI or USER");
    session.checks.check_no_failures(&description, &failures);
    Ok(())
}

/// Checks that F5 saves the graph in its displayed size.
fn check_saved_graph(session: &mut Session<'_>, machine: &Machine<'_>) -> Result<(), Failure> {
    session.check("", "window front", "front=1")?;
    session.check("", "window key 74", "sent=2")?;
    let output = session.send("window box")?;
    session.check("", "window answer ok", "error=0")?;
    let path = output
        .trim()
        .strip_prefix(r"Saved C:\")
        .map(|path| path.replace('\\', "/"));
    let file = path.and_then(|path| fs::read(machine.drive().join(path)).ok());
    let size = session.send("window graph")?;
    let is_right = file.is_some_and(|file| is_bitmap(&file, &size));
    let description =
        "F5 saves the graph as a BMP of its size that is not blank, and shows the path";
    session
        .checks
        .check(description, is_right, &format!("{output}; {size}"));
    Ok(())
}

/// Whether a file is a BMP of this size with several colours.
fn is_bitmap(file: &[u8], size: &str) -> bool {
    let dword = |at: usize| {
        let bytes = file.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let mut colors: Vec<&[u8]> = file
        .get(HEADERS..)
        .unwrap_or_default()
        .chunks_exact(3)
        .collect();
    colors.sort_unstable();
    colors.dedup();
    file.starts_with(b"BM")
        && dword(18) == parse_number(size, "width")
        && dword(22) == parse_number(size, "height")
        && dword(2).and_then(|length| usize::try_from(length).ok()) == Some(file.len())
        && colors.len() > 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_its_size_and_is_not_blank() {
        let mut file = b"BM".to_vec();
        let pixels: Vec<u8> = (0..24).collect();
        for number in [78_u32, 0, 54, 40, 4, 2] {
            file.extend(number.to_le_bytes());
        }
        file.resize(HEADERS, 0);
        let blank = [file.clone(), vec![0; 24]].concat();
        file.extend(pixels);
        assert!(is_bitmap(&file, "width=4 height=2"));
        assert!(!is_bitmap(&file, "width=2 height=4"));
        assert!(!is_bitmap(&blank, "width=4 height=2"));
        assert!(!is_bitmap(&file[..70], "width=4 height=2"));
    }
}
