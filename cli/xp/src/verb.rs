//! The verbs: one table for the parser and the help.

/// What a verb does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Install,
    Load,
    Unload,
    Uninstall,
    Repair,
    Status,
    Get,
    Set,
    Reset,
    Watch,
    Who,
    Probe,
    Version,
    Help,
}

/// What a verb needs of the system before it does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing.
    Nothing,
    /// That program and Windows are both for 32 bits or both for 64.
    Native,
    /// That, and a Windows that has the limit.
    Limit,
}

/// An option, by what it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    Compat,
    Force,
    Expect,
    Persist,
    Ipv6,
    All,
    Interval,
    Log,
    Every,
    Json,
    Help,
}

/// What is said of an option.
#[derive(Debug)]
pub(crate) struct Told {
    /// With its hyphens.
    pub(crate) name: &'static str,
    /// What its value is called, if it takes one.
    pub(crate) value: &'static str,
    pub(crate) about: &'static str,
}

impl Switch {
    const ALL: [Switch; 11] = [
        Switch::Compat,
        Switch::Force,
        Switch::Expect,
        Switch::Persist,
        Switch::Ipv6,
        Switch::All,
        Switch::Interval,
        Switch::Log,
        Switch::Every,
        Switch::Json,
        Switch::Help,
    ];

    /// The one of that name, hyphens included.
    pub(crate) fn named(name: &str) -> Option<Switch> {
        match name {
            // As programs for DOS and Windows have it.
            "-h" | "/?" | "-?" => Some(Switch::Help),
            _ => Switch::ALL
                .into_iter()
                .find(|switch| switch.told().name == name),
        }
    }

    pub(crate) fn told(self) -> Told {
        let (name, value, about) = match self {
            Switch::Compat => (
                "--compat",
                "DIR",
                "put the driver into DIR as tcpip_patcher.sys instead",
            ),
            Switch::Force => ("--force", "", "also where any user can write to DIR"),
            Switch::Expect => ("--expect", "V", "only if the limit is V now"),
            Switch::Persist => ("--persist", "", "also each time Windows starts"),
            Switch::Ipv6 => ("--ipv6", "", "of tcpip6.sys, in place of tcpip.sys"),
            Switch::All => ("--all", "", "of both, tcpip.sys and tcpip6.sys"),
            Switch::Interval => ("--interval", "S", "look every S seconds, 1 to 3600 [1]"),
            Switch::Log => ("--log", "FILE", "add a line to FILE for each event 4226"),
            Switch::Every => ("--every", "", "all connections, not just half-open ones"),
            Switch::Json => ("--json", "", "one JSON object (docs/json.md)"),
            Switch::Help => ("--help", "", "this text"),
        };
        Told { name, value, about }
    }
}

/// A verb.
#[derive(Debug)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) act: Act,
    pub(crate) needs: Needs,
    /// What it takes besides options: a word in capitals, in brackets if it may
    /// be left out.
    pub(crate) operand: &'static str,
    pub(crate) switches: &'static [Switch],
    /// In a line.
    pub(crate) about: &'static str,
    /// In lines of at most 76 characters.
    pub(crate) more: &'static str,
    /// Command lines without the program's name.
    pub(crate) examples: &'static [&'static str],
}

/// Those that all verbs take, in the parser.
pub(crate) const COMMON: [Switch; 2] = [Switch::Json, Switch::Help];

