//! The table of verbs, for the parser and the help. (The texts are in `verb_help`, which the window
//! does without.)

/// The action of a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
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

/// A verb's requirements on the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing.
    Nothing,
    /// The program and Windows are both 32-bit or both 64-bit.
    Native,
    /// The same, and a Windows that has the limit.
    Limit,
}

/// An option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    Shortcut,
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
    Lang,
    Help,
}

/// The syntax of an option.
#[derive(Debug)]
pub(crate) struct SwitchSyntax {
    /// With its hyphens.
    pub(crate) name: &'static str,
    /// The placeholder of its value, if it takes one.
    pub(crate) value: &'static str,
}

impl Switch {
    const ALL: [Switch; 13] = [
        Switch::Shortcut,
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
        Switch::Lang,
        Switch::Help,
    ];

    /// The option of that name, hyphens included.
    pub(crate) fn find(name: &str) -> Option<Switch> {
        match name {
            // The names in DOS and Windows programs.
            "-h" | "/?" | "-?" => Some(Switch::Help),
            _ => Switch::ALL
                .into_iter()
                .find(|switch| switch.syntax().name == name),
        }
    }

    pub(crate) fn syntax(self) -> SwitchSyntax {
        let (name, value) = match self {
            Switch::Shortcut => ("--shortcut", ""),
            Switch::Compat => ("--compat", "DIR"),
            Switch::Force => ("--force", ""),
            Switch::Expect => ("--expect", "V"),
            Switch::Persist => ("--persist", ""),
            Switch::Ipv6 => ("--ipv6", ""),
            Switch::All => ("--all", ""),
            Switch::Interval => ("--interval", "S"),
            Switch::Log => ("--log", "FILE"),
            Switch::Every => ("--every", ""),
            Switch::Json => ("--json", ""),
            Switch::Lang => ("--lang", "L"),
            Switch::Help => ("--help", ""),
        };
        SwitchSyntax { name, value }
    }
}

/// A verb.
#[derive(Debug)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) action: Action,
    pub(crate) needs: Needs,
    /// Its operand: a word in capitals, in brackets if optional.
    pub(crate) operand: &'static str,
    pub(crate) switches: &'static [Switch],
}

/// Options of all verbs.
pub(crate) const COMMON: [Switch; 3] = [Switch::Json, Switch::Lang, Switch::Help];

/// All verbs, in the order of the help.
pub(crate) const VERBS: [Verb; 14] = [
    Verb {
        name: "install",
        action: Action::Install,
        needs: Needs::Limit,
        operand: "",
        switches: &[Switch::Shortcut, Switch::Compat, Switch::Force],
    },
    Verb {
        name: "load",
        action: Action::Load,
        needs: Needs::Limit,
        operand: "",
        switches: &[],
    },
    Verb {
        name: "unload",
        action: Action::Unload,
        needs: Needs::Native,
        operand: "",
        switches: &[],
    },
    Verb {
        name: "uninstall",
        action: Action::Uninstall,
        needs: Needs::Native,
        operand: "",
        switches: &[],
    },
    Verb {
        name: "repair",
        action: Action::Repair,
        needs: Needs::Native,
        operand: "",
        switches: &[],
    },
    Verb {
        name: "status",
        action: Action::Status,
        needs: Needs::Native,
        operand: "",
        switches: &[],
    },
    Verb {
        name: "get",
        action: Action::Get,
        needs: Needs::Limit,
        operand: "",
        switches: &[Switch::Ipv6, Switch::All],
    },
    Verb {
        name: "set",
        action: Action::Set,
        needs: Needs::Limit,
        operand: "N",
        switches: &[Switch::Expect, Switch::Persist, Switch::Ipv6, Switch::All],
    },
    Verb {
        name: "reset",
        action: Action::Reset,
        needs: Needs::Limit,
        operand: "",
        switches: &[Switch::Expect, Switch::Persist, Switch::Ipv6, Switch::All],
    },
    Verb {
        name: "watch",
        action: Action::Watch,
        needs: Needs::Limit,
        operand: "",
        switches: &[Switch::Interval, Switch::Log],
    },
    Verb {
        name: "who",
        action: Action::Who,
        needs: Needs::Nothing,
        operand: "",
        switches: &[Switch::Every],
    },
    Verb {
        name: "probe",
        action: Action::Probe,
        needs: Needs::Nothing,
        operand: "[FILE]",
        switches: &[],
    },
    Verb {
        name: "version",
        action: Action::Version,
        needs: Needs::Nothing,
        operand: "",
        switches: &[],
    },
    Verb {
        name: "help",
        action: Action::Help,
        needs: Needs::Nothing,
        operand: "[VERB]",
        switches: &[],
    },
];

impl Verb {
    /// The verb of that name.
    pub(crate) fn find(name: &str) -> Option<&'static Verb> {
        VERBS.iter().find(|verb| verb.name == name)
    }

    /// All options that it takes.
    pub(crate) fn all_switches(&self) -> impl Iterator<Item = Switch> {
        self.switches.iter().copied().chain(COMMON)
    }

    /// Whether its operand is required.
    pub(crate) fn is_operand_required(&self) -> bool {
        !self.operand.is_empty() && !self.operand.starts_with('[')
    }
}
