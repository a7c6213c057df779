//! What holds for every patch and every text.

use crate::generate::{self, EVERYTHING, applied, patch_between};
use llmx_protocol::patch::{Change, ChangeKind, FileState, Patch, Section, normalise, parse, plan};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

type Disk = BTreeMap<PathBuf, String>;

fn disk(texts: [String; 3]) -> Disk {
    ["/w/f", "/w/a", "/w/d/b"].into_iter().map(PathBuf::from).zip(texts).collect()
}

fn state(disk: &Disk, path: &Path) -> FileState {
    disk.get(path).map_or(FileState::Absent, |text| FileState::Text(text.clone()))
}

/// The dumbest executor.
fn carry_out(disk: &mut Disk, changes: &[Change]) {
    for Change { path, kind } in changes {
        match kind {
            ChangeKind::Add { content } => assert_eq!(disk.insert(path.clone(), content.clone()), None),
            ChangeKind::Delete { original } => assert_eq!(disk.remove(path).as_ref(), Some(original)),
            ChangeKind::Update { original, content, move_to } => {
                assert_eq!(disk.remove(path).as_ref(), Some(original));
                let target = move_to.as_ref().unwrap_or(path);
                assert_eq!(disk.insert(target.clone(), content.clone()), None);
            }
        }
    }
}

/// The sections one by one, each with a plan of its own.
fn one_by_one(mut disk: Disk, patch: &Patch) -> Option<Disk> {
    for section in &patch.sections {
        let alone = Patch { sections: vec![section.clone()] };
        let plan = plan(&alone, Path::new("/w"), |path: &Path| state(&disk, path)).ok()?;
        carry_out(&mut disk, plan.changes());
    }
    Some(disk)
}

fn named_paths(patch: &Patch) -> BTreeSet<PathBuf> {
    let names = patch.sections.iter().flat_map(|section| match section {
        Section::Add { path, .. } | Section::Delete { path } => vec![path],
        Section::Update { path, move_to, .. } => [path].into_iter().chain(move_to).collect(),
    });
    names.map(|name| normalise(&Path::new("/w").join(name))).collect()
}

/// A patch that is likely to fit the files `f`, `a` and `d/b`, and then again not quite.
fn damaged_patch() -> impl Strategy<Value = ([String; 3], String)> {
    let texts = [generate::text(), generate::text(), generate::text()];
    let damage = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..6_u8);
    (texts, generate::text(), generate::patch(), prop::collection::vec(damage, 0..4)).prop_map(
        |(texts, new, extra, damages)| {
            let mut patch = patch_between(&texts[0], &new, 3).unwrap_or_default();
            patch.sections.extend(extra.sections);
            let mut lines: Vec<String> = patch.to_string().lines().map(Into::into).collect();
            damages.into_iter().for_each(|(at, other, kind)| damage_one(&mut lines, &at, &other, kind));
            (texts, lines.join("\n"))
        },
    )
}

fn damage_one(lines: &mut Vec<String>, at: &prop::sample::Index, other: &prop::sample::Index, kind: u8) {
    if lines.is_empty() {
        return;
    }
    let (at, other) = (at.index(lines.len()), other.index(lines.len()));
    match kind {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[other].clone()),
        2 => lines.swap(at, other),
        3 => drop(lines[at].pop()),
        4 => lines[at].insert(0, ' '),
        _ => lines[at].push('\r'),
    }
}

proptest! {
    #[test]
    fn parsing_what_was_printed_gives_the_patch_again(patch in generate::patch()) {
        prop_assert_eq!(parse(&patch.to_string()), Ok(patch));
    }

    #[test]
    fn printing_what_was_parsed_changes_nothing_that_matters((_, text) in damaged_patch()) {
        if let Ok(patch) = parse(&text) {
            prop_assert_eq!(parse(&patch.to_string()), Ok(patch));
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "(\\*\\*\\* Begin Patch\n)?(\\PC|\n|\r){0,40}(\n\\*\\*\\* End Patch)?") {
        let _ = parse(&text);
    }

    #[test]
    fn the_patch_between_any_two_texts_makes_the_second_from_the_first(old in generate::text(), new in generate::text()) {
        if let Some(patch) = patch_between(&old, &new, EVERYTHING) {
            prop_assert_eq!(applied(&patch, &old), Ok(new), "{}", patch);
        }
    }

    #[test]
    fn three_lines_of_context_are_enough_where_no_line_repeats(
        (old, new) in generate::distinct_lines_and_their_edit(),
        ending in prop::sample::select(vec!["\n", "\r\n"]),
        final_newline in any::<bool>(),
    ) {
        let with_newlines = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let [old, new] = [with_newlines(&old), with_newlines(&new)];
        let Some(patch) = patch_between(&old, &new, 3) else { return Ok(()) };
        let [old, new] = [old, new].map(|text| text.replace('\n', ending));
        let old = if final_newline { &old } else { old.strip_suffix(ending).unwrap() };
        // The one line of a file without a newline does not show how lines end there.
        let new = if old.contains('\n') { new } else { new.replace(ending, "\n") };
        prop_assert_eq!(applied(&patch, old), Ok(new), "{}", patch);
    }

    #[test]
    fn a_plan_is_whole_and_true_or_there_is_none((texts, text) in damaged_patch()) {
        let before = disk(texts);
        let Ok(patch) = parse(&text) else { return Ok(()) };
        let planned = plan(&patch, Path::new("/w"), |path: &Path| state(&before, path));
        if let Ok(plan) = &planned {
            let mut after = before.clone();
            carry_out(&mut after, plan.changes());
            prop_assert_eq!(Some(after), one_by_one(before.clone(), &patch));
            let named = named_paths(&patch);
            prop_assert!(plan.touched_paths().all(|path| named.contains(path)));
        }
        let again = plan(&patch, Path::new("/w"), |path: &Path| state(&before, path));
        prop_assert_eq!(planned, again);
    }
}
