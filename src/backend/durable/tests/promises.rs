//! What the store promises of its threads: how much waits, when it syncs, who is handed what, and what is said meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::disk::Disk;
use super::files::{publish, read, start};
use super::*;

fn open(disk: &Disk, options: &Options) -> Store {
    let opened = open_on(disk.clone(), 1 << 20, None).unwrap();
    Store::with(opened, options).unwrap()
}

#[test]
fn what_waits_for_the_store_is_bounded() {
    let store = open(&Disk::default(), &Options::default());
    for _ in 0..QUEUED_DRAFTS {
        store.publish(draft("a", "x"), TICKET).unwrap();
    }
    assert_eq!(store.publish(draft("a", "x"), TICKET), Err(Refusal::Full));
    // Once it has taken them it takes more.
    let heard = start(&store);
    let settled = |news: &News| matches!(news, News::Settled(_, Ok(_)));
    assert_eq!(
        heard.iter().filter(settled).take(QUEUED_DRAFTS).count(),
        QUEUED_DRAFTS
    );
    publish(&store, &heard, draft("a", "x")).unwrap();

    let store = open(&Disk::default(), &Options::default());
    let large = "x".repeat(QUEUED_BYTES / 4);
    for _ in 0..3 {
        store.publish(draft("a", &large), TICKET).unwrap();
    }
    assert_eq!(
        store.publish(draft("a", &large), TICKET),
        Err(Refusal::Full)
    );
    store.publish(draft("a", "small"), TICKET).unwrap();
    // What is larger than all that may wait has to find nothing waiting.
    let store = open(&Disk::default(), &Options::default());
    store
        .publish(draft("a", &"x".repeat(QUEUED_BYTES + 1)), TICKET)
        .unwrap();
    assert_eq!(
        store.publish(draft("a", "small"), TICKET),
        Err(Refusal::Full)
    );
}

