//! The user's files that go into a conversation: instructions for the project (reference `model-wire.md` §13) and
//! images (`reference/protocol-v1.md` §4). Which files, and what becomes of their contents; reading them is the
//! caller's.

mod from_disk;

pub use from_disk::{FromDisk, TextFiles, Wanted};

use base64::{Engine, prelude::BASE64_STANDARD};
use std::{
    fmt::Debug,
    path::{Path, PathBuf},
};

/// The largest image that is sent, in bytes; servers take no larger ones.
pub const LARGEST_IMAGE: usize = 20 * 1024 * 1024;
/// How many bytes of the project's instructions are told, unless the configuration says otherwise.
pub const DEFAULT_PROJECT_DOC_BYTES: usize = 32 * 1024;

/// What stands between the user's own instructions and the project's.
const SEPARATOR: &str = "\n\n--- project-doc ---\n\n";
const FILE_NAMES: [&str; 2] = ["AGENTS.override.md", "AGENTS.md"];

/// The files of the machine on which the engine runs. The engine implements it; it may take its time, for it is called on
/// a thread where nobody waits.
pub trait LocalFiles: Debug + Send + Sync {
    /// The beginning of a regular file, at most `limit` bytes.
    ///
    /// # Errors
    /// Says why there is none.
    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, String>;

    /// Whether there is anything at this path.
    fn exists(&self, path: &Path) -> bool;
}

/// A machine without files, for engines that must not read any.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl LocalFiles for NoFiles {
    fn read(&self, _: &Path, _: usize) -> Result<Vec<u8>, String> {
        Err("there are no files here".into())
    }

    fn exists(&self, _: &Path) -> bool {
        false
    }
}

/// Where to look for instructions, and how much of them to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectDocOptions {
    /// The directory of the user's own instructions.
    pub home: Option<PathBuf>,
    /// How many bytes of the project's instructions are told; 0: none.
    pub max_bytes: usize,
    /// What the file may be called besides `AGENTS.md`, best name first.
    pub fallback_names: Vec<String>,
}

impl Default for ProjectDocOptions {
    fn default() -> Self {
        Self { home: None, max_bytes: DEFAULT_PROJECT_DOC_BYTES, fallback_names: Vec::new() }
    }
}

/// The user's instructions for a session in `cwd`: `configured`, or else those in the home; then those of the project,
/// from its root down to `cwd`. `None` if there are none.
#[must_use]
pub fn user_instructions(
    configured: Option<&str>,
    cwd: &Path,
    options: &ProjectDocOptions,
    files: &dyn LocalFiles,
) -> Option<String> {
    let own = configured.map(str::to_owned).or_else(|| own_instructions(options, files));
    let parts = [own, project_instructions(cwd, options, files)];
    let parts: Vec<_> = parts.into_iter().flatten().filter(|text| !text.trim().is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(SEPARATOR))
}

fn own_instructions(options: &ProjectDocOptions, files: &dyn LocalFiles) -> Option<String> {
    let home = options.home.as_deref()?;
    FILE_NAMES.iter().find_map(|name| Some(text_of(&home.join(name), DEFAULT_PROJECT_DOC_BYTES, files)?.0))
}

fn project_instructions(cwd: &Path, options: &ProjectDocOptions, files: &dyn LocalFiles) -> Option<String> {
    let mut left = options.max_bytes;
    let mut parts = Vec::new();
    for directory in project_directories(cwd, files) {
        if left == 0 {
            break;
        }
        let names = FILE_NAMES.into_iter().chain(options.fallback_names.iter().map(String::as_str));
        if let Some((text, bytes)) = names.map(|name| directory.join(name)).find_map(|path| text_of(&path, left, files))
        {
            left -= bytes;
            parts.push(text);
        }
    }
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

/// From the directory that has a `.git` down to `cwd`; without one, `cwd` alone.
fn project_directories<'c>(cwd: &'c Path, files: &dyn LocalFiles) -> Vec<&'c Path> {
    let root = cwd.ancestors().position(|directory| files.exists(&directory.join(".git"))).unwrap_or(0);
    let mut directories: Vec<_> = cwd.ancestors().take(root + 1).collect();
    directories.reverse();
    directories
}

/// The first `limit` bytes of a file as text, and how many they are. A character that the limit cuts is left out.
fn text_of(path: &Path, limit: usize, files: &dyn LocalFiles) -> Option<(String, usize)> {
    let bytes = files.read(path, limit).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let is_cut = bytes.len() == limit;
    let text = if is_cut { text.trim_end_matches(char::REPLACEMENT_CHARACTER) } else { &text };
    (!text.trim().is_empty()).then(|| (text.to_owned(), bytes.len()))
}

/// An image as a `data:` URL, in its original size.
///
/// # Errors
/// The text that the model reads in its place.
pub fn image_url(path: &Path, files: &dyn LocalFiles) -> Result<String, String> {
    let cannot = |why: &str| format!("[The image at {} could not be attached: {why}]", path.display());
    let bytes = files.read(path, LARGEST_IMAGE + 1).map_err(|why| cannot(&why))?;
    if bytes.len() > LARGEST_IMAGE {
        return Err(cannot("it is larger than 20 MB"));
    }
    let kind = image_type(&bytes).ok_or_else(|| cannot("it is not a PNG, JPEG, GIF or WebP image"))?;
    Ok(format!("data:{kind};base64,{}", BASE64_STANDARD.encode(bytes)))
}

