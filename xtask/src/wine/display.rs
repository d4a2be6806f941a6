//! A virtual display: Xvfb, with its framebuffer in a file.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use super::arch::Arch;
use crate::command::Failure;
use crate::workspace::Workspace;

/// The program, and the Debian packages with it and its fonts.
const PROGRAM: &str = "Xvfb";
pub(crate) const PACKAGES: &[&str] = &["xvfb", "fonts-wine"];
/// 800 by 600, the smallest screen that the window must fit.
const SCREEN: &str = "800x600x24";

/// A running X server.
#[derive(Debug)]
pub(super) struct Display {
    server: Child,
    number: String,
    folder: PathBuf,
}

/// A screenshot.
#[derive(Debug)]
pub(super) struct Screen {
    width: usize,
    bytes: Vec<u8>,
}

/// Whether Xvfb is installed.
pub(crate) fn is_installed(workspace: &Workspace) -> bool {
    workspace.has_program(PROGRAM)
}

impl Display {
    /// Starts Xvfb with an unused display number. It listens on an abstract socket, so that
    /// programs in a chroot reach it too.
    pub(super) fn start(workspace: &Workspace, arch: Arch) -> Result<Self, Failure> {
        let folder = workspace.target(&format!("wine/screen/{}", arch.name()));
        fs::create_dir_all(&folder)?;
        let mut server = workspace
            .command(PROGRAM)
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                SCREEN,
                "-nolisten",
                "tcp",
            ])
            .arg("-fbdir")
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Failure(format!("{PROGRAM} does not start: {error}")))?;
        let mut number = String::new();
        if let Some(out) = server.stdout.take() {
            BufReader::new(out).read_line(&mut number)?;
        }
        let number = format!(":{}", number.trim());
        Ok(Self {
            server,
            number,
            folder,
        })
    }

    /// The value of DISPLAY.
    pub(super) fn number(&self) -> &str {
        &self.number
    }

    /// Takes a screenshot.
    pub(super) fn screenshot(&self) -> Result<Screen, Failure> {
        let file = fs::read(self.folder.join("Xvfb_screen0"))?;
        Screen::read(&file)
            .ok_or_else(|| Failure("Xvfb's framebuffer has an unknown format".into()))
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Screen {
    /// Parses XWD, the format of xwd(1): a header of big-endian dwords, a name, colours of
    /// 12 bytes, then the rows with 32 bits per pixel.
    fn read(file: &[u8]) -> Option<Self> {
        let dword = |index: usize| {
            let bytes = file.get(index * 4..index * 4 + 4)?;
            let number = u32::from_be_bytes(bytes.try_into().ok()?);
            usize::try_from(number).ok()
        };
        let (header, width, height) = (dword(0)?, dword(4)?, dword(5)?);
        let (bits, row, colors) = (dword(11)?, dword(12)?, dword(19)?);
        let start = header.checked_add(colors.checked_mul(12)?)?;
        let bytes = file.get(start..start.checked_add(row.checked_mul(height)?)?)?;
        (bits == 32 && row == width * 4).then(|| Self {
            width,
            bytes: bytes.to_vec(),
        })
    }

    /// The numbers of pixels that are not black, and of their colours.
    pub(super) fn painted_pixels(&self) -> (usize, usize) {
        let mut colors = std::collections::BTreeSet::new();
        let mut pixels = 0;
        for pixel in self.bytes.chunks_exact(4) {
            if pixel.iter().take(3).any(|&part| part != 0) {
                pixels += 1;
                colors.insert([pixel[0], pixel[1], pixel[2]]);
            }
        }
        (pixels, colors.len())
    }

    /// Saves the screenshot as a PPM file beside the framebuffer.
    pub(super) fn save(&self, display: &Display, name: &str) -> Result<(), Failure> {
        let (width, height) = self.size();
        let mut file = format!("P6\n{width} {height}\n255\n").into_bytes();
        for pixel in self.bytes.chunks_exact(4) {
            file.extend(pixel.iter().take(3).rev());
        }
        fs::write(display.folder.join(format!("{name}.ppm")), file)?;
        Ok(())
    }

    /// Width and height.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.width, self.bytes.len() / 4 / self.width.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        for index in 0..25_u32 {
            let number = match index {
                0 => 104,
                4 => width,
                5 => height,
                11 => 32,
                12 => width * 4,
                19 => 1,
                _ => 0,
            };
            file.extend(number.to_be_bytes());
        }
        file.extend([0; 4 + 12]);
        file.extend(pixels);
        file
    }

    #[test]
    fn a_screenshot_has_its_size_and_painted_pixels() {
        let screen = Screen::read(&file(2, 1, &[0, 0, 0, 0, 1, 2, 3, 0])).unwrap();
        assert_eq!(screen.size(), (2, 1));
        assert_eq!(screen.painted_pixels(), (1, 1));
        assert!(Screen::read(&file(2, 2, &[0; 8])).is_none(), "cut off");
        assert!(Screen::read(&[]).is_none());
    }
}
