//! The two drivers that have the limit.

use core::fmt;

/// The caller's module. Structure alone does not distinguish the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Module {
    /// `tcpip.sys`: IPv4.
    Tcpip,
    /// `tcpip6.sys`: IPv6.
    Tcpip6,
}

impl Module {
    /// Both.
    pub const ALL: [Module; 2] = [Module::Tcpip, Module::Tcpip6];

    /// The file's name.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Module::Tcpip => "tcpip.sys",
            Module::Tcpip6 => "tcpip6.sys",
        }
    }

    /// The module whose file has this name, upper or lower case.
    #[must_use]
    pub fn named(name: &str) -> Option<Module> {
        Module::ALL
            .into_iter()
            .find(|module| name.eq_ignore_ascii_case(module.file_name()))
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file_name())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_module_is_named_as_its_file_in_either_case() {
        assert_eq!(Module::named("TcpIp.SYS"), Some(Module::Tcpip));
        assert_eq!(Module::named("tcpip6.sys"), Some(Module::Tcpip6));
        assert_eq!(Module::named("tcpip"), None);
        assert_eq!(Module::Tcpip6.to_string(), "tcpip6.sys");
    }
}
