use super::*;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
const START: i64 = 500_000 * HOUR;

/// A clock that started at [`START`], when the system had been running for an hour.
fn started() -> SteadyClock {
    SteadyClock::starting(START, HOUR)
}

fn waiting_us(clock: &SteadyClock, now_us: i64) -> i64 {
    clock.elapsed_at(now_us / 1000) * 1000
}

#[test]
fn a_clock_that_is_set_forward_is_followed_when_told_and_what_waits_never_is() {
    let clock = started();
    let (mut ahead, mut before) = (0, START);
    for second in 1..100 {
        let (running, real) = (HOUR + second * SECOND, START + second * SECOND);
        let wall = real + if second >= 30 { HOUR } else { 0 };
        assert_eq!(clock.now_us(wall, running), real + ahead, "at {second} s");
        if second == 40 {
            let jump = clock.look(wall, running).expect("it was set");
            assert_eq!(jump, Jump { at_ms: wall / 1000, by_ms: HOUR / 1000 });
            assert_eq!(clock.now_us(wall, running), real, "nobody is told yet");
            clock.follow(jump, running);
            ahead = HOUR;
        } else if !(30..=40).contains(&second) {
            assert_eq!(clock.look(wall, running), None, "at {second} s");
        }
        let now = clock.now_us(wall, running);
        assert_eq!((now, waiting_us(&clock, now)), (real + ahead, real), "at {second} s");
        assert!(now > before, "at {second} s");
        before = now;
    }
}

#[test]
fn what_is_corrected_little_by_little_and_a_suspended_system_are_no_jumps() {
    let clock = started();
    // As fast as chronyd may correct: a twelfth faster, looked at each quarter of a second.
    let (mut wall, mut running) = (START, HOUR);
    for _ in 0..100_000 {
        (wall, running) = (wall + SECOND / 4 + SECOND / 48, running + SECOND / 4);
        assert_eq!(clock.look(wall, running), None);
        assert_eq!(clock.now_us(wall, running), wall);
    }
    (wall, running) = (wall + 8 * HOUR, running + 8 * HOUR);
    assert_eq!(clock.look(wall, running), None, "both went on while it was suspended");
    assert_eq!(clock.now_us(wall, running), wall);
    // Nobody looked for an hour, and in it the clock was set.
    (wall, running) = (wall + HOUR + 3 * SECOND, running + HOUR);
    assert_eq!(clock.look(wall, running).map(|jump| jump.by_ms), Some(3000));
}

#[test]
fn steps_that_are_followed_one_after_the_other_are_all_taken_out_of_what_waits() {
    let clock = started();
    for n in 1..=200 {
        let (running, real) = (HOUR + n * SECOND, START + n * SECOND);
        let wall = real + n * HOUR;
        let jump = clock.look(wall, running).expect("it was set");
        clock.follow(jump, running);
        let now = clock.now_us(wall, running);
        assert_eq!((now, waiting_us(&clock, now)), (wall, real));
    }
}

#[test]
fn a_clock_that_is_set_while_its_step_is_told_never_goes_back() {
    let clock = started();
    let jump = clock.look(START + HOUR, HOUR).expect("it was set");
    // It is right again before anybody followed.
    clock.follow(jump, HOUR);
    let now = clock.now_us(START + SECOND, HOUR + SECOND);
    assert!((START + HOUR..=START + HOUR + SECOND).contains(&now), "{}", now - START);
    assert!((START..=START + SECOND).contains(&waiting_us(&clock, now)));
}

#[test]
fn after_an_earlier_run_it_goes_on_and_a_clock_that_is_late_to_know_the_time_makes_nothing_older() {
    // Without a battery it starts in 1970, and learns the time after a minute.
    let clock = SteadyClock::starting(0, SECOND);
    assert_eq!(clock.go_on_after(START, SECOND, 2 * SECOND), None, "it is not set");
    let begun = clock.now_us(SECOND, 2 * SECOND);
    assert_eq!(begun, START);
    let (wall, running) = (START + 24 * HOUR, 62 * SECOND);
    let waited = clock.now_us(wall, running);
    assert!((START..=START + 61 * SECOND).contains(&waited));
    clock.follow(clock.look(wall, running).expect("a day, less a minute"), running);
    let now = clock.now_us(wall, running);
    assert_eq!(now, wall);
    assert!((START..=START + 61 * SECOND).contains(&waiting_us(&clock, now)));
}

