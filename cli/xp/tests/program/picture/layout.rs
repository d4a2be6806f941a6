//! Properties of the layout.

use proptest::prelude::*;
use tcplimit_xp::window::{Control, Layout, Rect, minimum};

use super::made::{USUAL_FONTS, font};

fn layouts() -> impl Strategy<Value = Layout> {
    (0..9_usize, 0..3_usize, any::<bool>(), any::<bool>()).prop_map(
        |(lines, actions, run_as, ipv6)| Layout {
            lines,
            actions,
            run_as,
            ipv6,
        },
    )
}

proptest! {
    #[test]
    fn controls_lie_inside_and_apart_from_the_least_size_on(
        layout in layouts(),
        font in font(),
        more in (0..1500_i32, 0..1000_i32),
    ) {
        let (width, height) = minimum(&font);
        let (width, height) = (width + more.0, height + more.1);
        let inside = Rect::at(0, 0, width, height);
        let places = layout.place(width, height, &font);
        for (index, (control, area)) in places.iter().enumerate() {
            prop_assert!(inside.holds(area) && !area.is_empty(), "{control:?} {area:?}");
            for (other, its) in &places[..index] {
                prop_assert!(!area.overlaps(its), "{control:?} {area:?}, {other:?} {its:?}");
            }
        }
        let wanted = |control| match control {
            Control::HeadLabels | Control::HeadTexts => layout.lines > 0,
            Control::Act => layout.actions > 0,
            Control::ActToo => layout.actions > 1,
            Control::RunAs => layout.run_as,
            Control::Ipv6 => layout.ipv6,
            _ => true,
        };
        for control in Control::ALL {
            let is_placed = places.iter().any(|(placed, _)| *placed == control);
            prop_assert_eq!(is_placed, wanted(control), "{:?}", control);
        }
    }
}

#[test]
fn a_screen_of_800_by_600_has_room_for_it_at_96_and_120_dpi() {
    for (font, borders) in USUAL_FONTS.iter().zip([(8, 80), (10, 95)]) {
        let (width, height) = minimum(font);
        // Borders; and borders, caption, menu and the task bar.
        assert!(width + borders.0 <= 800, "{width}");
        assert!(height + borders.1 <= 600, "{height}");
    }
}

#[test]
fn controls_are_known_by_their_numbers() {
    for control in Control::ALL {
        assert_eq!(Control::from_id(control.id()), Some(control));
    }
    assert_eq!(Control::from_id(1), None);
    assert_eq!(Control::Table.id(), 1019);
}

/// Letters of the menu bar.
const MENU: [char; 3] = ['f', 'v', 'h'];

#[test]
fn no_two_controls_have_the_same_letter() {
    let actions = ["&Install...", "&Load...", "R&epair..."];
    let labels = Control::ALL.map(Control::label);
    let mut letters = MENU.to_vec();
    for label in labels.iter().chain(&actions) {
        let Some((_, rest)) = label.split_once('&') else {
            continue;
        };
        let letter = rest.chars().next().expect("a letter").to_ascii_lowercase();
        assert!(!letters.contains(&letter), "{label}: {letter}");
        letters.push(letter);
    }
}
