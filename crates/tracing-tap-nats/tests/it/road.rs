//! A connection between one instance and the server, which a test can cut: a network namespace where the system allows
//! it, and elsewhere a proxy that stalls.

use crate::instance::Instance;
use crate::proxy::Proxy;
use std::process::{Command, id};
use testing::nats_server::Server;

pub(crate) enum Road {
    Network(Network),
    Proxy(Proxy),
}

/// A namespace with one link to the rest of the machine; gone when dropped.
pub(crate) struct Network {
    name: String,
    near: String,
    far: String,
}

impl Road {
    /// A server, and a road to it of the best kind there is; which one is printed.
    pub(crate) fn build() -> (Self, Server) {
        match Network::build() {
            Ok(network) => {
                println!("parted by a network namespace");
                let server = Server::start_at(&network.server_address());
                (Self::Network(network), server)
            }
            Err(problem) => {
                println!("parted by a stalling proxy, since there can be no network namespace: {problem}");
                Self::stalling()
            }
        }
    }

    /// A server, and a proxy before it.
    pub(crate) fn stalling() -> (Self, Server) {
        let server = Server::start();
        (Self::Proxy(Proxy::to(server.port())), server)
    }

    /// An instance at the far end.
    pub(crate) fn start(&self, server: &Server, name: &str) -> Instance {
        match self {
            Self::Network(network) => Instance::start_by(network.command(), &server.url(), name),
            Self::Proxy(proxy) => Instance::start(&proxy.url(), name),
        }
    }

    /// Nothing gets through any more, and nobody is notified.
    pub(crate) fn cut(&self) {
        match self {
            Self::Network(network) => network.set_link("down"),
            Self::Proxy(proxy) => proxy.cut(),
        }
    }

    /// Whatever was sent in vain is sent again.
    pub(crate) fn mend(&self) {
        match self {
            Self::Network(network) => network.set_link("up"),
            Self::Proxy(proxy) => proxy.mend(),
        }
    }
}

impl Network {
    fn build() -> Result<Self, String> {
        let name = format!("tap{}", id());
        ip(&format!("netns add {name}"))?;
        let (near, far) = (format!("{name}a"), format!("{name}b"));
        let network = Self { name, near, far };
        let Self { name, near, far } = &network;
        ip(&format!("link add {near} type veth peer name {far} netns {name}"))?;
        ip(&format!("addr add {}/30 dev {near}", network.server_address()))?;
        ip(&format!("-n {name} addr add {}/30 dev {far}", address(2)))?;
        ip(&format!("link set {near} up"))?;
        ip(&format!("-n {name} link set {far} up"))?;
        Ok(network)
    }

    fn server_address(&self) -> String {
        address(1)
    }

    /// This test binary, beyond the link.
    fn command(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(std::env::current_exe().expect("a test is a file"));
        command
    }

    /// At the far end, so that the near one keeps its address, and the server its other clients.
    fn set_link(&self, state: &str) {
        ip(&format!("-n {} link set {} {state}", self.name, self.far)).expect("it is allowed, as it was before");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = ip(&format!("link del {}", self.near));
        let _ = ip(&format!("netns del {}", self.name));
    }
}

/// Of the addresses for benchmarks of networks: four for each process of tests.
fn address(host: u32) -> String {
    let base = u32::from_be_bytes([198, 18, 0, 0]);
    std::net::Ipv4Addr::from(base + id() % (1 << 15) * 4 + host).to_string()
}

fn ip(arguments: &str) -> Result<(), String> {
    let ran = Command::new("ip").args(arguments.split(' ')).output();
    let output = ran.map_err(|error| format!("`ip`: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    output.status.success().then_some(()).ok_or_else(|| format!("`ip {arguments}`: {}", told.trim()))
}
