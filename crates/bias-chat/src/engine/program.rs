use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use minijinja::machinery::{CompiledTemplate, Instruction, Instructions, Vm, make_string_output};
use minijinja::value::Kwargs;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value};

use crate::limits::{fail, fits, spend};
use crate::python::operators::{
    ADD, CONCAT, DIVIDE, FLOOR_DIVIDE, ITERATE, KEEP, MULTIPLY, PASS, POWER, REMAINDER, SLICE,
    SUBTRACT,
};
use crate::python::show::text;
use crate::python::values::own;

/// A compiled template that uses our operators.
///
/// minijinja's operators differ from Python's in places, allocate without a limit and cannot be
/// replaced from outside. So the compiled program is changed: a call takes the place of each
/// operator's instruction, and another call follows each instruction that makes a value
/// ([`admit`](crate::python::values::admit)).
pub(crate) struct Program<'a> {
    main: Instructions<'a>,
    blocks: BTreeMap<&'a str, Instructions<'a>>,
}

impl<'a> Program<'a> {
    pub fn new(template: &CompiledTemplate<'a>) -> Result<Self, Error> {
        let blocks = template.blocks.iter().map(|(name, code)| Ok((*name, rewrite(code)?)));
        Ok(Self {
            main: rewrite(&template.instructions)?,
            blocks: blocks.collect::<Result<_, Error>>()?,
        })
    }

    pub fn run(&self, environment: &'a Environment<'a>, variables: Value) -> Result<String, Error> {
        let mut text = String::new();
        let run = || {
            let (vm, mut output) = (Vm::new(environment), make_string_output(&mut text));
            vm.eval(&self.main, variables, &self.blocks, &mut output, AutoEscape::None).map(|_| ())
        };
        // Little of minijinja's own panics, such as `loop.cycle()` without arguments; what
        // was held then goes away with the rendering.
        catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|_| Err(fail("the template engine failed")))?;
        fits(text.len() as u64)?;
        Ok(text)
    }
}

/// Writes a value to the output and counts it. Raw text passes here as well.
pub(crate) fn emit(
    output: &mut minijinja::Output,
    state: &minijinja::State,
    value: &Value,
) -> Result<(), Error> {
    let written;
    let written = match value.as_str() {
        Some(text) => text,
        None => {
            written = text(value);
            &written
        }
    };
    spend(state, written.len() as u64)?;
    output.write_str(written).map_err(|_| Error::from(ErrorKind::WriteFailure))
}

/// The names that a template reads before it sets them itself, in the order of its program: in
/// `{% set x = x | default(1) %}`, the value is read first.
pub(crate) fn read_before_set<'a>(template: &CompiledTemplate<'a>) -> HashSet<&'a str> {
    let (mut read, mut set, mut both) = (HashSet::new(), HashSet::new(), HashSet::new());
    for code in std::iter::once(&template.instructions).chain(template.blocks.values()) {
        for instruction in (0..).map_while(|at| code.get(at)) {
            match instruction {
                Instruction::Lookup(name) if !set.contains(name) => drop(read.insert(*name)),
                Instruction::StoreLocal(name) => {
                    if read.contains(name) {
                        both.insert(*name);
                    }
                    set.insert(*name);
                }
                _ => {}
            }
        }
    }
    both
}

fn rewrite<'a>(code: &Instructions<'a>) -> Result<Instructions<'a>, Error> {
    let mut all = Vec::new();
    let mut starts = Vec::new();
    let mut length = 0;
    for at in 0.. {
        starts.push(length);
        let Some(instruction) = code.get(at) else { break };
        let replaced = replace(instruction)?;
        length += replaced.len() as u32;
        all.push(replaced);
    }
    let mut new = Instructions::new(code.name(), code.source());
    for (at, replaced) in (0..).zip(all) {
        for mut instruction in replaced {
            relocate(&mut instruction, &starts);
            match (code.get_span(at), code.get_line(at)) {
                (Some(span), _) => new.add_with_span(instruction, span),
                (None, Some(line)) => {
                    new.add_with_line(instruction, u16::try_from(line).unwrap_or(u16::MAX))
                }
                (None, None) => new.add(instruction),
            };
        }
    }
    Ok(new)
}

fn relocate(instruction: &mut Instruction<'_>, starts: &[u32]) {
    if let Instruction::Iterate(target)
    | Instruction::Jump(target)
    | Instruction::JumpIfFalse(target)
    | Instruction::JumpIfFalseOrPop(target)
    | Instruction::JumpIfTrueOrPop(target)
    | Instruction::BuildMacro(_, target, _) = instruction
    {
        *target = starts.get(*target as usize).copied().unwrap_or(u32::MAX);
    }
}

fn replace<'a>(instruction: &Instruction<'a>) -> Result<Vec<Instruction<'a>>, Error> {
    use Instruction as I;
    let call = |name, arguments| I::CallFunction(name, Some(arguments));
    let same = instruction.clone();
    Ok(match instruction {
        I::Add => vec![call(ADD, 2)],
        I::Sub => vec![call(SUBTRACT, 2)],
        I::Mul => vec![call(MULTIPLY, 2)],
        I::Div => vec![call(DIVIDE, 2)],
        I::IntDiv => vec![call(FLOOR_DIVIDE, 2)],
        I::Rem => vec![call(REMAINDER, 2)],
        I::Pow => vec![call(POWER, 2)],
        I::StringConcat => vec![call(CONCAT, 2)],
        I::Slice => vec![call(SLICE, 4)],
        I::EmitRaw(text) => vec![I::LoadConst(Value::from(*text)), I::Emit],
        I::LoadConst(value) if Kwargs::try_from(value.clone()).is_err() => {
            vec![I::LoadConst(own(value.clone())?)]
        }
        I::BuildMap(_)
        | I::BuildList(_)
        | I::Lookup(_)
        | I::GetAttr(_)
        | I::GetItem
        | I::EndCapture
        | I::ApplyFilter(..)
        | I::CallFunction(..)
        | I::CallMethod(..)
        | I::CallObject(_) => vec![same, call(PASS, 1)],
        I::SetAttr(_) => vec![I::Swap, call(KEEP, 1), I::Swap, same],
        I::PushLoop(_) => vec![call(ITERATE, 1), same],
        I::Include(_) | I::LoadBlocks | I::ExportLocals => {
            return Err(fail("a chat template cannot include, import or extend another"));
        }
        I::PushAutoEscape => return Err(fail("`autoescape` is not supported in chat templates")),
        _ => vec![same],
    })
}
