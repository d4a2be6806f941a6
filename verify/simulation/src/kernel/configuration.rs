//! The description of a system. Every value is valid.

use arbitrary::Unstructured;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{option, sample};

use super::build;
use specimen::{Arch, Module};

/// A system at its start.
#[derive(Debug, Clone, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct Configuration {
    /// The processor.
    pub arch: Arch,
    /// tcpip.sys, if it is loaded.
    #[proptest(strategy = "mostly_installed()")]
    pub tcpip: Option<Installed>,
    /// tcpip6.sys, if it is loaded.
    pub tcpip6: Option<Installed>,
    /// Whether the page tables can be read.
    #[arbitrary(with = mostly)]
    #[proptest(strategy = "proptest::bool::weighted(0.8)")]
    pub rights_known: bool,
    /// The list of modules.
    pub list: ModuleListing,
    /// The values of the service key.
    pub settings: Settings,
    /// The start mark.
    #[arbitrary(with = seldom)]
    #[proptest(strategy = "proptest::bool::weighted(0.1)")]
    pub guard: bool,
    /// Safe Mode.
    #[arbitrary(with = seldom)]
    #[proptest(strategy = "proptest::bool::weighted(0.1)")]
    pub safe_mode: bool,
    /// A device name taken by another driver.
    #[arbitrary(with = seldom_some)]
    #[proptest(strategy = "option::weighted(0.1, any::<Name>())")]
    pub taken: Option<Name>,
}

/// A module that the system loads when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct Installed {
    /// The build.
    pub build: BuildChoice,
    /// Its limit after start-up.
    pub limit: Number,
    /// The number of half-open connections.
    pub half_open: Number,
    /// The number of queued attempts.
    pub queued: Number,
}

impl Configuration {
    /// Windows XP with nothing out of the ordinary. Headers, code and variables
    /// share no page.
    #[must_use]
    pub fn x86() -> Self {
        Self {
            arch: Arch::X86,
            tcpip: Installed::with_build("tcpip-2003-sp2-x86"),
            tcpip6: Installed::with_build("tcpip6-x86"),
            rights_known: true,
            list: ModuleListing {
                style: PathStyle::SystemRoot,
                in_pages: false,
                state: ListState::Correct,
            },
            settings: Settings::NONE,
            guard: false,
            safe_mode: false,
            taken: None,
        }
    }

    /// Windows XP x64 likewise.
    #[must_use]
    pub fn x64() -> Self {
        Self {
            arch: Arch::X64,
            tcpip: Installed::with_build("tcpip-xp-x64"),
            tcpip6: Installed::with_build("tcpip6-x64"),
            ..Self::x86()
        }
    }
}

impl Installed {
    /// A module at rest: a limit of 10, three half-open, two waiting.
    #[must_use]
    pub fn with_build(build: &str) -> Option<Self> {
        Some(Self {
            build: BuildChoice::named(build),
            limit: Number(10),
            half_open: Number(3),
            queued: Number(2),
        })
    }
}

/// A build by number. Every number is valid: of every four, three choose a build
/// that is sound for the system and module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct BuildChoice(pub u16);

impl BuildChoice {
    /// The build's place in [`build::all`].
    pub fn on(self, arch: Arch, module: Module) -> usize {
        let number = usize::from(self.0);
        if number % 4 == 3 {
            number % build::all().len()
        } else {
            let sound: Vec<usize> = build::sound(arch, module).collect();
            sound[number % sound.len()]
        }
    }

    /// The build with this name.
    pub fn named(name: &str) -> BuildChoice {
        let build = build::named(name);
        let number = (0..=u16::MAX).find(|&number| {
            let number = usize::from(number);
            number % 4 == 3 && number % build::all().len() == build
        });
        // It exists if the number of builds is odd.
        BuildChoice(number.expect("a number for each build"))
    }
}

/// A 32-bit value, mostly an interesting one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(pub u32);

/// Values at the bounds of each rule, and values seen in the field.
const NUMBERS: [u32; 16] = [
    0,
    1,
    9,
    10,
    10,
    11,
    50,
    100,
    1000,
    0x00FF_FFFE,
    0x00FF_FFFF,
    0x0100_0000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    10,
];

impl<'a> arbitrary::Arbitrary<'a> for Number {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let number = input.arbitrary::<u8>()?;
        Ok(Number(match NUMBERS.get(usize::from(number)) {
            Some(&number) => number,
            None if number < 0x80 => 10,
            None => input.arbitrary()?,
        }))
    }
}

impl proptest::arbitrary::Arbitrary for Number {
    type Parameters = ();
    type Strategy = proptest::strategy::BoxedStrategy<Number>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        prop_oneof![
            4 => Just(10),
            4 => sample::select(&NUMBERS[..]),
            1 => any::<u32>(),
        ]
        .prop_map(Number)
        .boxed()
    }
}

