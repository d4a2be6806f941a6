//! Disc images written by other programs, with the options of the setup discs of
//! Windows XP; other programs read the changed images. `cargo xtask setup` installs
//! them; CI requires them on Linux.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lzxc::WindowSize;

use crate::cabinet::{lzx, mszip};
use crate::{Files, xp};

/// A boot sector: writes its text to a debug port, and stops the machine.
const BOOT: &[u8] = b"\x0E\x1F\xE8\0\0\x5E\x83\xC6\x15\xFC\xAC\x84\xC0\x74\x04\xE6\xE9\xEB\xF7\
    \xB0\x10\xE6\xF4\xF4\xEB\xFDbooted from the disc\0";

/// The output of a program; `None` if it is not installed.
fn output(folder: &Path, program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    let output = match command.args(arguments).current_dir(folder).output() {
        Ok(output) => output,
        Err(error) => {
            let required = cfg!(target_os = "linux") && std::env::var_os("CI").is_some();
            assert!(!required, "no {program}: {error}");
            eprintln!("not judged: no {program}, see cargo xtask setup");
            return None;
        }
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    Some(text(&output.stdout))
}

/// The files of a setup disc.
fn tree() -> Files {
    let mut boot = BOOT.to_vec();
    boot.resize(2048, 0);
    Files::new()
        .with("disc/BOOT.IMG", &boot)
        .with("disc/WIN51IP.SP3", b"Windows")
        .with(
            "disc/I386/TCPIP.SY_",
            &lzx("tcpip.sys", &xp(), WindowSize::MB2),
        )
        .with("disc/I386/AFD.SY_", &mszip(&[("afd.sys", b"x")]))
        .with("disc/I386/a file with a long name.inf", b"[Version]")
        .with("disc/$OEM$/$1/Drivers/tcpip.sys", &xp())
        .with("disc/DOCS/README.HTM", &[b'a'; 5000])
}

const GENISOIMAGE: [&str; 16] = [
    "-quiet",
    "-V",
    "GRTMPVOL_EN",
    "-b",
    "BOOT.IMG",
    "-no-emul-boot",
    "-boot-load-seg",
    "1984",
    "-boot-load-size",
    "4",
    "-iso-level",
    "2",
    "-J",
    "-joliet-long",
    "-relaxed-filenames",
    "-l",
];
const XORRISO: [&str; 14] = [
    "-as",
    "mkisofs",
    "-quiet",
    "-V",
    "GRTMPVOL_EN",
    "-b",
    "BOOT.IMG",
    "-no-emul-boot",
    "-boot-load-size",
    "4",
    "-J",
    "-joliet-long",
    "-relaxed-filenames",
    "-N",
];

/// Makes `XP.ISO`.
fn mastered(files: &Files, program: &str, options: &[&str], more: &[&str]) -> Option<()> {
    let arguments = [options, more, &["-o", "XP.ISO", "disc"]].concat();
    output(&files.path(), program, &arguments).map(drop)
}

/// All files of an image, unpacked by 7z.
fn unpacked(folder: &Path, image: &str) -> Option<BTreeMap<PathBuf, Vec<u8>>> {
    let to = format!("{image}.files");
    output(folder, "7z", &["x", "-y", "-bd", &format!("-o{to}"), image])?;
    let root = folder.join(to);
    let mut all = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let content = fs::read(&path).unwrap();
                    all.insert(path.strip_prefix(&root).unwrap().to_owned(), content);
                }
            }
        }
    }
    Some(all)
}

fn is_driver(text: &str) -> bool {
    text.to_ascii_lowercase().contains("tcpip.sy")
}

/// The lines that neither name the driver nor the image or its size.
fn others(listing: &str) -> Vec<&str> {
    let is_other =
        |line: &&str| !is_driver(line) && !line.contains(".ISO") && !line.contains("olume size is");
    listing.lines().filter(is_other).collect()
}

