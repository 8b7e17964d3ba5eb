//! `eddyline groups`: what brokers know of streams groups.

use std::fmt::Write as _;
use std::time::Duration;

use eddyline::admin::{Admin, DescribedGroup, TaskIds};

use crate::Failure;
use crate::cluster::Cluster;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Shows state, members and tasks of a streams group
    Describe {
        /// The group, which is the application.id
        name: String,
        #[command(flatten)]
        cluster: Cluster,
    },
}

/// Time for a broker that accepts connections and says nothing.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Describe { name, cluster } = command;
    let config = cluster.config("eddyline")?.ok_or_else(|| {
        Failure("give --bootstrap, or --config with bootstrap.servers in it".to_owned())
    })?;
    let group = Admin::connect_with(&config, CALL_TIMEOUT)?.describe_streams_group(name)?;
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
