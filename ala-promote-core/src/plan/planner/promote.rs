//! Moving the tested release, unchanged, to the next environment.

use super::draft::Draft;
use super::move_release::{bring_back, move_to};
use super::unseen;
use crate::plan::{PlanInput, Refusal};

pub(super) fn draft<'a>(input: &'a PlanInput<'a>) -> Result<Draft<'a>, Refusal> {
    let mut draft = Draft::new(input)?;
    let from = draft.environment.from.clone().ok_or_else(|| unseen("the environment to promote from"))?;
    let release = input.view.tested(&from).ok_or_else(|| unseen("a tested release"))?;
    draft.from = Some(from);
    draft.pin()?;
    bring_back(&mut draft, release);
    draft.backup();
    move_to(&mut draft, release)?;
    Ok(draft)
}
