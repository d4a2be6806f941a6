//! Help texts of verbs and options.

use crate::language::Text;
use crate::verb::{Action, Switch};

/// The help of a verb.
#[derive(Debug)]
pub(crate) struct VerbHelp {
    /// One line.
    pub(crate) about: Text,
    /// Lines for a console of 80 columns.
    pub(crate) more: Text,
    /// Command lines without the program's name.
    pub(crate) examples: &'static [&'static str],
}

impl Action {
    /// The help of its verb.
    pub(crate) fn help(self) -> VerbHelp {
        match self {
            Action::Install => VerbHelp {
                about: Text::new("install the driver and load it"),
                more: Text::new(
                    "\
Copies tcplimit.sys from the folder of tcplimit.exe to system32\\drivers,
registers it as the service TcpLimit and its messages for Event Viewer, and
loads it. The limit does not change. Install again to upgrade, or to repair an
interrupted installation.

With --shortcut, all users get a Start menu entry that opens the window,
tcplimitw.exe, from its present folder.

While tcplimit.sys is loaded, programs written for the 2005 driver find its
device and load nothing. Use --compat only for a program that must work without
it, on 32-bit Windows: it registers nothing, and puts the driver beside the
program under the name that such programs load.
",
                ),
                examples: &[
                    "install",
                    "install --shortcut",
                    "install --compat C:\\Program",
                ],
            },
            Action::Load => VerbHelp {
                about: Text::new("load the installed driver"),
                more: Text::new("Applies a stored limit (set --persist).\n"),
                examples: &["load"],
            },
            Action::Unload => VerbHelp {
                about: Text::new("unload the driver; the limit stays"),
                more: Text::new("The limit stays until it is set again or Windows is restarted.\n"),
                examples: &["unload"],
            },
            Action::Uninstall => VerbHelp {
                about: Text::new("unload the driver and remove all that install made"),
                more: Text::new(
                    "\
Removes the driver, its service with the stored limit, its registration for
Event Viewer, and the Start menu entry. The limit stays until Windows is
restarted; to set it back to 10 at once, run \"reset\" first.
",
                ),
                examples: &["uninstall"],
            },
            Action::Repair => VerbHelp {
                about: Text::new("remove an incomplete installation"),
                more: Text::new(
                    "\
Leaves a complete installation unchanged. Removes all of an incomplete one, so
that install works again. Also removes a service tcpip_patcher whose file is
missing: a 2005 program left it behind.
",
                ),
                examples: &["repair"],
            },
            Action::Status => VerbHelp {
                about: Text::new("show driver, limit, file, stored limit, event 4226"),
                more: Text::new(
                    "\
Shows the limit in memory, on disk and stored for the next start, whether the
file is the original, the state of the driver and its service, and how often
event 4226 was logged since Windows started. Where they disagree, it gives
possible reasons and says what to do.
",
                ),
                examples: &["status", "status --json"],
            },
            Action::Get => VerbHelp {
                about: Text::new("print the limit in force"),
                more: Text::new("Prints only the number; with --all, a line for each driver.\n"),
                examples: &["get", "get --all"],
            },
            Action::Set => VerbHelp {
                about: Text::new("set the limit to N, 1 to 16777215"),
                more: Text::new(
                    "\
Changes one number in memory at once, without restarting Windows. Without
--persist, the limit is 10 again after a restart. 50 to 200 suit most programs;
some routers cannot handle much more.

Replaces a limit that is neither 10 nor set by tcplimit only if --expect names
it. With --persist, stores the expected limit too.
",
                ),
                examples: &["set 100", "set 100 --persist", "set 100 --expect 50"],
            },
            Action::Reset => VerbHelp {
                about: Text::new("set the limit back to 10"),
                more: Text::new(
                    "\
With --persist, deletes the stored limit; Windows then no longer loads the
driver when it starts.
",
                ),
                examples: &["reset", "reset --persist"],
            },
            Action::Watch => VerbHelp {
                about: Text::new("show limit, half-open connections and event 4226 live"),
                more: Text::new(
                    "\
Redraws one screen until Ctrl-C, with the three programs that have the most
half-open connections. Prints one line a sample if redirected, or one object a
sample with --json.

With --log, appends a line to FILE for each event 4226 and flushes it to disk:
the sample before the event, because the connections are gone when one reads of
the event. Keeps what FILE contains.
",
                ),
                examples: &[
                    "watch",
                    "watch --log 4226.txt",
                    "watch --interval 10 --json > log.txt",
                ],
            },
            Action::Who => VerbHelp {
                about: Text::new("list the programs with half-open connections now"),
                more: Text::new(
                    "\
Lists the processes that wait for an answer (SYN-SENT), most connections first:
number, name, PID, path, hosted services, and addresses. Needs no driver. Such
connections cause event 4226 and end soon: run it while the problem lasts.
",
                ),
                examples: &["who", "who --every --json"],
            },
            Action::Probe => VerbHelp {
                about: Text::new("find the limit in a file and show the evidence"),
                more: Text::new(
                    "\
Without FILE, searches tcpip.sys and tcpip6.sys in system32\\drivers and, where
the driver is loaded, memory. Writes nothing.
",
                ),
                examples: &[
                    "probe",
                    "probe D:\\i386\\tcpip.sys",
                    "probe --json > report.txt",
                ],
            },
            Action::Version => VerbHelp {
                about: Text::new("print the version"),
                more: Text::NONE,
                examples: &["version"],
            },
            Action::Help => VerbHelp {
                about: Text::new("explain a verb"),
                more: Text::NONE,
                examples: &["help", "help set"],
            },
        }
    }
}

impl Switch {
    /// Its help, in one line.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Switch::Shortcut => phrase!("also create a Start menu entry for tcplimitw.exe"),
            Switch::Compat => phrase!("instead copy the driver to DIR as tcpip_patcher.sys"),
            Switch::Force => phrase!("even if any user can write to DIR"),
            Switch::Expect => phrase!("only if the limit is now V"),
            Switch::Persist => phrase!("also each time Windows starts"),
            Switch::Ipv6 => phrase!("tcpip6.sys instead of tcpip.sys"),
            Switch::All => phrase!("both tcpip.sys and tcpip6.sys"),
            Switch::Interval => phrase!("sample every S seconds, 1 to 3600 [1]"),
            Switch::Log => phrase!("add a line to FILE for each event 4226"),
            Switch::Every => phrase!("all connections, not just half-open ones"),
            Switch::Json => phrase!("print JSON (docs/json.md)"),
            Switch::Lang => phrase!("language, en or de [that of Windows]"),
            Switch::Help => phrase!("print this help"),
        }
    }
}
