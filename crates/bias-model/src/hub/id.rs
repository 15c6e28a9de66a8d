use std::fmt;
use std::str::FromStr;

use crate::error::ModelError;

/// A model of the hub: `org/name`, or `org/name@revision` with a branch, a tag, a commit or a ref
/// such as `refs/pr/1`. Neither part can point out of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubId {
    name: String,
    revision: Option<String>,
}

/// The longest name of an organisation or model on the hub.
const LONGEST: usize = 96;

impl HubId {
    /// `org/name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The revision, `main` by default.
    #[must_use]
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }
}

impl FromStr for HubId {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let (name, revision) = match text.split_once('@') {
            Some((name, revision)) => (name, Some(revision)),
            None => (text, None),
        };
        let plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        // The hub's own rules; without `--` the name of the cache folder is unambiguous.
        let inside = |part: &str| {
            !(part.starts_with(['.', '-'])
                || part.ends_with(['.', '-'])
                || part.contains("..")
                || part.contains("--"))
        };
        let parts: Vec<&str> = name.split('/').collect();
        let reason = if parts.len() != 2 {
            Some("a hub id has one slash, as in org/name or org/name@revision")
        } else if !parts.iter().all(|p| plain(p)) {
            Some("organisation and name are made of letters, digits, `.`, `_` and `-`")
        } else if !parts.iter().all(|p| inside(p)) {
            Some(
                "organisation and name neither begin nor end with `.` or `-`, nor hold `..` or `--`",
            )
        } else if parts.iter().any(|p| p.len() > LONGEST) {
            Some("organisation and name are at most 96 letters long")
        } else if revision
            .is_some_and(|r| !r.split('/').all(|p| plain(p) && !p.contains("..") && p != "."))
        {
            Some(
                "a revision is made of letters, digits, `.`, `_`, `-` and single slashes, without `..`",
            )
        } else {
            None
        };
        match reason {
            Some(reason) => Err(ModelError::HubId { id: text.into(), reason }),
            None => Ok(Self { name: name.into(), revision: revision.map(Into::into) }),
        }
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.revision.iter().try_for_each(|revision| write!(f, "@{revision}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_ids_are_refused() {
        let long = format!("org/{}", "x".repeat(LONGEST + 1));
        for text in [
            "",
            "/",
            "name",
            "org/",
            "/name",
            "/no/such/folder",
            "./no-such-folder",
            "~/model",
            "a/b/c",
            "../x",
            "org/..",
            "org/.",
            "org/a..b",
            "org/a--b",
            "org/-x",
            "org/x.",
            "org/na me",
            "org/näme",
            "org\\name",
            "org/na\\me",
            "C:/name",
            "org/name\0",
            "org/name@",
            "org/name@..",
            "org/name@.",
            "org/name@a/../b",
            "org/name@/etc",
            "org/name@a//b",
            "org/name@a/",
            "org/name@a@b",
            "org/name@a\\b",
            "org/name@a%2fb",
            "org/name@a?b",
            "org/name@a\nb",
            "hf://org/name",
            &long,
        ] {
            let error = text.parse::<HubId>().unwrap_err();
            assert!(
                matches!(&error, ModelError::HubId { id, .. } if id == text),
                "{text}: {error}"
            );
        }
    }
}
