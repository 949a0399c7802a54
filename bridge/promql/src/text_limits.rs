/// What the text of a question may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLimits {
    /// Bytes of a question.
    pub text_bytes_max: usize,
    /// How deep parentheses, functions and operators may be nested.
    pub nesting_max: usize,
    /// Operators of a question: each is one more level of what is evaluated, also where nothing is nested.
    pub operators_max: usize,
    /// Regular expressions of a question: each takes time and memory to be compiled.
    pub patterns_max: usize,
    /// Bytes of one when it is compiled.
    pub pattern_bytes_max: usize,
}

impl Default for TextLimits {
    fn default() -> Self {
        TextLimits {
            text_bytes_max: 16 << 10,
            nesting_max: 64,
            operators_max: 200,
            patterns_max: 16,
            pattern_bytes_max: 256 << 10,
        }
    }
}
