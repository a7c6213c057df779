//! What a submission needs of the machine's files. It is read before the session's machine hears of the submission, off
//! its thread: a disk may be slow.

use super::{LocalFiles, ProjectDocOptions, image_url, user_instructions};
use crate::{
    machine::settings::Defaults,
    wire::{
        item::UserInput,
        op::{ConfigureSession, Op},
    },
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// No text that replaces a built-in one is longer, in bytes.
const LONGEST_TEXT: usize = 1 << 20;

/// The files that a submission speaks of.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    images: Vec<PathBuf>,
    session: Option<SessionFiles>,
}

/// The files that a session begins with.
#[derive(Clone, Debug)]
struct SessionFiles {
    cwd: PathBuf,
    own_instructions: Option<String>,
    project_doc: ProjectDocOptions,
    texts: TextFiles,
}

/// Files whose texts replace built-in ones; relative ones are below the session's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextFiles {
    /// In place of the system text.
    pub base_instructions: Option<PathBuf>,
    /// In place of the text that asks for a summary.
    pub compact_prompt: Option<PathBuf>,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct FromDisk {
    /// The user's instructions and the project's.
    pub user_instructions: Option<String>,
    /// The system text that a file holds, or why it does not.
    pub base_instructions: Option<Result<String, String>>,
    /// The text that asks for a summary that a file holds, or why it does not.
    pub compact_prompt: Option<Result<String, String>>,
    /// By path: the `data:` URL, or the text that the model reads in its place.
    images: BTreeMap<PathBuf, Result<String, String>>,
}

impl Wanted {
    /// What `op` needs; `None`: nothing.
    #[must_use]
    pub fn by(op: &Op, defaults: &Defaults) -> Option<Self> {
        match op {
            Op::ConfigureSession(configure) => Self::by_session(configure, defaults),
            Op::UserInput { items, .. } | Op::Steer { items, .. } => Self::images(items),
            Op::UserTurn(turn) => Self::images(&turn.items),
            _ => None,
        }
    }

    /// What a session with these settings needs; `None`: it can have none.
    #[must_use]
    pub fn by_session(configure: &ConfigureSession, defaults: &Defaults) -> Option<Self> {
        let session = SessionFiles {
            cwd: configure.cwd.clone().filter(|cwd| cwd.is_absolute())?,
            own_instructions: configure.user_instructions.clone().or_else(|| defaults.user_instructions.clone()),
            project_doc: defaults.project_doc.clone(),
            texts: defaults.text_files.clone(),
        };
        Some(Self { images: Vec::new(), session: Some(session) })
    }

    fn images(items: &[UserInput]) -> Option<Self> {
        let path = |item: &UserInput| match item {
            UserInput::LocalImage { path } => Some(path.clone()),
            _ => None,
        };
        let images: Vec<_> = items.iter().filter_map(path).collect();
        (!images.is_empty()).then_some(Self { images, session: None })
    }

    /// Reads it, which may take as long as the disk likes.
    #[must_use]
    pub fn read(self, files: &dyn LocalFiles) -> FromDisk {
        let images = self.images.into_iter().map(|path| (path.clone(), image_url(&path, files))).collect();
        let Some(session) = self.session else {
            return FromDisk { images, ..FromDisk::default() };
        };
        let SessionFiles { cwd, own_instructions, project_doc, texts } = session;
        let text = |file: Option<PathBuf>| file.map(|file| whole_text(&cwd.join(file), files));
        FromDisk {
            user_instructions: user_instructions(own_instructions.as_deref(), &cwd, &project_doc, files),
            base_instructions: text(texts.base_instructions),
            compact_prompt: text(texts.compact_prompt),
            images,
        }
    }

    /// In place of what was not read in time.
    #[must_use]
    pub fn unread(self, why: &str) -> FromDisk {
        self.read(&Unread(why.to_owned()))
    }
}

