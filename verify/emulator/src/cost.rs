//! The cost of a query inside the kernel: instructions of the shipped driver per
//! byte of `.text`, a number that does not depend on the machine.
//!
//! `cost.toml` holds the measured costs and the compiler: only drivers built by
//! the same compiler can be compared.

use std::collections::BTreeMap;
use std::fmt::Write;

use specimen::{Arch, Spec};

use crate::address::DRIVER;
use crate::requests;
use crate::system::System;
use crate::target::{Paged, Target};
use crate::violation::Violation;
use crate::world::{World, module_index};

/// Percent by which a cost may exceed the recorded one.
const TOLERANCE: f64 = 5.0;

/// The cost on one kind of specimen.
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
    /// Instructions per byte.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn per_byte(&self) -> f64 {
        self.instructions as f64 / f64::from(self.text)
    }
}

/// Measures the cost on all kinds of specimens for a driver's processor.
///
/// # Errors
/// A violation by the driver.
pub fn measure(file: &[u8], arch: Arch) -> Result<Vec<Cost>, Violation> {
    let mut system = System::new(file, DRIVER[0].of(arch))?;
    let kinds = Spec::full_size_presets()
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

/// The instructions of a query by function of the driver: its RVA and the count,
/// the most expensive first.
///
/// # Errors
/// As [`measure`].
pub fn profile(file: &[u8], arch: Arch) -> Result<Vec<(u64, u64)>, Violation> {
    let mut system = System::new(file, DRIVER[0].of(arch))?;
    let mut kinds = Spec::full_size_presets().into_iter();
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

/// A table of costs.
#[derive(Debug, Clone, PartialEq)]
pub struct CostTable {
    /// The compiler, as `rustc --version` names it.
    pub compiler: String,
    /// Instructions per byte, by kind.
    pub costs: BTreeMap<String, f64>,
}

impl CostTable {
    /// Parses the output of [`CostTable::write`].
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

    /// The table of measured costs.
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

    /// The table as text.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = String::from(
            "# The cost of a query inside the kernel: instructions of the shipped driver per\n\
            # byte of .text, on specimens as large and dense as the measured images.\n\
            # `cargo xtask emulate` compares it if this compiler built the driver;\n\
            # `cargo xtask emulate --record` writes it, and the commit says why. In 0.1.0\n\
            # the specimens were less dense, and the cost was 3.82 (tcpip-2003-sp2-x86),\n\
            # 3.71 (tcpip-xp-sp3-x86), 3.75 (tcpip-xp-x64), 3.92 (tcpip6-x64) and 3.91\n\
            # (tcpip6-x86).\n",
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

    /// Differences in words: costs that got worse, and kinds in only one table.
    ///
    /// # Errors
    /// The compilers differ, or are unknown.
    pub fn compare(&self, now: &CostTable) -> Result<Vec<String>, String> {
        if self.compiler != now.compiler {
            return Err(format!(
                "NOT COMPARED: recorded with {:?}, driver built by {:?}",
                self.compiler, now.compiler
            ));
        }
        let worse = now
            .costs
            .iter()
            .filter_map(|(kind, &cost)| match self.costs.get(kind) {
                None => Some(format!("{kind} is not recorded")),
                Some(&before) if cost > before * (1.0 + TOLERANCE / 100.0) => Some(format!(
                    "{kind}: {cost:.2} instructions per byte, recorded {before:.2}"
                )),
                Some(_) => None,
            });
        let recorded = self.costs.keys();
        let gone = recorded.filter(|kind| !now.costs.contains_key(*kind));
        let gone = gone.map(|kind| format!("{kind} is recorded but was not measured"));
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
        assert!(differences(one.compare(&both)).contains("is not recorded"));
    }

    #[test]
    fn another_compiler_is_another_table() {
        assert!(table("a", 4.0).compare(&table("b", 40.0)).is_err());
    }
}