/// A power cut takes what was not synced: when that is, and what a cursor of it is told.
#[test]
fn what_was_not_synced_is_a_gap_after_a_power_cut_and_its_ids_are_not_given_again() {
    for durability in [
        Durability::Every(Duration::from_secs(3_600)),
        Durability::System,
    ] {
        let options = Options {
            durability,
            ..Options::default()
        };
        let disk = Disk::default();
        let store = open(&disk, &options);
        let heard = start(&store);
        let kept = publish(&store, &heard, draft("a", "kept")).unwrap().id;
        let lost = publish(&store, &heard, draft("a", "lost")).unwrap().id;
        assert!(lost > kept);

        let after = open(&disk.after_power_cut(|_| 0), &options);
        let heard_after = start(&after);
        let behind = |id| {
            let query = Query {
                channel: "a".into(),
                start: Start::After(id),
                messages: 9,
                bytes: 900,
            };
            after.read(query, TICKET).unwrap();
            match heard_after.recv() {
                Ok(News::Page(_, Ok(page))) => (page.gap, page.records.len()),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(behind(kept), (false, 0), "{durability:?}");
        assert_eq!(behind(lost), (true, 1), "{durability:?}");
        let next = publish(&after, &heard_after, draft("a", "next"))
            .unwrap()
            .id;
        assert!(next > lost, "{durability:?}: {next} after {lost}");

        // An orderly end syncs all.
        drop(store);
        let after = open(&disk.after_power_cut(|_| 0), &options);
        let heard = start(&after);
        assert_eq!(read(&after, &heard, "a").unwrap().records.len(), 2);
    }
}

#[test]
fn with_an_interval_it_is_synced_soon_though_nothing_more_is_published() {
    let options = Options {
        durability: Durability::Every(Duration::from_millis(20)),
        ..Options::default()
    };
    let disk = Disk::default();
    let store = open(&disk, &options);
    let heard = start(&store);
    for number in 0..10 {
        publish(&store, &heard, draft("a", &number.to_string())).unwrap();
    }
    let began = Instant::now();
    let is_synced = || {
        let after = open(&disk.after_power_cut(|_| 0), &options);
        after.volume().messages == 10
    };
    while !is_synced() {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::yield_now();
    }
}

/// A medium of which the first reading takes its time.
#[derive(Debug)]
struct Slow(Disk, AtomicUsize);

impl redb::StorageBackend for Slow {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, len: usize) -> std::io::Result<Vec<u8>> {
        if self.1.fetch_add(1, Ordering::Relaxed) == 0 {
            std::thread::sleep(Duration::from_millis(1_100));
        }
        self.0.read(offset, len)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self, eventual: bool) -> std::io::Result<()> {
        self.0.sync_data(eventual)
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}

#[test]
fn opening_says_how_far_it_is_when_it_takes_more_than_a_second() {
    let disk = Disk::default();
    let store = open(&disk, &Options::default());
    let heard = start(&store);
    publish(&store, &heard, draft("a", &"x".repeat(100_000))).unwrap();
    let left = disk.after_kill();
    let hook = |said: &mpsc::Sender<Progress>| -> options::OnProgress {
        let said = said.clone();
        Box::new(move |progress| said.send(progress).unwrap())
    };
    let (said, progress) = mpsc::channel();
    open_on(left.clone(), 1 << 20, Some(hook(&said))).unwrap();
    assert!(progress.try_recv().is_err(), "it was opened at once");
    open_on(Slow(left, AtomicUsize::new(0)), 1 << 20, Some(hook(&said))).unwrap();
    let first = progress.try_recv().expect("nothing was said");
    assert!(first.read > 0 && first.read <= first.of, "{first:?}");
}

/// What is handed to a crowd: how often something was read for it, and how much of that has not been taken.
#[derive(Default)]
struct Handed {
    last: Mutex<Option<Arc<Page>>>,
    readings: AtomicUsize,
    untaken: AtomicUsize,
    most: AtomicUsize,
}

struct Crowd(Arc<Handed>, Mutex<mpsc::Sender<(Ticket, Arc<Page>)>>);

impl Sink for Crowd {
    fn take(&self, news: &mut Vec<News>) {
        let Crowd(handed, sender) = self;
        for news in news.drain(..) {
            if let News::Page(ticket, page) = news {
                let page = page.unwrap();
                let last = lock(&handed.last).replace(Arc::clone(&page));
                if !last.is_some_and(|last| Arc::ptr_eq(&last, &page)) {
                    handed.readings.fetch_add(1, Ordering::Relaxed);
                }
                let untaken = handed.untaken.fetch_add(1, Ordering::Relaxed) + 1;
                handed.most.fetch_max(untaken, Ordering::Relaxed);
                let _ = lock(sender).send((ticket, page));
            }
        }
    }
}

#[test]
fn a_crowd_of_cold_readers_shares_what_is_read_and_is_handed_it_a_few_at_a_time() {
    const READERS: u32 = 10_000;
    const MESSAGES: usize = 300;
    let disk = Disk::default();
    let store = open(&disk, &Options::default());
    for number in 0..MESSAGES {
        let text = format!("{number} {}", "x".repeat(1_000));
        store.publish(draft("a", &text), TICKET).unwrap();
    }
    start(&store);
    drop(store);

    let store = open(&disk, &Options::default());
    let handed = Arc::new(Handed::default());
    let (sender, pages) = mpsc::channel();
    store.start(Arc::new(Crowd(Arc::clone(&handed), Mutex::new(sender))));
    let ask = |reader: u32, start| {
        let query = Query {
            channel: "a".into(),
            start,
            messages: 1_000,
            bytes: 64 << 10,
        };
        let ticket = Ticket {
            serial: reader,
            ..TICKET
        };
        store.read(query, ticket).unwrap();
    };
    (0..READERS).for_each(|reader| ask(reader, Start::Oldest));
    let mut seen = vec![0; READERS as usize];
    let (mut left, mut pages_handed) = (READERS, 0);
    while left > 0 {
        let (ticket, page) = pages.recv_timeout(Duration::from_secs(60)).unwrap();
        pages_handed += 1;
        let next = &mut seen[ticket.serial as usize];
        for record in &page.records {
            let text = record.data.as_text().unwrap();
            assert!(text.starts_with(&format!("{next} ")), "{next}: {text}");
            *next += 1;
        }
        match page.more {
            true => ask(ticket.serial, Start::After(page.through)),
            false => left -= 1,
        }
        drop(page);
        handed.untaken.fetch_sub(1, Ordering::Relaxed);
    }
    assert!(seen.iter().all(|&count| count == MESSAGES));
    let readings = handed.readings.load(Ordering::Relaxed);
    let most = handed.most.load(Ordering::Relaxed);
    eprintln!(
        "{pages_handed} pages handed out were read {readings} times; {most} not taken at most"
    );
    assert!(readings <= pages_handed / 200, "{readings}");
    // A few more where this thread was not let run for long.
    assert!(most < READERS as usize / 10, "{most}");
}

/// Two who were answered are on their way, and a third is there.
#[test]
fn a_commit_waits_a_moment_for_those_who_were_just_answered() {
    let shared = Shared::default();
    let one = || (draft("a", "x"), TICKET);
    let gathered = |drafts, within| {
        let mut into = Vec::new();
        let expected = Expected { drafts, within };
        gather(&shared, Duration::from_secs(60), expected, &mut into);
        into.len()
    };
    let soon = Duration::from_millis(1);
    let late = Duration::from_secs(60);
    let is_there = |count: usize| lock(&shared.queue).drafts.extend((0..count).map(|_| one()));
    std::thread::scope(|scope| {
        is_there(1);
        let gathering = scope.spawn(|| gathered(3, late));
        while lock(&shared.queue).wanted != 3 {
            std::thread::yield_now();
        }
        is_there(2);
        shared.queued.notify_one();
        assert_eq!(gathering.join().unwrap(), 3);
    });
    // They do not come; as many are there already; nobody was answered; it is to end.
    is_there(1);
    assert_eq!(gathered(3, soon), 1);
    is_there(4);
    assert_eq!(gathered(3, late), 4);
    is_there(1);
    assert_eq!(gathered(0, late), 1);
    is_there(1);
    lock(&shared.queue).stopping = true;
    assert_eq!(gathered(3, late), 1);
    assert_eq!(lock(&shared.queue).wanted, 0);
}
