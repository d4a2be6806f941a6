//! `tcplimitw.exe` in Wine, on a screen of Xvfb: another program (`verify/wine/window.c`) reads its
//! texts and presses its buttons, by messages and by keys, beside drivers whose counts a client
//! changes.

use std::fs;
use std::path::Path;

use super::check_log::Judge;
use super::client::Client;
use super::display::{self, Display};
use super::machine::Machine;
use super::owner;
use super::programs::DRIVER;
use super::script::number;
use super::session::Session;
use super::tool::FOLDER;
use super::who::Waiting;
use crate::command::Failure;
use crate::filesystem;
use crate::workspace::Workspace;

/// Bytes of both headers of a BMP file.
const HEADERS: usize = 54;

/// Plays the session of the window, from a Windows without tcplimit on, so many ticks of it.
pub(super) fn test(
    workspace: &Workspace,
    machine: &mut Machine<'_>,
    folder: &Path,
    ticks: usize,
    judge: &mut Judge,
) -> Result<(), Failure> {
    if !display::is_installed(workspace) {
        let arch = machine.arch().name();
        println!("{arch} SKIPPED: the window: no Xvfb: cargo xtask setup");
        judge.skip();
        return Ok(());
    }
    let display = Display::start(workspace)?;
    machine.restore()?;
    machine.bring_fonts()?;
    machine.show_on(Some(display.number()));
    let played = play(workspace, machine, folder, ticks, judge, &display);
    machine.halt()?;
    machine.show_on(None);
    played
}

fn play(
    workspace: &Workspace,
    machine: &Machine<'_>,
    folder: &Path,
    ticks: usize,
    judge: &mut Judge,
    display: &Display,
) -> Result<(), Failure> {
    owner::prepare(machine, folder)?;
    own_documents(machine)?;
    let to = machine.drive().join(FOLDER).join("tcplimitw.exe");
    filesystem::copy(&folder.join("tcplimitw.exe"), &to)?;
    let session = &mut Session::begin(workspace, machine, judge)?;
    session.driver = Some(Client::start(&mut machine.wine(&format!(r"C:\{DRIVER}")))?);
    session.play("window")?;
    picture(session, machine)?;
    live(session, ticks)?;
    let waiting = Waiting::few(machine)?;
    session.play("window-row")?;
    on_screen(session, display, Look::Usual)?;
    drop(waiting);
    session.play("window-german")?;
    on_screen(session, display, Look::German120)?;
    session.play("window-contrast")?;
    on_screen(session, display, Look::Contrast)?;
    session.play("window-closed")
}

/// How the window looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// In English at 96 dpi, with visual styles.
    Usual,
    /// In German at 120 dpi, without visual styles.
    German120,
    /// In the colours of High Contrast, as small as it can be.
    Contrast,
}

impl Look {
    fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::German120 => "german-120-dpi",
            Self::Contrast => "contrast",
        }
    }
}

/// Makes folders of the users' Documents, which in Wine are links to their homes:
/// what is saved there would lie in another root for x86.
fn own_documents(machine: &Machine<'_>) -> Result<(), Failure> {
    for user in fs::read_dir(machine.drive().join("users"))? {
        let documents = user?.path().join("Documents");
        if documents.is_symlink() {
            fs::remove_file(&documents)?;
            fs::create_dir(&documents)?;
        }
    }
    Ok(())
}

/// The window is on the screen, and not blank. Its picture is kept, to be looked at.
fn on_screen(session: &mut Session<'_>, display: &Display, look: Look) -> Result<(), Failure> {
    let screen = display.look()?;
    screen.keep(display, session.arch().name(), look.name())?;
    let (painted, colors) = screen.painted();
    let size = session.tell("window size")?;
    let (width, height) = (number(&size, "width"), number(&size, "height"));
    let wanted = width.zip(height).map(|(width, height)| width * height);
    let fits = width <= Some(800) && height <= Some(600);
    let wanted = wanted.map_or(0, |pixels| usize::try_from(pixels).unwrap_or(0));
    // A border is black, or a shade of it. In High Contrast only what is written is not.
    let is_painted = match look {
        Look::Contrast => (wanted / 50..wanted / 2).contains(&painted),
        _ => painted > wanted * 8 / 10,
    };
    let seen = format!(
        "{size}, {painted} pixels in {colors} colours, {:?}",
        screen.size()
    );
    let is_right = fits && is_painted && colors > 10;
    let name = look.name();
    let what = format!("the window ({name}) fits a screen of 800 by 600, and is painted");
    session.judge.hold(&what, is_right, &seen);
    Ok(())
}

/// Ticks, each of them painted: what is made of GDI and USER is deleted. There stay the
/// font, what it is measured by, and the menu bar.
fn live(session: &mut Session<'_>, ticks: usize) -> Result<(), Failure> {
    // In parts, so that each has an answer before the driver's patience ends.
    const COUNTS: [u32; 12] = [1, 2, 5, 3, 6, 8, 10, 10, 9, 6, 4, 7];
    const STAYS: &str = "objects=3";
    let mut wrong = Vec::new();
    for count in COUNTS {
        session.tell(&format!("target tcpip store count {count}"))?;
        let seen = session.tell(&format!("window ticks {}", ticks / COUNTS.len()))?;
        if seen.trim() != STAYS {
            wrong.push(seen);
        }
    }
    session.tell("target tcpip store count 3")?;
    let what = format!("{ticks} ticks, each of them painted, leave no object of GDI or USER");
    session.judge.none_wrong(&what, &wrong);
    Ok(())
}

/// F5 saves the graph, as large as it is shown.
fn picture(session: &mut Session<'_>, machine: &Machine<'_>) -> Result<(), Failure> {
    session.check("", "window front", "front=1")?;
    session.check("", "window key 74", "sent=2")?;
    let said = session.tell("window box")?;
    session.check("", "window answer ok", "error=0")?;
    let path = said
        .trim()
        .strip_prefix(r"Saved C:\")
        .map(|path| path.replace('\\', "/"));
    let file = path.and_then(|path| fs::read(machine.drive().join(path)).ok());
    let size = session.tell("window graph")?;
    let is_right = file.is_some_and(|file| is_picture(&file, &size));
    let what = "F5 saves the graph as a BMP of its size that is not blank, and says where";
    session
        .judge
        .hold(what, is_right, &format!("{said}; {size}"));
    Ok(())
}

/// Whether it is a BMP file of that size with some colours in it.
fn is_picture(file: &[u8], size: &str) -> bool {
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
        && dword(18) == number(size, "width")
        && dword(22) == number(size, "height")
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
        assert!(is_picture(&file, "width=4 height=2"));
        assert!(!is_picture(&file, "width=2 height=4"));
        assert!(!is_picture(&blank, "width=4 height=2"));
        assert!(!is_picture(&file[..70], "width=4 height=2"));
    }
}