/// The system's list of modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct ModuleListing {
    /// The style of paths.
    pub style: PathStyle,
    /// Sizes in whole pages, or to the byte.
    pub in_pages: bool,
    /// The entries for the module.
    #[arbitrary(with = mostly_agreeing)]
    #[proptest(strategy = "prop_oneof![8 => Just(ListState::Correct), 1 => any::<ListState>()]")]
    pub state: ListState,
}

/// The styles in which loaders write a driver's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum PathStyle {
    /// `\SystemRoot\System32\DRIVERS\tcpip.sys`, by the service manager.
    SystemRoot,
    /// `\WINDOWS\System32\Drivers\TCPIP.SYS`, by the boot loader.
    Windows,
    /// `\??\C:\WINDOWS\system32\drivers\tcpip.sys`.
    DosDevice,
    /// `Tcpip.SYS`.
    Bare,
    /// `/windows/tcpip.sys`.
    Slashes,
}

/// The entries for a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum ListState {
    /// The correct entry.
    Correct,
    /// No entry.
    Missing,
    /// The name at another base.
    OtherBase,
    /// A size one page too large.
    OtherSize,
    /// The base under another name.
    OtherName,
    /// The correct entry, and the name once more elsewhere.
    NameTwice,
    /// The correct entry, and the base once more under another name.
    BaseTwice,
    /// The call fails for lack of memory.
    Fails,
    /// The call fails after it showed all entries.
    FailsAtEnd,
}

impl ListState {
    /// All but the correct one.
    pub const FAULTY: [ListState; 8] = [
        ListState::Missing,
        ListState::OtherBase,
        ListState::OtherSize,
        ListState::OtherName,
        ListState::NameTwice,
        ListState::BaseTwice,
        ListState::Fails,
        ListState::FailsAtEnd,
    ];
}

/// Values of the service key, those of tcpip.sys first.
#[derive(Debug, Clone, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct Settings {
    /// `Limit`, `Limit6`.
    pub limit: [Value; 2],
    /// `Expect`, `Expect6`.
    pub expect: [Value; 2],
    /// `RestoreAtUnload`.
    pub restore: Switch,
    /// `TestOnlyAcceptUnknownRights`.
    pub accept_unknown_rights: Switch,
}

impl Settings {
    /// An empty key.
    pub const NONE: Settings = Settings {
        limit: [Value::Absent; 2],
        expect: [Value::Absent; 2],
        restore: Switch(Value::Absent),
        accept_unknown_rights: Switch(Value::Absent),
    };
}

/// A value of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Value {
    /// No value.
    #[proptest(weight = 3)]
    Absent,
    /// REG_DWORD.
    #[proptest(weight = 3)]
    Number(Number),
    /// A value of another type, or unreadable.
    Unreadable,
}

/// A value of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch(pub Value);

impl Switch {
    /// On.
    pub const ON: Switch = Switch(Value::Number(Number(1)));
    const ALL: [Switch; 6] = [
        Switch(Value::Absent),
        Switch::ON,
        Switch::ON,
        Switch(Value::Number(Number(0))),
        Switch(Value::Number(Number(2))),
        Switch(Value::Unreadable),
    ];

    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self == Switch::ON
    }
}

impl<'a> arbitrary::Arbitrary<'a> for Switch {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        input.choose(&Switch::ALL).copied()
    }
}

impl proptest::arbitrary::Arbitrary for Switch {
    type Parameters = ();
    type Strategy = sample::Select<Switch>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        sample::select(&Switch::ALL[..])
    }
}

/// A name of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct Name {
    /// The legacy device's, or ours.
    pub legacy: bool,
    /// The name that programs open, or the device's own.
    pub link: bool,
}

fn mostly_installed() -> impl Strategy<Value = Option<Installed>> {
    option::weighted(0.95, any::<Installed>())
}

fn mostly_agreeing(input: &mut Unstructured<'_>) -> arbitrary::Result<ListState> {
    if mostly(input)? {
        Ok(ListState::Correct)
    } else {
        input.arbitrary()
    }
}

fn mostly(input: &mut Unstructured<'_>) -> arbitrary::Result<bool> {
    input.ratio(4u8, 5u8)
}

fn seldom(input: &mut Unstructured<'_>) -> arbitrary::Result<bool> {
    input.ratio(1u8, 10u8)
}

fn seldom_some(input: &mut Unstructured<'_>) -> arbitrary::Result<Option<Name>> {
    if seldom(input)? {
        input.arbitrary().map(Some)
    } else {
        Ok(None)
    }
}
