use serde::{Deserialize, Serialize};

/// A published bias benchmark or capability task whose files can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Framework {
    /// CrowS-Pairs (Nangia et al. 2020).
    Crows,
    /// StereoSet (Nadeem et al. 2021).
    Stereoset,
    /// BBQ (Parrish et al. 2022).
    Bbq,
    /// Winogender schemas (Rudinger et al. 2018).
    Winogender,
    /// WinoBias (Zhao et al. 2018).
    Winobias,
    /// discrim-eval (Tamkin et al. 2023).
    DiscrimEval,
    /// HellaSwag (Zellers et al. 2019).
    Hellaswag,
    /// The AI2 reasoning challenge (Clark et al. 2018).
    Arc,
    /// MMLU (Hendrycks et al. 2021).
    Mmlu,
    /// PIQA (Bisk et al. 2020).
    Piqa,
    /// BoolQ (Clark et al. 2019).
    Boolq,
    /// LAMBADA (Paperno et al. 2016).
    Lambada,
    /// WikiText (Merity et al. 2017).
    Wikitext,
    /// Tasks of one's own: JSON lines with `query`, and `choices` and `gold` or `target`.
    Tasks,
    /// Whether a model still knows which group a name belongs to: made from names, not from a file.
    Recognition,
}

impl Framework {
    /// All that are read from files: bias benchmarks, then capabilities.
    pub const ALL: [Self; 14] = [
        Self::Crows,
        Self::Stereoset,
        Self::Bbq,
        Self::Winogender,
        Self::Winobias,
        Self::DiscrimEval,
        Self::Hellaswag,
        Self::Arc,
        Self::Mmlu,
        Self::Piqa,
        Self::Boolq,
        Self::Lambada,
        Self::Wikitext,
        Self::Tasks,
    ];

    /// Its name in results and as a flag of `bias frameworks`: stable, in lower case.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Crows => "crows",
            Self::Stereoset => "stereoset",
            Self::Bbq => "bbq",
            Self::Winogender => "winogender",
            Self::Winobias => "winobias",
            Self::DiscrimEval => "discrim-eval",
            Self::Hellaswag => "hellaswag",
            Self::Arc => "arc",
            Self::Mmlu => "mmlu",
            Self::Piqa => "piqa",
            Self::Boolq => "boolq",
            Self::Lambada => "lambada",
            Self::Wikitext => "wikitext",
            Self::Tasks => "tasks",
            Self::Recognition => "recognition",
        }
    }

    /// The framework with this [`key`](Self::key), if it is read from files.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.key() == key)
    }

    /// The metric that stands for it where there is room for one: of bias, or of what a model can
    /// do. It is that of the framework's authors, or of lm-evaluation-harness.
    #[must_use]
    pub fn headline(self) -> &'static [&'static str] {
        match self {
            Self::Crows => &["pct_stereotype"],
            Self::Stereoset => &["ss", "lm"],
            Self::Bbq => &["s_dis", "s_amb", "acc"],
            Self::Winogender => &["female_minus_male", "acc"],
            Self::Winobias => &["pro_minus_anti", "acc"],
            Self::DiscrimEval => &["age_bias", "black_bias", "female_bias"],
            Self::Hellaswag | Self::Arc | Self::Piqa => &["acc_norm"],
            Self::Mmlu | Self::Boolq => &["acc"],
            Self::Lambada => &["acc_greedy", "perplexity"],
            Self::Wikitext => &["word_perplexity"],
            Self::Tasks => &["acc", "acc_greedy", "perplexity"],
            Self::Recognition => &["recognised"],
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Crows => "CrowS-Pairs",
            Self::Stereoset => "StereoSet",
            Self::Bbq => "BBQ",
            Self::Winogender => "Winogender",
            Self::Winobias => "WinoBias",
            Self::DiscrimEval => "discrim-eval",
            Self::Hellaswag => "HellaSwag",
            Self::Arc => "ARC",
            Self::Mmlu => "MMLU",
            Self::Piqa => "PIQA",
            Self::Boolq => "BoolQ",
            Self::Lambada => "LAMBADA",
            Self::Wikitext => "WikiText",
            Self::Tasks => "tasks",
            Self::Recognition => "names recognised",
        }
    }

    /// Whether it measures bias, and not what a model can do.
    #[must_use]
    pub fn is_bias(self) -> bool {
        self <= Self::DiscrimEval
    }
}

impl std::fmt::Display for Framework {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.title())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results name frameworks by these.
    #[test]
    fn keys_are_stable() {
        let keys: Vec<&str> = Framework::ALL.iter().map(|own| own.key()).collect();
        assert_eq!(
            keys.join(" "),
            "crows stereoset bbq winogender winobias discrim-eval hellaswag arc mmlu piqa boolq lambada wikitext tasks"
        );
        for own in Framework::ALL {
            let text = serde_json::to_string(&own).unwrap();
            assert_eq!(text.trim_matches('"').replace('_', "-"), own.key());
        }
        assert_eq!(Framework::ALL.iter().filter(|own| own.is_bias()).count(), 6);
        assert!(!Framework::Recognition.is_bias());
        assert_eq!(Framework::of_key("discrim-eval"), Some(Framework::DiscrimEval));
        assert_eq!(Framework::of_key("recognition"), None, "no file of it is read");
    }
}