impl FromDisk {
    /// An image of the submission: its URL, or the text that the model reads in its place.
    ///
    /// # Errors
    /// That text.
    pub fn image(&self, path: &Path) -> Result<String, String> {
        let unread = || Err(format!("[The image at {} could not be attached: it was not read]", path.display()));
        self.images.get(path).cloned().unwrap_or_else(unread)
    }

    /// Adds what another submission of the same name needs.
    pub fn add(&mut self, other: Self) {
        let mut images = std::mem::take(&mut self.images);
        images.extend(other.images);
        *self = Self { images, ..other };
    }
}

fn whole_text(path: &Path, files: &dyn LocalFiles) -> Result<String, String> {
    let cannot = |why: &str| format!("failed to read {}: {why}", path.display());
    let bytes = files.read(path, LONGEST_TEXT + 1).map_err(|why| cannot(&why))?;
    match String::from_utf8(bytes) {
        Ok(text) if text.len() > LONGEST_TEXT => Err(cannot("it is larger than 1 MB")),
        Ok(text) if text.trim().is_empty() => Err(cannot("the file is blank")),
        Ok(text) => Ok(text),
        Err(_) => Err(cannot("it is not UTF-8")),
    }
}

/// Files none of which can be read, for one reason.
#[derive(Debug)]
struct Unread(String);

impl LocalFiles for Unread {
    fn read(&self, _: &Path, _: usize) -> Result<Vec<u8>, String> {
        Err(self.0.clone())
    }

    fn exists(&self, _: &Path) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{fixture, settings::Settings};

    /// Files by path.
    #[derive(Debug)]
    struct Files(BTreeMap<&'static str, &'static str>);

    impl LocalFiles for Files {
        fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, String> {
            let text = path.to_str().and_then(|path| self.0.get(path)).ok_or("no such file")?;
            Ok(text.bytes().take(limit).collect())
        }

        fn exists(&self, _: &Path) -> bool {
            false
        }
    }

    fn configured(file: &str, said: Option<&str>) -> Result<Option<String>, String> {
        let texts = TextFiles { base_instructions: Some(file.into()), compact_prompt: None };
        let defaults = Defaults { text_files: texts, base_instructions: Some("default".into()), ..fixture::defaults() };
        let op = ConfigureSession {
            cwd: Some("/work".into()),
            base_instructions: said.map(str::to_owned),
            ..ConfigureSession::default()
        };
        let files = Files([("/work/a.md", "in a file"), ("/work/blank.md", " "), ("/b.md", "elsewhere")].into());
        let wanted = Wanted::by(&Op::ConfigureSession(Box::new(op.clone())), &defaults).unwrap();
        Settings::configure(&op, &defaults, &wanted.read(&files)).map(|settings| settings.base_instructions)
    }

    #[test]
    fn a_file_replaces_the_system_text_unless_the_ui_does() {
        let check = |file, said, expected: &str| assert_eq!(configured(file, said), Ok(Some(expected.into())));
        check("a.md", None, "in a file");
        check("/b.md", None, "elsewhere");
        check("a.md", Some("said"), "said");
        check("absent.md", Some("said"), "said");
        for (file, why) in [("absent.md", "no such file"), ("blank.md", "the file is blank")] {
            assert_eq!(configured(file, None), Err(format!("failed to read /work/{file}: {why}")));
        }
    }

    #[test]
    fn an_image_is_known_by_its_path_and_an_unread_one_is_named() {
        let items = [UserInput::LocalImage { path: "/i.png".into() }, UserInput::Text { text: "look".into() }];
        let wanted = Wanted::images(&items).unwrap();
        let read = wanted.clone().read(&Files([("/i.png", "GIF89a")].into()));
        assert_eq!(read.image(Path::new("/i.png")).unwrap(), "data:image/gif;base64,R0lGODlh");
        let cannot = |from_disk: FromDisk| from_disk.image(Path::new("/i.png")).unwrap_err();
        assert!(cannot(wanted.unread("the disk sleeps")).contains("the disk sleeps"));
        assert!(cannot(FromDisk::default()).contains("it was not read"));
        assert!(Wanted::images(&items[1..]).is_none());
    }
}
