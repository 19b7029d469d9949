//! What somebody may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One thing that somebody may do, with what is theirs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read what there is of a run: its streams, its events, its files, its questions.
    Watch,
    /// Start runs, and see what can be started.
    Start,
    /// Write the events of a program elsewhere.
    Ingest,
    /// Answer what a run asks people.
    Answer,
    /// Cancel runs, and delete those that have ended.
    Cancel,
    /// See what the server tells of itself.
    Observe,
    /// Everything, with everybody's runs.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 7] = [
        Self::Watch,
        Self::Start,
        Self::Ingest,
        Self::Answer,
        Self::Cancel,
        Self::Observe,
        Self::Admin,
    ];

    /// The scope as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Start => "start",
            Self::Ingest => "ingest",
            Self::Answer => "answer",
            Self::Cancel => "cancel",
            Self::Observe => "observe",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Watch => 1,
            Self::Start => 2,
            Self::Ingest => 4,
            Self::Answer => 8,
            Self::Cancel => 16,
            Self::Admin => 32,
            Self::Observe => 64,
        }
    }
}

/// Not the name of a scope.
#[derive(Debug, Error)]
#[error("{0:?} is no scope: use watch, start, ingest, answer, cancel, observe or admin")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let known = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        known.ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether `scope` is among them; all are, where `admin` is.
    pub fn allow(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .into_iter()
            .filter(move |scope| self.0 & scope.bit() != 0)
    }

    /// Those of a text with spaces or commas in between.
    ///
    /// # Errors
    /// Where a word is no scope.
    pub fn parse(text: &str) -> Result<Self, UnknownScope> {
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        words.map(str::parse).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.iter().enumerate() {
            let between = if at == 0 { "" } else { " " };
            write!(f, "{between}{}", scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_written_as_they_are_read_and_admin_is_all_of_them() {
        let some = Scopes::parse("cancel,watch start").unwrap();
        assert_eq!(some.to_string(), "watch start cancel");
        assert!(
            some.allow(Scope::Watch) && !some.allow(Scope::Answer) && !some.allow(Scope::Admin)
        );
        let admin = Scopes::parse("admin").unwrap();
        assert!(Scope::ALL.into_iter().all(|scope| admin.allow(scope)));
        assert!(Scopes::parse("watch,root").is_err());
        assert!(!Scopes::default().allow(Scope::Watch));
    }
}
