//! What is asked.

use std::time::Duration;

use crate::app::App;
use crate::error::CliError;
use crate::render::Ui;

/// How long an open input that is no terminal may stay silent.
const SILENCE: Duration = Duration::from_secs(10);

const QUESTION: &str = "Type 'yes' to confirm: ";

/// What came of the question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    /// Anything else, with why it is no yes.
    No(String),
}

/// Asks. Only the word `yes` and the end of its line are a yes.
pub(crate) async fn ask(app: &App, ui: &Ui) -> Answer {
    ui.ask(QUESTION);
    let no = |why: &str| Answer::No(why.to_owned());
    let answer = tokio::select! {
        biased;
        line = app.input.line() => judge(&line),
        _ = app.signals.next() => no("interrupted"),
        () = silence(app) => {
            no(&format!("nothing came within {} s from an input that is no terminal", SILENCE.as_secs()))
        }
    };
    // The line of the question ends where the answer was typed; elsewhere nobody typed its end.
    if !(app.input.is_terminal() && answer == Answer::Yes) {
        ui.ask("\n");
    }
    answer
}

/// Asks a person for a line of text; `None` for an empty one, or where the input ended.
pub(crate) async fn line(app: &App, ui: &Ui, question: &str) -> Result<Option<String>, CliError> {
    ui.ask(question);
    let line = app.signals.unless(app.input.line()).await?;
    let text =
        line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default().trim();
    Ok((!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned()))
}

/// A person may take any time to answer.
async fn silence(app: &App) {
    if app.input.is_terminal() {
        std::future::pending::<()>().await;
    }
    app.clock.sleep(SILENCE).await;
}

fn judge(line: &[u8]) -> Answer {
    let no = |why: &str| Answer::No(why.to_owned());
    let Some(words) = line.strip_suffix(b"\n") else {
        return match line {
            b"" => no("the input ended"),
            _ => no("the input ended before the line did"),
        };
    };
    match words.strip_suffix(b"\r").unwrap_or(words) {
        b"yes" => Answer::Yes,
        _ => no("the answer was not `yes`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_a_yes() {
        for yes in ["yes\n", "yes\r\n"] {
            assert_eq!(judge(yes.as_bytes()), Answer::Yes, "{yes:?}");
        }
        let others = [
            "",
            "\n",
            "y\n",
            "YES\n",
            "Yes\n",
            " yes\n",
            "yes \n",
            "yes\t\n",
            "yes!\n",
            "yes",
            "yes\r",
            "yes\r\r\n",
            "no\n",
            "yesyes\n",
            "yes\0\n",
        ];
        for no in others {
            assert!(matches!(judge(no.as_bytes()), Answer::No(_)), "{no:?}");
        }
    }
}
