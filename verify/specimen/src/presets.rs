//! Five named presets, modelled on measured images: the same alignments,
//! positions, idioms and counts, with less code by default.
//!
//! | preset | measured image |
//! |---|---|
//! | [`Spec::xp_sp3`] | Windows XP SP3 x86, tcpip.sys 5.1.2600.5512 |
//! | [`Spec::server_2003`] | Server 2003 SP2 x86, tcpip.sys 5.2.3790.3959 |
//! | [`Spec::xp_x64`] | Windows XP x64 SP2, tcpip.sys 5.2.3790.3959 |
//! | [`Spec::tcpip6_x86`] | Windows XP SP3 x86, tcpip6.sys 5.1.2600.5512 |
//! | [`Spec::tcpip6_x64`] | Windows XP x64 SP2, tcpip6.sys 5.2.3790.3959 |

use super::arch::{Arch, Register};
use super::gate::{Compare, GateSpec, Loads, QueueForm, QueueTest, Reach};
use super::spec::Decoys;
use super::spec::{Alignment, DataPart, EventForm, Extras, ImageBase, Module, Spec};

const AFTER: QueueTest = QueueTest::FallThrough(QueueForm::MemoryFirst);
const BEFORE: QueueTest = QueueTest::BeforeTarget(QueueForm::Byte);

impl Spec {
    /// The five presets, with the names that reports use.
    pub fn presets() -> [(&'static str, Self); 5] {
        [
            ("tcpip-xp-sp3-x86", Self::xp_sp3()),
            ("tcpip-2003-sp2-x86", Self::server_2003()),
            ("tcpip-xp-x64", Self::xp_x64()),
            ("tcpip6-x86", Self::tcpip6_x86()),
            ("tcpip6-x64", Self::tcpip6_x64()),
        ]
    }

    /// The five presets with as much code as the measured images: 258,010,
    /// 313,058 and 531,038 bytes of `.text`; for tcpip6.sys about a quarter of a
    /// megabyte. Their gates are more than 64 KiB apart.
    pub fn full_size_presets() -> [(&'static str, Self); 5] {
        let mut sizes = [244, 297, 494, 244, 244].into_iter();
        Self::presets().map(|(name, spec)| match sizes.next() {
            Some(text_kib) => (name, spec.with_text_kib(text_kib)),
            None => (name, spec),
        })
    }

    /// Windows XP SP3 x86: sub-page alignment, laid out by profile.
    pub fn xp_sp3() -> Self {
        Self {
            seed: 2600,
            arch: Arch::X86,
            module: Module::Tcpip,
            alignment: Alignment::Sub80,
            image_base: ImageBase::default(),
            text_kib: 16,
            data_part: DataPart::RawData,
            gates: [
                GateSpec::usual(Reach::Near, AFTER),
                GateSpec::usual(Reach::Short, BEFORE),
            ],
            profile_split: true,
            gates_together: false,
            event: EventForm::Push,
            atomics: 18,
            start_up: 10,
            decoys: Decoys::REAL,
            extras: Extras::default(),
            defect: None,
        }
    }

    /// Server 2003 SP2 x86: pages, T in the zero-filled tail.
    pub fn server_2003() -> Self {
        Self {
            seed: 3790,
            alignment: Alignment::Page,
            data_part: DataPart::ZeroTail,
            gates: [
                GateSpec::usual(Reach::Short, BEFORE),
                GateSpec::usual(Reach::Short, AFTER),
            ],
            profile_split: false,
            atomics: 19,
            ..Self::xp_sp3()
        }
    }

    /// Windows XP x64 SP2: T is loaded and compared with the count in memory.
    pub fn xp_x64() -> Self {
        let gate = |register, reach, queue| GateSpec {
            loads: Loads::Threshold,
            register: Register(register),
            compare: Compare::MemoryFirst,
            ..GateSpec::usual(reach, queue)
        };
        Self {
            seed: 3959,
            arch: Arch::X64,
            gates: [
                gate(1, Reach::Near, QueueTest::None),
                gate(11, Reach::Short, QueueTest::FallThrough(QueueForm::Byte)),
            ],
            event: EventForm::Register(Register(2)),
            ..Self::server_2003()
        }
    }

    /// The IPv6 stack's driver for x86.
    pub fn tcpip6_x86() -> Self {
        Self {
            seed: 5512,
            module: Module::Tcpip6,
            atomics: 4,
            ..Self::xp_sp3()
        }
    }

    /// The IPv6 stack's driver for x64.
    pub fn tcpip6_x64() -> Self {
        Self {
            seed: 4662,
            module: Module::Tcpip6,
            alignment: Alignment::Sub40,
            data_part: DataPart::RawData,
            atomics: 9,
            ..Self::xp_x64()
        }
    }
}
