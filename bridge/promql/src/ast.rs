//! A question as a tree of expressions.

use crate::functions::{Function, Kind, Operator};
use crate::labels::Matcher;

/// A question that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression(pub(crate) Node);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Number(f64),
    Selector(Selector),
    Call { function: Function, arguments: Vec<Node> },
    Aggregate { operator: Operator, grouping: Grouping, parameter: Option<f64>, of: Box<Node> },
    Binary(Box<Binary>),
    Negate(Box<Node>),
}

impl Node {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Node::Number(_) | Node::Call { function: Function::Time | Function::Scalar, .. } => Kind::Number,
            Node::Selector(selector) if selector.range_ms.is_some() => Kind::Range,
            Node::Selector(_) | Node::Call { .. } | Node::Aggregate { .. } => Kind::Series,
            Node::Binary(binary) => {
                let is_number = |side: &Node| side.kind() == Kind::Number;
                if is_number(&binary.left) && is_number(&binary.right) { Kind::Number } else { Kind::Series }
            }
            Node::Negate(of) => of.kind(),
        }
    }
}

/// Series by their labels: their newest values, or with a range all points of a span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Selector {
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) range_ms: Option<i64>,
    /// How far in the past it looks.
    pub(crate) offset_ms: i64,
}

/// Which labels the groups of an aggregate have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Binary {
    pub(crate) operation: Operation,
    /// A comparison answers 0 or 1 instead of leaving out what does not hold.
    pub(crate) as_number: bool,
    pub(crate) matching: Matching,
    pub(crate) left: Node,
    pub(crate) right: Node,
}

/// Which labels of two sides have to be equal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Matching {
    On(Vec<String>),
    Ignoring(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Or,
    And,
    Unless,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

impl Operation {
    pub(crate) fn named(text: &str) -> Option<Self> {
        Some(match text {
            "or" => Operation::Or,
            "and" => Operation::And,
            "unless" => Operation::Unless,
            "==" => Operation::Equal,
            "!=" => Operation::NotEqual,
            ">" => Operation::Greater,
            "<" => Operation::Less,
            ">=" => Operation::GreaterOrEqual,
            "<=" => Operation::LessOrEqual,
            "+" => Operation::Add,
            "-" => Operation::Subtract,
            "*" => Operation::Multiply,
            "/" => Operation::Divide,
            "%" => Operation::Remainder,
            "^" => Operation::Power,
            _ => return None,
        })
    }

    /// How tightly it binds; more is tighter.
    pub(crate) fn binding(self) -> u8 {
        match self {
            Operation::Or => 1,
            Operation::And | Operation::Unless => 2,
            Operation::Add | Operation::Subtract => 4,
            Operation::Multiply | Operation::Divide | Operation::Remainder => 5,
            Operation::Power => 7,
            _ => 3,
        }
    }

    pub(crate) fn is_comparison(self) -> bool {
        self.binding() == 3
    }

    /// Whether it chooses among series, whatever their values are.
    pub(crate) fn is_of_sets(self) -> bool {
        self.binding() <= 2
    }

    /// Its answer for two numbers; of a comparison 1 or 0.
    pub(crate) fn of(self, left: f64, right: f64) -> f64 {
        let truth = |holds: bool| f64::from(u8::from(holds));
        match self {
            Operation::Equal => truth(left == right),
            Operation::NotEqual => truth(left != right),
            Operation::Greater => truth(left > right),
            Operation::Less => truth(left < right),
            Operation::GreaterOrEqual => truth(left >= right),
            Operation::LessOrEqual => truth(left <= right),
            Operation::Add => left + right,
            Operation::Subtract => left - right,
            Operation::Multiply => left * right,
            Operation::Divide => left / right,
            Operation::Remainder => left % right,
            Operation::Power => left.powf(right),
            Operation::Or | Operation::And | Operation::Unless => left,
        }
    }
}
