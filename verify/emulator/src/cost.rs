//! What a query costs inside the kernel: instructions of the shipped files for
//! each byte of `.text`, a number that does not depend on the machine.
//!
//! `cost.toml` holds what was measured, and with which compiler: another one
//! makes other code, and then nothing can be compared.

use std::collections::BTreeMap;
use std::fmt::Write;

use specimen::{Arch, Spec};

use crate::address::DRIVER;
use crate::requests;
use crate::system::System;
use crate::target::{Paged, Target};
use crate::violation::Violation;
use crate::world::{World, module_index};

/// A table may be worse by so much, in percent, before it is an error.
const TOLERANCE: f64 = 5.0;

/// What was measured of one kind of specimen.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// The kind.
    pub kind: String,
    /// Bytes of `.text`.
    pub text: u32,
    /// Instructions of a query.
    pub instructions: u64,
}

impl Cost {
    /// Instructions for each byte.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn per_byte(&self) -> f64 {
        self.instructions as f64 / f64::from(self.text)
    }
}

/// Measures all kinds of a driver's processor.
///
/// # Errors
/// When the driver does what it may not.
pub fn measure(file: &[u8], arch: Arch) -> Result<Vec<Cost>, Violation> {
    let mut system = System::new(file, DRIVER[0].of(arch))?;
    let kinds = Spec::kinds_in_full()
        .into_iter()
        .filter(|(_, spec)| spec.arch == arch);
    kinds
        .map(|(kind, spec)| {
            let (text, instructions) = query(&mut system, &spec)?;
            Ok(Cost {
                kind: kind.into(),
                text,
                instructions,
            })
        })
        .collect()
}

/// Bytes of `.text`, and instructions of a query.
fn query(system: &mut System, spec: &Spec) -> Result<(u32, u64), Violation> {
    let specimen = spec.build();
    let base = spec.arch.bases()[0];
    let target = Target::from_specimen(&specimen, base, Paged::Out);
    let text = target
        .sections
        .iter()
        .find(|section| section.is_resident() && section.is_code());
    let text = text.map_or(1, |section| section.virtual_size);
    let module = target.module;
    let mut world = World::new(spec.arch);
    world.modules[module_index(module)] = Some(target);
    system.reset(world);
    system.start()?;
    let completed = system.send(&requests::query(module))?;
    let instructions = system.machine.instructions();
    let answer = requests::parse_answer(&requests::query(module), &completed);
    if answer.is_none_or(|answer| answer.limit_rva.get() != specimen.truth.threshold) {
        return Err(Violation::Completion("the limit was not located".into()));
    }
    system.unload()?;
    Ok((text, instructions))
}

/// Where the instructions of a query go: for each function of the driver's its
/// RVA and its instructions, the most expensive first.
///
/// # Errors
/// As [`measure`].
pub fn profile(file: &[u8], arch: Arch) -> Result<Vec<(u64, u64)>, Violation> {
    let mut system = System::new(file, DRIVER[0].of(arch))?;
    let mut kinds = Spec::kinds_in_full().into_iter();
    let kind = kinds.find_map(|(_, spec)| (spec.arch == arch).then_some(spec));
    system.machine.watch().profile = Some(Vec::new());
    query(&mut system, &kind.unwrap_or_else(Spec::xp_sp3))?;
    let blocks = system.machine.watch().profile.take().unwrap_or_default();
    let starts = crate::code::functions(system.driver());
    let mut functions = BTreeMap::<u64, u64>::new();
    for (offset, count) in (0..).zip(blocks) {
        let rva = crate::code::text_rva(system.driver()) + offset;
        if let Some((&start, _)) = starts.range(..=rva).next_back()
            && count > 0
        {
            *functions.entry(start).or_default() += count;
        }
    }
    let mut functions: Vec<_> = functions.into_iter().collect();
    functions.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    Ok(functions)
}

/// The table as it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct CostTable {
    /// What `rustc --version` says of the compiler.
    pub compiler: String,
    /// Instructions for each byte by kind.
    pub costs: BTreeMap<String, f64>,
}

