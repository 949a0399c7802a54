//! Tokens to what they say, by precedence climbing.

use crate::ast::{Binary, Expression, Grouping, Matching, Node, Operation, Selector};
use crate::error::QueryError;
use crate::functions::{Function, Kind, Operator};
use crate::labels::{Matcher, NAME};
use crate::lexer::{Token, tokens};
use crate::text_limits::TextLimits;

/// Understands a question.
///
/// # Errors
/// [`QueryError::Question`] says what is wrong, where, and what is not answered here; [`QueryError::TooMuch`] what is beyond
/// the limits.
pub fn parse(text: &str, limits: TextLimits) -> Result<Expression, QueryError> {
    let mut parser = Parser::of(text, limits)?;
    let node = parser.expression(0)?;
    parser.end()?;
    Ok(Expression(node))
}

/// Understands a selector alone: `temperature{group="hall"}`.
///
/// # Errors
/// As [`parse`].
pub fn parse_selector(text: &str, limits: TextLimits) -> Result<Vec<Matcher>, QueryError> {
    match parse(text, limits)?.0 {
        Node::Selector(Selector { matchers, range_ms: None, offset_ms: 0 }) => Ok(matchers),
        _ => {
            Err(QueryError::question(format!("`{text}` is no selector: write one as `temperature{{group=\"hall\"}}`")))
        }
    }
}

struct Parser {
    limits: TextLimits,
    tokens: std::iter::Peekable<std::vec::IntoIter<(usize, Token)>>,
    depth: usize,
    operators: usize,
    patterns: usize,
}

impl Parser {
    fn of(text: &str, limits: TextLimits) -> Result<Self, QueryError> {
        let most = limits.text_bytes_max;
        if text.len() > most {
            let what = format!("the question has more than {most} bytes (`prometheus.text_bytes_max`)");
            return Err(QueryError::too_much("prometheus.text_bytes_max", what));
        }
        Ok(Parser { limits, tokens: tokens(text)?.into_iter().peekable(), depth: 0, operators: 0, patterns: 0 })
    }

