//! Values that were right before something was done to them.

use super::{chance::Chance, valid::Maker};
use serde_json::{Map, Value, json};

/// Does something to params. Gives back the member of theirs that it was done to, if it was one.
pub(super) fn spoil(params: &mut Value, maker: &mut Maker<'_>) -> Option<String> {
    let members = params.as_object_mut().filter(|members| !members.is_empty());
    let Some(members) = members.filter(|_| maker.chance.below(8) > 0) else {
        *params = match maker.chance.below(4) {
            0 => params.as_object().map_or(json!([]), |members| members.values().cloned().collect()),
            1 => json!("params"),
            2 => json!(7),
            _ => maker.anything(2),
        };
        return None;
    };
    let names: Vec<String> = members.keys().cloned().collect();
    let name = maker.chance.one_of(&names).clone();
    if maker.chance.below(4) == 0 {
        members.remove(&name);
    } else {
        spoil_value(members.get_mut(&name).unwrap(), maker);
    }
    if maker.chance.below(4) == 0 {
        members.insert("noSuchMember".to_owned(), maker.anything(3));
    }
    Some(name)
}

/// Does something to a value or to one inside it.
fn spoil_value(value: &mut Value, maker: &mut Maker<'_>) {
    if maker.chance.coin() {
        match value {
            Value::Array(values) if !values.is_empty() => {
                let at = maker.chance.below(u32::try_from(values.len()).unwrap()) as usize;
                return spoil_value(&mut values[at], maker);
            }
            Value::Object(members) if !members.is_empty() => return spoil_member(members, maker),
            _ => {}
        }
    }
    *value = other_than(value, maker.chance).unwrap_or_else(|| maker.anything(3));
}

fn spoil_member(members: &mut Map<String, Value>, maker: &mut Maker<'_>) {
    let names: Vec<String> = members.keys().cloned().collect();
    let name = maker.chance.one_of(&names);
    if maker.chance.below(3) == 0 {
        members.remove(name);
    } else {
        spoil_value(members.get_mut(name).unwrap(), maker);
    }
}

/// Something of another type, or out of bounds.
fn other_than(value: &Value, chance: &mut Chance) -> Option<Value> {
    let others = match value {
        Value::String(_) => vec![json!(7), json!({"text": "x"}), json!(["x"]), json!(null), json!(true)],
        Value::Number(_) => vec![json!("7"), json!(-1), json!(u64::MAX), json!(1.5), json!(1e300), json!(null)],
        Value::Bool(_) => vec![json!("true"), json!(1), json!(null)],
        Value::Array(_) => vec![json!({}), json!("x"), json!([[]]), json!([null]), json!(null)],
        Value::Object(_) => vec![json!([]), json!("x"), json!({}), json!(null)],
        Value::Null => return None,
    };
    Some(chance.one_of(&others).clone())
}
