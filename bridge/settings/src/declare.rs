/// Declares a section of the configuration: a struct with its defaults and a function that reads it from a file.
///
/// A key is a field behind the section's name: its own name is the key, the first paragraph of its documentation is the text of
/// the sample file, the method of [`Section`](crate::Section) says how it is written (which is its unit), and its first argument
/// is the default. Further paragraphs are for who reads the code. The section's own documentation stands above it in the sample
/// file; a section without one goes on with the section of that name, for parts that have a struct of their own.
///
/// Fields in braces before it are no keys. `then` names a method that is called when all keys are read, with the
/// [`Reader`](crate::Reader): it says what does not go together, or reads what belongs to it.
///
/// ```
/// use std::time::Duration;
/// use tidegate_settings::{Reader, section};
///
/// section! {
///     /// How a kettle behaves.
///     #[derive(Debug, Clone)]
///     pub struct KettleConfig {
///         /// What it is called; no key.
///         pub name: String = "kettle".into(),
///     }
///     /// Hot water.
///     [kettle] {
///         /// Water at most.
///         ///
///         /// Steam counts too.
///         pub water_bytes_max: u64 = bytes(64 << 10),
///         /// Time until it boils.
///         pub boil_timeout: Duration = timeout(Duration::from_secs(90)),
///     }
///     then KettleConfig::check;
/// }
///
/// impl KettleConfig {
///     fn check(&mut self, reader: &mut Reader) {
///         if self.water_bytes_max < 10 {
///             reader.at("kettle").wrong_key("water_bytes_max", "has to be 10 or more: less boils away");
///         }
///     }
/// }
///
/// let mut reader = Reader::new("[kettle]\nwater_bytes_max = 5\n");
/// assert_eq!(KettleConfig::read(&mut reader).boil_timeout, KettleConfig::default().boil_timeout);
/// let (mistakes, sample) = reader.finish();
/// assert_eq!(mistakes[0].to_string(), "line 2: kettle.water_bytes_max: has to be 10 or more: less boils away");
/// assert!(sample.contains("# Hot water.\n[kettle]\n# Water at most.\nwater_bytes_max = \"64 KiB\"\n"));
/// ```
#[macro_export]
macro_rules! section {
    (
        $(#[$about:meta])*
        pub struct $name:ident {
            $($(#[$told:meta])* pub $other:ident: $type:ty = $value:expr,)*
        }
        $(#[doc = $heading:literal])*
        [$section:ident] {
            $($(#[doc = $text:literal])* pub $key:ident: $of:ty = $unit:ident($default:expr $(, $more:expr)*),)*
        }
        $(then $then:path;)?
    ) => {
        $(#[$about])*
        pub struct $name {
            $($(#[$told])* pub $other: $type,)*
            $($(#[doc = $text])* pub $key: $of,)*
        }

        impl ::std::default::Default for $name {
            fn default() -> Self {
                Self { $($other: $value,)* $($key: $default,)* }
            }
        }

        impl $name {
            /// Reads its keys from a file; what the file does not say is as by default. Mistakes are the reader's.
            pub fn read(reader: &mut $crate::Reader) -> Self {
                let mut section = reader.section(stringify!($section), &$crate::meaning(&[$($heading),*]));
                #[allow(unused_mut)]
                let mut read = Self {
                    $($other: $value,)*
                    $($key: section.$unit(stringify!($key), $default, &$crate::meaning(&[$($text),*]) $(, $more)*),)*
                };
                $($then(&mut read, reader);)?
                read
            }
        }
    };
}

/// The first paragraph of a documentation, by its lines.
#[must_use]
pub fn meaning(documentation: &[&str]) -> String {
    let lines = documentation.iter().map(|line| line.trim());
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use crate::{Mistake, Reader};

    section! {
        /// A kettle.
        #[derive(Debug, PartialEq)]
        pub struct Kettle {
            /// Not a key.
            pub lid: Lid = Lid::default(),
        }
        /// Hot water.
        [kettle] {
            /// Water at most,
            /// however it is filled.
            ///
            /// Steam counts too.
            pub water_bytes_max: u16 = bytes(1 << 10),
            /// Whether it whistles.
            pub whistle: bool = choice(true, &[("loud", true), ("never", false)]),
            /// Where it stands; empty: nowhere.
            pub place: Option<PathBuf> = path(None),
            /// When it is thrown away; "0 ms": never.
            pub thrown_away_after: Option<Duration> = duration_or_never(None),
        }
        then Kettle::read_on;
    }

    section! {
        /// Its lid, with keys among those of the kettle.
        #[derive(Debug, PartialEq)]
        pub struct Lid {}
        [kettle] {
            /// Times it is opened.
            pub openings_max: u8 = count(3),
        }
    }

    impl Kettle {
        fn read_on(&mut self, reader: &mut Reader) {
            self.lid = Lid::read(reader);
            if self.water_bytes_max == 0 {
                reader.at("kettle").wrong_key("water_bytes_max", "has to be more than 0");
            }
        }
    }

    fn read(text: &str) -> (Kettle, Vec<Mistake>, String) {
        let mut reader = Reader::new(text);
        let kettle = Kettle::read(&mut reader);
        let (mistakes, sample) = reader.finish();
        (kettle, mistakes, sample)
    }

    #[test]
    fn one_declaration_gives_defaults_the_sample_and_what_reads_it_back() {
        let (kettle, mistakes, sample) = read("");
        assert_eq!((kettle, &mistakes[..]), (Kettle::default(), &[][..]));
        let expected = "\n# Hot water.\n[kettle]\n# Water at most, however it is filled.\nwater_bytes_max = \"1 KiB\"\n\
                        # Whether it whistles.\nwhistle = \"loud\"\n# Where it stands; empty: nowhere.\nplace = \"\"\n\
                        # When it is thrown away; \"0 ms\": never.\nthrown_away_after = \"0 ms\"\n\
                        # Times it is opened.\nopenings_max = 3\n";
        assert_eq!(sample, expected);
        let (kettle, mistakes, _) = read(&sample);
        assert_eq!((kettle, &mistakes[..]), (Kettle::default(), &[][..]));
        let text = "[kettle]\nwater_bytes_max = 7\nwhistle = \"never\"\nplace = \"hob\"\nthrown_away_after = \"9 d\"\n\
                    openings_max = 1\n";
        let (kettle, mistakes, _) = read(text);
        assert_eq!(mistakes, []);
        let thrown_away_after = Some(Duration::from_secs(9 * 24 * 3600));
        let (lid, place) = (Lid { openings_max: 1 }, Some("hob".into()));
        assert_eq!(kettle, Kettle { lid, water_bytes_max: 7, whistle: false, place, thrown_away_after });
    }

    #[test]
    fn what_is_wrong_is_said_with_line_key_and_remedy() {
        let said = |text: &str| read(text).1.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (key, what) in [
            ("water_bytes_max = 0", "water_bytes_max: has to be more than 0"),
            ("water_bytes_max = \"1 MiB\"", "water_bytes_max: is too large"),
            ("water_bytes_max = \"1 s\"", "water_bytes_max: \"1 s\" is not a size such as \"64 KiB\""),
            ("whistle = \"yes\"", "whistle: is one of \"loud\", \"never\""),
            ("thrown_away_after = 9", "thrown_away_after: is a duration such as \"30 s\""),
            ("openings_max = 256", "openings_max: 256 is out of range"),
            ("opening_max = 1", "opening_max: is not a key of Tidegate; did you mean kettle.openings_max?"),
        ] {
            let said = said(&format!("[kettle]\n{key}\n"));
            assert!(said.len() == 1 && said[0].starts_with(&format!("line 2: kettle.{what}")), "{key}: {said:?}");
        }
    }
}
