//! Which functions and aggregates there are, and what they take.

use crate::error::QueryError;

/// A function by what it is made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Function {
    /// Of the points of a span, one series at a time.
    Over(Over),
    /// Of each value.
    Math(Math),
    /// The time of the step, in Unix seconds.
    Time,
    /// A number as a series without labels.
    Vector,
    /// The only series as a number, else NaN.
    Scalar,
    /// 1 where there is no series.
    Absent,
}

/// Functions of a window of one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Average,
    Min,
    Max,
    Sum,
    Count,
    Last,
    Present,
    StandardDeviation,
    Variance,
    Quantile,
    Rate,
    Increase,
    Delta,
    InstantRate,
    InstantDelta,
    Changes,
    Resets,
    Derivative,
}

/// Functions of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Math {
    Abs,
    Ceil,
    Floor,
    Round,
    Clamp,
    ClampMin,
    ClampMax,
    Exp,
    Ln,
    Log2,
    Log10,
    Sqrt,
    Sign,
}

/// Aggregates of series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Sum,
    Average,
    Min,
    Max,
    Count,
    Group,
    StandardDeviation,
    Variance,
    Quantile,
    Top,
    Bottom,
}

/// What an argument has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Series,
    Range,
}

impl Kind {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Kind::Number => "a number",
            Kind::Series => "series, as `temperature`",
            Kind::Range => "series with a range, as `temperature[5m]`",
        }
    }
}

const FUNCTIONS: [(&str, Function); 35] = [
    ("avg_over_time", Function::Over(Over::Average)),
    ("min_over_time", Function::Over(Over::Min)),
    ("max_over_time", Function::Over(Over::Max)),
    ("sum_over_time", Function::Over(Over::Sum)),
    ("count_over_time", Function::Over(Over::Count)),
    ("last_over_time", Function::Over(Over::Last)),
    ("present_over_time", Function::Over(Over::Present)),
    ("stddev_over_time", Function::Over(Over::StandardDeviation)),
    ("stdvar_over_time", Function::Over(Over::Variance)),
    ("quantile_over_time", Function::Over(Over::Quantile)),
    ("rate", Function::Over(Over::Rate)),
    ("increase", Function::Over(Over::Increase)),
    ("delta", Function::Over(Over::Delta)),
    ("irate", Function::Over(Over::InstantRate)),
    ("idelta", Function::Over(Over::InstantDelta)),
    ("changes", Function::Over(Over::Changes)),
    ("resets", Function::Over(Over::Resets)),
    ("deriv", Function::Over(Over::Derivative)),
    ("abs", Function::Math(Math::Abs)),
    ("ceil", Function::Math(Math::Ceil)),
    ("floor", Function::Math(Math::Floor)),
    ("round", Function::Math(Math::Round)),
    ("clamp", Function::Math(Math::Clamp)),
    ("clamp_min", Function::Math(Math::ClampMin)),
    ("clamp_max", Function::Math(Math::ClampMax)),
    ("exp", Function::Math(Math::Exp)),
    ("ln", Function::Math(Math::Ln)),
    ("log2", Function::Math(Math::Log2)),
    ("log10", Function::Math(Math::Log10)),
    ("sqrt", Function::Math(Math::Sqrt)),
    ("sgn", Function::Math(Math::Sign)),
    ("time", Function::Time),
    ("vector", Function::Vector),
    ("scalar", Function::Scalar),
    ("absent", Function::Absent),
];

const OPERATORS: [(&str, Operator); 11] = [
    ("sum", Operator::Sum),
    ("avg", Operator::Average),
    ("min", Operator::Min),
    ("max", Operator::Max),
    ("count", Operator::Count),
    ("group", Operator::Group),
    ("stddev", Operator::StandardDeviation),
    ("stdvar", Operator::Variance),
    ("quantile", Operator::Quantile),
    ("topk", Operator::Top),
    ("bottomk", Operator::Bottom),
];

impl Function {
    /// # Errors
    /// One that names those there are.
    pub(crate) fn named(name: &str) -> Result<Self, QueryError> {
        let known = FUNCTIONS.iter().find(|(known, _)| *known == name).map(|(_, function)| *function);
        known.ok_or_else(|| {
            let (functions, operators) = (names(&FUNCTIONS), names(&OPERATORS));
            QueryError::question(format!(
                "the function `{name}` is not answered here; these are: {functions}; and the aggregates {operators}"
            ))
        })
    }

    fn name(self) -> &'static str {
        FUNCTIONS.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// What it takes, and how many of these may be left out at the end.
    fn takes(self) -> (&'static [Kind], usize) {
        match self {
            Function::Over(Over::Quantile) => (&[Kind::Number, Kind::Range], 0),
            Function::Over(_) => (&[Kind::Range], 0),
            Function::Math(Math::Round) => (&[Kind::Series, Kind::Number], 1),
            Function::Math(Math::Clamp) => (&[Kind::Series, Kind::Number, Kind::Number], 0),
            Function::Math(Math::ClampMin | Math::ClampMax) => (&[Kind::Series, Kind::Number], 0),
            Function::Math(_) | Function::Scalar | Function::Absent => (&[Kind::Series], 0),
            Function::Time => (&[], 0),
            Function::Vector => (&[Kind::Number], 0),
        }
    }

    /// # Errors
    /// One that names the argument.
    pub(crate) fn check(self, given: &[Kind]) -> Result<(), QueryError> {
        let (takes, optional) = self.takes();
        let name = self.name();
        if !(takes.len() - optional..=takes.len()).contains(&given.len()) {
            let words = if takes.is_empty() { "none".to_owned() } else { join(takes.iter().map(|kind| kind.words())) };
            let given = given.len();
            return Err(QueryError::question(format!("`{name}` takes other arguments: {words}; it was given {given}")));
        }
        for (place, (given, wanted)) in given.iter().zip(takes).enumerate() {
            if given != wanted {
                let (wanted, given, place) = (wanted.words(), given.words(), place + 1);
                return Err(QueryError::question(format!(
                    "argument {place} of `{name}` has to be {wanted}; it is {given}"
                )));
            }
        }
        Ok(())
    }
}

impl Operator {
    pub(crate) fn named(name: &str) -> Option<Self> {
        OPERATORS.iter().find(|(known, _)| *known == name).map(|(_, operator)| *operator)
    }

    /// Whether a number comes before the series.
    pub(crate) fn has_parameter(self) -> bool {
        matches!(self, Operator::Quantile | Operator::Top | Operator::Bottom)
    }
}

fn names<T>(table: &[(&str, T)]) -> String {
    join(table.iter().map(|(name, _)| *name))
}

fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