/// All verbs, in the order of the help.
pub(crate) const VERBS: [Verb; 14] = [
    Verb {
        name: "install",
        act: Act::Install,
        needs: Needs::Limit,
        operand: "",
        switches: &[Switch::Compat, Switch::Force],
        about: "install the driver and load it",
        more: "\
Copies tcplimit.sys from the folder of tcplimit.exe to system32\\drivers,
registers it as the service TcpLimit and its messages for Event Viewer, and
loads it. The limit stays as it is. Installing again is an upgrade, or mends
an installation that was interrupted.

While tcplimit.sys is loaded, programs that were written for the driver of 2005
find its device, and load nothing. Only for a program that shall work without
it, on 32-bit Windows, there is --compat: nothing is registered then, and the
driver is put beside the program under the name that such programs load.
",
        examples: &["install", "install --compat C:\\Program"],
    },
    Verb {
        name: "load",
        act: Act::Load,
        needs: Needs::Limit,
        operand: "",
        switches: &[],
        about: "load the installed driver",
        more: "A stored limit (set --persist) is applied then.\n",
        examples: &["load"],
    },
    Verb {
        name: "unload",
        act: Act::Unload,
        needs: Needs::Native,
        operand: "",
        switches: &[],
        about: "unload the driver; the limit stays as it is",
        more: "The limit stays until it is set again or Windows is restarted.\n",
        examples: &["unload"],
    },
    Verb {
        name: "uninstall",
        act: Act::Uninstall,
        needs: Needs::Native,
        operand: "",
        switches: &[],
        about: "unload the driver, and remove all that install has made",
        more: "\
Removes the driver, its service with the stored limit, and its registration
for Event Viewer. The limit stays until Windows is restarted; \"reset\" before
puts it back to 10 at once.
",
        examples: &["uninstall"],
    },
    Verb {
        name: "repair",
        act: Act::Repair,
        needs: Needs::Native,
        operand: "",
        switches: &[],
        about: "remove a stale or half-removed installation",
        more: "\
Where the installation is whole, nothing is changed. Otherwise all that is
left of it is removed, so that install works again. A service tcpip_patcher
whose file is gone is removed too: a program of 2005 has left it behind.
",
        examples: &["repair"],
    },
    Verb {
        name: "status",
        act: Act::Status,
        needs: Needs::Native,
        operand: "",
        switches: &[],
        about: "tell all: driver, limit, file, stored limit, event 4226",
        more: "\
Shows the limit in memory, on disk and stored for the next start, whether the
file is the original, what the driver and its service do, and how often event
4226 was logged since Windows was started. Where they disagree it says why
that may be, and what to do.
",
        examples: &["status", "status --json"],
    },
    Verb {
        name: "get",
        act: Act::Get,
        needs: Needs::Limit,
        operand: "",
        switches: &[Switch::Ipv6, Switch::All],
        about: "print the limit in force",
        more: "Prints the number alone; with --all a line for each driver.\n",
        examples: &["get", "get --all"],
    },
    Verb {
        name: "set",
        act: Act::Set,
        needs: Needs::Limit,
        operand: "N",
        switches: &[Switch::Expect, Switch::Persist, Switch::Ipv6, Switch::All],
        about: "set the limit to N, 1 to 16777215",
        more: "\
Changes one number in memory, at once, without a restart of Windows. Unless
--persist is given it is 10 again after a restart. 50 to 200 serve most
programs; some routers do not bear much more.

A limit that is neither 10 nor set by tcplimit is replaced only if --expect
names it. With --persist that is stored too.
",
        examples: &["set 100", "set 100 --persist", "set 100 --expect 50"],
    },
    Verb {
        name: "reset",
        act: Act::Reset,
        needs: Needs::Limit,
        operand: "",
        switches: &[Switch::Expect, Switch::Persist, Switch::Ipv6, Switch::All],
        about: "set the limit back to 10",
        more: "\
With --persist the stored limit is forgotten, and the driver is no longer
loaded when Windows starts.
",
        examples: &["reset", "reset --persist"],
    },
    Verb {
        name: "watch",
        act: Act::Watch,
        needs: Needs::Limit,
        operand: "",
        switches: &[Switch::Interval, Switch::Log],
        about: "show limit, half-open connections and event 4226 live",
        more: "\
Redraws one screen until Ctrl-C, with the three programs that have most
half-open connections. Where the output is redirected it prints a line each
time; with --json an object each time.

With --log each event 4226 adds a line to FILE, written to disk at once: what
there was at the look before it, since the connections are gone when one reads
of the event. What is in FILE is kept.
",
        examples: &[
            "watch",
            "watch --log 4226.txt",
            "watch --interval 10 --json > log.txt",
        ],
    },
    Verb {
        name: "who",
        act: Act::Who,
        needs: Needs::Nothing,
        operand: "",
        switches: &[Switch::Every],
        about: "tell which programs have half-open connections now",
        more: "\
Lists the processes that wait for an answer (SYN-SENT), those with most
connections first: number, name, PID, path, the services that it hosts, and
the addresses. It needs no driver. Event 4226 is about such connections, and
they are gone soon: look while it is going on.
",
        examples: &["who", "who --every --json"],
    },
    Verb {
        name: "probe",
        act: Act::Probe,
        needs: Needs::Nothing,
        operand: "[FILE]",
        switches: &[],
        about: "find the limit in a file, and show the evidence",
        more: "\
Without FILE: in tcpip.sys and tcpip6.sys in system32\\drivers, and, where the
driver is loaded, in memory. Nothing is written.
",
        examples: &[
            "probe",
            "probe D:\\i386\\tcpip.sys",
            "probe --json > report.txt",
        ],
    },
    Verb {
        name: "version",
        act: Act::Version,
        needs: Needs::Nothing,
        operand: "",
        switches: &[],
        about: "print the version",
        more: "",
        examples: &["version"],
    },
    Verb {
        name: "help",
        act: Act::Help,
        needs: Needs::Nothing,
        operand: "[VERB]",
        switches: &[],
        about: "explain a verb",
        more: "",
        examples: &["help", "help set"],
    },
];

impl Verb {
    /// The one of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Verb> {
        VERBS.iter().find(|verb| verb.name == name)
    }

    /// All options that it takes.
    pub(crate) fn all_switches(&self) -> impl Iterator<Item = Switch> {
        self.switches.iter().copied().chain(COMMON)
    }

    /// Whether it must be given its operand.
    pub(crate) fn is_operand_required(&self) -> bool {
        !self.operand.is_empty() && !self.operand.starts_with('[')
    }
}
