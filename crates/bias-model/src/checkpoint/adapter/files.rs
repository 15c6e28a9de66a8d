use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

use super::names::role;
use super::settings::Settings;
use crate::adapter_files::WEIGHTS;
use crate::checkpoint::base::base;
use crate::checkpoint::config::ModelConfig;
use crate::checkpoint::mapped::Mapped;
use crate::error::ModelError;
use crate::on_disk;
use crate::stand_in;

/// An adapter that is merged into its base.
#[derive(Debug)]
pub(crate) struct Adapter {
    /// The folder of the model that it changes.
    pub base: PathBuf,
    pub file: Mapped,
    pub(super) settings: Settings,
    /// The settings of the base.
    pub(super) config: ModelConfig,
}

impl Adapter {
    /// The adapter in a folder, if it holds one that is to be merged.
    ///
    /// # Errors
    /// As [`base`]; settings that are not computed; a file that is missing or damaged.
    pub(crate) fn of_folder(
        folder: &Path,
        accepted: &[String],
    ) -> Result<Option<Self>, ModelError> {
        let Some(base) = base(folder, accepted)? else { return Ok(None) };
        let settings = Settings::of_folder(folder, accepted)?;
        let path = folder.join(WEIGHTS);
        if !on_disk::exists(&path)? && on_disk::exists(&folder.join("adapter_model.bin"))? {
            return Err(ModelError::OtherForm {
                path: folder.into(),
                found:
                    "an adapter as a pickle (adapter_model.bin), which runs code when it is read"
                        .into(),
                advice: format!("save it with peft once more, which writes {WEIGHTS}"),
            });
        }
        let config = ModelConfig::accepting(folder, accepted)?;
        let own = Self { base, file: Mapped::open(path)?, settings, config };
        own.parse()?;
        Ok(Some(own))
    }

    pub(super) fn parse(&self) -> Result<SafeTensors<'_>, ModelError> {
        SafeTensors::deserialize(&self.file.map).or_else(|source| {
            stand_in::refuse(&self.file.path, &self.file.map)?;
            Err(ModelError::Weights { path: self.file.path.clone(), source: source.into() })
        })
    }

    /// The part of the model's identity that its tensors do not hold: the scale of every change.
    pub(crate) fn hash(&self, hash: &mut Sha256) -> Result<(), ModelError> {
        let tensors = self.parse()?;
        let mut names: Vec<&str> = tensors.names();
        names.sort_unstable();
        hash.update(self.settings.flags().map(u8::from));
        for name in names {
            hash.update(name);
            hash.update(self.settings.alpha(&role(name).0).to_le_bytes());
        }
        Ok(())
    }
}
