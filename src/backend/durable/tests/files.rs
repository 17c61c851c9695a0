//! The store on real files: made, locked, refused, failing, and as large as it may be.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::backend::laws::temporary;
use crate::backend::{KEY_LIFE, MAX_KEY};

/// A file that is gone when the test is over.
pub(super) struct Path(PathBuf);

impl Path {
    pub(super) fn new(name: &str) -> Path {
        Path(temporary(name))
    }

    pub(super) fn open(&self) -> Result<Store, OpenError> {
        Store::open(&self.0, Options::default())
    }

    pub(super) fn refusal(&self) -> OpenError {
        self.open().expect_err("it opens, though it should not")
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_dir(&self.0);
    }
}

struct Ear(Mutex<Sender<News>>);

impl Sink for Ear {
    fn take(&self, news: &mut Vec<News>) {
        for news in news.drain(..) {
            let _ = lock(&self.0).send(news);
        }
    }
}

pub(super) fn start(store: &Store) -> Receiver<News> {
    let (sender, heard) = channel();
    store.start(Arc::new(Ear(Mutex::new(sender))));
    heard
}

/// Publishes and waits for the answer.
pub(super) fn publish(
    store: &Store,
    heard: &Receiver<News>,
    draft: Draft,
) -> Result<Settled, Failure> {
    store.publish(draft, TICKET).map_err(Failure::Refused)?;
    loop {
        if let News::Settled(_, settled) = heard.recv().unwrap() {
            return settled;
        }
    }
}

pub(super) fn read(
    store: &Store,
    heard: &Receiver<News>,
    name: &str,
) -> Result<Arc<Page>, Failure> {
    let query = Query {
        channel: name.into(),
        start: Start::Oldest,
        messages: 1_000_000,
        bytes: usize::MAX,
    };
    store.read(query, TICKET).map_err(Failure::Refused)?;
    loop {
        if let News::Page(_, page) = heard.recv().unwrap() {
            return page;
        }
    }
}

