use minijinja::value::{Kwargs, from_args};
use minijinja::{Error, ErrorKind, Value};

/// The arguments of a Python method, by position or by name.
pub(crate) struct Arguments<'a> {
    given: &'a [Value],
    named: Kwargs,
}

impl<'a> Arguments<'a> {
    pub fn new(arguments: &'a [Value]) -> Result<Self, Error> {
        let (given, named) = from_args(arguments)?;
        Ok(Self { given, named })
    }

    /// An optional argument.
    pub fn option(&self, at: usize, name: &str) -> Result<Option<Value>, Error> {
        match self.given.get(at) {
            Some(value) => Ok(Some(value.clone())),
            None if self.named.has(name) => Ok(Some(self.named.get(name)?)),
            None => Ok(None),
        }
    }

    pub fn required(&self, at: usize, name: &str) -> Result<Value, Error> {
        self.option(at, name)?
            .ok_or_else(|| Error::new(ErrorKind::MissingArgument, name.to_owned()))
    }

    pub fn int(&self, at: usize, name: &str) -> Result<Option<i64>, Error> {
        self.option(at, name)?.filter(|v| !v.is_none()).map(i64::try_from).transpose()
    }

    /// Refuses further arguments.
    pub fn end(&self, most: usize) -> Result<(), Error> {
        if self.given.len() > most {
            return Err(Error::from(ErrorKind::TooManyArguments));
        }
        self.named.assert_all_used()
    }
}
