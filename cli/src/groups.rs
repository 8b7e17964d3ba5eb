//! `eddyline groups`: what brokers know of streams groups.

use std::fmt::Write as _;
use std::time::Duration;

use eddyline::admin::{Admin, DescribedGroup, TaskIds};

use crate::Failure;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Shows state, members and tasks of a streams group
    Describe {
        /// The group, which is the application.id
        name: String,
        /// Where to reach the cluster, as HOST:PORT
        #[arg(long)]
        bootstrap: String,
    },
}

/// Time for a broker that accepts connections and says nothing.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Describe { name, bootstrap } = command;
    let group = Admin::connect(bootstrap, CALL_TIMEOUT)?.describe_streams_group(name)?;
    print!("{}", describe(&group));
    Ok(())
}

fn describe(group: &DescribedGroup) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "group {}: {}, epoch {}, assignment epoch {}, {} members",
        group.group_id,
        group.group_state,
        group.group_epoch,
        group.assignment_epoch,
        group.members.len()
    );
    for member in &group.members {
        let _ = writeln!(
            text,
            "member {} ({} at {}), epoch {}",
            member.member_id, member.client_id, member.client_host, member.member_epoch
        );
        let lists = [
            ("active", &member.assignment.active_tasks),
            ("standby", &member.assignment.standby_tasks),
            ("warm-up", &member.assignment.warmup_tasks),
        ];
        for (kind, tasks) in lists {
            if !tasks.is_empty() {
                let _ = writeln!(text, "  {kind}: {}", task_names(tasks));
            }
        }
        if member.assignment != member.target_assignment {
            let target = task_names(&member.target_assignment.active_tasks);
            let _ = writeln!(text, "  to become active: {target}");
        }
    }
    text
}

/// Kafka's names of tasks: `0_0 0_1 1_0`.
fn task_names(tasks: &[TaskIds]) -> String {
    let names: Vec<String> = tasks
        .iter()
        .flat_map(|of| {
            let name = |partition| format!("{}_{partition}", of.subtopology_id);
            of.partitions.iter().map(name)
        })
        .collect();
    names.join(" ")
}
