//! Files of published benchmarks.

use bias_frameworks::{Framework, read};

use crate::fixtures;
use crate::scratch::with_file;

/// A reader and its seeds, for each framework.
macro_rules! readers {
    ($($run:ident, $seeds:ident: $framework:ident of $as:literal from $files:expr;)*) => {
        $(
            pub(crate) fn $run(bytes: &[u8]) -> bool {
                with_file($as, bytes, |path| {
                    let read = read(Framework::$framework, &[path]);
                    read.is_ok_and(|own| !own.digest().is_empty() && own.without_texts().items.len() == own.items.len())
                })
            }

            pub(crate) fn $seeds() -> Vec<Vec<u8>> {
                let files: &[&str] = &$files;
                files.iter().map(|name| fixtures::file(&format!("frameworks/{name}"))).collect()
            }
        )*
    };
}

readers! {
    arc, arc_files: Arc of "arc.jsonl" from ["arc.jsonl"];
    bbq, bbq_files: Bbq of "bbq.jsonl" from ["bbq.jsonl"];
    boolq, boolq_files: Boolq of "boolq.jsonl" from ["boolq.jsonl"];
    crows, crows_files: Crows of "crows.csv" from ["crows.csv"];
    discrim_eval, discrim_eval_files: DiscrimEval of "discrim_eval.jsonl" from ["discrim_eval.jsonl"];
    hellaswag, hellaswag_files: Hellaswag of "hellaswag.jsonl" from ["hellaswag.jsonl"];
    lambada, lambada_files: Lambada of "lambada.jsonl" from ["lambada.jsonl"];
    mmlu, mmlu_files: Mmlu of "everyday_test.csv" from ["mmlu.jsonl", "everyday_test.csv"];
    piqa, piqa_files: Piqa of "piqa.jsonl" from ["piqa.jsonl", "piqa_listed.jsonl"];
    stereoset, stereoset_files: Stereoset of "stereoset.json" from ["stereoset.json"];
    tasks, tasks_files: Tasks of "tasks.jsonl" from ["tasks_embedded.jsonl", "tasks_real.jsonl"];
    wikitext, wikitext_files: Wikitext of "wikitext.jsonl" from ["wikitext.jsonl"];
    winobias, winobias_files: Winobias of "winobias_pro_type1.txt" from ["winobias_pro_type1.txt", "winobias_anti_type1.txt"];
    winogender, winogender_files: Winogender of "winogender.tsv" from ["winogender.tsv", "occupations_stats.tsv"];
}