    fn expression(&mut self, at_least: u8) -> Result<Node, QueryError> {
        self.depth += 1;
        let most = self.limits.nesting_max;
        if self.depth > most {
            let what = format!("the question is nested more than {most} deep (`prometheus.nesting_max`)");
            return Err(QueryError::too_much("prometheus.nesting_max", what));
        }
        let mut left = self.unary()?;
        while let Some(operation) = self.operation().filter(|operation| operation.binding() >= at_least.max(1)) {
            self.tokens.next();
            left = self.binary(operation, left)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, QueryError> {
        if self.takes("+") {
            return self.expression(Operation::Power.binding());
        }
        if !self.takes("-") {
            return self.suffixed();
        }
        // It binds less than a power: -2 ^ 2 is -4.
        let of = self.expression(Operation::Power.binding())?;
        match of {
            Node::Number(number) => Ok(Node::Number(-number)),
            of if of.kind() == Kind::Range => Err(no_range("-")),
            of => Ok(Node::Negate(Box::new(of))),
        }
    }

    fn operation(&mut self) -> Option<Operation> {
        match self.tokens.peek() {
            Some((_, Token::Sign(sign))) => Operation::named(sign),
            Some((_, Token::Word(word))) => Operation::named(&word.to_ascii_lowercase()),
            _ => None,
        }
    }

    fn binary(&mut self, operation: Operation, left: Node) -> Result<Node, QueryError> {
        self.operators += 1;
        let most = self.limits.operators_max;
        if self.operators > most {
            let what = format!("the question has more than {most} operators (`prometheus.operators_max`)");
            return Err(QueryError::too_much("prometheus.operators_max", what));
        }
        let as_number = self.takes_word("bool");
        if as_number && !operation.is_comparison() {
            return Err(QueryError::question("`bool` belongs behind a comparison"));
        }
        let matching = self.matching()?;
        // A power binds to the right: 2 ^ 3 ^ 2 is 2 ^ 9.
        let is_power = operation == Operation::Power;
        let right = self.expression(operation.binding() + u8::from(!is_power))?;
        let kinds = (left.kind(), right.kind());
        if kinds.0 == Kind::Range || kinds.1 == Kind::Range {
            return Err(no_range("an operator"));
        }
        if operation.is_of_sets() && kinds != (Kind::Series, Kind::Series) {
            return Err(QueryError::question("`and`, `or` and `unless` stand between series, not numbers"));
        }
        if operation.is_comparison() && kinds == (Kind::Number, Kind::Number) && !as_number {
            return Err(QueryError::question(
                "to compare two numbers write `bool` behind the comparison: `1 == bool 1`",
            ));
        }
        let matching = matching.unwrap_or(Matching::Ignoring(Vec::new()));
        Ok(Node::Binary(Box::new(Binary { operation, as_number, matching, left, right })))
    }

    fn matching(&mut self) -> Result<Option<Matching>, QueryError> {
        let matching = if self.takes_word("on") {
            Some(Matching::On(self.names()?))
        } else if self.takes_word("ignoring") {
            Some(Matching::Ignoring(self.names()?))
        } else {
            None
        };
        if let Some((_, Token::Word(word))) = self.tokens.peek()
            && ["group_left", "group_right"].contains(&word.as_str())
        {
            return Err(QueryError::question(format!(
                "`{word}` is not answered here: a series matches at most one of the other side"
            )));
        }
        Ok(matching)
    }

    /// What may stand behind an operand: a range, an offset.
    fn suffixed(&mut self) -> Result<Node, QueryError> {
        let mut node = self.operand()?;
        loop {
            if self.takes("[") {
                let range_ms = self.positive_duration("a range")?;
                if self.takes(":") {
                    return Err(QueryError::question("subqueries, as `[1h:5m]`, are not answered here"));
                }
                self.expect("]")?;
                match &mut node {
                    Node::Selector(selector) if selector.range_ms.is_none() && selector.offset_ms == 0 => {
                        selector.range_ms = Some(range_ms);
                    }
                    _ => return Err(QueryError::question("a range belongs behind a selector: `temperature[5m]`")),
                }
            } else if self.takes_word("offset") {
                let is_ahead = self.takes("-");
                let offset_ms = self.positive_duration("an offset")?;
                let Node::Selector(selector) = &mut node else {
                    return Err(QueryError::question("`offset` belongs behind a selector: `temperature offset 1h`"));
                };
                selector.offset_ms = if is_ahead { -offset_ms } else { offset_ms };
            } else if self.takes("@") {
                return Err(QueryError::question("`@` is not answered here: ask for another time or use `offset`"));
            } else {
                return Ok(node);
            }
        }
    }

    fn operand(&mut self) -> Result<Node, QueryError> {
        match self.tokens.next() {
            Some((_, Token::Number(number))) => Ok(Node::Number(number)),
            Some((_, Token::Sign("("))) => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Some((_, Token::Sign("{"))) => {
                let matchers = self.matchers(Vec::new())?;
                selector(matchers)
            }
            Some((at, Token::Word(word))) => self.named(at, word),
            Some((at, token)) => Err(unexpected(at, &token, "a selector, a function or a number")),
            None => Err(QueryError::question("the question ends where a selector, a function or a number is missing")),
        }
    }

    /// What begins with a word: an aggregate, a function or a selector.
    fn named(&mut self, at: usize, word: String) -> Result<Node, QueryError> {
        let next_opens = matches!(self.tokens.peek(), Some((_, Token::Sign("("))));
        let next_groups = matches!(self.tokens.peek(), Some((_, Token::Word(next))) if is_grouping(next));
        match Operator::named(&word.to_ascii_lowercase()) {
            Some(operator) if next_opens || next_groups => return self.aggregate(operator, &word),
            _ if next_groups => {
                return Err(QueryError::question(format!(
                    "at character {at}: the aggregate `{word}` is not answered here"
                )));
            }
            _ => {}
        }
        if next_opens {
            let function = Function::named(&word)?;
            let arguments = self.arguments()?;
            function.check(&arguments.iter().map(Node::kind).collect::<Vec<_>>())?;
            return Ok(Node::Call { function, arguments });
        }
        if Operation::named(&word).is_some() || is_grouping(&word) {
            return Err(unexpected(at, &Token::Word(word), "a selector, a function or a number"));
        }
        let name = Matcher::equal(NAME, &word);
        let matchers = if self.takes("{") { self.matchers(vec![name])? } else { vec![name] };
        selector(matchers)
    }

    fn aggregate(&mut self, operator: Operator, word: &str) -> Result<Node, QueryError> {
        let before = self.grouping()?;
        let mut arguments = self.arguments()?.into_iter();
        let grouping = before.or(self.grouping()?).unwrap_or(Grouping::By(Vec::new()));
        let parameter = if operator.has_parameter() { arguments.next() } else { None };
        let parameter = parameter.map(|parameter| match parameter {
            Node::Number(number) => Ok(number),
            _ => Err(QueryError::question(format!("the first argument of `{word}` has to be a number written out"))),
        });
        let (Some(of), None) = (arguments.next(), arguments.next()) else {
            let takes = if operator.has_parameter() { "a number and series" } else { "series" };
            return Err(QueryError::question(format!("`{word}` takes {takes}, as `temperature`")));
        };
        if of.kind() != Kind::Series {
            let given = of.kind().words();
            return Err(QueryError::question(format!(
                "`{word}` is made of series, as `temperature`; it was given {given}"
            )));
        }
        Ok(Node::Aggregate { operator, grouping, parameter: parameter.transpose()?, of: Box::new(of) })
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, QueryError> {
        if self.takes_word("by") {
            Ok(Some(Grouping::By(self.names()?)))
        } else if self.takes_word("without") {
            Ok(Some(Grouping::Without(self.names()?)))
        } else {
            Ok(None)
        }
    }

    fn arguments(&mut self) -> Result<Vec<Node>, QueryError> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.takes(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(self.expression(0)?);
        }
        Ok(arguments)
    }

    /// Names of labels in parentheses.
    fn names(&mut self) -> Result<Vec<String>, QueryError> {
        self.expect("(")?;
        let mut names = Vec::new();
        while !self.takes(")") {
            if !names.is_empty() {
                self.expect(",")?;
            }
            names.push(self.label()?);
        }
        Ok(names)
    }

    fn label(&mut self) -> Result<String, QueryError> {
        match self.tokens.next() {
            Some((_, Token::Word(word) | Token::Text(word))) => Ok(word),
            Some((at, token)) => Err(unexpected(at, &token, "the name of a label")),
            None => Err(QueryError::question("the question ends where the name of a label is missing")),
        }
    }

    /// What stands between braces, the first of which is read.
    fn matchers(&mut self, mut matchers: Vec<Matcher>) -> Result<Vec<Matcher>, QueryError> {
        let mut is_first = true;
        while !self.takes("}") {
            if !is_first {
                self.expect(",")?;
                if self.takes("}") {
                    break;
                }
            }
            is_first = false;
            matchers.push(self.matcher()?);
        }
        Ok(matchers)
    }

    fn matcher(&mut self) -> Result<Matcher, QueryError> {
        let is_quoted = matches!(self.tokens.peek(), Some((_, Token::Text(_))));
        let label = self.label()?;
        let operator = match self.tokens.peek() {
            Some((_, Token::Sign(sign @ ("=" | "!=" | "=~" | "!~")))) => *sign,
            // Prometheus 3: a quoted name alone is the metric's.
            Some((_, Token::Sign("," | "}"))) if is_quoted => return Ok(Matcher::equal(NAME, &label)),
            Some((at, token)) => return Err(unexpected(*at, token, "`=`, `!=`, `=~` or `!~` behind a label")),
            None => return Err(QueryError::question("the question ends inside of braces")),
        };
        self.tokens.next();
        self.patterns += usize::from(operator.ends_with('~'));
        let most = self.limits.patterns_max;
        if self.patterns > most {
            let what = format!("the question has more than {most} regular expressions (`prometheus.patterns_max`)");
            return Err(QueryError::too_much("prometheus.patterns_max", what));
        }
        match self.tokens.next() {
            Some((_, Token::Text(value))) => Matcher::written(label, operator, value, self.limits.pattern_bytes_max),
            Some((at, token)) => Err(unexpected(at, &token, "a text in quotes")),
            None => Err(QueryError::question("the question ends where a text in quotes is missing")),
        }
    }

    fn positive_duration(&mut self, what: &str) -> Result<i64, QueryError> {
        match self.tokens.next() {
            Some((_, Token::Duration(ms))) if ms > 0 => Ok(ms),
            _ => Err(QueryError::question(format!("{what} is a duration above zero: `5m`, `1h30m`"))),
        }
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.tokens.next_if(|(_, token)| matches!(token, Token::Sign(found) if *found == sign)).is_some()
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_it = |token: &Token| matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word));
        self.tokens.next_if(|(_, token)| is_it(token)).is_some()
    }

