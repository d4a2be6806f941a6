//! The description of a specimen. Every value of [`Spec`] can be built: [`Spec::normalized`]
//! resolves contradictions.

use arbitrary::Unstructured;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use super::arch::{Arch, Register};
use super::defect::Defect;
use super::gate::{GateSpec, QueueTest};

/// Everything that decides a specimen's bytes.
#[derive(Debug, Clone, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct Spec {
    /// The seed of filler code, data and positions.
    pub seed: u64,
    /// Which machine the driver is for.
    pub arch: Arch,
    /// Which of the two drivers is imitated.
    pub module: Module,
    /// How sections are aligned, in memory and in the file.
    pub alignment: Alignment,
    /// The preferred base.
    pub image_base: ImageBase,
    /// Filler code in `.text`, in KiB; 1 to 2048, generated specs 4 to 16.
    #[arbitrary(with = small_text)]
    #[proptest(strategy = "4u16..=16")]
    pub text_kib: u16,
    /// Which part of `.data` holds the three variables.
    pub data_part: DataPart,
    /// The two gates. At least one gets a queue test.
    pub gates: [GateSpec; 2],
    /// Laid out by profile: gates, their jump targets and the event constant are far apart.
    /// Otherwise the event constant is shortly before gate 2.
    pub profile_split: bool,
    /// Both gates near each other. Otherwise they may be anywhere, in large specimens mostly more
    /// than 64 KiB apart.
    pub gates_together: bool,
    /// The use of the event constant 80001082h (tcpip.sys only).
    pub event: EventForm,
    /// Atomic updates of the count; 3 to 24.
    #[arbitrary(with = atomics)]
    #[proptest(strategy = "3u8..=24")]
    pub atomics: u8,
    /// The immediate of the start-up store: 10 on a pristine image.
    #[arbitrary(with = start_up)]
    #[proptest(strategy = "start_up_strategy()")]
    pub start_up: u32,
    /// Code and data that resemble the limiter.
    pub decoys: Decoys,
    /// Parts of the file besides code and data.
    pub extras: Extras,
    /// A required fact to remove. `None` in generated specs.
    #[arbitrary(value = None)]
    #[proptest(value = "None")]
    pub defect: Option<Defect>,
}

/// Code and data that resemble the limiter. Those from `single_gate` on are whole limiters that
/// lack the one fact named; each has its own variables.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary,
)]
pub struct Decoys {
    /// Eight loads and compares of other variables: six with unsigned jumps, two with signed ones
    /// on variables that are not adjacent.
    pub rivals: bool,
    /// Another counter with 16 atomic updates.
    pub counter: bool,
    /// Other stores of 10, three in live code and three in INIT.
    pub stores_of_ten: bool,
    /// Strings and jump tables between the functions of `.text`.
    pub data_in_text: bool,
    /// Only one gate.
    pub single_gate: bool,
    /// Unsigned jumps.
    pub unsigned: bool,
    /// The gates are in pageable code.
    pub pageable: bool,
    /// The gates are in INIT.
    pub discardable: bool,
    /// The count is at T-4.
    pub reversed: bool,
    /// The count is at T+8.
    pub spread: bool,
    /// The jumps mean the opposite roles: T would be at count+4.
    pub swapped: bool,
    /// Two atomic updates only.
    pub few_atomics: bool,
    /// No queue test.
    pub no_queue_test: bool,
    /// Live code writes T.
    pub live_writer: bool,
    /// Live code outside the gates reads T.
    pub other_read: bool,
    /// Live code outside the gates loads the count.
    pub other_load: bool,
    /// Live code updates T atomically.
    pub atomic_threshold: bool,
    /// The variables are in `.rdata`.
    pub read_only: bool,
}

impl Decoys {
    /// No decoys.
    pub const NONE: Self = Self {
        rivals: false,
        counter: false,
        stores_of_ten: false,
        data_in_text: false,
        single_gate: false,
        unsigned: false,
        pageable: false,
        discardable: false,
        reversed: false,
        spread: false,
        swapped: false,
        few_atomics: false,
        no_queue_test: false,
        live_writer: false,
        other_read: false,
        other_load: false,
        atomic_threshold: false,
        read_only: false,
    };

    /// The decoys of the measured images.
    pub const REAL: Self = Self {
        rivals: true,
        counter: true,
        stores_of_ten: true,
        data_in_text: true,
        ..Self::NONE
    };

    /// All decoys.
    pub const ALL: Self = Self {
        single_gate: true,
        unsigned: true,
        pageable: true,
        discardable: true,
        reversed: true,
        spread: true,
        swapped: true,
        few_atomics: true,
        no_queue_test: true,
        live_writer: true,
        other_read: true,
        other_load: true,
        atomic_threshold: true,
        read_only: true,
        ..Self::REAL
    };
}

/// The driver that a specimen imitates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Module {
    /// `tcpip.sys`: it has the event constant 80001082h.
    Tcpip,
    /// `tcpip6.sys`: the same limiter without the event constant.
    Tcpip6,
}

impl Module {
    /// The file name in the export directory and the version resource.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Tcpip => "tcpip.sys",
            Self::Tcpip6 => "tcpip6.sys",
        }
    }
}

