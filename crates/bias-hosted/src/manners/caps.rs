use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::HostedError;

/// The most that a run may use. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caps {
    /// Requests that are sent, those that are tried again included.
    pub requests: Option<u64>,
    /// Tokens of prompts and answers together.
    pub tokens: Option<u64>,
}

/// What a run has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Requests that were sent.
    pub requests: u64,
    /// Tokens of prompts, as the server counts them.
    pub prompt_tokens: u64,
    /// Tokens of answers.
    pub completion_tokens: u64,
}

impl Spent {
    /// All tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

/// Keeps the account of a run.
#[derive(Debug, Default)]
pub(crate) struct Purse {
    caps: Caps,
    account: Mutex<Account>,
    /// Told when a request has come back.
    settled: Condvar,
}

#[derive(Debug, Default)]
struct Account {
    spent: Spent,
    /// Tokens of requests that are on their way, at most.
    reserved: u64,
}

impl Purse {
    pub fn new(caps: Caps) -> Self {
        Self { caps, account: Mutex::default(), settled: Condvar::new() }
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn spent(&self) -> Spent {
        self.account().spent
    }

    /// Takes a request that may use this many tokens. Where those on their way may leave too few, it
    /// waits until they have come back.
    ///
    /// # Errors
    /// [`HostedError::Cap`]; then nothing is taken.
    pub fn take(&self, tokens: u64) -> Result<(), HostedError> {
        let mut own = self.account();
        loop {
            let used = own.spent.requests;
            if let Some(limit) = self.caps.requests.filter(|limit| used >= *limit) {
                return Err(HostedError::Cap { what: "one more request", limit, used });
            }
            let used = own.spent.tokens();
            let planned = used.saturating_add(own.reserved).saturating_add(tokens);
            let Some(limit) = self.caps.tokens.filter(|limit| planned > *limit) else { break };
            if own.reserved == 0 {
                return Err(HostedError::Cap {
                    what: "the tokens of one more request",
                    limit,
                    used,
                });
            }
            own = self.settled.wait(own).unwrap_or_else(PoisonError::into_inner);
        }
        own.spent.requests += 1;
        own.reserved = own.reserved.saturating_add(tokens);
        Ok(())
    }

    /// A request that was taken has used this many, as far as is known. What is not known counts as
    /// planned if an answer came, and as nothing otherwise.
    pub fn settle(&self, planned: u64, used: Option<(u64, u64)>, answered: bool) {
        let mut own = self.account();
        own.reserved = own.reserved.saturating_sub(planned);
        let (prompt, completion) = match used {
            Some(used) => used,
            None if answered => (planned, 0),
            None => (0, 0),
        };
        own.spent.prompt_tokens = own.spent.prompt_tokens.saturating_add(prompt);
        own.spent.completion_tokens = own.spent.completion_tokens.saturating_add(completion);
        self.settled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_beyond_a_limit() {
        let purse = Purse::new(Caps { requests: Some(4), tokens: Some(100) });
        purse.take(60).unwrap();
        std::thread::scope(|scope| {
            // What is on its way counts until it has come back.
            let waits = scope.spawn(|| purse.take(60).map(|()| purse.spent().requests));
            purse.settle(60, Some((10, 5)), true);
            assert_eq!(waits.join().unwrap().unwrap(), 2);
        });
        purse.settle(60, None, false);
        purse.take(85).unwrap();
        purse.settle(85, None, false);
        assert_eq!(purse.spent().tokens(), 15);
        purse.take(1).unwrap();
        purse.settle(1, None, true);
        assert_eq!(purse.spent().tokens(), 16);
        let error = purse.take(1).unwrap_err().to_string();
        assert!(error.contains("exceed 4 (4 used)"), "{error}");
    }
}