    fn expect(&mut self, sign: &str) -> Result<(), QueryError> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(match self.tokens.next() {
            Some((at, token)) => unexpected(at, &token, &format!("`{sign}`")),
            None => QueryError::question(format!("the question ends where `{sign}` is missing")),
        })
    }

    fn end(&mut self) -> Result<(), QueryError> {
        match self.tokens.next() {
            Some((at, token)) => Err(unexpected(at, &token, "an operator or the end")),
            None => Ok(()),
        }
    }
}

/// A selector that chooses something: one that every series fits would read all there is.
fn selector(matchers: Vec<Matcher>) -> Result<Node, QueryError> {
    if matchers.iter().all(|matcher| matcher.fits("")) {
        return Err(QueryError::question("a selector needs a name, or a label with a value that is not empty"));
    }
    Ok(Node::Selector(Selector { matchers, range_ms: None, offset_ms: 0 }))
}

fn is_grouping(word: &str) -> bool {
    word.eq_ignore_ascii_case("by") || word.eq_ignore_ascii_case("without")
}

fn unexpected(at: usize, token: &Token, wanted: &str) -> QueryError {
    QueryError::question(format!("at character {at}: {} stands where {wanted} should be", token.words()))
}

fn no_range(what: &str) -> QueryError {
    QueryError::question(format!("{what} takes no range: use a function of it, as `avg_over_time(temperature[5m])`"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Expression, QueryError> {
        super::parse(text, TextLimits::default())
    }

    fn number(text: &str) -> f64 {
        fn of(node: &Node) -> f64 {
            match node {
                Node::Number(number) => *number,
                Node::Negate(inner) => -of(inner),
                Node::Binary(binary) => binary.operation.of(of(&binary.left), of(&binary.right)),
                other => panic!("{other:?}"),
            }
        }
        of(&parse(text).unwrap().0)
    }

    fn error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn operators_bind_as_in_arithmetic() {
        assert_eq!(number("1 + 2 * 3"), 7.0);
        assert_eq!(number("10 - 2 - 3"), 5.0);
        assert_eq!(number("-2 ^ 2"), -4.0);
        assert_eq!(number("2 ^ 3 ^ 2"), 512.0);
        assert_eq!(number("2 * -3"), -6.0);
        assert_eq!(number("(1 + 2) * 3 % 5"), 4.0);
        assert_eq!(number("1 + 1 == bool 2"), 1.0);
    }

    #[test]
    fn a_selector_has_matchers_a_range_and_an_offset() {
        let parsed = parse(r#"rate(energy{device=~"a.*",}[1h] offset 1d)"#).unwrap().0;
        let Node::Call { arguments, .. } = parsed else { panic!("{parsed:?}") };
        let Node::Selector(selector) = &arguments[0] else { panic!("{arguments:?}") };
        assert_eq!((selector.range_ms, selector.offset_ms), (Some(3_600_000), 86_400_000));
        assert_eq!(selector.matchers[0], Matcher::equal(NAME, "energy"));
        assert!(selector.matchers[1].fits("abc") && !selector.matchers[1].fits("b"));
        assert_eq!(
            parse_selector(r#"{"soil moisture"}"#, TextLimits::default()).unwrap(),
            [Matcher::equal(NAME, "soil moisture")]
        );
    }

    #[test]
    fn grouping_stands_before_or_behind() {
        let written = |text: &str| parse(text).unwrap();
        assert_eq!(written("sum by (group) (a)"), written("sum(a) by (group)"));
        assert_ne!(written("sum without (group) (a)"), written("sum(a) by (group)"));
        assert_eq!(written("count_over_time(by_hour[5m])"), written("count_over_time({__name__='by_hour'}[5m])"));
        assert!(parse("sum").is_ok(), "a metric may be called so");
    }

    #[test]
    fn what_is_not_answered_is_named() {
        for (text, words) in [
            ("predict_linear(a[1h], 3600)", "`predict_linear` is not answered here; these are: avg_over_time, "),
            ("count_values by (x) (a)", "the aggregate `count_values` is not answered here"),
            ("a * on(device) group_left b", "`group_left` is not answered here"),
            ("max_over_time(a[1h:5m])", "subqueries"),
            ("a @ 1", "`@` is not answered here"),
            ("avg_over_time(a)", "argument 1 of `avg_over_time` has to be series with a range"),
            ("sum(a[5m])", "it was given series with a range"),
            ("a[5m] + 1", "an operator takes no range"),
            ("1 == 1", "`1 == bool 1`"),
            ("{}", "a selector needs a name"),
            (r#"{a=~".*"}"#, "a selector needs a name"),
            ("a{b=1}", "the number 1 stands where a text in quotes should be"),
            ("a b", "at character 2: `b` stands where an operator or the end should be"),
            ("sum(a", "ends where `,` is missing"),
            ("a[0s]", "a duration above zero"),
            ("a offset 9000y", "is no number and no duration"),
            ("quantile(a, b)", "has to be a number written out"),
            ("", "the question ends where"),
        ] {
            assert!(error(text).contains(words), "{text}: {}", error(text));
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert!(parse(&deep(50)).is_ok());
        assert!(error(&deep(5_000)).contains("nested more than"));
        assert!(error(&"-".repeat(9_000)).contains("nested more than"));
        assert!(error(&" ".repeat(20_000)).contains("bytes"));
        assert!(parse(&format!("1{}", "+1".repeat(200))).is_ok());
        assert!(error(&format!("1{}", "+1".repeat(7_000))).contains("more than 200 operators"));
        assert!(error(&format!("a{{{}}}", r#"b=~"x","#.repeat(17))).contains("more than 16 regular expressions"));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_is_answered_or_refused(text in r#"[a-z0-9 (){}\[\],:@="'`~!<>+*/%^.\\-]{0,60}"#) {
            let _ = parse(&text);
        }
    }
}
