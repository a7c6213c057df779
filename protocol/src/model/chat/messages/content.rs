//! What an item says, taken out of its JSON without decoding it.

use crate::model::{ResponseItem, json_text::Text};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

/// Text as it stands between the quotes of a JSON string.
#[derive(Debug, Default)]
pub(super) struct Escaped(String);

/// The parts of a message, or of a call's output.
#[derive(Debug, Default)]
pub(super) struct Content<'i>(Vec<Part<'i>>);

#[derive(Clone, Copy, Debug)]
enum Part<'i> {
    /// As [`Escaped`].
    Text(&'i str),
    /// The URL as a JSON string.
    Image(&'i str),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawItem<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawPart<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    image_url: Option<&'a RawValue>,
}

impl Escaped {
    pub(super) fn of(text: &str) -> Self {
        let mut escaped = Self::default();
        escaped.push_quoted(&quoted(text));
        escaped
    }

    /// `text` is a JSON string with its quotes; anything else says nothing.
    fn push_quoted(&mut self, text: &str) {
        self.0.push_str(between_quotes(text).unwrap_or_default());
    }

    pub(super) fn add_paragraph(&mut self, paragraph: &Self) {
        if !self.is_empty() && !paragraph.is_empty() {
            self.0.push_str("\\n\\n");
        }
        self.0.push_str(&paragraph.0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// As a JSON string behind `json`.
    pub(super) fn write(&self, json: &mut String) {
        json.extend(["\"", &self.0, "\""]);
    }
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A call's arguments as they stand between the quotes in the item's JSON, if a server takes them as they are.
pub(super) fn arguments_as_sent(item: &ResponseItem) -> Option<&str> {
    item.text_as_sent(|json| {
        let RawItem { arguments, .. } = serde_json::from_str(json).ok()?;
        let quoted = arguments?.get();
        let Text(text) = serde_json::from_str(quoted).ok()?;
        between_quotes(quoted).filter(|_| is_object_text(&text))
    })
}

/// Whether it is what templates and other models' APIs take for granted of arguments: the text of an object.
fn is_object_text(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn between_quotes(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

impl<'i> Content<'i> {
    /// Of a message or an output; of other items nothing.
    pub(super) fn of(item: &'i ResponseItem) -> Self {
        match item.text_as_sent(|json| Self::read(json).sole_text()) {
            Some(text) => Self(vec![Part::Text(text)]),
            None => Self::read(item.json()),
        }
    }

    fn sole_text(&self) -> Option<&'i str> {
        match self.0[..] {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    fn read(json: &'i str) -> Self {
        let RawItem { content, output, .. } = serde_json::from_str(json).unwrap_or_default();
        let Some(said) = content.or(output) else {
            return Self::default();
        };
        match between_quotes(said.get()) {
            Some(text) => Self(vec![Part::Text(text)]),
            None => Self::of_parts(serde_json::from_str(said.get()).unwrap_or_default()),
        }
    }

    fn of_parts(parts: Vec<RawPart<'i>>) -> Self {
        Self(parts.into_iter().filter_map(|part| part.read()).collect())
    }

    /// All text, a line for each part.
    pub(super) fn text(&self) -> Escaped {
        let texts: Vec<_> = self.0.iter().filter_map(Part::text).collect();
        Escaped(texts.join("\\n"))
    }

    pub(super) fn images(&self) -> impl Iterator<Item = &'i str> {
        self.0.iter().filter_map(|part| match part {
            Part::Image(url) => Some(*url),
            Part::Text(_) => None,
        })
    }

    pub(super) fn has_image(&self) -> bool {
        self.images().next().is_some()
    }

    /// All text, as a JSON string behind `json`.
    pub(super) fn write_text(&self, json: &mut String) {
        json.push('"');
        for (at, text) in self.0.iter().filter_map(Part::text).enumerate() {
            json.push_str(if at == 0 { "" } else { "\\n" });
            json.push_str(text);
        }
        json.push('"');
    }

    /// As `content` of a message: a string, which every server takes, or parts where there is an image.
    pub(super) fn write(&self, json: &mut String) {
        if !self.has_image() {
            return self.write_text(json);
        }
        let parts: Vec<_> = self.0.iter().filter(|part| !part.is_blank()).map(Part::json).collect();
        json.extend(["[", &parts.join(","), "]"]);
    }
}

impl<'a> RawPart<'a> {
    fn read(&self) -> Option<Part<'a>> {
        let text = self.text.or(self.refusal).and_then(|text| between_quotes(text.get()));
        let image = self.image_url.map(RawValue::get).filter(|url| between_quotes(url).is_some());
        text.map(Part::Text).or(image.map(Part::Image))
    }
}

impl<'i> Part<'i> {
    fn text(&self) -> Option<&'i str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Image(_) => None,
        }
    }

    fn is_blank(&self) -> bool {
        let decode = |text: &str| {
            let quoted = format!("\"{text}\"");
            serde_json::from_str::<Text<'_>>(&quoted).is_ok_and(|Text(text)| text.trim().is_empty())
        };
        self.text().is_some_and(decode)
    }

    fn json(&self) -> String {
        match self {
            Self::Text(text) => format!(r#"{{"type":"text","text":"{text}"}}"#),
            Self::Image(url) => image_part(url),
        }
    }
}

/// `url` is a JSON string.
pub(super) fn image_part(url: &str) -> String {
    format!(r#"{{"type":"image_url","image_url":{{"url":{url}}}}}"#)
}
