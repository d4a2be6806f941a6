//! The export directory, which contains the module's name (PE format, "The
//! .edata Section").

use super::code::{Code, Form, Symbol};
use super::filler_code::Writer;
use super::import::string;
use super::spec::Spec;

/// The exports, in the order of names that the format demands.
const EXPORTS: [&str; 4] = [
    "FreeIprBuff",
    "GetIFAndLink",
    "IPInjectPkt",
    "IPRegisterProtocol",
];

/// The whole of `.edata`; the directory is at its start.
pub(super) fn directory(spec: &Spec, writer: &mut Writer<'_>, time_stamp: u32) -> Code {
    let labels = [0; 4].map(|_| writer.label());
    let [file, functions, names, ordinals] = labels;
    let count = u16::try_from(EXPORTS.len()).expect("exports are few");
    let mut code = writer.code();
    code.dword(0);
    code.dword(time_stamp);
    code.dword(0);
    code.refer(Symbol::Label(file), Form::Rva);
    code.dword(1);
    code.dword(u32::from(count));
    code.dword(u32::from(count));
    for table in [functions, names, ordinals] {
        code.refer(Symbol::Label(table), Form::Rva);
    }
    code.define(functions);
    for _ in EXPORTS {
        let function = writer.random.below(u32::MAX);
        code.refer(Symbol::Function(function), Form::Rva);
    }
    code.define(names);
    let texts = EXPORTS.map(|text| (writer.label(), text));
    for (label, _) in texts {
        code.refer(Symbol::Label(label), Form::Rva);
    }
    code.define(ordinals);
    for ordinal in 0..count {
        code.word(ordinal);
    }
    code.define(file);
    string(&mut code, spec.module.file_name());
    for (label, text) in texts {
        code.define(label);
        string(&mut code, text);
    }
    code
}
