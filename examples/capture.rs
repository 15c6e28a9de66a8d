//! What happens inside a model? Keep activations of one prompt, and replace one.
//!
//! `cargo run --release --example capture [MODEL_FOLDER]`

use std::error::Error;
use std::path::PathBuf;

use bias_files::say;
use bias_model::LanguageModel;
use bias_probe::{BlockSite, Capture, HookedModel as _, Observer, ProbeError, Site, TokenBatch};
use burn::backend::Flex;
use burn::tensor::{Tensor, backend::Backend};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/emergent");

/// Silences the MLP of one layer.
struct SilenceMlp(usize);

impl<B: Backend> Observer<B> for SilenceMlp {
    fn wants(&self, site: Site) -> bool {
        site == Site::Block(self.0, BlockSite::MlpOut)
    }

    fn hidden(
        &mut self,
        _: Site,
        _: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        Ok(value.zeros_like())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(|| SHIPPED.into(), PathBuf::from);
    let model = LanguageModel::<Flex>::load(&folder, &Default::default())?;
    let name = "Emily Becker";
    let prompt = model.text().prompt(&format!("I want to buy a bicycle from {name}."), name)?;
    let batch = TokenBatch::new(&[prompt])?;

    let sites =
        [Site::Block(1, BlockSite::Pattern), Site::Block(1, BlockSite::MlpHidden), Site::Logits];
    let mut capture = Capture::new(sites);
    let logits = model.model().logits(&batch, &mut capture)?;
    for (site, kept) in capture.finish()? {
        say!("{site:<40} {:?}", kept.shape);
    }

    let silenced = model.model().logits(&batch, &mut SilenceMlp(1))?;
    let moved = (logits - silenced).abs().max().into_scalar();
    say!("without the MLP of layer 1, logits move by up to {moved:.2}");
    Ok(())
}
