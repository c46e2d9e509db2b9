//! The loopback ports of a local suite, as options.

use std::str::FromStr;

use clap::Args;

/// The services' ports, in the order of [`local_servers::suite::NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports(pub [u16; 4]);

/// The services' ports.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct PortOptions {
    /// Loopback ports of identity, project, task and content: four with commas, or the first of four in a row. Default:
    /// those of the last time, which the data directory remembers; at first 50051,50052,50053,50054
    #[arg(long, env = "DAFNCK_PORTS")]
    pub ports: Option<Ports>,
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || format!("`{text}` is neither a port with three after it nor four ports with commas");
        let ports: Result<Vec<u16>, _> = text.split(',').map(|port| port.trim().parse()).collect();
        match *ports.map_err(|_| usage())? {
            [first @ 1..=65532] => Ok(Self([first, first + 1, first + 2, first + 3])),
            [a, b, c, d] if ![a, b, c, d].contains(&0) => Ok(Self([a, b, c, d])),
            _ => Err(usage()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_four_in_a_row_or_one_by_one() {
        assert_eq!("6000".parse(), Ok(Ports([6000, 6001, 6002, 6003])));
        assert_eq!("1, 2,3,4".parse(), Ok(Ports([1, 2, 3, 4])));
        for wrong in ["", "0", "65533", "1,2,3", "1,2,3,0", "x"] {
            assert!(wrong.parse::<Ports>().is_err(), "{wrong}");
        }
    }
}
