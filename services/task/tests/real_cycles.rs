//! The two cycles among the Ethereum Improvement Proposals, with their edges in every order.

use testkit::*;

use crate::fixtures::*;

/// All permutations.
fn orders<T: Copy>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut found = Vec::new();
    for first in 0..items.len() {
        let rest: Vec<T> = [&items[..first], &items[first + 1..]].concat();
        found.extend(orders(&rest).into_iter().map(|order| [vec![items[first]], order].concat()));
    }
    found
}

/// Links proposals in this order; each edge that closes a cycle is refused with the cycle's tasks.
async fn link_in_order(team: &Team, numbers: &[u32], requires: &[(u32, u32)]) {
    let Team { olga, project, .. } = team;
    let mut tasks = Vec::new();
    for number in numbers {
        tasks.push(olga.task(project, &number.to_string()).await);
    }
    let task = |number: u32| &tasks[numbers.iter().position(|it| *it == number).unwrap()];
    let mut refused = 0;
    let mut stored: Vec<(u32, u32)> = Vec::new();
    for (waiting, awaited) in requires {
        match blocks(olga, task(*waiting), task(*awaited)).await {
            Ok(_) => stored.push((*waiting, *awaited)),
            Err(refusal) => {
                refused += 1;
                assert_eq!(summary(&refusal), "FAILED_PRECONDITION DEPENDENCY_CYCLE");
                let named = metadata(&refusal, "cycle");
                let way: Vec<u32> = named
                    .split(',')
                    .map(|id| numbers[tasks.iter().position(|task| task.id == id).unwrap()])
                    .collect();
                // The existing path from the prerequisite to the dependent.
                assert_eq!((way.first(), way.last()), (Some(awaited), Some(waiting)));
                assert!(way.windows(2).all(|pair| stored.contains(&(pair[0], pair[1]))), "{way:?}");
            }
        }
    }
    assert!(refused > 0, "{requires:?}");
}

#[tokio::test]
async fn a_cycle_of_three_real_proposals_is_rejected() {
    let team = team().await;
    let requires = [(8037, 8038), (8037, 2780), (8038, 8037), (2780, 8037), (2780, 8038)];
    for order in orders(&requires) {
        link_in_order(&team, &[8037, 8038, 2780], &order).await;
    }
}

#[tokio::test]
async fn a_cycle_of_two_real_proposals_is_rejected() {
    let team = team().await;
    for order in orders(&[(4750, 5450), (5450, 4750)]) {
        link_in_order(&team, &[4750, 5450], &order).await;
    }
}