#[test]
fn other_tools_read_a_changed_disc_the_same_except_for_the_driver() {
    for (program, options) in [("genisoimage", &GENISOIMAGE[..]), ("xorriso", &XORRISO)] {
        let files = tree();
        let folder = files.path();
        if mastered(&files, program, options, &[]).is_none() {
            continue;
        }
        let before = fs::read(folder.join("XP.ISO")).unwrap();
        let run = files.run(&["patch", "XP.ISO", "--output", "NEW.ISO"]);
        assert_eq!(run.code, 0, "{program}: {}{}", run.stdout, run.stderr);
        assert!(
            run.stdout
                .contains("XP.ISO/I386/TCPIP.SY_/tcpip.sys: written")
        );
        let plain = "XP.ISO/$OEM$/$1/Drivers/tcpip.sys: written, changing the limit from 10 to 100";
        assert!(run.stdout.contains(plain), "{program}: {}", run.stdout);
        assert_eq!(fs::read(folder.join("XP.ISO")).unwrap(), before);

        for (reader, before, behind) in [
            ("isoinfo", &["-l", "-i"][..], &[][..]),
            ("isoinfo", &["-l", "-J", "-i"], &[]),
            ("isoinfo", &["-d", "-i"], &[]),
            ("isoinfo", &["-p", "-i"], &[]),
            ("xorriso", &["-indev"], &["-report_el_torito", "plain"]),
            (
                "xorriso",
                &["-indev"],
                &["-find", "/", "-exec", "lsdl", "--"],
            ),
        ] {
            let of = |image| output(&folder, reader, &[before, &[image], behind].concat());
            if let (Some(old), Some(new)) = (of("XP.ISO"), of("NEW.ISO")) {
                assert_eq!(others(&old), others(&new), "{program}, {reader} {before:?}");
                assert!(!others(&old).is_empty());
            }
        }
        let (Some(old), Some(new)) = (unpacked(&folder, "XP.ISO"), unpacked(&folder, "NEW.ISO"))
        else {
            continue;
        };
        assert_eq!(old.len(), new.len());
        for (path, content) in &old {
            let is_same = new[path] == *content;
            assert_eq!(
                is_same,
                !is_driver(&path.to_string_lossy()),
                "{program} {path:?}"
            );
        }
        let driver = new
            .iter()
            .find(|(path, _)| path.ends_with("Drivers/tcpip.sys"));
        assert_eq!(*driver.unwrap().1, crate::patched(100));

        let back = files.run(&["restore", "NEW.ISO", "--output", "BACK.ISO"]);
        assert_eq!(back.code, 0, "{}", back.stdout);
        assert!(
            fs::read(folder.join("BACK.ISO")).unwrap() == before,
            "{program}"
        );
    }
}

#[test]
fn a_disc_boots_as_before() {
    let files = tree();
    let folder = files.path();
    if mastered(&files, "genisoimage", &GENISOIMAGE, &[]).is_none() {
        return;
    }
    let run = files.run(&["patch", "XP.ISO", "--output", "NEW.ISO"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    for image in ["XP.ISO", "NEW.ISO"] {
        // `timeout` stops a machine that prints nothing.
        let mut command = Command::new("timeout");
        command.args(["60", "qemu-system-i386", "-accel", "tcg", "-m", "32"]);
        command.args(["-display", "none", "-serial", "none", "-monitor", "none"]);
        command.args(["-nic", "none", "-boot", "d", "-cdrom", image]);
        command.args([
            "-debugcon",
            "file:said",
            "-device",
            "isa-debug-exit,iobase=0xf4",
        ]);
        let output = command.current_dir(&folder).output();
        let code = output.as_ref().ok().and_then(|output| output.status.code());
        // 127: `timeout` did not find the program.
        if matches!(code, None | Some(127)) {
            eprintln!("not booted: no qemu-system-i386, see cargo xtask setup");
            return;
        }
        let printed = fs::read(folder.join("said")).unwrap_or_default();
        let printed = String::from_utf8_lossy(&printed);
        assert!(
            printed.ends_with("booted from the disc"),
            "{image}: {printed} {output:?}"
        );
        // The exit code is twice the value of the machine, plus one.
        assert_eq!(code, Some(0x21), "{image}");
        fs::remove_file(folder.join("said")).unwrap();
    }
}

/// Images by other programs are refused too.
#[test]
fn udf_and_several_sessions_are_refused() {
    let refused = |files: &Files, because: &str| {
        let run = files.run(&["patch", "XP.ISO", "--output", "NEW.ISO"]);
        run.ends_with(1);
        run.prints(because);
        assert!(!files.path().join("NEW.ISO").exists());
    };
    let files = tree();
    if mastered(&files, "genisoimage", &GENISOIMAGE, &["-udf"]).is_some() {
        // The ISO trees are still read.
        let probe = files.run(&["probe", "XP.ISO"]);
        assert_eq!(probe.code, 0, "{}", probe.stdout);
        refused(&files, "UDF tree");
    }

    let files = tree();
    let folder = files.path();
    if mastered(&files, "genisoimage", &GENISOIMAGE, &[]).is_some() {
        let length = fs::metadata(folder.join("XP.ISO")).unwrap().len();
        let next = (length / 2048).next_multiple_of(16);
        let sessions = format!("0,{next}");
        let arguments = [
            "-quiet", "-C", &sessions, "-M", "XP.ISO", "-J", "-o", "2", "disc",
        ];
        output(&folder, "genisoimage", &arguments).unwrap();
        let mut image = fs::read(folder.join("XP.ISO")).unwrap();
        image.resize(usize::try_from(next * 2048).unwrap(), 0);
        image.extend(fs::read(folder.join("2")).unwrap());
        fs::write(folder.join("XP.ISO"), image).unwrap();
        refused(&files, "several sessions");
    }

    let files = tree();
    let arguments = ["-outdev", "XP.ISO", "-map", "disc", "/", "-commit"];
    if output(&files.path(), "xorriso", &arguments).is_some() {
        let more = [
            "-dev",
            "XP.ISO",
            "-map",
            "disc/BOOT.IMG",
            "/MORE.TXT",
            "-commit",
        ];
        output(&files.path(), "xorriso", &more);
        refused(&files, "several sessions");
    }
}
