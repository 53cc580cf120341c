//! What goes wrong in the middle, on real engines: the process is killed, its disk is full or fails. Whatever it was,
//! after `recover` all is on the old release or all on the new one, as the engine itself tells.
//!
//! A sample of the cases runs by default, of one kind of operation on each engine; another one: `ALA_PROMOTE_SEED=7`; all,
//! each on one of the engines: `ALA_PROMOTE_TORTURE=1`. A case that fails prints the line that runs it alone.

mod cases;
mod load;
mod records;
mod stage;
mod traced;

use ala_promote_demo::Environment;

use crate::engines::on_every_engine;

use stage::Stage;

#[test]
fn in_the_middle_of_an_operation() {
    if !traced::is_possible() {
        return;
    }
    on_every_engine(|engine| {
        let stage = Stage::create(engine);
        if cases::is_turn_of(engine, "promote") || cases::is_turn_of(engine, "rollback") {
            records::of_moves(&stage);
        }
        // Last: staging has another release afterwards.
        if cases::is_turn_of(engine, "deploy") {
            records::of_deployments(&stage);
        }
    });
}
