//! Words of a command line: everything that is read from a text.

use bias_ask::question::Choices;
use bias_cli::device::name::Device;
use bias_frameworks::Framework;
use bias_hosted::Address;
use bias_model::hub::{HubId, ModelSource};
use bias_model::text::Date;
use bias_study::results::{Approach, Attribute, Share};
use bias_study::run::Shard;
use bias_types::model::{ExpertId, HeadId, KvGroupId, NeuronId};
use bias_types::prompt::{Context, Group};
use bias_types::{ParamPath, Projection, Site, TokenRole, Unit, UnitKind};

/// Reads a text as a type, and what it shows as the same again.
macro_rules! read_as {
    ($text:expr; $($kind:ty),* $(,)?) => {
        [$(
            $text.parse::<$kind>().is_ok_and(|own| {
                let again = own.to_string().parse::<$kind>();
                assert!(again.is_ok_and(|again| again == own), "{}", stringify!($kind));
                true
            })
        ),*]
    };
}

pub(crate) fn words(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    drop((text.parse::<Device>(), text.parse::<ModelSource>()));
    drop((Address::parse(text), Framework::of_key(text), Choices::parse(text, "yes")));
    let read = read_as!(
        text; ExpertId, HeadId, KvGroupId, NeuronId, ParamPath, Projection, Site, TokenRole, Unit, UnitKind, Context, Group,
        Attribute, Share, Shard, Approach, HubId, Date
    );
    read.contains(&true)
}

pub(crate) fn examples() -> Vec<Vec<u8>> {
    let texts = [
        "L3E5",
        "L3H1",
        "L3G0",
        "L3N17",
        "L3",
        "model.layers.3.mlp.up_proj.weight[42]",
        "model.layers.3.mlp.experts.5.down_proj.weight",
        "blocks.0.hook_resid_post",
        "name",
        "neuron",
        "hiring",
        "white_men",
        "race=before-last:_",
        "race+gender",
        "0.5%",
        "1/4",
        "signed-gap@neuron",
        "owner/name@main",
        "2026-11-30",
        "remote:ws://127.0.0.1:3000",
        "cuda:1",
        "http://localhost:8000/v1",
        "crows",
        "yes,Yes|no,No",
    ];
    texts.map(|own| own.as_bytes().to_vec()).into()
}
