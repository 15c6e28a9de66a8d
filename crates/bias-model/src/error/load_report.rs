use std::fmt;

/// All mismatches between a config and its weights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Tensors that the model needs and the files lack.
    pub missing: Vec<String>,
    /// Tensors in the files that the model does not use.
    pub unused: Vec<String>,
    /// Tensors whose shape or type differs from the config's: name, expected, found.
    pub mismatched: Vec<(String, String, String)>,
}

impl LoadReport {
    pub(crate) fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.mismatched.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for (title, names) in [("missing", &self.missing), ("unused", &self.unused)] {
            if !names.is_empty() {
                write!(
                    f,
                    "  {} {title}: {}",
                    names.len(),
                    names[..names.len().min(SHOWN)].join(", ")
                )?;
                writeln!(f, "{}", if names.len() > SHOWN { ", …" } else { "" })?;
            }
        }
        for (name, expected, found) in self.mismatched.iter().take(SHOWN) {
            writeln!(f, "  {name}: expected {expected}, found {found}")?;
        }
        if self.mismatched.len() > SHOWN {
            writeln!(f, "  … and {} more of another shape or type", self.mismatched.len() - SHOWN)?;
        }
        if !self.unused.is_empty() && self.missing.is_empty() && self.mismatched.is_empty() {
            let head = |name: &&String| {
                ["v_head.", "value_head.", "score."].iter().any(|own| name.starts_with(own))
            };
            if let Some(name) = self.unused.iter().find(head) {
                writeln!(
                    f,
                    "  {name} belongs to a head that judges texts, which reward training leaves"
                )?;
            }
            writeln!(
                f,
                "  transformers warns of unused tensors and does without them; to do the same, save \
                 the folder again: python -c \"from transformers import AutoModelForCausalLM as M; \
                 M.from_pretrained('FOLDER', dtype='auto').save_pretrained('converted')\", and copy the \
                 tokenizer files beside it"
            )?;
        }
        Ok(())
    }
}
