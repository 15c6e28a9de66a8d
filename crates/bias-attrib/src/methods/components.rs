use std::ops::Range;

use bias_types::model::{ExpertId, HeadId, KvGroupId, NeuronId};
use bias_types::{BlockSite, ModelDims, Site, TypesError, Unit, UnitKind};
use burn::tensor::{Tensor, backend::Backend};

use crate::error::AttribError;
use crate::scores::component::Component;

/// The components that a method scores.
#[derive(Debug, Clone)]
pub(super) enum Components {
    Every(UnitKind),
    These(Vec<Component>),
}

impl Components {
    /// Locates them in a model that reaches these sites.
    pub(super) fn find(
        &self,
        dims: &ModelDims,
        reached: &[Site],
    ) -> Result<Vec<LocatedComponent>, AttribError> {
        let each = |count: usize, unit: fn(usize, usize) -> Unit| -> Vec<Component> {
            (0..dims.layers).flat_map(|l| (0..count).map(move |i| unit(l, i).into())).collect()
        };
        let components = match self {
            Self::Every(UnitKind::Head) => each(dims.heads, |l, i| Unit::Head(HeadId::new(l, i))),
            Self::Every(UnitKind::KvGroup) => {
                each(dims.kv_heads, |l, i| Unit::KvGroup(KvGroupId::new(l, i)))
            }
            Self::Every(UnitKind::Neuron) => {
                each(dims.d_mlp, |l, i| Unit::Neuron(NeuronId::new(l, i)))
            }
            Self::Every(UnitKind::Expert) => {
                let experts = dims.experts.ok_or(AttribError::NoExperts)?;
                each(experts.all(), |l, i| Unit::Expert(ExpertId::new(l, i)))
            }
            Self::Every(kind) => {
                return Err(AttribError::NotAComponent { component: format!("a {kind}") });
            }
            Self::These(components) => components.clone(),
        };
        components
            .into_iter()
            .map(|component| LocatedComponent::new(component, dims, reached))
            .collect()
    }
}

/// A component, and the channels that it takes of its site; `None` for all of them.
#[derive(Debug)]
pub(super) struct LocatedComponent {
    pub component: Component,
    pub site: Site,
    channels: Option<Range<usize>>,
}

impl LocatedComponent {
    fn new(component: Component, dims: &ModelDims, reached: &[Site]) -> Result<Self, AttribError> {
        let refused = || AttribError::NotAComponent { component: component.to_string() };
        let (site, channels) = match &component {
            Component::Site(site) => (*site, None),
            Component::Unit(Unit::Head(id)) => {
                (Site::Block(id.layer, BlockSite::HeadOutput), Some(dims.head_columns(*id)?))
            }
            Component::Unit(Unit::KvGroup(id)) => {
                let heads: Vec<usize> =
                    dims.group_heads(*id)?.map(|h| h.head * dims.d_head).collect();
                let (first, last) = heads.first().zip(heads.last()).ok_or_else(refused)?;
                (Site::Block(id.layer, BlockSite::HeadOutput), Some(*first..last + dims.d_head))
            }
            Component::Unit(Unit::Neuron(id)) => {
                for (what, index, count) in
                    [("layer", id.layer, dims.layers), ("neuron", id.neuron, dims.d_mlp)]
                {
                    if index >= count {
                        return Err(TypesError::OutOfRange { what, index, count }.into());
                    }
                }
                (Site::Block(id.layer, BlockSite::MlpHidden), Some(id.neuron..id.neuron + 1))
            }
            Component::Unit(Unit::Expert(id)) => {
                (Site::Block(id.layer, BlockSite::MlpHidden), Some(dims.expert_channels(*id)?))
            }
            Component::Unit(Unit::Weight(..) | Unit::Layer(_)) => return Err(refused()),
        };
        if site.is_attention() || site == Site::Logits || !reached.contains(&site) {
            return Err(refused());
        }
        Ok(Self { component, site, channels })
    }

    /// `value`, with this component's channels taken from `other`.
    pub(super) fn replaced<B: Backend>(
        &self,
        value: Tensor<B, 3>,
        other: Tensor<B, 3>,
    ) -> Tensor<B, 3> {
        let Some(channels) = self.channels.clone() else { return other };
        let [rows, width, _] = value.dims();
        let part = other.slice([0..rows, 0..width, channels.clone()]);
        value.slice_assign([0..rows, 0..width, channels], part)
    }

    /// The sum over this component's channels.
    pub(super) fn sum(&self, channels: &[f64]) -> f64 {
        let range = self.channels.clone().unwrap_or(0..channels.len());
        channels.get(range).unwrap_or_default().iter().sum()
    }
}

/// The constructors of methods that look at components under an intervention. Such a method has the
/// fields `targets` and `temperature`.
macro_rules! at_components {
    ($method:ident) => {
        impl $method {
            /// At each unit of a kind, at temperature 1.
            #[must_use]
            pub fn every(kind: bias_types::UnitKind) -> Self {
                Self {
                    targets: $crate::methods::components::Components::Every(kind),
                    temperature: 1.0,
                }
            }

            /// At each of these, at temperature 1.
            #[must_use]
            pub fn of<P: Into<$crate::scores::component::Component>>(
                components: impl IntoIterator<Item = P>,
            ) -> Self {
                let components = components.into_iter().map(Into::into).collect();
                Self {
                    targets: $crate::methods::components::Components::These(components),
                    temperature: 1.0,
                }
            }

            /// The temperature the answers' probabilities were taken at.
            ///
            /// # Errors
            /// [`AttribError::Temperature`]($crate::AttribError::Temperature) unless positive and
            /// finite.
            pub fn with_temperature(
                self,
                temperature: f64,
            ) -> Result<Self, $crate::error::AttribError> {
                Ok(Self {
                    temperature: $crate::engine::likelihood::checked_temperature(temperature)?,
                    ..self
                })
            }
        }
    };
}
pub(super) use at_components;
