//! What an operator is told of this process: counters beside the events' way, read when somebody asks.
//!
//! Nothing here is on the way of one event to one reader. Who writes counts what one call gave to a socket; a fan
//! counts some [`delivery::AT_ONCE`] calls together.

mod batch;
mod clients;
mod connection;
mod delivery;
mod exposition;
mod histogram;
mod lane;
mod log;
mod objectives;
mod page;
mod process;
mod readers;

pub(crate) use self::batch::{Batch, tell_replay};
pub(crate) use self::connection::{Connection, End};
pub(crate) use self::delivery::{AT_ONCE, Delivery, Resumes};
pub(crate) use self::exposition::{Exposition, Format};
pub(crate) use self::histogram::BOUNDS;
pub(crate) use self::lane::{Lane, Transport, Wire};
pub(crate) use self::log::{Depths, LogNumbers};
pub(crate) use self::readers::{Lag, Place};
