use bias_types::{BlockSite, Site, TokenRole};
use burn::tensor::{Bool, Tensor, TensorData, backend::Backend};

use super::channel_part::ChannelPart;
use crate::batch::token_batch::TokenBatch;
use crate::error::ProbeError;

/// Something that watches a forward pass and may change it.
///
/// The model calls it at every site it [`wants`](Self::wants) with the tensor by value, and
/// continues with the tensor that it returns. To watch, return the same tensor. To replace it,
/// return another of the same shape. Tensors are reference counted, so keeping a clone costs no
/// copy.
pub trait Observer<B: Backend> {
    /// Whether the model should call it at this site.
    fn wants(&self, site: Site) -> bool;

    /// Sees a `[batch, seq, channels]` activation.
    ///
    /// # Errors
    /// Whatever makes the run pointless; it ends the forward pass.
    fn hidden(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let _ = (site, batch);
        Ok(value)
    }

    /// Sees the parts of a `[batch, seq, channels]` activation that is 0 elsewhere, without changing
    /// them. A model of many experts offers them, because the whole would be many times larger.
    /// Returns `false` to see the whole instead.
    ///
    /// Of [`BlockSite::ExpertInputs`] there are only parts.
    ///
    /// # Errors
    /// Whatever makes the run pointless; it ends the forward pass.
    fn parts(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        channels: usize,
        parts: &[ChannelPart<B>],
    ) -> Result<bool, ProbeError> {
        let _ = (site, batch, channels, parts);
        Ok(false)
    }

    /// Sees a layer's attention scores or weights, `[batch, heads, query, key]`
    /// ([`BlockSite::Scores`], [`BlockSite::Pattern`]).
    ///
    /// # Errors
    /// Whatever makes the run pointless; it ends the forward pass.
    fn attention(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 4>,
    ) -> Result<Tensor<B, 4>, ProbeError> {
        let _ = (site, batch);
        Ok(value)
    }
}

impl<B: Backend> dyn Observer<B> + '_ {
    /// For models to call at each site. It asks whether the observer wants the site, and refuses a
    /// replacement of another shape.
    ///
    /// # Errors
    /// The observer's own, or [`ProbeError::ShapeChanged`].
    pub fn at(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        if !self.wants(site) {
            return Ok(value);
        }
        let expected = value.dims();
        let out = self.hidden(site, batch, value)?;
        same_shape(site, &expected, &out.dims())?;
        Ok(out)
    }

    /// The same for a layer's attention scores or weights.
    ///
    /// # Errors
    /// The observer's own, or [`ProbeError::ShapeChanged`].
    pub fn at_attention(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 4>,
    ) -> Result<Tensor<B, 4>, ProbeError> {
        if !self.wants(site) {
            return Ok(value);
        }
        let expected = value.dims();
        let out = self.attention(site, batch, value)?;
        same_shape(site, &expected, &out.dims())?;
        Ok(out)
    }
}

fn same_shape(site: Site, expected: &[usize], found: &[usize]) -> Result<(), ProbeError> {
    if expected == found {
        Ok(())
    } else {
        Err(ProbeError::ShapeChanged { site, expected: expected.to_vec(), found: found.to_vec() })
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl<B: Backend> Observer<B> for NoObserver {
    fn wants(&self, _: Site) -> bool {
        false
    }
}

/// Two observers in one run. The second sees the first one's replacements.
#[derive(Debug)]
pub struct Both<'a, F: ?Sized, S: ?Sized>(pub &'a mut F, pub &'a mut S);

impl<B, F, S> Observer<B> for Both<'_, F, S>
where
    B: Backend,
    F: Observer<B>,
    S: Observer<B>,
{
    fn wants(&self, site: Site) -> bool {
        self.0.wants(site) || self.1.wants(site)
    }

    fn hidden(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        let value = (self.0 as &mut dyn Observer<B>).at(site, batch, value)?;
        (self.1 as &mut dyn Observer<B>).at(site, batch, value)
    }

    fn parts(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        channels: usize,
        parts: &[ChannelPart<B>],
    ) -> Result<bool, ProbeError> {
        let both = (self.0.wants(site), self.1.wants(site));
        // What only comes in parts.
        if both == (true, true) && matches!(site, Site::Block(_, BlockSite::ExpertInputs)) {
            self.0.parts(site, batch, channels, parts)?;
            return self.1.parts(site, batch, channels, parts);
        }
        match both {
            (true, false) => self.0.parts(site, batch, channels, parts),
            (false, true) => self.1.parts(site, batch, channels, parts),
            // One of them may need the whole, and the other must not see both.
            _ => Ok(false),
        }
    }

    fn attention(
        &mut self,
        site: Site,
        batch: &TokenBatch,
        value: Tensor<B, 4>,
    ) -> Result<Tensor<B, 4>, ProbeError> {
        let value = (self.0 as &mut dyn Observer<B>).at_attention(site, batch, value)?;
        (self.1 as &mut dyn Observer<B>).at_attention(site, batch, value)
    }
}

/// Replaces the activation at one `[batch, seq, channels]` site by a function of it.
#[derive(Debug)]
pub struct Edit<F> {
    site: Site,
    edit: F,
    roles: Option<Vec<TokenRole>>,
    fired: bool,
}

impl<F> Edit<F> {
    /// Applies `edit` wherever `site` is reached.
    pub fn new(site: Site, edit: F) -> Self {
        Self { site, edit, roles: None, fired: false }
    }

    /// Leaves tokens of other roles as they are.
    #[must_use]
    pub fn on(self, roles: &[TokenRole]) -> Self {
        Self { roles: Some(roles.to_vec()), ..self }
    }

    /// Fails if the site was never reached, so that an edit cannot silently do nothing.
    ///
    /// # Errors
    /// [`ProbeError::NeverFired`].
    pub fn finish(self) -> Result<(), ProbeError> {
        if self.fired { Ok(()) } else { Err(ProbeError::NeverFired { sites: vec![self.site] }) }
    }
}

impl<B: Backend, F: FnMut(&TokenBatch, Tensor<B, 3>) -> Tensor<B, 3>> Observer<B> for Edit<F> {
    fn wants(&self, site: Site) -> bool {
        site == self.site
    }

    fn hidden(
        &mut self,
        _: Site,
        batch: &TokenBatch,
        value: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, ProbeError> {
        self.fired = true;
        let Some(roles) = &self.roles else { return Ok((self.edit)(batch, value)) };
        let [rows, width, channels] = value.dims();
        let chosen: Vec<bool> = batch.roles().iter().map(|role| roles.contains(role)).collect();
        let chosen = TensorData::new(chosen, [rows, width, 1]);
        let chosen =
            Tensor::<B, 3, Bool>::from_data(chosen, &value.device()).repeat_dim(2, channels);
        let edited = (self.edit)(batch, value.clone());
        // The caller of an observer refuses another shape, which the mask of roles would not fit.
        if edited.dims() != value.dims() {
            return Ok(edited);
        }
        Ok(value.mask_where(chosen, edited))
    }
}
