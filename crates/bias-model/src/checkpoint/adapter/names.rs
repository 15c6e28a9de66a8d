/// The beginning of all names.
pub(super) const OUTER: &str = "base_model.model.";

/// What a tensor of an adapter is to its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    A,
    B,
    /// The same of an embedding, which are stored transposed.
    EmbeddingA,
    EmbeddingB,
    /// The lengths of rows (DoRA).
    Lengths,
    /// It replaces the base's tensor of this name.
    Whole,
}

/// The endings of names. Old versions of peft kept the adapter's own name, `default`.
const ROLES: [(&str, Role); 10] = [
    (".lora_A.weight", Role::A),
    (".lora_B.weight", Role::B),
    (".lora_A.default.weight", Role::A),
    (".lora_B.default.weight", Role::B),
    (".lora_embedding_A", Role::EmbeddingA),
    (".lora_embedding_B", Role::EmbeddingB),
    (".lora_embedding_A.default", Role::EmbeddingA),
    (".lora_embedding_B.default", Role::EmbeddingB),
    (".lora_magnitude_vector", Role::Lengths),
    (".lora_magnitude_vector.weight", Role::Lengths),
];

/// Parts of names of tensors that replace those of the base.
const WHOLE: [&str; 3] = [".base_layer.", ".modules_to_save.default.", ".modules_to_save."];

/// What a tensor is, and the name of its module, or of the tensor that it replaces.
pub(super) fn role(name: &str) -> (String, Role) {
    let name = name.strip_prefix(OUTER).unwrap_or(name);
    let of = ROLES.iter().find_map(|(end, role)| Some((name.strip_suffix(end)?.into(), *role)));
    let whole = || WHOLE.iter().fold(name.to_owned(), |own, part| own.replace(part, "."));
    of.unwrap_or_else(|| (whole(), Role::Whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_versions_are_known() {
        let q = "model.layers.0.self_attn.q_proj";
        for (end, module, expected) in [
            (".lora_A.weight", q.to_owned(), Role::A),
            (".lora_B.default.weight", q.to_owned(), Role::B),
            (".lora_embedding_A", q.to_owned(), Role::EmbeddingA),
            (".lora_magnitude_vector.weight", q.to_owned(), Role::Lengths),
            (".base_layer.weight", format!("{q}.weight"), Role::Whole),
            (".modules_to_save.default.weight", format!("{q}.weight"), Role::Whole),
            (".bias", format!("{q}.bias"), Role::Whole),
        ] {
            assert_eq!(role(&format!("{OUTER}{q}{end}")), (module, expected));
        }
    }
}
