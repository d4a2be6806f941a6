//! Properties of `tcplimit probe`.

use std::sync::OnceLock;

use scanner_core::{Module, StartUpStore};
use tcplimit::LoadBase;
use tcplimit::probe::{self, Members, Options};

use specimen::Spec;
use specimen::disc::{Disc, DiscImage, SECTOR};

/// The name of a cabinet that contains tcpip.sys.
const NAME: &str = "TCPIP.SY_";

/// **Any content gets a report** about that file, never a crash: as a file or a
/// cabinet, as a file and as loaded, with and without a claimed module.
pub fn any_content(bytes: &[u8]) {
    for module in [None, Some(Module::Tcpip6)] {
        for as_loaded in [None, Some(LoadBase::Typical)] {
            let options = Options {
                module,
                as_loaded,
                members: Members::All,
            };
            for report in probe::bytes(NAME, bytes, &options) {
                assert_eq!(report.origin.path, NAME);
            }
        }
    }
}

/// A disc with drivers for both architectures, one of them under two paths.
fn disc() -> &'static DiscImage {
    static DISC: OnceLock<DiscImage> = OnceLock::new();
    DISC.get_or_init(|| {
        let driver = Spec::xp_sp3().build().file;
        Disc::new(&[
            ("I386/TCPIP.SYS", &driver),
            ("I386/SP3.CAB", b"MSCF"),
            ("$OEM$/$1/tcpip.sys", &driver),
            ("AMD64/TCPIP.SYS", &Spec::xp_x64().build().file),
        ])
        .build()
    })
}

/// **A disc image with damaged tables gets a report** about that image, never a
/// crash; and no driver in it, whose bytes are sound, is reported with another
/// limit. Each six bytes are an offset in the tables and the four bytes to put
/// there.
pub fn any_disc_tables(bytes: &[u8]) {
    let built = disc();
    let first_file = built.sectors.values().min().copied().unwrap_or(0);
    let tables = first_file * SECTOR - 16 * SECTOR;
    let mut image = built.image.clone();
    for edit in bytes.chunks_exact(6) {
        let at = u16::from_le_bytes([edit[0], edit[1]]);
        let place = 16 * SECTOR + usize::from(at) % (tables - 4);
        image[place..place + 4].copy_from_slice(&edit[2..]);
    }
    let reports = probe::bytes("XP.ISO", &image, &Options::default());
    assert!(!reports.is_empty());
    for report in reports {
        assert_eq!(report.origin.path, "XP.ISO");
        if let Some(StartUpStore::Unique { value, .. }) = report.start_up {
            assert_eq!(value, 10, "{}", report.origin);
        }
    }
}