/// Two ask at once: who looked at the system's clock first may be answered last.
#[test]
fn a_clock_of_1970_stays_there_on_a_system_that_runs_for_long() {
    let clock = SteadyClock::starting(30 * SECOND, 5 * HOUR);
    assert_eq!(clock.now_us(31 * SECOND, 5 * HOUR + SECOND), 31 * SECOND);
    assert_eq!(clock.now_us(31 * SECOND - 10, 5 * HOUR + SECOND), 31 * SECOND);
}

#[test]
fn one_set_back_is_met_at_half_speed() {
    let clock = SteadyClock::starting(START + HOUR, 0);
    let mut before = 0;
    for second in 2..=7300 {
        let wall = START + second * SECOND;
        let now = clock.now_us(wall, second * SECOND);
        assert_eq!(clock.look(wall, second * SECOND), None);
        assert!(now > before || now == wall, "time stands still at {second} s");
        assert!(now >= wall, "behind the system's clock at {second} s");
        before = now;
    }
    assert_eq!(before, START + 7300 * SECOND, "they have met");
}

#[test]
fn every_time_it_is_set_back_time_goes_on() {
    let clock = started();
    let (mut wall, mut before) = (START, 0);
    for second in 0..1000 {
        wall += SECOND - if second % 100 == 50 { HOUR } else { 0 };
        let now = clock.now_us(wall, HOUR + second * SECOND);
        assert!(now >= before, "it went back at {second} s");
        before = now;
    }
    let behind = before - wall;
    assert!(behind > 9 * HOUR && behind < 10 * HOUR, "ten hours back, some minutes made good: {behind} us");
}

const DAY: i64 = 24 * HOUR;
const LOOK: i64 = SECOND / 4;

/// A system whose clock can be set, and what is made of it: looked at four times a second, followed at once.
struct System {
    clock: SteadyClock,
    running: i64,
    wall: i64,
    followed: Vec<i64>,
}

impl System {
    fn of(clock: SteadyClock, wall: i64) -> System {
        System { clock, running: HOUR, wall, followed: Vec::new() }
    }

    fn now(&self) -> i64 {
        self.clock.now_us(self.wall, self.running)
    }

    fn set(&mut self, by: i64) {
        self.wall += by;
    }

    /// Runs for so long; time and what waits never go back nor stand still but by a jump.
    fn run(&mut self, span: i64) {
        let mut before = (self.now(), waiting_us(&self.clock, self.now()));
        for _ in 0..span / LOOK {
            (self.running, self.wall) = (self.running + LOOK, self.wall + LOOK);
            if let Some(jump) = self.clock.look(self.wall, self.running) {
                self.clock.follow(jump, self.running);
                self.followed.push(jump.by_ms * 1000);
                before.0 = before.0.min(self.now() - 1);
            }
            let now = (self.now(), waiting_us(&self.clock, self.now()));
            assert!(now.0 > before.0, "the time goes back");
            assert!((0..=2 * LOOK).contains(&(now.1 - before.1)), "what waits waits for time: {}", now.1 - before.1);
            before = now;
        }
    }

    fn state(&self) -> ClockState {
        self.clock.look.lock().state(self.running)
    }
}

#[test]
fn a_leap_of_seconds_is_not_followed_whichever_way_it_goes() {
    for by in [401 * DAY, 3650 * DAY, -401 * DAY, -START, -3 * HOUR] {
        for before in [10 * SECOND, 5 * HOUR] {
            let mut system = System::of(started(), START);
            system.run(before);
            system.set(by);
            system.run(3 * SECOND);
            assert_eq!(system.now(), system.wall - by, "time goes on as it passes");
            assert!(system.state().is_doubted && system.state().ahead_ms == by / 1000);
            system.set(-by);
            system.run(MINUTE);
            assert_eq!((system.now(), system.followed.len(), system.state().is_doubted), (system.wall, 0, false));
        }
    }
}

const MINUTE: i64 = 60 * SECOND;

