//! Published ways to find the limit, to show where they fail. They judge nothing.

/// The value of an unpatched limit.
const TEN: u32 = 10;

/// "The first `A1 .. 3B 05` in code whose second operand is in data and holds 10": the RVA of that
/// operand, in a loaded x86 image at `base`. `code` and `data` are sections by RVA.
#[must_use]
pub fn first_load_compare(code: &[(u32, &[u8])], data: &[(u32, &[u8])], base: u32) -> Option<u32> {
    code.iter()
        .flat_map(|(_, bytes)| bytes.windows(11))
        .find_map(|window| {
            let &[0xA1, _, _, _, _, 0x3B, 0x05, ref operand @ ..] = window else {
                return None;
            };
            let operand = u32::from_le_bytes(operand.try_into().ok()?);
            let rva = operand.checked_sub(base)?;
            (dword_at(data, rva)? == TEN).then_some(rva)
        })
}

fn dword_at(sections: &[(u32, &[u8])], rva: u32) -> Option<u32> {
    sections.iter().find_map(|(start, bytes)| {
        let offset = usize::try_from(rva.checked_sub(*start)?).ok()?;
        bytes
            .get(offset..)?
            .first_chunk()
            .map(|dword| u32::from_le_bytes(*dword))
    })
}

/// All file offsets of a store of 10 to a variable: `C7 05 ?? ?? ?? ?? 0A 00 00 00`.
#[must_use]
pub fn store_of_ten(file: &[u8]) -> Vec<usize> {
    file.windows(10)
        .enumerate()
        .filter(|(_, window)| matches!(window, [0xC7, 0x05, _, _, _, _, 0x0A, 0, 0, 0]))
        .map(|(offset, _)| offset)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pair_that_holds_ten_wins_even_if_it_is_wrong() {
        let mut code = vec![0x90];
        for variable in [0x00_u8, 0x04, 0x08] {
            code.extend([0xA1, 0, 0x30, 0x01, 0, 0x3B, 0x05, variable, 0x20, 0x01, 0]);
        }
        let data = [[1, 0, 0, 0], [10, 0, 0, 0], [10, 0, 0, 0]].concat();
        let code = [(0x1000, &code[..])];
        assert_eq!(
            first_load_compare(&code, &[(0x2000, &data)], 0x1_0000),
            Some(0x2004)
        );
        assert_eq!(
            first_load_compare(&code, &[(0x2000, &data[..7])], 0x1_0000),
            None
        );
        assert_eq!(
            first_load_compare(&code, &[(0x2000, &data)], 0x2_0000),
            None
        );
    }

    #[test]
    fn every_store_of_ten_is_found_and_no_other() {
        let store = [0xC7, 0x05, 1, 2, 3, 4, 0x0A, 0, 0, 0];
        let mut patched = store;
        patched[6] = 50;
        let file = [&[0x90][..], &store, &patched, &store].concat();
        assert_eq!(store_of_ten(&file), [1, 21]);
        assert_eq!(store_of_ten(&store[..9]), [0_usize; 0]);
    }
}
