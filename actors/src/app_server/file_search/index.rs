//! The paths below some directories, and which of them fit a query.

use fuzzy_matcher::{FuzzyMatcher, skim::SkimMatcherV2};
use ignore::WalkBuilder;
use llmx_protocol::wire::rpc::files::{FoundFile, FoundKind};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// What one directory gives at most, and so what a search costs: about 100 bytes of memory each.
const MOST_PATHS: usize = 1_000_000;
/// So many of each directory are told, the best ones.
const MOST_FOUND: usize = 50;
/// Every so many paths somebody looks whether they are still wanted.
const LOOK_UP: usize = 4096;

/// Whether nobody wants the result any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Cancelled(Arc<AtomicBool>);

/// As long as this lives somebody wants the result.
#[derive(Debug, Default)]
pub(super) struct Interest(Cancelled);

impl Interest {
    /// For those who look for the result.
    pub(super) fn cancelled(&self) -> Cancelled {
        self.0.clone()
    }

    /// Whether nobody looks any more.
    pub(super) fn is_satisfied(&self) -> bool {
        Arc::strong_count(&self.0.0) == 1
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

impl Cancelled {
    fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A path below a root.
#[derive(Debug)]
struct Found {
    path: String,
    kind: FoundKind,
}

/// The paths below some directories, those that git would ignore left out.
#[derive(Debug, Default)]
pub(super) struct Index {
    roots: Vec<(PathBuf, Vec<Found>)>,
}

impl Index {
    /// Walks the directories. What cannot be read is not there.
    pub(super) fn of(roots: &[PathBuf], cancelled: &Cancelled) -> Self {
        Self { roots: roots.iter().map(|root| (root.clone(), paths(root, cancelled))).collect() }
    }

    /// What fits, the best first; what fits equally well by its path.
    pub(super) fn search(&self, query: &str, cancelled: &Cancelled) -> Vec<FoundFile> {
        let words = Words::of(query);
        if words.words.is_empty() {
            return Vec::new();
        }
        let of_root = |(root, paths): &(PathBuf, Vec<Found>)| best(&words, root, paths, cancelled);
        let mut files: Vec<_> = self.roots.iter().flat_map(of_root).collect();
        files.sort_by(|one, other| other.score.cmp(&one.score).then_with(|| one.path.cmp(&other.path)));
        files
    }
}

fn paths(root: &Path, cancelled: &Cancelled) -> Vec<Found> {
    let is_git = |entry: &ignore::DirEntry| entry.file_name() == ".git";
    let walk = WalkBuilder::new(root).hidden(false).filter_entry(move |entry| !is_git(entry)).build();
    let found = walk.flatten().filter_map(|entry| {
        let path = entry.path().strip_prefix(root).ok().filter(|path| !path.as_os_str().is_empty())?;
        let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
        let kind = if is_directory { FoundKind::Directory } else { FoundKind::File };
        Some(Found { path: path.to_string_lossy().into_owned(), kind })
    });
    let mut paths: Vec<_> = found.take_while(|_| !cancelled.is_so()).take(MOST_PATHS).collect();
    if paths.len() == MOST_PATHS {
        tracing::warn!(root = %root.display(), MOST_PATHS, "a search leaves out what a directory has beyond so many paths");
    }
    paths.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    paths
}

/// What is looked for: each word by itself, its letters in their order, large ones like small ones.
struct Words<'q> {
    words: Vec<&'q str>,
    matcher: SkimMatcherV2,
}

impl<'q> Words<'q> {
    fn of(query: &'q str) -> Self {
        Self { words: query.split_whitespace().collect(), matcher: SkimMatcherV2::default().ignore_case() }
    }

    /// How well all of them fit.
    fn score(&self, text: &str) -> Option<i64> {
        self.words.iter().map(|word| self.matcher.fuzzy_match(text, word)).sum()
    }

    /// The characters of the text that they are found in.
    fn places(&self, text: &str) -> Vec<u32> {
        let of_word = |word: &&str| self.matcher.fuzzy_indices(text, word).map(|(_, places)| places);
        let places: BTreeSet<usize> = self.words.iter().filter_map(of_word).flatten().collect();
        places.into_iter().filter_map(|place| place.try_into().ok()).collect()
    }
}

/// What fits by its name alone fits better.
fn best(words: &Words<'_>, root: &Path, paths: &[Found], cancelled: &Cancelled) -> Vec<FoundFile> {
    let mut fitting = Vec::new();
    for (number, piece) in paths.chunks(LOOK_UP).enumerate() {
        if cancelled.is_so() {
            return Vec::new();
        }
        for (at, found) in (number * LOOK_UP..).zip(piece) {
            if let Some(score) = words.score(&found.path) {
                let score = score.saturating_add(words.score(name_of(&found.path)).unwrap_or_default());
                fitting.push((u32::try_from(score).unwrap_or_default(), at));
            }
        }
    }
    // Paths are in order, so what fits equally well stays so.
    fitting.sort_by_key(|(score, at)| (std::cmp::Reverse(*score), *at));
    fitting.truncate(MOST_FOUND);
    let told = |(score, at): (u32, usize)| {
        let Found { path, kind } = &paths[at];
        FoundFile {
            root: root.to_owned(),
            path: path.clone(),
            match_type: *kind,
            file_name: name_of(path).to_owned(),
            score,
            indices: Some(words.places(path)),
        }
    };
    fitting.into_iter().map(told).collect()
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    fn found(root: &tempfile::TempDir, query: &str) -> Vec<String> {
        let cancelled = Cancelled::default();
        let files = Index::of(&[root.path().to_owned()], &cancelled).search(query, &cancelled);
        files.into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn letters_in_their_order_are_enough_and_names_count_more() {
        let root =
            tree(&["src/main.rs", "src/lib/main_helper.rs", "main/other.rs", "docs/domain.md", ".hidden/main.txt"]);
        assert_eq!(
            found(&root, "main"),
            ["main", ".hidden/main.txt", "src/lib/main_helper.rs", "src/main.rs", "docs/domain.md", "main/other.rs"]
        );
        assert_eq!(found(&root, "MAIN HELP"), ["src/lib/main_helper.rs"]);
        assert_eq!(found(&root, "slmh"), ["src/lib/main_helper.rs"]);
        assert_eq!(found(&root, " "), [] as [&str; 0]);
        assert_eq!(found(&root, "nowhere"), [] as [&str; 0]);
    }

    #[test]
    fn what_git_ignores_is_not_found() {
        let root = tree(&["kept.obj", "target/x.obj", "deep/x.obj", ".git/config.obj"]);
        fs::write(root.path().join(".gitignore"), "/target\n").unwrap();
        fs::write(root.path().join("deep/.gitignore"), "*.obj\n").unwrap();
        assert_eq!(found(&root, "obj"), ["kept.obj"]);
    }

    #[test]
    fn what_fits_is_told_in_characters() {
        let root = tree(&["ää/mäin.rs"]);
        let cancelled = Cancelled::default();
        let [file] = Index::of(&[root.path().to_owned()], &cancelled).search("mäi", &cancelled).try_into().unwrap();
        assert_eq!((file.indices, file.file_name.as_str()), (Some(vec![3, 4, 5]), "mäin.rs"));
    }

    #[test]
    fn what_nobody_wants_is_not_looked_for() {
        let root = tree(&["main.rs"]);
        let interest = Interest::default();
        let cancelled = interest.cancelled();
        let index = Index::of(&[root.path().to_owned()], &cancelled);
        drop(interest);
        assert_eq!(index.search("main", &cancelled), []);
        assert!(Index::of(&[root.path().to_owned()], &cancelled).roots[0].1.is_empty());
    }
}