#[test]
fn a_leap_that_lasts_is_followed_and_so_is_the_way_back() {
    let mut system = System::of(started(), START);
    system.run(5 * HOUR);
    for by in [401 * DAY, -401 * DAY] {
        system.set(by);
        system.run(4 * HOUR - SECOND);
        assert_eq!(system.now(), system.wall - by, "it has not lasted yet");
        system.run(2 * SECOND);
        assert_eq!(system.now(), system.wall, "it is confirmed");
        system.run(5 * HOUR);
    }
    assert_eq!(system.followed, [401 * DAY, -401 * DAY]);
}

#[test]
fn a_computer_that_has_just_started_learns_the_time_within_seconds() {
    for wrong in [START + 4000 * DAY, START - 700 * DAY, 0] {
        let mut system = System::of(SteadyClock::starting(wrong, HOUR), wrong);
        system.run(MINUTE);
        let by = START - wrong;
        system.set(by);
        system.run(6 * SECOND);
        assert_eq!((system.now(), system.followed.as_slice()), (system.wall, &[by][..]));
    }
}

#[test]
fn a_clock_that_nobody_has_set_is_never_followed() {
    let mut system = System::of(started(), START);
    system.set(-START);
    system.run(30 * HOUR);
    let ClockState { is_doubted, followed_in_ms, .. } = system.state();
    assert_eq!((system.now(), is_doubted, followed_in_ms), (system.wall + START, true, None));
}

#[test]
fn a_leap_that_is_another_each_minute_is_never_followed() {
    let mut system = System::of(started(), START);
    system.run(5 * HOUR);
    for _ in 0..600 {
        system.set(40 * DAY);
        system.run(MINUTE);
    }
    assert_eq!((system.now(), system.followed.len()), (system.wall - 600 * 40 * DAY, 0));
}

#[test]
fn a_start_goes_back_to_a_right_clock_and_on_from_a_long_time_down() {
    for (last, surely, jump) in [
        // An earlier run went by a clock that was wrong.
        (START + 401 * DAY, i64::MIN, Some(-401 * DAY)),
        (START + 401 * DAY, START - HOUR, Some(-401 * DAY)),
        // It was ahead by little: they meet.
        (START + HOUR, i64::MIN, None),
        // The program was down.
        (START - 20 * HOUR, START - 21 * HOUR, None),
        (START - 100 * DAY, START - 100 * DAY, Some(100 * DAY)),
        // The clock is behind what has surely passed: it goes on where it was.
        (START + 100 * DAY, START + 99 * DAY, None),
    ] {
        let clock = started();
        clock.configure(&ClockConfig::default(), surely);
        let found = clock.go_on_after(last, START, HOUR);
        let by = jump.map(|by| Jump { at_ms: START / 1000, by_ms: by / 1000 });
        assert_eq!(found, by, "{} h", (last - START) / HOUR);
        found.into_iter().for_each(|jump| clock.follow(jump, HOUR));
        let is_wall = jump.is_some() || last < START;
        assert_eq!(clock.now_us(START, HOUR), if is_wall { START } else { last }, "{} h", (last - START) / HOUR);
    }
}

#[test]
fn the_clock_is_confirmed_by_hours_of_agreement_and_a_step_begins_them_anew() {
    let mut system = System::of(started(), START);
    system.run(4 * HOUR - SECOND);
    assert!(!system.state().is_confirmed);
    system.set(3 * SECOND);
    system.run(4 * HOUR - SECOND);
    assert!(!system.state().is_confirmed && system.followed == [3 * SECOND]);
    system.run(HOUR);
    let ClockState { is_confirmed, confirmed_ms, .. } = system.state();
    assert!(is_confirmed && (3_590_000..=3_600_000).contains(&confirmed_ms), "{confirmed_ms}");
    // While it is doubted nothing gets older.
    system.set(401 * DAY);
    system.run(HOUR);
    system.set(-401 * DAY);
    assert_eq!(system.state().confirmed_ms, confirmed_ms);
}

#[test]
fn threads_that_ask_at_once_never_see_it_go_back() {
    let clock = SteadyClock::starting(2 * HOUR, 10);
    assert_eq!(clock.now_us(2 * HOUR, 10), 2 * HOUR);
    assert_eq!(clock.now_us(2 * HOUR - 3, 9), 2 * HOUR, "asked the system a little earlier");
    assert_eq!(clock.now_us(2 * HOUR + 1, 11), 2 * HOUR + 1);
}