/// The MIME type that the first bytes of an image tell; a file's name may lie.
fn image_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug)]
    struct Files(BTreeMap<PathBuf, Vec<u8>>);

    impl LocalFiles for Files {
        fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, String> {
            let file = self.0.get(path).ok_or("no such file")?;
            Ok(file[..file.len().min(limit)].to_vec())
        }

        fn exists(&self, path: &Path) -> bool {
            self.0.keys().any(|file| file.starts_with(path))
        }
    }

    fn files<T: AsRef<[u8]>>(files: &[(&str, T)]) -> Files {
        Files(files.iter().map(|(path, bytes)| (PathBuf::from(path), bytes.as_ref().to_vec())).collect())
    }

    fn told(max_bytes: usize, on_disk: &[(&str, &str)]) -> String {
        let fallback_names = vec!["NOTES.md".to_owned()];
        let options = ProjectDocOptions { home: Some("/home".into()), max_bytes, fallback_names };
        user_instructions(None, Path::new("/p/a/b"), &options, &files(on_disk)).unwrap_or_default()
    }

    #[test]
    fn instructions_are_found_from_the_root_of_the_project_down() {
        let check = |on_disk: &[(&str, &str)], expected: &str| assert_eq!(told(100, on_disk), expected, "{on_disk:?}");
        check(&[], "");
        check(&[("/p/a/b/AGENTS.md", "here"), ("/p/a/AGENTS.md", "above")], "here");
        let git = ("/p/.git/HEAD", "");
        check(&[git, ("/p/a/b/AGENTS.md", "here"), ("/p/AGENTS.md", "root"), ("/AGENTS.md", "no")], "root\n\nhere");
        check(&[("/p/.git", "gitdir: x"), ("/p/a/AGENTS.md", "a")], "a");
        check(&[git, ("/p/AGENTS.md", "plain"), ("/p/AGENTS.override.md", "wins"), ("/p/NOTES.md", "no")], "wins");
        check(&[git, ("/p/NOTES.md", "notes"), ("/p/a/AGENTS.md", " \n")], "notes");
        check(&[("/home/AGENTS.md", "mine")], "mine");
        check(&[("/home/AGENTS.md", "mine"), ("/p/a/b/AGENTS.md", "here")], "mine\n\n--- project-doc ---\n\nhere");
    }

    #[test]
    fn the_budget_is_for_all_files_of_the_project_together() {
        let on_disk =
            [("/p/.git", ""), ("/p/AGENTS.md", "12345"), ("/p/a/AGENTS.md", "67é"), ("/p/a/b/AGENTS.md", "no")];
        for (budget, expected) in
            [(0, ""), (3, "123"), (5, "12345"), (7, "12345\n\n67"), (8, "12345\n\n67"), (9, "12345\n\n67é")]
        {
            assert_eq!(told(budget, &on_disk), expected, "{budget}");
        }
    }

    #[test]
    fn what_is_configured_takes_the_place_of_the_file_in_the_home() {
        let options = ProjectDocOptions { home: Some("/home".into()), ..ProjectDocOptions::default() };
        let files = files(&[("/home/AGENTS.md", "file"), ("/p/AGENTS.md", "project")]);
        let told = user_instructions(Some("op"), Path::new("/p"), &options, &files);
        assert_eq!(told.as_deref(), Some("op\n\n--- project-doc ---\n\nproject"));
    }

    #[test]
    fn images_are_known_by_their_first_bytes() {
        let cases: [(&[u8], Option<&str>); 6] = [
            (b"\x89PNG\r\n\x1a\n1", Some("data:image/png;base64,iVBORw0KGgox")),
            (b"\xff\xd8\xff", Some("data:image/jpeg;base64,/9j/")),
            (b"GIF89a", Some("data:image/gif;base64,R0lGODlh")),
            (b"RIFF1234WEBP", Some("data:image/webp;base64,UklGRjEyMzRXRUJQ")),
            (b"<svg/>", None),
            (b"", None),
        ];
        for (bytes, expected) in cases {
            let url = image_url(Path::new("/i.png"), &files(&[("/i.png", bytes)]));
            assert_eq!(url.as_deref().ok(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn an_image_that_cannot_be_sent_is_a_text_that_names_it() {
        let large = vec![0; LARGEST_IMAGE + 1];
        let cases: [(&str, &[u8], &str); 3] =
            [("/other", b"", "no such file"), ("/i", &large, "larger than 20 MB"), ("/i", b"text", "not a PNG")];
        for (name, bytes, why) in cases {
            let text = image_url(Path::new("/i"), &files(&[(name, bytes)])).unwrap_err();
            assert!(text.contains("/i ") && text.contains(why), "{text}");
        }
    }
}
