//! Random histories against a plain list.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// Payload sizes of a batch.
    Append(Vec<usize>),
    WaitDurable,
    CloseAndOpen,
    /// Go on from an image of the running log.
    KillAndOpen,
    /// Go on from an image whose last commit is cut, at a part in 256 of its length.
    TearAndOpen(u8),
    /// Trim through a part in 256 of the log.
    Trim(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(0..3_000_usize, 0..12).prop_map(Step::Append),
        3 => Just(Step::WaitDurable),
        1 => Just(Step::CloseAndOpen),
        1 => Just(Step::KillAndOpen),
        1 => any::<u8>().prop_map(Step::TearAndOpen),
        1 => any::<u8>().prop_map(Step::Trim),
    ]
}

struct World {
    /// Before its directory, so that it is closed while that is there.
    log: EmbeddedLog,
    directory: TempDir,
    /// Every entry ever appended that is still expected; `model[n]` is at position `n + 1`.
    model: Vec<Entry>,
    trimmed: Position,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = open(small(directory.path()));
        Self { log, directory, model: Vec::new(), trimmed: Position::START }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Append(sizes) => {
                let first = self.model.len() as u64;
                let mut batch: Vec<Entry> = (first..).zip(sizes).map(|(n, size)| publication(n, size)).collect();
                self.model.extend(batch.clone());
                self.log.append(&mut batch).unwrap();
            }
            Step::WaitDurable => wait_durable(&self.log, self.log.appended()),
            Step::CloseAndOpen => {
                self.log.close();
                self.log = open(small(self.directory.path()));
                assert_eq!(self.log.appended().0, self.model.len() as u64);
            }
            Step::KillAndOpen => {
                let durable = *self.log.durable().borrow();
                self.go_on_from(image(self.directory.path()), durable);
            }
            Step::TearAndOpen(part) => self.tear(part),
            Step::Trim(part) => {
                let through = Position(self.model.len() as u64 * u64::from(part) / 256);
                self.trimmed = self.trimmed.max(through.min(*self.log.durable().borrow()));
                self.log.trim(self.trimmed);
            }
        }
        self.check();
    }

    fn tear(&mut self, part: u8) {
        wait_durable(&self.log, self.log.appended());
        let image = image(self.directory.path());
        let newest = segments(image.path()).pop().unwrap();
        let Some((start, header)) = frames(&newest).into_iter().rfind(|(_, header)| header.entries > 0) else { return };
        if header.first <= self.trimmed {
            return;
        }
        let cut = start + header.frame_bytes() * usize::from(part) / 256;
        let mut torn = false;
        change(&newest, |bytes| {
            torn = bytes[cut..].iter().any(|&byte| byte != 0);
            bytes[cut..].fill(0);
        });
        self.go_on_from(image, Position(header.first.0 - 1));
        let left = if torn { header.first } else { header.next() };
        assert_eq!(self.log.appended().next(), left, "all of a torn commit goes");
    }

    fn go_on_from(&mut self, image: TempDir, at_least: Position) {
        self.log = open(small(image.path()));
        self.directory = image;
        let kept = self.log.appended();
        assert!(kept >= at_least, "{at_least} was durable, {kept} is left");
        self.model.truncate(usize::try_from(kept.0).unwrap());
    }

    fn check(&self) {
        let last = self.log.appended();
        assert_eq!(last.0, self.model.len() as u64);
        let from = usize::try_from(self.trimmed.0).unwrap();
        assert_eq!(read_through(&self.log, self.trimmed, last), self.model[from..]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_leaves_what_a_plain_list_would(steps in prop::collection::vec(step(), 1..25)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
    }
}