/// SectionAlignment and FileAlignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Alignment {
    /// 1000h and 200h.
    Page,
    /// 80h both: file offsets equal RVAs and sections share pages.
    Sub80,
    /// 40h both.
    Sub40,
}

impl Alignment {
    /// SectionAlignment, in bytes.
    pub fn memory(self) -> u32 {
        match self {
            Self::Page => 0x1000,
            Self::Sub80 => 0x80,
            Self::Sub40 => 0x40,
        }
    }

    /// FileAlignment, in bytes.
    pub fn file(self) -> u32 {
        match self {
            Self::Page => 0x200,
            Self::Sub80 => 0x80,
            Self::Sub40 => 0x40,
        }
    }
}

/// Units of 64 KiB at which an image of less than 4 MiB has addresses with the upper half 15FFh. In
/// memory that is FF 15, the opcode of a call through a pointer: each address would count as a call
/// outside the import table.
const READ_AS_CALLS: std::ops::RangeInclusive<u16> = 0x15C0..=0x15FF;

/// A preferred load address in units of 64 KiB. Any number is allowed; [`ImageBase::address`] keeps
/// it above 0, the image below 4 GiB, and addresses from reading as calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct ImageBase(pub u16);

impl ImageBase {
    /// The address in bytes.
    pub fn address(self) -> u32 {
        let units = match self.0 {
            units if READ_AS_CALLS.contains(&units) => *READ_AS_CALLS.start() - 1,
            units => units.clamp(1, 0xFE00),
        };
        u32::from(units) << 16
    }
}

impl Default for ImageBase {
    fn default() -> Self {
        Self(1)
    }
}

/// Which part of `.data` holds the three variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum DataPart {
    /// The part with bytes in the file.
    RawData,
    /// The zero-filled tail. With sub-page alignment there is none; then this means
    /// [`DataPart::RawData`].
    ZeroTail,
}

/// The instruction that uses the event constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum EventForm {
    /// `push imm32`.
    Push,
    /// `mov reg, imm32`.
    Register(Register),
    /// `mov [esp+4], imm32`.
    Stack,
}

/// Parts of the file besides code and data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct Extras {
    /// An export directory, with the module's name, in `.edata`.
    pub export: bool,
    /// A version resource in `.rsrc`.
    pub version: bool,
    /// The header's CheckSum.
    pub checksum: Checksum,
    /// A `.reloc` section. Without it the header sets IMAGE_FILE_RELOCS_STRIPPED.
    pub relocations: bool,
}

impl Default for Extras {
    fn default() -> Self {
        Self {
            export: true,
            version: true,
            checksum: Checksum::Correct,
            relocations: true,
        }
    }
}

/// The header's CheckSum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Checksum {
    /// The file's checksum.
    Correct,
    /// 0: not computed.
    Zero,
    /// Some other value.
    Wrong,
}

impl Spec {
    /// The same specimen with `text_kib` KiB of filler code.
    #[must_use]
    pub fn with_text_kib(self, text_kib: u16) -> Self {
        Self { text_kib, ..self }
    }

    /// The spec that is built: values clamped, contradictions resolved.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let mut spec = self.clone();
        spec.text_kib = spec.text_kib.clamp(1, 2048);
        spec.atomics = spec.atomics.clamp(3, 24);
        if spec.alignment != Alignment::Page {
            spec.data_part = DataPart::RawData;
        }
        // Other loads of the count were measured for tcpip.sys only; in tcpip6.sys one is no
        // defect, and a decoy limiter with one lacks nothing.
        if spec.module == Module::Tcpip6 {
            spec.decoys.other_load = false;
            if spec.defect == Some(Defect::OtherLoadOfCount) {
                spec.defect = Some(Defect::OtherReadOfThreshold);
            }
        }
        if spec.arch == Arch::X64 && spec.defect == Some(Defect::SwappedBase) {
            spec.defect = Some(Defect::NoAnchor);
        }
        let [first, second] = &mut spec.gates;
        let needed = QueueTest::None;
        if first.queue == needed && second.queue == needed {
            *first = GateSpec {
                queue: QueueTest::default(),
                ..*first
            };
        }
        // The remaining gate gets the queue test, or two facts would be missing.
        if spec.defect == Some(Defect::OneGate) && first.queue == needed {
            first.queue = second.queue;
        }
        spec
    }
}

fn small_text(input: &mut Unstructured<'_>) -> arbitrary::Result<u16> {
    input.int_in_range(4..=16)
}

fn atomics(input: &mut Unstructured<'_>) -> arbitrary::Result<u8> {
    input.int_in_range(3..=24)
}

/// Values found in real images, pristine and patched.
const START_UPS: [u32; 6] = [10, 50, 100, 1000, 16_777_214, 16_777_215];

fn start_up(input: &mut Unstructured<'_>) -> arbitrary::Result<u32> {
    if input.ratio(3u8, 4u8)? {
        input.choose(&START_UPS).copied()
    } else {
        input.arbitrary()
    }
}

fn start_up_strategy() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => Just(10),
        3 => proptest::sample::select(START_UPS.to_vec()),
        1 => any::<u32>(),
    ]
}
