//! `tailfill position`.

use super::answer::print;
use super::args::{PositionArgs, PositionCommand};
use super::position::{self, moment};
use super::usage::usage;
use crate::app::{self, MoveOptions, Since, Wish};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::TransactionId;

pub async fn position(config: &Config, args: PositionArgs) -> Result<Exit, Failure> {
    match args.command {
        PositionCommand::Show { json } => {
            print(&app::show_position(config, json).await?)?;
            Ok(Exit::Done)
        }
        PositionCommand::History { since, limit, json } => {
            let since = Since { since_ms: since.as_deref().map_or(Ok(0), moment)?, limit };
            print(&app::position_history(config, since, json).await?)?;
            Ok(Exit::Done)
        }
        PositionCommand::Set { position: text, accept_gap, reason, json } => {
            let wish = Wish::At(position::parse("POSITION", &text)?);
            let reason = reason.unwrap_or_default();
            let options = MoveOptions { wish, accept_gap, reason, resumes: Vec::new(), json };
            app::move_tail(config, options).await
        }
        PositionCommand::Skip { gtid, reason, json } => {
            let wish = Wish::Without(transaction(&gtid)?);
            let reason = reason.unwrap_or_default();
            let options = MoveOptions { wish, accept_gap: true, reason, resumes: Vec::new(), json };
            app::move_tail(config, options).await
        }
    }
}

fn transaction(text: &str) -> Result<TransactionId, Failure> {
    text.trim().parse().map_err(|error| {
        usage(format!("GTID: {error}")).with_help("give the GTID of one transaction (UUID:42)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_one_gtid_and_no_set() {
        let gtid = "00000000-0000-0000-0000-00000000000a:7";
        assert_eq!(transaction(gtid).expect("a GTID").to_string(), gtid);
        for text in ["", "7", "00000000-0000-0000-0000-00000000000a:1-7", "now"] {
            assert_eq!(transaction(text).expect_err(text).exit, Exit::Usage);
        }
    }
}
