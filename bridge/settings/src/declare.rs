/// Declares a section of the configuration: a struct with its defaults and a function that reads it from a file.
///
/// A key is a field in brackets: its name is the key, the first paragraph of its documentation is the text of the sample file,
/// the method of [`Section`](crate::Section) says how it is written (which is its unit), the first argument is the default.
/// Further paragraphs are for who reads the code. The section's own documentation stands above it in the sample file; a section
/// without one goes on where another declaration of the same section stopped, for parts with a struct of their own.
///
/// Fields in braces before it are no keys. `then` names a method that is called when all keys are read, with the [`Reader`]
/// (crate::Reader): it says what does not go together, or reads what belongs to it.
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
