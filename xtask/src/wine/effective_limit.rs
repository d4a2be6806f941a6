//! The limit in force according to a command's answer, to be compared with the target's.

use super::script::parse_number;

/// A target by its name for the client, and its expected limit.
pub(super) type EffectiveLimit = (&'static str, u32);

const IPV4: &str = "tcpip";
const IPV6: &str = "tcpip6";

/// The limits in force after a set or a reset, done or refused, by either interface or
/// `tcplimit.exe`; empty if the answer has none.
pub(super) fn effective_limits(command: &str, answer: &str) -> Vec<EffectiveLimit> {
    let words: Vec<&str> = command.split(' ').collect();
    let limit = || parse_number(answer, "limit").filter(|&limit| limit != 0);
    match words[..] {
        ["set" | "reset", _, module, ..] if answer.contains("status=0x0 ") => {
            let target = match module {
                "4" => IPV4,
                "6" => IPV6,
                _ => return Vec::new(),
            };
            limit().map(|limit| (target, limit)).into_iter().collect()
        }
        ["legacy", _, ..] => limit().map(|limit| (IPV4, limit)).into_iter().collect(),
        ["tcplimit" | "former", "set", limit, ref options @ ..]
            if answer.starts_with("exit=0 ") =>
        {
            let targets: &[_] = match options {
                _ if options.contains(&"--all") => &[IPV4, IPV6],
                _ if options.contains(&"--ipv6") => &[IPV6],
                _ => &[IPV4],
            };
            let limit = limit.parse();
            let each = |&target| limit.clone().ok().map(|limit| (target, limit));
            targets.iter().filter_map(each).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_limit_and_an_unchanged_limit_are_both_in_force() {
        let done = "status=0x0 reason=0 limit=100 written=100";
        assert_eq!(effective_limits("set ours 4 100", done), [(IPV4, 100)]);
        assert_eq!(effective_limits("reset ours 6", done), [(IPV6, 100)]);
        let refused = "status=0x0 reason=30 limit=10";
        assert_eq!(effective_limits("set ours 4 0", refused), [(IPV4, 10)]);
        assert_eq!(
            effective_limits("legacy 0", "exit=1 limit=50 error=1"),
            [(IPV4, 50)]
        );
    }

    #[test]
    fn an_answer_without_a_limit_gives_none() {
        let failed = "status=0xc000000d returned=0";
        assert_eq!(effective_limits("set ours 4 20", failed), []);
        assert_eq!(effective_limits("set ours 5 20", "status=0x0 limit=20"), []);
        assert_eq!(
            effective_limits("set ours 4 20", "status=0x0 reason=1 limit=0"),
            []
        );
        assert_eq!(effective_limits("query ours 4", "status=0x0 limit=20"), []);
        assert_eq!(effective_limits("tcplimit set 20", "exit=1 refused"), []);
    }

    #[test]
    fn the_program_sets_one_or_both() {
        let done = "exit=0 tcpip.sys: 10 -> 55";
        assert_eq!(effective_limits("tcplimit set 55", done), [(IPV4, 55)]);
        let both = [(IPV4, 55), (IPV6, 55)];
        assert_eq!(effective_limits("tcplimit set 55 --all", done), both);
        assert_eq!(
            effective_limits("tcplimit set 70 --persist --ipv6", done),
            [(IPV6, 70)]
        );
    }
}
