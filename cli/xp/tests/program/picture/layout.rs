//! Properties of the layout.

use proptest::prelude::*;
use tcplimit_xp::Language;
use tcplimit_xp::window::{Control, Font, Layout, MENUS, Model, Rect, Remedy, minimum};

use super::samples::{USUAL_FONTS, font, with_language};
use crate::machine::Machine;

fn layouts() -> impl Strategy<Value = Layout> {
    (0..9_usize, 0..3_usize, any::<bool>(), any::<bool>()).prop_map(
        |(lines, remedies, run_as, ipv6)| Layout {
            lines,
            remedies,
            run_as,
            ipv6,
        },
    )
}

proptest! {
    #[test]
    fn controls_lie_inside_and_apart_from_the_minimum_size_on(
        layout in layouts(),
        font in font(),
        more in (0..1500_i32, 0..1000_i32),
        language in prop::sample::select(&Language::ALL[..]),
    ) {
        let (width, height, places) = with_language(language, || {
            let (width, height) = minimum(&font);
            let (width, height) = (width + more.0, height + more.1);
            (width, height, layout.place(width, height, &font))
        });
        let inside = Rect::at(0, 0, width, height);
        for (index, (control, area)) in places.iter().enumerate() {
            prop_assert!(inside.holds(area) && !area.is_empty(), "{control:?} {area:?}");
            for (other, its) in &places[..index] {
                prop_assert!(!area.overlaps(its), "{control:?} {area:?}, {other:?} {its:?}");
            }
        }
        let wanted = |control| match control {
            Control::StatusLabels | Control::StatusTexts => layout.lines > 0,
            Control::FirstRemedy => layout.remedies > 0,
            Control::SecondRemedy => layout.remedies > 1,
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
    for language in Language::ALL {
        for (font, borders) in USUAL_FONTS.iter().zip([(8, 80), (10, 95)]) {
            let (width, height) = with_language(language, || minimum(font));
            // Borders; and borders, caption, menu and task bar.
            assert!(width + borders.0 <= 800, "{language:?} {width}");
            assert!(height + borders.1 <= 600, "{language:?} {height}");
        }
    }
}

/// A label as shown, without its `&`.
fn shown(label: &str) -> String {
    label.replace('&', "")
}

#[test]
fn no_label_is_cut_in_any_language_in_the_smallest_window() {
    let layout = Layout {
        lines: 8,
        remedies: 2,
        run_as: true,
        ipv6: true,
    };
    let machine = Machine::installed().with_ipv6();
    for (language, font) in Language::ALL
        .into_iter()
        .flat_map(|language| USUAL_FONTS.map(|font| (language, font)))
    {
        with_language(language, || {
            let (width, height) = minimum(&font);
            let places = layout.place(width, height, &font);
            let room = |control: Control| {
                let place = places.iter().find(|(one, _)| *one == control);
                place.expect("it is placed").1.width()
            };
            for control in Control::ALL {
                let label = shown(control.label());
                let wide = font.width(&label);
                assert!(wide <= room(control), "{language:?} {label}");
            }
            for (remedy, control) in [
                (Remedy::Install, Control::FirstRemedy),
                (Remedy::Load, Control::FirstRemedy),
                (Remedy::Repair, Control::SecondRemedy),
            ] {
                let label = shown(remedy.label());
                assert!(font.width(&label) < room(control), "{language:?} {label}");
            }
            let labels = Model::new(&machine).status_pane().labels;
            assert_eq!(labels.len(), 8, "{labels:?}");
            for label in labels {
                let wide = font.width(&label);
                assert!(wide < room(Control::StatusLabels), "{language:?} {label}");
            }
        });
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

#[test]
fn no_two_controls_have_the_same_letter() {
    for language in Language::ALL {
        with_language(language, || {
            let remedies = [Remedy::Install, Remedy::Load, Remedy::Repair].map(Remedy::label);
            let menus = MENUS.each_ref().map(|menu| menu.label());
            let labels = Control::ALL.map(Control::label);
            distinct(labels.into_iter().chain(remedies).chain(menus));
            for menu in &MENUS {
                distinct(menu.commands.iter().map(|command| command.label()));
            }
        });
    }
}

/// Panics if two labels have the same letter after `&`.
fn distinct<'a>(labels: impl Iterator<Item = &'a str>) {
    let mut letters = Vec::new();
    for label in labels {
        let Some((_, rest)) = label.split_once('&') else {
            continue;
        };
        let letter = rest.chars().next().expect("a letter").to_lowercase();
        let letter = letter.to_string();
        assert!(!letters.contains(&letter), "{label}: {letter}");
        letters.push(letter);
    }
}