impl CostTable {
    /// Reads what [`Table::write`] writes.
    #[must_use]
    pub fn read(text: &str) -> CostTable {
        let mut table = CostTable {
            compiler: String::new(),
            costs: BTreeMap::new(),
        };
        for (name, value) in text.lines().filter_map(|line| line.split_once(" = ")) {
            if name == "compiler" {
                table.compiler = value.trim_matches('"').to_owned();
            } else if let Ok(cost) = value.parse() {
                table.costs.insert(name.to_owned(), cost);
            }
        }
        table
    }

    /// The table of what was measured.
    #[must_use]
    pub fn of(compiler: &str, costs: &[Cost]) -> CostTable {
        let costs = costs
            .iter()
            .map(|cost| (cost.kind.clone(), cost.per_byte()));
        CostTable {
            compiler: compiler.to_owned(),
            costs: costs.collect(),
        }
    }

    /// It as text.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = String::from(
            "# What a query costs inside the kernel: instructions of the shipped files for\n\
             # each byte of .text, on specimens as large and dense as the measured images.\n\
             # Compared by `cargo xtask emulate` where the driver was built by this\n\
             # compiler; written anew by `cargo xtask emulate --record`, and a commit that\n\
             # does so says why. In 0.1.0 the specimens were thin, and it was 3.82\n\
             # (tcpip-2003-sp2-x86), 3.71 (tcpip-xp-sp3-x86), 3.75 (tcpip-xp-x64), 3.92\n\
             # (tcpip6-x64) and 3.91 (tcpip6-x86).\n",
        );
        let _ = writeln!(
            text,
            "compiler = \"{}\"\n\n[instructions-per-byte]",
            self.compiler
        );
        for (kind, cost) in &self.costs {
            let _ = writeln!(text, "{kind} = {cost:.2}");
        }
        text
    }

    /// What got worse, and what only one of the two has, in words; `Err` where they
    /// can't be compared.
    ///
    /// # Errors
    /// When another compiler was used, or nobody knows which.
    pub fn compare(&self, now: &CostTable) -> Result<Vec<String>, String> {
        if self.compiler != now.compiler {
            return Err(format!(
                "NOT COMPARED: recorded with {:?}, the driver was built by {:?}",
                self.compiler, now.compiler
            ));
        }
        let worse = now
            .costs
            .iter()
            .filter_map(|(kind, &cost)| match self.costs.get(kind) {
                None => Some(format!("{kind} is not in the table")),
                Some(&before) if cost > before * (1.0 + TOLERANCE / 100.0) => Some(format!(
                    "{kind}: {cost:.2} instructions a byte, {before:.2} recorded"
                )),
                Some(_) => None,
            });
        let recorded = self.costs.keys();
        let gone = recorded.filter(|kind| !now.costs.contains_key(*kind));
        let gone = gone.map(|kind| format!("{kind} is in the table, and was not measured"));
        Ok(worse.chain(gone).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(compiler: &str, cost: f64) -> CostTable {
        CostTable {
            compiler: compiler.into(),
            costs: [("tcpip-xp-x64".to_owned(), cost)].into(),
        }
    }

    #[test]
    fn a_table_reads_as_it_was_written() {
        let table = table("rustc 1.96.0 (abc 2026-05-25)", 3.25);
        assert_eq!(CostTable::read(&table.write()), table);
    }

    #[test]
    fn a_cost_worse_than_the_tolerance_is_reported() {
        let before = table("a", 4.0);
        assert_eq!(before.compare(&table("a", 4.2)), Ok(vec![]));
        assert_eq!(
            before.compare(&table("a", 4.21)).map(|worse| worse.len()),
            Ok(1)
        );
        assert_eq!(before.compare(&table("a", 1.0)), Ok(vec![]));
    }

    #[test]
    fn a_kind_in_only_one_of_two_tables_is_reported() {
        let (both, mut one) = (table("a", 4.0), table("a", 4.0));
        one.costs.clear();
        let differences =
            |differs: Result<Vec<String>, String>| differs.unwrap_or_default().concat();
        assert!(differences(both.compare(&one)).contains("was not measured"));
        assert!(differences(one.compare(&both)).contains("is not in the table"));
    }

    #[test]
    fn another_compiler_is_another_table() {
        assert!(table("a", 4.0).compare(&table("b", 40.0)).is_err());
    }
}
