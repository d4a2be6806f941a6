//! What the help says of each verb and option.

use crate::language::Text;
use crate::verb::{Action, Switch};

/// Of a verb.
#[derive(Debug)]
pub(crate) struct VerbHelp {
    /// In a line.
    pub(crate) about: Text,
    /// In lines for a console of 80 columns.
    pub(crate) more: Text,
    /// Command lines without the program's name.
    pub(crate) examples: &'static [&'static str],
}

impl Action {
    /// What is said of its verb.
    pub(crate) fn help(self) -> VerbHelp {
        match self {
            Action::Install => VerbHelp {
                about: Text::new("install the driver and load it"),
                more: Text::new(
                    "\
Copies tcplimit.sys from the folder of tcplimit.exe to system32\\drivers,
registers it as the service TcpLimit and its messages for Event Viewer, and
loads it. The limit stays as it is. Installing again is an upgrade, or mends
an installation that was interrupted.

With --shortcut all users get an entry in the Start menu that opens the window,
tcplimitw.exe, from the folder that it lies in now.

While tcplimit.sys is loaded, programs that were written for the driver of 2005
find its device, and load nothing. Only for a program that shall work without
it, on 32-bit Windows, there is --compat: nothing is registered then, and the
driver is put beside the program under the name that such programs load.
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
                more: Text::new("A stored limit (set --persist) is applied then.\n"),
                examples: &["load"],
            },
            Action::Unload => VerbHelp {
                about: Text::new("unload the driver; the limit stays as it is"),
                more: Text::new("The limit stays until it is set again or Windows is restarted.\n"),
                examples: &["unload"],
            },
            Action::Uninstall => VerbHelp {
                about: Text::new("unload the driver, and remove all that install has made"),
                more: Text::new(
                    "\
Removes the driver, its service with the stored limit, its registration for
Event Viewer, and the entry in the Start menu. The limit stays until Windows
is restarted; \"reset\" before puts it back to 10 at once.
",
                ),
                examples: &["uninstall"],
            },
            Action::Repair => VerbHelp {
                about: Text::new("remove a stale or half-removed installation"),
                more: Text::new(
                    "\
Where the installation is whole, nothing is changed. Otherwise all that is
left of it is removed, so that install works again. A service tcpip_patcher
whose file is gone is removed too: a program of 2005 has left it behind.
",
                ),
                examples: &["repair"],
            },
            Action::Status => VerbHelp {
                about: Text::new("tell all: driver, limit, file, stored limit, event 4226"),
                more: Text::new(
                    "\
Shows the limit in memory, on disk and stored for the next start, whether the
file is the original, what the driver and its service do, and how often event
4226 was logged since Windows was started. Where they disagree it says why
that may be, and what to do.
",
                ),
                examples: &["status", "status --json"],
            },
            Action::Get => VerbHelp {
                about: Text::new("print the limit in force"),
                more: Text::new("Prints the number alone; with --all a line for each driver.\n"),
                examples: &["get", "get --all"],
            },
            Action::Set => VerbHelp {
                about: Text::new("set the limit to N, 1 to 16777215"),
                more: Text::new(
                    "\
Changes one number in memory, at once, without a restart of Windows. Unless
--persist is given it is 10 again after a restart. 50 to 200 serve most
programs; some routers do not bear much more.

A limit that is neither 10 nor set by tcplimit is replaced only if --expect
names it. With --persist that is stored too.
",
                ),
                examples: &["set 100", "set 100 --persist", "set 100 --expect 50"],
            },
            Action::Reset => VerbHelp {
                about: Text::new("set the limit back to 10"),
                more: Text::new(
                    "\
With --persist the stored limit is forgotten, and the driver is no longer
loaded when Windows starts.
",
                ),
                examples: &["reset", "reset --persist"],
            },
            Action::Watch => VerbHelp {
                about: Text::new("show limit, half-open connections and event 4226 live"),
                more: Text::new(
                    "\
Redraws one screen until Ctrl-C, with the three programs that have most
half-open connections. Where the output is redirected it prints a line each
time; with --json an object each time.

With --log each event 4226 adds a line to FILE, written to disk at once: what
there was at the look before it, since the connections are gone when one reads
of the event. What is in FILE is kept.
",
                ),
                examples: &[
                    "watch",
                    "watch --log 4226.txt",
                    "watch --interval 10 --json > log.txt",
                ],
            },
            Action::Who => VerbHelp {
                about: Text::new("tell which programs have half-open connections now"),
                more: Text::new(
                    "\
Lists the processes that wait for an answer (SYN-SENT), those with most
connections first: number, name, PID, path, the services that it hosts, and
the addresses. It needs no driver. Event 4226 is about such connections, and
they are gone soon: look while it is going on.
",
                ),
                examples: &["who", "who --every --json"],
            },
            Action::Probe => VerbHelp {
                about: Text::new("find the limit in a file, and show the evidence"),
                more: Text::new(
                    "\
Without FILE: in tcpip.sys and tcpip6.sys in system32\\drivers, and, where the
driver is loaded, in memory. Nothing is written.
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
    /// What is said of it, in a line.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Switch::Shortcut => phrase!("also make an entry for tcplimitw.exe in the Start menu"),
            Switch::Compat => phrase!("put the driver into DIR as tcpip_patcher.sys instead"),
            Switch::Force => phrase!("also where any user can write to DIR"),
            Switch::Expect => phrase!("only if the limit is V now"),
            Switch::Persist => phrase!("also each time Windows starts"),
            Switch::Ipv6 => phrase!("of tcpip6.sys, in place of tcpip.sys"),
            Switch::All => phrase!("of both, tcpip.sys and tcpip6.sys"),
            Switch::Interval => phrase!("look every S seconds, 1 to 3600 [1]"),
            Switch::Log => phrase!("add a line to FILE for each event 4226"),
            Switch::Every => phrase!("all connections, not just half-open ones"),
            Switch::Json => phrase!("one JSON object (docs/json.md)"),
            Switch::Lang => phrase!("language, en or de; without it that of Windows"),
            Switch::Help => phrase!("this text"),
        }
    }
}
