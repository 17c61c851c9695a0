//! The shelf of a store in one file: a table of its own, and a number that grows each time that the file is opened.
//!
//! ```text
//!   shelf      name │ NUL │ key → value          name alone → the lease's number (8, little-endian)
//! ```
//!
//! What is asked for is done by the store's thread, between two commits, each in a transaction that is synced.

use std::time::Duration;

use redb::{Database, ReadableTable, TableDefinition, TableError};

use super::error::Fault;
use super::{Store, lock};
use crate::backend::{Change, Failure, News, Refusal, Shelf, Shelved, Ticket};

const SHELF: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("shelf");

/// Questions that may wait.
const QUEUED: usize = 1_024;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Job {
    name: &'static str,
    ticket: Ticket,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Lease,
    Load,
    Put(u64, Vec<Change>),
}

/// The leases that this process has.
pub(super) type Leases = std::collections::HashMap<&'static str, u64>;

impl Store {
    fn ask(&self, name: &'static str, ticket: Ticket, work: Work) -> Result<(), Refusal> {
        {
            let mut queue = lock(&self.shared.queue);
            if queue.stopping || queue.failed.is_some() {
                return Err(Refusal::Away);
            }
            if queue.jobs.len() >= QUEUED {
                return Err(Refusal::Full);
            }
            queue.jobs.push(Job { name, ticket, work });
        }
        self.shared.queued.notify_one();
        Ok(())
    }
}

impl Shelf for Store {
    fn lease(&self, name: &'static str, _life: Duration, ticket: Ticket) -> Result<(), Refusal> {
        self.ask(name, ticket, Work::Lease)
    }

    fn load(&self, name: &'static str, ticket: Ticket) -> Result<(), Refusal> {
        self.ask(name, ticket, Work::Load)
    }

    fn put(
        &self,
        name: &'static str,
        number: u64,
        changes: Vec<Change>,
        ticket: Ticket,
    ) -> Result<(), Refusal> {
        self.ask(name, ticket, Work::Put(number, changes))
    }
}

impl Job {
    /// Does it. After an error the database is of no use any more.
    pub(super) fn run(self, database: &Database, leases: &mut Leases) -> Result<News, Fault> {
        let shelved = match self.work {
            Work::Lease => {
                let number = match leases.get(self.name) {
                    Some(&number) => number,
                    None => take_lease(database, self.name)?,
                };
                leases.insert(self.name, number);
                Shelved::Lease(Ok(Some(number)))
            }
            Work::Load => Shelved::Values(Ok(load(database, self.name)?)),
            Work::Put(number, changes) if leases.get(self.name) == Some(&number) => {
                put(database, self.name, changes)?;
                Shelved::Put(Ok(true))
            }
            Work::Put(..) => Shelved::Put(Ok(false)),
        };
        Ok(News::Shelf(self.ticket, shelved))
    }

    /// What is told of it where the store has failed.
    pub(super) fn fail(self) -> News {
        let away = Failure::Refused(Refusal::Away);
        let shelved = match self.work {
            Work::Lease => Shelved::Lease(Err(away)),
            Work::Load => Shelved::Values(Err(away)),
            Work::Put(..) => Shelved::Put(Err(away)),
        };
        News::Shelf(self.ticket, shelved)
    }
}

fn take_lease(database: &Database, name: &str) -> Result<u64, Fault> {
    let transaction = database.begin_write()?;
    let number = {
        let mut table = transaction.open_table(SHELF)?;
        let before = table.get(name.as_bytes())?;
        let before = before.and_then(|row| row.value().try_into().ok());
        let number = before.map_or(0, u64::from_le_bytes).saturating_add(1);
        table.insert(name.as_bytes(), &number.to_le_bytes()[..])?;
        number
    };
    transaction.commit()?;
    Ok(number)
}

fn place_of(name: &str, key: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0", key.as_bytes()].concat()
}

fn load(database: &Database, name: &str) -> Result<Vec<Vec<u8>>, Fault> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(SHELF) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table?,
    };
    let (first, end) = (place_of(name, ""), [name.as_bytes(), b"\x01"].concat());
    let mut values = Vec::new();
    for row in table.range(&first[..]..&end[..])? {
        values.push(row?.1.value().to_vec());
    }
    Ok(values)
}

fn put(database: &Database, name: &str, changes: Vec<Change>) -> Result<(), Fault> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(SHELF)?;
        for change in changes {
            let place = place_of(name, &change.key);
            match change.value {
                Some(value) => drop(table.insert(&place[..], &value[..])?),
                None => drop(table.remove(&place[..])?),
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(database: &Database, leases: &mut Leases, work: Work) -> Shelved {
        let ticket = Ticket {
            place: 0,
            from: 0,
            serial: 0,
        };
        let job = Job {
            name: "hooks",
            ticket,
            work,
        };
        match job.run(database, leases).unwrap() {
            News::Shelf(_, shelved) => shelved,
            news => panic!("{news:?}"),
        }
    }

    fn change(key: &str, value: Option<&[u8]>) -> Change {
        Change {
            key: key.into(),
            value: value.map(<[u8]>::to_vec),
        }
    }

    #[test]
    fn each_life_has_a_greater_number_and_changes_of_an_earlier_one_are_not_made() {
        let medium = redb::backends::InMemoryBackend::new();
        let database = Database::builder().create_with_backend(medium).unwrap();
        let (mut first, mut second) = (Leases::new(), Leases::new());
        assert_eq!(
            ask(&database, &mut first, Work::Load),
            Shelved::Values(Ok(vec![]))
        );
        assert_eq!(
            ask(&database, &mut first, Work::Lease),
            Shelved::Lease(Ok(Some(1)))
        );
        assert_eq!(
            ask(&database, &mut first, Work::Lease),
            Shelved::Lease(Ok(Some(1)))
        );
        let changes = vec![
            change("b", Some(b"2")),
            change("a", Some(b"1")),
            change("c", Some(b"3")),
        ];
        assert_eq!(
            ask(&database, &mut first, Work::Put(1, changes)),
            Shelved::Put(Ok(true))
        );

        assert_eq!(
            ask(&database, &mut second, Work::Lease),
            Shelved::Lease(Ok(Some(2)))
        );
        let late = Work::Put(1, vec![change("a", None)]);
        assert_eq!(ask(&database, &mut second, late), Shelved::Put(Ok(false)));
        let now = Work::Put(2, vec![change("c", None), change("never", None)]);
        assert_eq!(ask(&database, &mut second, now), Shelved::Put(Ok(true)));
        let values = Shelved::Values(Ok(vec![b"1".to_vec(), b"2".to_vec()]));
        assert_eq!(ask(&database, &mut second, Work::Load), values);
    }
}
