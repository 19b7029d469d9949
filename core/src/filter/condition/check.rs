//! What of JMESPath a condition may use.

use jmespath::Variable;
use jmespath::ast::Ast;

use super::{Condition, FUNCTIONS};

/// Whether a text may be parsed at all. The parser calls itself once for each of these characters at most, so a count of
/// them bounds its stack.
pub(super) fn text(text: &str) -> Result<(), String> {
    if text.len() > Condition::LONGEST {
        let (longest, length) = (Condition::LONGEST, text.len());
        return Err(format!("it has {length} bytes, and may have {longest}"));
    }
    let nests = text.bytes().filter(|byte| b"([{!&*".contains(byte)).count();
    if nests > MOST_NESTS {
        return Err(format!("it has more than {MOST_NESTS} of ( [ {{ ! & and *"));
    }
    Ok(())
}

/// Whether an expression may be asked of events.
pub(super) fn tree(ast: &Ast) -> Result<(), String> {
    let mut strings = 0;
    node(ast, 0, &mut strings)?;
    // each round of it puts a backslash before each of the last one's
    if strings > 1 {
        return Err("`to_string` stands in it more than once".to_owned());
    }
    Ok(())
}

fn node(ast: &Ast, depth: usize, strings: &mut usize) -> Result<(), String> {
    if depth > Condition::DEEPEST {
        let deepest = Condition::DEEPEST;
        return Err(format!("it nests deeper than {deepest}"));
    }
    let mut inner = |ast: &Ast| node(ast, depth + 1, strings);
    match ast {
        Ast::Identity { .. } | Ast::Field { .. } => Ok(()),
        Ast::Index { idx, .. } if idx.unsigned_abs() > FARTHEST => {
            Err(format!("there is no element {idx}"))
        }
        Ast::Index { .. } => Ok(()),
        Ast::Literal { value, .. } => match **value {
            Variable::Null | Variable::String(_) | Variable::Bool(_) | Variable::Number(_) => {
                Ok(())
            }
            Variable::Array(_) | Variable::Object(_) | Variable::Expref(_) => {
                Err("it compares with texts, numbers, true, false and null only".to_owned())
            }
        },
        Ast::Not { node, .. } | Ast::Flatten { node, .. } | Ast::ObjectValues { node, .. } => {
            inner(node)
        }
        Ast::And { lhs, rhs, .. }
        | Ast::Or { lhs, rhs, .. }
        | Ast::Subexpr { lhs, rhs, .. }
        | Ast::Projection { lhs, rhs, .. }
        | Ast::Comparison { lhs, rhs, .. }
        | Ast::Condition {
            predicate: lhs,
            then: rhs,
            ..
        } => {
            inner(lhs)?;
            inner(rhs)
        }
        Ast::Function { name, args, .. } => {
            if !FUNCTIONS.contains(&name.as_str()) {
                let known = FUNCTIONS.join(", ");
                return Err(format!("it calls `{name}`, and may call {known}"));
            }
            args.iter().try_for_each(inner)?;
            *strings += usize::from(name == "to_string");
            Ok(())
        }
        Ast::MultiList { .. } | Ast::MultiHash { .. } | Ast::Expref { .. } | Ast::Slice { .. } => {
            Err("it asks, and makes nothing: no [a, b], {a: b}, [1:2] and &a".to_owned())
        }
    }
}

/// Characters that nest, all in all.
const MOST_NESTS: usize = 64;

/// No event has as many elements.
const FARTHEST: u32 = 1 << 24;
