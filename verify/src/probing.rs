//! The tool's own way with the content of a file, as a property.

use scanner_core::Module;
use tcplimit::LoadBase;
use tcplimit::probe::{self, Members, Options};

/// A name that may be a cabinet's and says which module is in it.
const NAME: &str = "TCPIP.SY_";

/// **Any content gets a report**: as a file or a cabinet, as it is and as
/// loaded, with and without a claim; never a crash, and about that file.
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