#[test]
fn a_file_is_made_for_its_owner_alone_and_found_again() {
    let path = Path::new("made");
    for count in 1..4 {
        let store = path.open().unwrap();
        let mode = fs::metadata(&path.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let heard = start(&store);
        publish(&store, &heard, draft("a", "x")).unwrap();
        assert_eq!(read(&store, &heard, "a").unwrap().records.len(), count);
        assert_eq!(store.volume().messages, count as u64);
    }
    let mut beside = path.0.clone().into_os_string();
    beside.push(".barewire-new");
    assert!(!PathBuf::from(beside).exists());
}

#[test]
fn an_empty_file_is_taken_for_none() {
    let path = Path::new("empty");
    fs::write(&path.0, b"").unwrap();
    path.open().unwrap();
}

#[test]
fn a_second_store_on_one_file_is_refused_until_the_first_has_ended() {
    let path = Path::new("locked");
    let first = path.open().unwrap();
    let refusal = path.refusal();
    assert!(matches!(refusal, OpenError::InUse(_)), "{refusal}");
    drop(first);
    path.open().unwrap();
}

#[test]
fn what_is_no_store_is_refused_and_left_as_it_is() {
    let path = Path::new("foreign");
    for bytes in [
        &b"something else, and not short either"[..],
        b"x",
        &[0; 10_000],
    ] {
        fs::write(&path.0, bytes).unwrap();
        let refusal = path.refusal();
        assert!(matches!(refusal, OpenError::NotOurs(_)), "{refusal}");
        assert_eq!(fs::read(&path.0).unwrap(), bytes);
    }
    fs::remove_file(&path.0).unwrap();
    // Another program's database of the same kind.
    drop(Database::create(&path.0).unwrap());
    let refusal = path.refusal();
    assert!(matches!(refusal, OpenError::NotOurs(_)), "{refusal}");
    let other = Database::create(&path.0).unwrap();
    let transaction = other.begin_write().unwrap();
    let table: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("theirs");
    transaction.open_table(table).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(other);
    let refusal = path.refusal();
    assert!(matches!(refusal, OpenError::NotOurs(_)), "{refusal}");
}

#[test]
fn a_path_that_holds_no_file_or_can_not_be_written_is_refused() {
    let folder = Path::new("folder");
    fs::create_dir(&folder.0).unwrap();
    assert!(matches!(folder.refusal(), OpenError::NotAFile(_)));
    let nowhere = Path(folder.0.join("none").join("store"));
    let refusal = nowhere.refusal();
    assert!(matches!(refusal, OpenError::Io(..)), "{refusal}");
    assert!(refusal.to_string().contains("none/store"), "{refusal}");
    let dangling = Path::new("dangling");
    symlink("/dev/null", &dangling.0).unwrap();
    assert!(matches!(dangling.refusal(), OpenError::NotAFile(_)));
}

/// The owner may not write it. Where the owner is one who may do anything, a file of the kernel's that nobody may write.
#[test]
fn a_file_that_is_only_to_be_read_is_refused() {
    let path = Path::new("read-only");
    drop(path.open().unwrap());
    fs::set_permissions(&path.0, fs::Permissions::from_mode(0o400)).unwrap();
    let kernels = PathBuf::from("/sys/kernel/uevent_seqnum");
    let file = match fs::OpenOptions::new().write(true).open(&path.0) {
        Err(_) => path.0.clone(),
        Ok(_) if kernels.exists() => kernels,
        Ok(_) => return,
    };
    let refusal = Store::open(&file, Options::default()).unwrap_err();
    assert!(
        matches!(&refusal, OpenError::Io(at, error) if *at == file && error.kind() == std::io::ErrorKind::PermissionDenied),
        "{refusal}"
    );
}

#[test]
fn a_store_of_a_later_format_is_refused() {
    let path = Path::new("later");
    drop(path.open().unwrap());
    let database = Database::open(&path.0).unwrap();
    let transaction = database.begin_write().unwrap();
    let format = (FORMAT + 1).to_le_bytes();
    let mut meta = transaction.open_table(rows::META).unwrap();
    meta.insert("format", &format[..]).unwrap();
    drop(meta);
    transaction.commit().unwrap();
    drop(database);
    let refusal = path.refusal();
    assert!(
        matches!(refusal, OpenError::Newer(_, format) if format == FORMAT + 1),
        "{refusal}"
    );
}

/// Fills a store with a few hundred messages and closes it.
fn filled(path: &Path) -> Vec<u8> {
    let store = path.open().unwrap();
    let heard = start(&store);
    for number in 0..300 {
        let text = format!("{number} {}", "x".repeat(number * 3));
        store
            .publish(keyed("a", &text, &text[..MAX_KEY.min(text.len())]), TICKET)
            .unwrap();
    }
    while !matches!(heard.recv().unwrap(), News::Settled(..)) {}
    drop(store);
    fs::read(&path.0).unwrap()
}

#[test]
fn a_file_that_is_cut_off_or_garbled_is_refused_or_whole() {
    let path = Path::new("garbled");
    let whole = filled(&path);
    let check = |what: &str| match path.open() {
        Err(OpenError::Damaged(..) | OpenError::NotOurs(_)) => true,
        Err(other) => panic!("{what}: {other}"),
        Ok(store) => {
            assert_eq!(store.volume().messages, 300, "{what}");
            let heard = start(&store);
            let page = read(&store, &heard, "a").expect(what);
            for (number, record) in page.records.iter().enumerate() {
                let text = record.data.as_text().unwrap();
                assert!(
                    text.starts_with(&format!("{number} x")) || number == 0,
                    "{what}"
                );
            }
            false
        }
    };
    for part in 1..8 {
        fs::write(&path.0, &whole[..whole.len() * part / 8]).unwrap();
        assert!(
            check(&format!("{part} eighths")),
            "{part} eighths are taken for whole"
        );
    }
    // Pages that hold something, each with a bit changed and each as zeros.
    let mut refused = 0;
    let mut random = simulation::Random(7);
    let used = |page: &usize| whole[page * 4096..][..4096].iter().any(|&byte| byte != 0);
    for page in (0..whole.len() / 4096).filter(used) {
        for zeros in [false, true] {
            let mut bytes = whole.clone();
            match zeros {
                true => bytes[page * 4096..][..4096].fill(0),
                false => bytes[page * 4096 + random.below(4096)] ^= 1 << random.below(8),
            }
            fs::write(&path.0, &bytes).unwrap();
            refused += usize::from(check(&format!("page {page}, zeros {zeros}")));
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn a_failed_disk_ends_publishing_and_not_reading() {
    let disk = super::disk::Disk::default();
    let opened = open_on(disk.clone(), 1 << 20, None).unwrap();
    let store = Store::with(opened, &Options::default()).unwrap();
    let heard = start(&store);
    publish(&store, &heard, draft("a", "kept")).unwrap();
    disk.fail_at(Some(disk.operations() + 1));
    let doubtful = publish(&store, &heard, draft("a", "lost"));
    assert_eq!(doubtful, Err(Failure::InDoubt));
    assert!(matches!(heard.recv().unwrap(), News::Failed(_)));
    // Also when the disk has recovered: what it did meanwhile is not known.
    disk.fail_at(None);
    let later = publish(&store, &heard, draft("a", "later"));
    assert_eq!(later, Err(Failure::Refused(Refusal::Away)));
    let Health::Degraded(why) = store.health() else {
        panic!("{:?}", store.health());
    };
    assert!(why.contains("the disk has failed"), "{why}");
    let texts = loop {
        // For a moment the file is looked through anew.
        if let Ok(page) = read(&store, &heard, "a") {
            break page
                .records
                .iter()
                .map(|record| record.data.clone())
                .collect::<Vec<_>>();
        }
    };
    assert_eq!(texts, [Data::new(b"kept")]);
}

/// By each of the four bounds. `--nocapture` shows the figures.
#[test]
fn the_file_stops_growing_under_steady_load() {
    let none = Retained {
        messages: u64::MAX,
        bytes: u64::MAX,
        age: Duration::MAX,
        store_bytes: u64::MAX,
        ..Retained::default()
    };
    let bounds = [
        (
            "messages",
            Retained {
                messages: 700,
                ..none
            },
        ),
        (
            "bytes",
            Retained {
                bytes: 400_000,
                ..none
            },
        ),
        (
            "age",
            Retained {
                age: Duration::from_millis(120),
                ..none
            },
        ),
        (
            "the whole store's bytes",
            Retained {
                store_bytes: 3 << 20,
                ..none
            },
        ),
    ];
    for (name, retained) in bounds {
        let disk = super::disk::Disk::default();
        let opened = open_on(disk.clone(), 1 << 20, None).unwrap();
        let mut core = Core::open(Arc::new(opened.database), retained, false, 1).unwrap();
        let (mut drafts, mut news) = (Vec::new(), Vec::new());
        let (mut lengths, text) = (Vec::new(), "x".repeat(500));
        for commit in 0..1_200_u64 {
            for number in 0..40 {
                drafts.push((draft(&format!("channel {}", number % 7), &text), TICKET));
            }
            core.commit(&mut drafts, at(commit), false, &mut news)
                .unwrap();
            news.clear();
            lengths.push(disk.length());
        }
        let (early, last) = (lengths[lengths.len() / 3], lengths[lengths.len() - 1]);
        let held = core.volume().bytes;
        eprintln!("bounded by {name}: {held} bytes held of 24,000,000, in a file of {last}");
        assert_eq!(last, early, "{name}: it has grown from {early}");
        assert!(held < 4 << 20, "{name}: {held}");
        assert!(last < 20 << 20, "{name}: {last}");
    }
}

#[test]
fn age_and_the_whole_stores_bound_drop_the_oldest_and_leave_floors() {
    let opened = open_on(super::disk::Disk::default(), 1 << 20, None).unwrap();
    let database = Arc::new(opened.database);
    let retained = Retained {
        age: Duration::from_millis(100),
        store_bytes: 2 * CHANNEL_BYTES + 10 * (MESSAGE_BYTES + 100),
        ..Retained::default()
    };
    let mut core = Core::open(Arc::clone(&database), retained, false, 1_000).unwrap();
    let text = "x".repeat(100);
    let mut news = Vec::new();
    let mut ids = Vec::new();
    for number in 0..15 {
        let name = ["quiet", "busy"][usize::from(number > 0)];
        let mut drafts = vec![(draft(name, &text), TICKET)];
        core.commit(&mut drafts, at(1_000 + number), false, &mut news)
            .unwrap();
        ids.push(core.last());
    }
    let all = |name: &str, start| read_all(&database, core.last(), name, start, 100);
    assert_eq!(core.volume().messages, 10);
    assert_eq!(all("quiet", Start::After(ids[0])), (false, Vec::new()));
    let expected: Vec<_> = ids[5..].iter().map(|&id| (id, text.clone())).collect();
    assert_eq!(all("busy", Start::After(ids[4])), (false, expected.clone()));
    assert_eq!(all("busy", Start::After(ids[2])), (true, expected));
    assert!(!core.is_to_sweep(at(1_100)));
    assert!(core.is_to_sweep(at(1_111)));
    core.commit(&mut Vec::new(), at(2_000), false, &mut news)
        .unwrap();
    assert_eq!(core.volume().messages, 0);
    // Also in another life.
    drop(core);
    let core = Core::open(Arc::clone(&database), retained, false, 1_000).unwrap();
    for name in ["busy", "quiet"] {
        let last = if name == "busy" { ids[14] } else { ids[0] };
        let read = read_all(&database, core.last(), name, Start::After(last), 100);
        assert_eq!(read, (false, Vec::new()));
    }
}

#[test]
fn keys_end_after_their_time_of_running_and_not_before() {
    let opened = open_on(super::disk::Disk::default(), 1 << 20, None).unwrap();
    let database = Arc::new(opened.database);
    let retained = Retained::default();
    let mut core = Core::open(Arc::clone(&database), retained, false, 1).unwrap();
    let mut news = Vec::new();
    let mut publish = |core: &mut Core, ms| {
        // The wall clock is of no account.
        let now = Now {
            unix_ms: ms * 1_000,
            open_ms: ms,
        };
        let mut drafts = vec![(keyed("a", "x", "key"), TICKET)];
        core.commit(&mut drafts, now, false, &mut news).unwrap();
        match news.pop() {
            Some(News::Settled(_, Ok(settled))) => settled,
            other => panic!("{other:?}"),
        }
    };
    let life = KEY_LIFE.as_millis() as u64;
    let first = publish(&mut core, 100);
    assert!(!first.replayed);
    assert!(publish(&mut core, life).replayed);
    // The time in which it was closed does not count.
    core.close(Now {
        unix_ms: 1,
        open_ms: life,
    })
    .unwrap();
    let mut core = Core::open(Arc::clone(&database), retained, false, 1).unwrap();
    let replay = publish(&mut core, 100);
    assert_eq!((replay.id, replay.replayed), (first.id, true));
    let second = publish(&mut core, 101);
    assert!(!second.replayed && second.id > first.id);
    assert_eq!(core.volume().keys, 1);
}

#[test]
fn channels_beyond_the_bound_are_refused_or_take_the_place_of_empty_ones() {
    let opened = open_on(super::disk::Disk::default(), 1 << 20, None).unwrap();
    let database = Arc::new(opened.database);
    let retained = Retained {
        channels: 3,
        age: Duration::from_millis(100),
        ..Retained::default()
    };
    let mut core = Core::open(Arc::clone(&database), retained, false, 1).unwrap();
    let mut publish = |name: &str, ms| {
        let mut news = Vec::new();
        let mut drafts = vec![(draft(name, "x"), TICKET)];
        core.commit(&mut drafts, at(ms), false, &mut news).unwrap();
        match news.pop() {
            Some(News::Settled(_, settled)) => settled.map(|settled| settled.id),
            other => panic!("{other:?}"),
        }
    };
    let first = publish("a", 1_000).unwrap();
    publish("b", 1_010).unwrap();
    publish("c", 1_020).unwrap();
    let refused = Err(Failure::Refused(Refusal::TooManyChannels));
    assert_eq!(publish("d", 1_050), refused);
    assert!(publish("d", 1_105).is_ok());
    let last = publish("d", 1_106).unwrap();
    // What was forgotten is not taken for known.
    let has_gap = |id| read_all(&database, last, "a", Start::After(id), 9).0;
    assert!(!has_gap(first));
    assert!(has_gap(last));
}

/// A file as text: its runs of equal lines of 32 bytes that are not zeros, each behind its place and before how many there
/// are; at the end its length.
fn packed(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut at = 0;
    while at < bytes.len() {
        let line = &bytes[at..(at + 32).min(bytes.len())];
        let same = bytes[at..].chunks(32).take_while(|chunk| *chunk == line);
        let count = same.count();
        if line.iter().any(|&byte| byte != 0) {
            let _ = write!(text, "{at:x} ");
            line.iter().for_each(|byte| {
                let _ = write!(text, "{byte:02x}");
            });
            let _ = writeln!(text, " {count}");
        }
        at += 32 * count;
    }
    let _ = writeln!(text, "{:x}", bytes.len());
    text
}

fn unpacked(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let at = usize::from_str_radix(words.next().unwrap(), 16).unwrap();
        bytes.resize(at, 0);
        let hex = words.next().unwrap_or_default();
        let count = words.next().map_or(0, |count| count.parse().unwrap());
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let line: Vec<u8> = hex.as_bytes().chunks(2).map(byte).collect();
        bytes.extend(line.repeat(count));
    }
    bytes
}

/// The file of each format that was ever released opens, with all that is in it. `BAREWIRE_FIXTURE=PATH` writes the
/// one of this format, when there is a new one.
#[test]
fn a_store_of_each_format_is_opened() {
    let path = Path::new("format");
    let mut options = Options::default();
    options.retained.messages = 40;
    if let Ok(fixture) = std::env::var("BAREWIRE_FIXTURE") {
        let store = Store::open(&path.0, options).unwrap();
        // All of it waits, and is one commit.
        for number in 0..50 {
            store
                .publish(draft("a", &number.to_string()), TICKET)
                .unwrap();
        }
        let mut named = keyed("ü", "once", "key");
        named.event = Some("tick".into());
        store.publish(named, TICKET).unwrap();
        let mut binary = draft("b", "");
        binary.data = Data::Binary(b"\xFF\x00"[..].into());
        store.publish(binary, TICKET).unwrap();
        start(&store);
        drop(store);
        return fs::write(fixture, packed(&fs::read(&path.0).unwrap())).unwrap();
    }
    fs::write(&path.0, unpacked(include_str!("format-1.hex"))).unwrap();
    let store = Store::open(&path.0, options).unwrap();
    let heard = start(&store);
    let page = read(&store, &heard, "a").unwrap();
    let texts = page.records.iter().map(|record| record.data.as_text());
    let numbers: Vec<String> = (10..50).map(|number: u32| number.to_string()).collect();
    assert!(texts.eq(numbers.iter().map(|number| Some(&**number))));
    let page = read(&store, &heard, "b").unwrap();
    assert_eq!(page.records[0].data, Data::Binary(b"\xFF\x00"[..].into()));
    let page = read(&store, &heard, "ü").unwrap();
    assert_eq!(page.records[0].event(), "tick");
    let mut again = keyed("ü", "once", "key");
    again.event = Some("tick".into());
    let replay = publish(&store, &heard, again).unwrap();
    assert_eq!((replay.id, replay.replayed), (page.records[0].id, true));
}
